import { type CallOptions, type LoggedEvent, hasCode, isMillwrightError } from "@millwright/contracts";
import { type AttemptOutcome, type EventTarget, type SendingOptions, openSending } from "../delivery/event-sender.ts";
import { reasonOf } from "../delivery/webhook-attempt.ts";
import type { WebhookState } from "../delivery/webhook-records.ts";
import { openLineageTargetUnknown } from "../errors.ts";
import type { DescribedVersion } from "../models/version-records.ts";
import { checkLabel } from "../names.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../tracking/run-records.ts";
import type { OpenLineageEvent } from "./event-types.ts";
import { packageVersion } from "./package-version.ts";
import { actorOf, tellEvent } from "./tell-event.ts";
import type { EventFacts } from "./told-datasets.ts";
import type { OpenLineageTransport } from "./transports.ts";

/** Whom lineage is told to. */
export interface LineageTarget {
  /** Names it for ever: what it was told is remembered by it. */
  readonly id: string;
  readonly transport: OpenLineageTransport;
  /** Types as `EventLog.read` takes them. Default: all. */
  readonly types?: readonly string[] | undefined;
  /** Where a target that is new begins: with the first event of the log, or with the next. Default: `first`. */
  readonly begins?: "first" | "end" | undefined;
}

export interface LineageEmitterOptions extends SendingOptions {
  /** What is told of runs and versions beside their events. */
  readonly registry: Pick<Registry, "run" | "version">;
  readonly targets: readonly LineageTarget[];
  /** Of jobs, and of data that has no name of its own elsewhere. Default: `millwright`. */
  readonly namespace?: string | undefined;
  /** Who tells: a URI. Default: this package and its version, as a package URL. */
  readonly producer?: string | undefined;
}

/** Tells the lineage of a log in OpenLineage, to each target every event at least once, in the order of the log. */
export interface LineageEmitter extends AsyncDisposable {
  /** How far a target has come. Throws `REGISTRY_OPENLINEAGE_TARGET_UNKNOWN`. */
  state(id: string, options?: CallOptions): Promise<WebhookState>;
  /** Tells again what came after a cursor (0: everything). Throws `REGISTRY_OPENLINEAGE_TARGET_UNKNOWN`. */
  replay(id: string, after: number, options?: CallOptions): Promise<void>;
}

/**
 * Begins to tell. It follows the log beside whatever writes to it, so that no run ever waits for a lineage server or fails with it; how far each target is, the database keeps. What was
 * received in OpenLineage is not told again.
 */
export async function openLineageEmitter(options: LineageEmitterOptions): Promise<LineageEmitter> {
  const { targets, registry, namespace = "millwright" } = options;
  const version = packageVersion();
  const { producer = `pkg:npm/%40millwright/registry@${version}` } = options;
  checkLabel("a namespace", namespace);
  if (!URL.canParse(producer)) throw new RangeError(`\`producer\` is no URI: ${producer}.`);
  for (const { id } of targets) checkLabel("a target", id);
  if (new Set(targets.map(({ id }) => id)).size !== targets.length)
    throw new RangeError("Two targets have the same id.");
  const tell = async (event: LoggedEvent["event"], signal: AbortSignal) =>
    tellEvent(event, { namespace, producer, version, facts: await factsOf(event, registry, signal) });
  const sending = targets.map((target): EventTarget => ({
    id: target.id,
    // No webhook is called that: a name has no tab.
    key: `openlineage\t${target.id}`,
    lease: `registry/openlineage/${target.id}`,
    types: target.types,
    begins: target.begins ?? "first",
    attempt: createAttempt(target.transport, tell),
  }));
  return openSending(sending, options, { name: "The emitter of lineage", unknown: openLineageTargetUnknown });
}

/** Sends all that an event is in OpenLineage; the next attempt at it goes on where this one failed. */
function createAttempt(
  transport: OpenLineageTransport,
  tell: (event: LoggedEvent["event"], signal: AbortSignal) => Promise<readonly OpenLineageEvent[]>,
): EventTarget["attempt"] {
  let begun = { cursor: -1, sent: 0 };
  return async ({ cursor, event }, signal) => {
    const events = await tell(event, signal);
    const { sent } = begun.cursor === cursor ? begun : { sent: 0 };
    for (const [index, each] of events.entries()) {
      if (index < sent) continue;
      const outcome = await sendOnce(transport, each, signal);
      if (outcome.kind !== "delivered") return outcome;
      begun = { cursor, sent: index + 1 };
    }
    // Whoever rewinds wants it whole.
    begun = { cursor: -1, sent: 0 };
    return { kind: events.length === 0 ? "skipped" : "delivered" };
  };
}

async function sendOnce(
  transport: OpenLineageTransport,
  event: OpenLineageEvent,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  try {
    return await transport.send(event, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "failed", problem: reasonOf(error) };
  }
}

/** What the registry knows of the run and the versions that an event names. */
async function factsOf(
  event: LoggedEvent["event"],
  registry: LineageEmitterOptions["registry"],
  signal: AbortSignal,
): Promise<EventFacts> {
  const actor = actorOf(event);
  const run = actor?.kind === "run" ? await there<Run>(registry.run(actor.id, { signal })) : undefined;
  const parent =
    run?.parentRunId === undefined ? undefined : await there<Run>(registry.run(run.parentRunId, { signal }));
  const { made = [], from = [], name, version } = event.data;
  const decided = typeof name === "string" && typeof version === "number" ? [`${name}/${version}`] : [];
  const named = [...made, ...from].flatMap((each) =>
    each.kind === "model" && each.name !== undefined ? [each.name] : [],
  );
  const versions = new Map<string, DescribedVersion>();
  for (const ref of new Set([...decided, ...named])) {
    const found = await there<DescribedVersion>(registry.version(ref, { signal }));
    if (found !== undefined) versions.set(ref, found);
  }
  return { run, parent, versions };
}

/** `undefined` for what another registry has, or what was deleted. */
async function there<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked;
  } catch (error) {
    const isUnknown = hasCode(error, "PORT_MODEL_UNKNOWN") || hasCode(error, "REGISTRY_RUN_UNKNOWN");
    if (isUnknown || (isMillwrightError(error) && error.code === "CONTRACTS_VALUE_INVALID")) return undefined;
    throw error;
  }
}
