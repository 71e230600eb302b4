import type {
  Alert,
  AlertSource,
  CallOptions,
  Clock,
  EventLog,
  IdSource,
  JsonObject,
  LabelSink,
  Logger,
  Meter,
  PredictionSink,
  Random,
  Redactor,
} from "@millwright/contracts";
import type { DeploymentComparisonOptions } from "./deployments/compare-deployment.ts";
import type { ComparedDeployment } from "./deployments/deployment-watch.ts";
import type { AlertControl, AlertingOptions } from "./alerts/alert-control.ts";
import type { AlertRule, VariantReading } from "./alerts/alert-rule.ts";
import type { AnswerSource } from "./capture/answer-lookup.ts";
import type { CaptureWriter } from "./capture/capture-writer.ts";
import type { QualityOptions } from "./quality/quality.ts";
import type { Slo } from "./slo/slo.ts";
import type { SloStatus } from "./slo/slo-status.ts";

/** Which rows are kept for what looks at whole rows. */
export interface RowsOptions {
  /** Most rows kept of each window of a variant, drawn uniformly, 1 to 5,000; when windows are merged by the hour, as many of the hour. Default: 200. */
  readonly perWindow?: number | undefined;
  /** Default: all. */
  readonly endpoints?: readonly string[] | undefined;
}

export interface MonitorOptions {
  /** Default: none. Names are unique. */
  readonly slos?: readonly Slo[] | undefined;
  /** Default: none. Names are unique. */
  readonly rules?: readonly AlertRule[] | undefined;
  /** How labels score answers, by endpoint; labels of other endpoints stay unmatched. Default: none. */
  readonly quality?: Readonly<Record<string, QualityOptions>> | undefined;
  /** Share of the requests whose features and outputs are profiled and captured, in [0, 1]; requests, errors, latencies and labels always count. Default: 1. */
  readonly sampleShare?: number | undefined;
  /** Masks features and outputs before they are profiled or captured. Default: none. */
  readonly redactor?: Redactor | undefined;
  /**
   * Keeps a sample of the rows of each window in memory, features, outputs and labels, for `VariantReading.rows`. Of a row, 256 features and 256 outputs are kept at most, and 256 characters of
   * a text. Rules that read rows have them kept without it. Default: none are kept.
   */
  readonly rows?: RowsOptions | undefined;
  /** Takes the sampled rows. Disposed by who made it. Default: rows are not kept. */
  readonly capture?: CaptureWriter | undefined;
  /** Evaluates by itself this often. Default: only when `evaluate` is called. */
  readonly evaluateEveryMs?: number | undefined;
  /** Length of a window: an hour or a whole part of one. Default: 60,000. */
  readonly windowMs?: number | undefined;
  /** How long windows are kept, at least one; those older than 7 days with sketches of 256 buckets in place of 2,048, so that weeks of hours fit. Default: 7 days. */
  readonly retainMs?: number | undefined;
  /** How long an alert goes on firing when nothing is heard of its subject any more. Default: 1 hour. */
  readonly holdMs?: number | undefined;
  /** Most predictions and labels that wait to be counted, from 1; more are dropped. Default: 50,000. */
  readonly maxQueue?: number | undefined;
  /** Most answers remembered for their labels. Default: 200,000. */
  readonly maxWaitingForLabels?: number | undefined;
  /**
   * Most labels of which is remembered that they were counted, some 50 bytes each, so that none counts twice and corrections take the right outcome back. Beyond, those of the oldest answers
   * are dropped, and what comes of these later counts as `forgotten`. Default: 2,000,000.
   */
  readonly maxRememberedLabels?: number | undefined;
  /**
   * Where answers are found that are remembered no more, such as `openArrowPredictions` of the folder that `capture` writes to: labels of which nothing is known are looked up there once they were
   * held for `holdLabelsMs`, many at a time and off the request path, and count as `unmatched` only then. Answers that are found keep to `retainMs` and to the model that the variant serves.
   * Default: nowhere.
   */
  readonly answers?: AnswerSource | undefined;
  /** Most labels that wait to be looked up; beyond, the oldest count as unmatched. Default: 100,000. */
  readonly maxLookedUpLabels?: number | undefined;
  /**
   * What `state()` of this process told before it ended, to go on from: its windows, counts of objectives, answers that wait for labels and labels that were counted are this monitor's own. What
   * was seen after the state was told is lost. Not for the state of a process that still runs: give that to `merge`. Default: nothing was seen before.
   */
  readonly state?: unknown;
  /** How long a label that came before its prediction is held for it, before it counts as unmatched. Default: 60,000. */
  readonly holdLabelsMs?: number | undefined;
  /** Most labels held; beyond, the oldest count as unmatched. Default: 10,000. */
  readonly maxHeldLabels?: number | undefined;
  /** Takes `alert.*`, `slo.*` and `drift.*`; what fired when a process ended is read from it, and not told again. Default: none. */
  readonly events?: EventLog | undefined;
  /** How findings become alerts, and who is told of them. Default: at once, each once. */
  readonly alerting?: AlertingOptions | undefined;
  /** How each deployment that the log tells of is compared with what was before it. Default: an hour after it, with an hour before. */
  readonly deployments?: DeploymentComparisonOptions | undefined;
  readonly meter?: Meter | undefined;
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** Decides what is sampled: requests, and rows of windows. */
  readonly random?: Random | undefined;
  /** Names silences. */
  readonly ids?: IdSource | undefined;
}

