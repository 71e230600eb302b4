import {
  type CallOptions,
  type Clock,
  type Logger,
  abortable,
  createIdSource,
  createRandom,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { type Alerting, createAlerting } from "./alerts/alert-control.ts";
import { readingOf } from "./alerts/alert-rule.ts";
import { type CaptureBuffer, createCaptureBuffer } from "./capture/capture-writer.ts";
import { type ParsedState, parseState, stateToJson } from "./capture/monitor-state.ts";
import { ruleInvalid, sloInvalid, stateInvalid } from "./errors.ts";
import { createEvaluator, type Evaluator } from "./alerts/evaluator.ts";
import { createEventOutbox } from "./alerts/monitor-events.ts";
import { absenceOf } from "./alerts/objective-gauges.ts";
import { createIntake, type Intake } from "./capture/intake.ts";
import { checkQuality } from "./quality/row-outcome.ts";
import type { Monitor, MonitorOptions } from "./monitor-options.ts";
import { beginOf, checkedEvents, checkedTime, checkRanges } from "./option-ranges.ts";
import { createDeploymentWatch, type DeploymentWatch } from "./deployments/deployment-watch.ts";
import { within } from "./alerts/alert-teller.ts";
import { repeat } from "./schedule/repeat.ts";
import { rowLimits } from "./capture/row-limits.ts";
import { createWindowBook, type WindowBook } from "./capture/window-book.ts";

/** No log may hold up an evaluation for longer. */
const longestWaitMs = 1_000;
/** Nor a log of answers the end of a process. */
const longestEndMs = 10_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

/**
 * Throws `MONITOR_RULE_INVALID`, `MONITOR_SLO_INVALID` for names that repeat, and for a policy of none; `MONITOR_QUALITY_INVALID` for answers that cannot be scored, `MONITOR_STATE_INVALID` for a
 * `state` that it cannot go on from; RangeError for numbers out of range.
 */
export function openMonitor(options: MonitorOptions = {}): Monitor {
  const { clock = systemClock, logger = silentLogger, retainMs = 7 * dayMs } = options;
  const { book, alerting, writer, evaluator, intake, deployments } = assemble(options, clock, logger, retainMs);
  const { book: alerts, control } = alerting;
  const write = async ({ signal }: CallOptions = {}): Promise<void> => {
    signal?.throwIfAborted();
    intake.drain();
    if (writer !== undefined) await abortable(writer.flush(), signal);
  };
  const evaluate: Monitor["evaluate"] = async (nowMs = clock.nowMs(), { signal } = {}) => {
    signal?.throwIfAborted();
    intake.drain();
    await abortable(within(longestWaitMs, deployments.update(checkedTime(nowMs)), clock), signal);
    return abortable(evaluator.evaluate(nowMs), signal);
  };
  const stopped = new AbortController();
  const { evaluateEveryMs } = options;
  const loop =
    evaluateEveryMs === undefined
      ? undefined
      : repeat(evaluateEveryMs, evaluate, { clock, logger, signal: stopped.signal, failed: "The evaluation failed." });
  return {
    capture: intake.predict,
    captureTensors: intake.predictTensors,
    label: intake.label,
    alerts: alerts.alerts,
    changes: alerts.changes,
    alerting: control,
    deployments: deployments.compared,
    evaluate,
    async flush({ signal } = {}) {
      await write({ signal });
      await abortable(intake.finishLookups(), signal);
    },
    count: (slo, good, total, timeMs = clock.nowMs()) => evaluator.count(slo, ...checkedEvents(good, total), timeMs),
    slo(name, nowMs = clock.nowMs()) {
      intake.drain();
      return evaluator.slo(name, nowMs);
    },
    read(endpoint, variant, { windowMs = retainMs, nowMs = clock.nowMs() } = {}) {
      intake.drain();
      const summary = book.read(endpoint, variant, beginOf(windowMs, nowMs), nowMs + 1);
      return readingOf(summary);
    },
    counts: () => ({ ...intake.counts(), rowsWritten: writer?.written ?? 0, rowsDropped: writer?.dropped ?? 0 }),
    ...exchangeOf({ book, evaluator, intake }, clock),
    async [Symbol.asyncDispose]() {
      stopped.abort();
      alerting.close();
      await loop;
      await write();
      await within(longestEndMs, intake.finishLookups(), clock);
      intake.stopLookups();
      await evaluator.flush();
      evaluator.close();
      alerts.close();
    },
  };
}

const exchangeOf = (
  { book, evaluator, intake }: Pick<Parts, "book" | "evaluator" | "intake">,
  clock: Clock,
): Pick<Monitor, "state" | "merge"> => ({
  state({ fromMs = Number.NEGATIVE_INFINITY, waiting = true, rowsPerWindow } = {}) {
    intake.drain();
    const told = {
      variants: book.states(fromMs),
      objectives: evaluator.objectives(),
      toldMs: clock.nowMs(),
      waiting: waiting ? intake.waiting(fromMs) : undefined,
    };
    return stateToJson(told, rowsPerWindow);
  },
  merge(source, state) {
    const { variants, objectives, waiting } = parseState(state);
    intake.drain();
    const modelOf = ({ endpoint, variant }: (typeof variants)[number]) => book.model(endpoint, variant)?.digest;
    const before = variants.map(modelOf);
    book.put(source, variants);
    for (const [at, each] of variants.entries()) {
      const digest = before[at];
      if (digest !== undefined && digest !== modelOf(each)) evaluator.startOver(each.endpoint, each.variant);
    }
    evaluator.put(source, objectives);
    if (waiting !== undefined) intake.deliver(waiting.held);
  },
});

interface Parts {
  readonly book: WindowBook;
  readonly deployments: DeploymentWatch;
  readonly alerting: Alerting;
  readonly writer: CaptureBuffer | undefined;
  readonly evaluator: Evaluator;
  readonly intake: Intake;
}

function assemble(options: MonitorOptions, clock: Clock, logger: Logger, retainMs: number): Parts {
  const { slos = [], rules = [], windowMs = 60_000, holdMs = hourMs, maxQueue = 50_000, meter = silentMeter } = options;
  for (const [endpoint, each] of Object.entries(options.quality ?? {})) checkQuality(endpoint, each);
  for (const name of repeated(rules)) throw ruleInvalid(name, "its name is taken");
  for (const name of repeated(slos)) throw sloInvalid(name, "its name is taken");
  // Alerts of both are told apart by name.
  for (const name of repeated([...slos, ...rules])) throw ruleInvalid(name, "its name is taken by an objective");
  const named = [...slos.flatMap(({ name }) => [{ name }, { name: absenceOf(name) }]), ...rules];
  checkRanges(options, new Set(named.map(({ name }) => name)));
  const outbox = createEventOutbox(options.events, logger);
  const random = options.random ?? createRandom(1);
  const rows = { limitOf: rowLimits(options.rows, rules), random };
  const deployments = createDeploymentWatch({
    book: createWindowBook({ windowMs, fineMs: Math.max(2 * hourMs, 2 * windowMs), retainMs, rows }),
    events: options.events,
    outbox,
    logger,
    windowMs,
    startedMs: clock.nowMs(),
    nowMs: clock.nowMs,
    options: options.deployments ?? {},
  });
  const { book } = deployments;
  const alerting = createAlerting({
    options: options.alerting ?? {},
    rules: named,
    holdMs,
    outbox,
    events: options.events,
    meter,
    logger,
    clock,
    ids: options.ids ?? createIdSource(clock),
  });
  const writer = options.capture === undefined ? undefined : createCaptureBuffer(options.capture, maxQueue, logger);
  const evaluator = createEvaluator({ book, alerting, outbox, slos, rules, logger, meter, clock });
  const intake = createIntake({
    book,
    writer,
    clock,
    logger,
    meter,
    retainMs,
    maxQueue,
    quality: options.quality ?? {},
    redactor: options.redactor,
    sampleShare: options.sampleShare ?? 1,
    maxWaitingForLabels: options.maxWaitingForLabels ?? 200_000,
    holdLabelsMs: options.holdLabelsMs ?? 60_000,
    maxHeldLabels: options.maxHeldLabels ?? 10_000,
    maxRememberedLabels: options.maxRememberedLabels ?? 2_000_000,
    maxLookedUpLabels: options.maxLookedUpLabels ?? 100_000,
    answers: options.answers,
    random,
    observe: slos.length === 0 ? undefined : evaluator.observe,
    observeAll: slos.length === 0 ? undefined : evaluator.observeAll,
    startOver: evaluator.startOver,
  });
  if (options.state !== undefined) resume(parseState(options.state), intake, evaluator);
  return { book, alerting, writer, evaluator, intake, deployments };
}

function resume(state: ParsedState, intake: Intake, evaluator: Evaluator): void {
  try {
    intake.resume(state);
    evaluator.resume(state.objectives);
  } catch (error) {
    throw stateInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

function repeated(named: readonly { readonly name: string }[]): readonly string[] {
  const seen = new Set<string>();
  return named.flatMap(({ name }) => (seen.size === seen.add(name).size ? [name] : []));
}
