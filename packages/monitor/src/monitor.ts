import {
  type Alert,
  type AlertSource,
  type CallOptions,
  type Clock,
  type EventLog,
  type LabelSink,
  type Logger,
  type Meter,
  type PredictionSink,
  type Redactor,
  abortable,
  createIdSource,
  createRandom,
  type IdSource,
  type Random,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { type AlertControl, type Alerting, type AlertingOptions, createAlerting } from "./alerts/alert-control.ts";
import { type AlertRule, readingOf, type VariantReading } from "./alerts/alert-rule.ts";
import { type CaptureBuffer, type CaptureWriter, createCaptureBuffer } from "./capture/capture-writer.ts";
import { ruleInvalid, sloInvalid } from "./errors.ts";
import { absenceOf, createEvaluator, type Evaluator } from "./alerts/evaluator.ts";
import { createEventOutbox } from "./alerts/monitor-events.ts";
import { createIntake, type Intake } from "./capture/intake.ts";
import type { QualityOptions } from "./quality/quality.ts";
import type { Slo } from "./slo/slo.ts";
import type { SloStatus } from "./slo/slo-status.ts";
import { createWindowBook, type WindowBook } from "./capture/window-book.ts";

export interface MonitorOptions {
  /** Default: none. Names are unique. */
  readonly slos?: readonly Slo[] | undefined;
  /** Default: none. Names are unique. */
  readonly rules?: readonly AlertRule[] | undefined;
  /** How labels score answers, by endpoint; labels of other endpoints stay unmatched. Default: none. */
  readonly quality?: Readonly<Record<string, QualityOptions>> | undefined;
  /** Share of the requests whose features and outputs are profiled and captured, in [0, 1]; requests, errors, latencies and labels always count. Default: 1. */
  readonly sampleShare?: number | undefined;
  /** Masks features before they are profiled or captured. Default: none. */
  readonly redactor?: Redactor | undefined;
  /** Takes the sampled rows. Disposed by who made it. Default: rows are not kept. */
  readonly capture?: CaptureWriter | undefined;
  /** Evaluates by itself this often. Default: only when `evaluate` is called. */
  readonly evaluateEveryMs?: number | undefined;
  /** Length of a window. Default: 60,000. */
  readonly windowMs?: number | undefined;
  /** How long windows are kept. Default: 7 days. */
  readonly retainMs?: number | undefined;
  /** How long an alert goes on firing when nothing is heard of its subject any more. Default: 1 hour. */
  readonly holdMs?: number | undefined;
  /** Most predictions and labels that wait to be counted; more are dropped. Default: 50,000. */
  readonly maxQueue?: number | undefined;
  /** Most answers remembered for their labels. Default: 200,000. */
  readonly maxWaitingForLabels?: number | undefined;
  /** How long a label that came before its prediction is held for it, before it counts as unmatched. Default: 60,000. */
  readonly holdLabelsMs?: number | undefined;
  /** Most labels held; beyond, the oldest count as unmatched. Default: 10,000. */
  readonly maxHeldLabels?: number | undefined;
  /** Takes `alert.*`, `slo.*` and `drift.*`; what fired when a process ended is read from it, and not told again. Default: none. */
  readonly events?: EventLog | undefined;
  /** How findings become alerts, and who is told of them. Default: at once, each once. */
  readonly alerting?: AlertingOptions | undefined;
  readonly meter?: Meter | undefined;
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** Decides what is sampled. */
  readonly random?: Random | undefined;
  /** Names silences. */
  readonly ids?: IdSource | undefined;
}

/** What a monitor has taken, and what it had to let go. */
export interface MonitorCounts {
  readonly captured: number;
  /** Predictions and labels that found the queue full. */
  readonly dropped: number;
  /** Predictions that could not be read: wrong lengths, columns of no known layout. */
  readonly failed: number;
  readonly rowsWritten: number;
  readonly rowsDropped: number;
  readonly labels: {
    readonly joined: number;
    readonly corrected: number;
    readonly superseded: number;
    /** Labels of no prediction that was taken, or of a row or an endpoint that has no score. */
    readonly unmatched: number;
    readonly invalid: number;
    /** Labels that came before their predictions and still wait for them; each becomes one of the above. */
    readonly held: number;
  };
}

/** Watches what models do. `capture` and `label` never wait and never throw. */
export interface Monitor extends Required<PredictionSink>, LabelSink, AlertSource, AsyncDisposable {
  /** Counts what waits, then evaluates objectives and rules. Default `nowMs`: the clock's. On abort only the waiting for the log ends. @returns what fires. */
  evaluate(nowMs?: number, options?: CallOptions): Promise<readonly Alert[]>;
  /** Silences, acknowledgements, and alerts that are pending or muted. */
  readonly alerting: AlertControl;
  /** Counts good and total events of an objective whose indicator is not read off predictions. Throws `MONITOR_SLO_UNKNOWN`. */
  count(slo: string, good: number, total: number, timeMs?: number): void;
  /** Throws `MONITOR_SLO_UNKNOWN`. */
  slo(name: string, nowMs?: number): SloStatus;
  /** What a variant did in the last `windowMs` (default: all that is kept), in whole windows. */
  read(
    endpoint: string,
    variant: string,
    options?: { readonly windowMs?: number | undefined; readonly nowMs?: number | undefined },
  ): VariantReading;
  counts(): MonitorCounts;
  /** Counts what waits and writes captured rows. On abort the waiting ends, not the writing. */
  flush(options?: CallOptions): Promise<void>;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** Throws `MONITOR_RULE_INVALID`, `MONITOR_SLO_INVALID` for names that repeat. */
export function openMonitor(options: MonitorOptions = {}): Monitor {
  const { clock = systemClock, logger = silentLogger, retainMs = 7 * dayMs } = options;
  const { book, alerting, writer, evaluator, intake } = assemble(options, clock, logger, retainMs);
  const { book: alerts, control } = alerting;
  const flush = async ({ signal }: CallOptions = {}): Promise<void> => {
    signal?.throwIfAborted();
    intake.drain();
    if (writer !== undefined) await abortable(writer.flush(), signal);
  };
  const evaluate: Monitor["evaluate"] = async (nowMs = clock.nowMs(), { signal } = {}) => {
    signal?.throwIfAborted();
    intake.drain();
    return abortable(evaluator.evaluate(nowMs), signal);
  };
  const stopped = new AbortController();
  const { evaluateEveryMs } = options;
  const loop =
    evaluateEveryMs === undefined ? undefined : repeat(evaluateEveryMs, evaluate, clock, logger, stopped.signal);
  return {
    capture: intake.predict,
    captureTensors: intake.predictTensors,
    label: intake.label,
    alerts: alerts.alerts,
    changes: alerts.changes,
    alerting: control,
    evaluate,
    flush,
    count: (slo, good, total, timeMs = clock.nowMs()) => evaluator.count(slo, good, total, timeMs),
    slo(name, nowMs = clock.nowMs()) {
      intake.drain();
      return evaluator.slo(name, nowMs);
    },
    read(endpoint, variant, { windowMs = retainMs, nowMs = clock.nowMs() } = {}) {
      intake.drain();
      const summary = book.read(endpoint, variant, nowMs - windowMs, nowMs + 1);
      return readingOf(summary);
    },
    counts: () => ({ ...intake.counts(), rowsWritten: writer?.written ?? 0, rowsDropped: writer?.dropped ?? 0 }),
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await loop;
      await flush();
      await evaluator.flush();
      alerts.close();
    },
  };
}

interface Parts {
  readonly book: WindowBook;
  readonly alerting: Alerting;
  readonly writer: CaptureBuffer | undefined;
  readonly evaluator: Evaluator;
  readonly intake: Intake;
}

function assemble(options: MonitorOptions, clock: Clock, logger: Logger, retainMs: number): Parts {
  const { slos = [], rules = [], windowMs = 60_000, holdMs = hourMs, maxQueue = 50_000, meter = silentMeter } = options;
  for (const name of repeated(rules)) throw ruleInvalid(name, "its name is taken");
  for (const name of repeated(slos)) throw sloInvalid(name, "its name is taken");
  // Alerts of both are told apart by name.
  for (const name of repeated([...slos, ...rules])) throw ruleInvalid(name, "its name is taken by an objective");
  const book = createWindowBook({ windowMs, fineMs: Math.max(2 * hourMs, 2 * windowMs), retainMs });
  const outbox = createEventOutbox(options.events, logger);
  const alerting = createAlerting({
    options: options.alerting ?? {},
    rules: [...slos.flatMap(({ name }) => [{ name }, { name: absenceOf(name) }]), ...rules],
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
    random: options.random ?? createRandom(1),
    observe: slos.length === 0 ? undefined : evaluator.observe,
    startOver: evaluator.startOver,
  });
  return { book, alerting, writer, evaluator, intake };
}

function repeated(named: readonly { readonly name: string }[]): readonly string[] {
  return named.map(({ name }) => name).filter((name, index, names) => names.indexOf(name) !== index);
}

async function repeat(
  everyMs: number,
  work: () => Promise<unknown>,
  clock: Clock,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(everyMs, { signal });
    } catch {
      return;
    }
    await work().catch((error: unknown) => logger.error({ error: String(error) }, "The evaluation failed."));
  }
}
