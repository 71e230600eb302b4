import {
  type AlertSource,
  type CallOptions,
  type Clock,
  type Logger,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { deploymentInvalid } from "../errors.ts";
import { alertWithin } from "./alert-watch.ts";

/** One of several servers, workers or pods that serve the same. */
export interface FleetReplica {
  readonly id: string;
  /** The model it serves, or is on its way to. */
  readonly model: string;
}

/** Replicas that take models one by one. */
export interface Fleet {
  /** Those that live now. */
  replicas(options?: CallOptions): Promise<readonly FleetReplica[]>;
  /** Brings a replica to a model; it may be out of service until this resolves. Asked again for one that has it already, it resolves. */
  update(id: string, model: string, options?: CallOptions): Promise<void>;
  /** Lets replicas that are gone now come back with this model. */
  settle?(model: string, options?: CallOptions): Promise<void>;
}

export interface RollingUpdateOptions extends CallOptions {
  readonly fleet: Fleet;
  /** In messages, and the subject of its alerts: `endpoint/<name>`. */
  readonly endpoint: string;
  readonly model: string;
  /** The model that replicas go back to. */
  readonly before: string;
  /** Most replicas that change at once, as a share of all, in [0.05, 0.5]; it must be one replica or more. */
  readonly batchShare: number;
  /** How long each batch bakes, 0 to 3,600,000. Default: 0. */
  readonly waitMs?: number | undefined;
  /** The same on the way back, in [0.05, 1]. Default: 1, all at once. */
  readonly rollbackBatchShare?: number | undefined;
  /** Rolls back when one of these alerts fires for the endpoint or below it. */
  readonly rollbackOn?: readonly string[] | undefined;
  readonly alerts?: AlertSource | undefined;
  /** What holds while alerts cannot be read. Default: `"hold"`. */
  readonly missingAlerts?: "hold" | "proceed" | "rollback" | undefined;
  /** What is not complete by then goes back. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Told after each batch. */
  readonly onProgress?: ((progress: RollingProgress) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

export interface RollingProgress {
  readonly direction: "forward" | "back";
  /** Replicas that have the model they go to. */
  readonly done: number;
  readonly total: number;
}

export interface RollingResult {
  readonly state: "completed" | "rolled-back";
  readonly reason?: string | undefined;
  /** How many replicas serve which model. */
  readonly replicas: Readonly<Record<string, number>>;
}

/**
 * Brings a fleet to a model, batch by batch: at no time are more replicas out of service than a batch holds, so that capacity never falls below (1 − batch) · N.
 * What was done is read off the replicas themselves: called again after a crash it goes on where it was; on abort everything stays as it is, for the next call to go on.
 * A replica that cannot take the model, an alert of `rollbackOn`, or the timeout bring all back, in batches of their own.
 * Throws `SERVING_DEPLOYMENT_INVALID`, and what the fleet throws on the way back.
 */
export async function rollingUpdate(options: RollingUpdateOptions): Promise<RollingResult> {
  check(options);
  const { fleet, model, before, batchShare, rollbackBatchShare = 1, signal } = options;
  signal?.throwIfAborted();
  const reason = await forward(options, batchShare);
  if (reason !== undefined) {
    const back = { ...options, model: before };
    for (;;) {
      const rest = await batchOf(back, rollbackBatchShare, "back");
      if (rest.length === 0) break;
      await Promise.all(rest.map(({ id }) => fleet.update(id, before, { signal })));
    }
  }
  await fleet.settle?.(reason === undefined ? model : before, { signal });
  const counts: Record<string, number> = {};
  for (const replica of await fleet.replicas({ signal })) counts[replica.model] = (counts[replica.model] ?? 0) + 1;
  return reason === undefined
    ? { state: "completed", replicas: counts }
    : { state: "rolled-back", reason: `${model}: ${reason}`, replicas: counts };
}

/** @returns why it is to go back, if it is. */
async function forward(options: RollingUpdateOptions, share: number): Promise<string | undefined> {
  const { fleet, model, endpoint, waitMs = 0, timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
  const {
    clock = systemClock,
    logger = silentLogger,
    alerts,
    rollbackOn: names = [],
    missingAlerts: missing = "hold",
  } = options;
  const [startedMs, firedFromMs] = [clock.monotonicMs(), clock.nowMs()];
  for (;;) {
    const batch = await batchOf(options, share, "forward");
    if (batch.length === 0) return undefined;
    const results = await Promise.allSettled(batch.map(({ id }) => fleet.update(id, model, { signal })));
    signal?.throwIfAborted();
    for (const [at, result] of results.entries())
      if (result.status === "rejected") {
        const problem = result.reason instanceof Error ? result.reason.message : String(result.reason);
        return `the replica "${batch[at]?.id}" could not take it: ${problem}`;
      }
    const leftMs = startedMs + timeoutMs - clock.monotonicMs();
    if (leftMs <= waitMs) return `it was not complete within its \`timeoutMs\` of ${timeoutMs}`;
    const watched = {
      alerts,
      names,
      missing,
      holdMs: leftMs - waitMs,
      subject: `endpoint/${endpoint}`,
      firedFromMs,
      clock,
      logger,
    };
    const outcome = await alertWithin(waitMs, { ...watched, signal: signal ?? new AbortController().signal });
    signal?.throwIfAborted();
    if (outcome.kind === "alert") return `the alert "${outcome.alert.name}" fired: ${outcome.alert.summary}`;
    if (outcome.kind === "unreadable") return outcome.problem;
  }
}

/** The next replicas to change. */
async function batchOf(
  { fleet, model, endpoint, signal, onProgress }: RollingUpdateOptions,
  share: number,
  direction: RollingProgress["direction"],
): Promise<readonly FleetReplica[]> {
  const replicas = await fleet.replicas({ signal });
  const rest = replicas.filter((replica) => replica.model !== model);
  onProgress?.({ direction, done: replicas.length - rest.length, total: replicas.length });
  const size = Math.floor(share * replicas.length + 1e-9);
  if (rest.length > 0 && size < 1 && direction === "forward")
    throw deploymentInvalid(
      endpoint,
      `a batch of ${share * 100} % of ${replicas.length} replicas is less than one`,
      "Take greater batches, or add replicas.",
    );
  return rest.slice(0, Math.max(1, size));
}

function check({
  fleet,
  endpoint,
  model,
  before,
  batchShare,
  waitMs = 0,
  rollbackBatchShare = 1,
  rollbackOn = [],
  alerts,
}: RollingUpdateOptions): void {
  if (typeof fleet?.replicas !== "function" || typeof fleet.update !== "function")
    throw new TypeError("`fleet` has replicas() and update().");
  if (typeof model !== "string" || typeof before !== "string" || typeof endpoint !== "string")
    throw new TypeError("`endpoint`, `model` and `before` are texts.");
  const refuse = (problem: string, remedy: string): never => {
    throw deploymentInvalid(endpoint, problem, remedy);
  };
  if (!(batchShare >= 0.05 && batchShare <= 0.5)) refuse(`its \`batchShare\` is ${batchShare}`, "Take 0.05 to 0.5.");
  if (!(waitMs >= 0 && waitMs <= 3_600_000)) refuse(`its \`waitMs\` is ${waitMs}`, "Wait 0 to 3600000 milliseconds.");
  if (!(rollbackBatchShare >= 0.05 && rollbackBatchShare <= 1))
    refuse(`its \`rollbackBatchShare\` is ${rollbackBatchShare}`, "Take 0.05 to 1.");
  if (rollbackOn.length > 0 && alerts === undefined)
    refuse("it is to roll back on alerts, and has no source of them", "Give it `alerts`.");
}
