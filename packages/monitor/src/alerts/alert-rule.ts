import type { Alert, AlertEvidence, CallOptions, CapturedPrediction } from "@millwright/contracts";
import { distinctOf, type Profile, type QuantileSketch } from "@millwright/data";
import type { AlertPolicy } from "./alert-policy.ts";
import type { Finding } from "./alert-record.ts";
import { ruleInvalid } from "../errors.ts";
import { type Quality, readQuality } from "../quality/quality.ts";
import { type SampledRows, tableOfRows } from "../capture/row-sample.ts";
import type { WindowSummary } from "../capture/window.ts";

/** What one variant did in a span of time. */
export interface VariantReading {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds, of requests that succeeded. */
  readonly latency: QuantileSketch;
  readonly features: Profile;
  /** Columns named after the output tensors; `name[0]`, `name[1]`, … for tensors of several columns. */
  readonly outputs: Profile;
  /** Ages of the features that were read for the requests, milliseconds, by view. */
  readonly featureAges: Readonly<Record<string, QuantileSketch>>;
  /** About how many different request ids there were, within 5 %. */
  readonly distinctRequests: number;
  readonly quality: Quality;
  /** A uniform sample of the rows, at most 5,000. Absent where none are kept: see `MonitorOptions.rows`. */
  readonly rows?: SampledRows | undefined;
}

/** Each part is merged when it is first asked for. */
export function readingOf(summary: WindowSummary): VariantReading {
  let table: SampledRows | undefined;
  return {
    requests: summary.requests,
    errors: summary.errors,
    get latency() {
      return summary.latency;
    },
    get features() {
      return summary.features;
    },
    get outputs() {
      return summary.outputs;
    },
    get featureAges() {
      return summary.featureAges;
    },
    get distinctRequests() {
      return Math.min(summary.requests, distinctOf(summary.requestIds));
    },
    get quality() {
      return readQuality(summary.quality);
    },
    get rows() {
      return (table ??= summary.rows === undefined ? undefined : tableOfRows(summary.rows));
    },
  };
}

/** What rules may ask. */
export interface MonitorView {
  readonly nowMs: number;
  endpoints(): readonly string[];
  variants(endpoint: string): readonly string[];
  /** What answers for the variant now, and what `read` tells of; undefined where nothing was seen. */
  model(endpoint: string, variant: string): CapturedPrediction["model"] | undefined;
  /** The `windowMs` before `untilMs` (default: now), in whole windows. */
  read(endpoint: string, variant: string, windowMs: number, untilMs?: number): VariantReading;
}

/** Decides, from what was seen, what is wrong. Pure: it keeps nothing between evaluations. */
export interface AlertRule {
  /** Unique in a monitor; the name of its alerts. */
  readonly name: string;
  evaluate(view: MonitorView): readonly Finding[];
  /** Reads what it needs, such as a log, before it is evaluated; awaited for a second at most. Default: nothing. */
  prepare?(options: CallOptions): Promise<void>;
  /** When its findings become alerts. Default: at once. */
  readonly alerting?: AlertPolicy | undefined;
  /** Rows that it reads: the monitor then keeps a sample of so many of each window of the endpoint, 1 to 5,000, whatever its options. Default: none. */
  readonly rows?: { readonly endpoint: string; readonly perWindow: number } | undefined;
}

export interface RuleOptions {
  readonly endpoint: string;
  /** Default: all variants of the endpoint, each for itself. */
  readonly variant?: string | undefined;
  /** The alerts' name. Defaults to the rule's kind. */
  readonly name?: string | undefined;
  /** How far back the rule looks. */
  readonly windowMs?: number | undefined;
  /** Default: as `alertSeverities` has it for the kind of rule. */
  readonly severity?: Alert["severity"] | undefined;
  /** When what it finds becomes an alert. Default: at once. */
  readonly alerting?: AlertPolicy | undefined;
}

export function checkRule(
  name: string,
  numbers: Readonly<Record<string, { readonly value: number; readonly above: number; readonly to?: number }>>,
): void {
  for (const [option, { value, above, to = Number.POSITIVE_INFINITY }] of Object.entries(numbers)) {
    if (!(value > above && value <= to))
      throw ruleInvalid(
        name,
        `${option} must be greater than ${above}${to < Number.POSITIVE_INFINITY ? ` and at most ${to}` : ""}, not ${value}`,
      );
  }
}

/** What a finding rests on that looks back `windowMs` from the view's now. @param samples Requests, rows or labels that were looked at. */
export const evidenceOf = (
  { nowMs }: Pick<MonitorView, "nowMs">,
  windowMs: number,
  samples: number,
): Pick<AlertEvidence, "window" | "samples"> => ({ window: { fromMs: nowMs - windowMs, toMs: nowMs }, samples });

/** The variants a rule speaks of, as far as they were seen. */
export function variantsOf(view: MonitorView, { endpoint, variant }: RuleOptions): readonly string[] {
  return view.variants(endpoint).filter((each) => variant === undefined || each === variant);
}

/** Three digits are enough for people. */
export const shown = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);

export const shownPercent = (share: number): string => `${shown(share * 100)} %`;