/** What a monitor has taken, and what it had to let go. */
export interface MonitorCounts {
  readonly captured: number;
  /** Of these, those older than `retainMs`, or of the model that a variant served before: they are written to `capture`, and in no window. */
  readonly outdated: number;
  /** Predictions and labels that found the queue full. */
  readonly dropped: number;
  /** Predictions that could not be read: wrong lengths, columns of no known layout. */
  readonly failed: number;
  readonly rowsWritten: number;
  readonly rowsDropped: number;
  readonly labels: {
    readonly joined: number;
    readonly corrected: number;
    /** Labels that came again with the same value and time. */
    readonly duplicated: number;
    readonly superseded: number;
    /** Labels of no prediction that was taken, or of a row or an endpoint that has no score. */
    readonly unmatched: number;
    /** Labels of answers that are remembered, in windows that are not: those of a model that the variant no longer serves. */
    readonly forgotten: number;
    readonly invalid: number;
    /** Labels that came before their predictions and still wait for them, or are looked up; each becomes one of the above. */
    readonly held: number;
  };
}

/** Watches what models do. `capture` and `label` never wait and never throw. */
export interface Monitor extends Required<PredictionSink>, LabelSink, AlertSource, AsyncDisposable {
  /** Counts what waits, then evaluates objectives and rules. Default `nowMs`: the clock's. On abort only the waiting for the log ends. @returns what fires. */
  evaluate(nowMs?: number, options?: CallOptions): Promise<readonly Alert[]>;
  /** Silences, acknowledgements, and alerts that are pending or muted. */
  readonly alerting: AlertControl;
  /** What the newest deployments changed, the latest last; at most a hundred. Each is told once, as `deployment.compared`. */
  deployments(): readonly ComparedDeployment[];
  /** Counts good and total events of an objective whose indicator is not read off predictions. Throws `MONITOR_SLO_UNKNOWN`, and a RangeError where not 0 ≤ `good` ≤ `total`. */
  count(slo: string, good: number, total: number, timeMs?: number): void;
  /** Throws `MONITOR_SLO_UNKNOWN`. */
  slo(name: string, nowMs?: number): SloStatus;
  /** What a variant did in the last `windowMs` (default: all that is kept), in whole windows. Throws a RangeError for a length that is not over 0. */
  read(
    endpoint: string,
    variant: string,
    options?: { readonly windowMs?: number | undefined; readonly nowMs?: number | undefined },
  ): VariantReading;
  counts(): MonitorCounts;
  /**
   * What was seen here, as JSON that outlives the process: windows that end after `fromMs` (default: all that is kept), events of objectives, and with `waiting` (default: true) what labels need
   * that come later: answers of `fromMs` and later that wait for them (request, time, scores, segments), which of them are labelled, and labels that are held. Not in it: alerts that fire, what
   * `counts` tells, and what was merged from others. About 90 bytes for an answer that waits; who merges states often can leave `waiting` out. Rows that are kept stay here, unless
   * `rowsPerWindow` says how many of each window may go with it; without, who takes the state knows rows of these windows to be missing (`SampledRows.share`), and its rules of rows judge none of them. Default: 0.
   */
  state(options?: {
    readonly fromMs?: number | undefined;
    readonly waiting?: boolean | undefined;
    readonly rowsPerWindow?: number | undefined;
  }): JsonObject;
  /**
   * Takes the state of another process or region: what it saw counts as if it had been seen here. A later state of the same source takes the place of its earlier one. Of a
   * variant that serves different models here and there, the model that began last counts. A label counts in the process that gave the answer, and there alone: of what waits, only labels that
   * the other holds for answers of this process are taken, each once. Throws `MONITOR_STATE_INVALID`, and takes nothing then.
   */
  merge(source: string, state: unknown): void;
  /** Counts what waits, writes captured rows, and ends the look-ups of answers that are under way. On abort the waiting ends, not the work. */
  flush(options?: CallOptions): Promise<void>;
}
