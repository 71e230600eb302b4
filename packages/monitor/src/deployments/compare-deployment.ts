import { type QuantileSketch, quantileOf } from "@millwright/data";
import type { VariantReading } from "../alerts/alert-rule.ts";
import { compare, type DriftReport } from "../drift/compare.ts";
import { recommended } from "../drift/drift-policy.ts";
import { ruleInvalid } from "../errors.ts";
import { normalQuantile } from "../statistics/distributions.ts";
import { wilsonInterval } from "../statistics/count-tests.ts";

export interface DeploymentComparisonOptions {
  /** How far before and after are looked at. Default: 3,600,000. */
  readonly spanMs?: number | undefined;
  /** Fewest requests, and fewest labels for quality, on both sides. Default: 50. */
  readonly minimumSamples?: number | undefined;
  /** That nothing is called better or worse where nothing changed, over all that is compared, in (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
}

/** One measure before and after. Lower is better, for all of them. */
export interface MeasureComparison {
  /** `error share`, `p50`, `p95`, `p99` (milliseconds), `log loss`, `squared error`. */
  readonly measure: string;
  readonly before: number;
  readonly after: number;
  /** After minus before, with an interval at the confidence of the whole comparison. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** `unknown`: too few samples on a side. */
  readonly verdict: "better" | "worse" | "same" | "unknown";
}

export interface DeploymentComparison {
  /** `worse` where any measure surely is, `better` where one is and none is worse; `changed`: only the answers are distributed otherwise. */
  readonly verdict: "better" | "worse" | "changed" | "same" | "unknown";
  readonly reasons: readonly string[];
  readonly measures: readonly MeasureComparison[];
  /** Answers after, against those before. */
  readonly outputs: DriftReport;
  readonly samples: { readonly before: number; readonly after: number };
}

/** Throws `MONITOR_RULE_INVALID` for options out of range. */
export function checkComparison({
  spanMs = 1,
  minimumSamples = 50,
  confidence = 0.95,
}: DeploymentComparisonOptions = {}): void {
  if (!(spanMs > 0 && spanMs < Number.POSITIVE_INFINITY))
    throw ruleInvalid("deployment", `spanMs must be a number of milliseconds over 0, not ${spanMs}`);
  if (!(confidence > 0 && confidence < 1) || !(minimumSamples >= 1))
    throw ruleInvalid(
      "deployment",
      `confidence must be in (0, 1) and minimumSamples at least 1, not ${confidence} and ${minimumSamples}`,
    );
}

type Side = Pick<VariantReading, "requests" | "errors" | "latency" | "outputs" | "quality">;

const quantiles = [0.5, 0.95, 0.99];
/** Errors, three quantiles, two losses: what may be called better or worse, to be right all together (Bonferroni). */
const measured = 1 + quantiles.length + 2;

/**
 * Compares what a variant did before a deployment with what it did after: the share of errors by Newcombe's interval of a difference (1998, method 10),
 * quantiles of latency by the intervals of their ranks, losses by the normal interval of a difference of means, answers by the recommended drift policy.
 * Pure. Throws `MONITOR_RULE_INVALID` for options out of range.
 */
export function compareDeployment(
  before: Side,
  after: Side,
  options: DeploymentComparisonOptions = {},
): DeploymentComparison {
  checkComparison(options);
  const { minimumSamples = 50, confidence = 0.95 } = options;
  const z = normalQuantile(1 - (1 - confidence) / (2 * measured));
  const measures = [
    errorShares(before, after, z, minimumSamples),
    ...quantiles.map((q) => latencies(before.latency, after.latency, q, z, minimumSamples)),
    losses("log loss", before, after, z, minimumSamples),
    losses("squared error", before, after, z, minimumSamples),
  ];
  const outputs = compare(before.outputs, after.outputs, recommended());
  return {
    ...verdictOf(measures, outputs),
    measures,
    outputs,
    samples: { before: before.requests, after: after.requests },
  };
}

function verdictOf(
  measures: readonly MeasureComparison[],
  outputs: DriftReport,
): Pick<DeploymentComparison, "verdict" | "reasons"> {
  const told = measures
    .filter(({ verdict }) => verdict === "better" || verdict === "worse")
    .map(
      ({ measure, verdict, before, after }) =>
        `The ${measure} is ${verdict}: ${shown(before)} before, ${shown(after)} after.`,
    );
  const moved = outputs.verdict === "drift";
  const reasons = moved ? [...told, ...outputs.reasons.map((reason) => `Answers: ${reason}`)] : told;
  const has = (verdict: MeasureComparison["verdict"]): boolean => measures.some((each) => each.verdict === verdict);
  if (has("worse")) return { verdict: "worse", reasons };
  if (has("better")) return { verdict: "better", reasons };
  if (moved) return { verdict: "changed", reasons };
  return has("same")
    ? { verdict: "same", reasons }
    : { verdict: "unknown", reasons: ["There is too little to compare."] };
}

const shown = (value: number): string => String(Number(value.toPrecision(3)));

function judged(
  measure: string,
  [before, after]: readonly [number, number],
  [low, high]: readonly [number, number],
  isKnown: boolean,
): MeasureComparison {
  const verdict = !isKnown ? "unknown" : low > 0 ? "worse" : high < 0 ? "better" : "same";
  return { measure, before, after, difference: after - before, low, high, verdict };
}

function errorShares(before: Side, after: Side, z: number, minimum: number): MeasureComparison {
  const [p, q] = [before.errors / before.requests, after.errors / after.requests];
  const [pLow, pHigh] = wilsonInterval(before.errors, before.requests, z);
  const [qLow, qHigh] = wilsonInterval(after.errors, after.requests, z);
  const low = q - p - Math.hypot(q - qLow, pHigh - p);
  const high = q - p + Math.hypot(qHigh - q, p - pLow);
  return judged("error share", [p, q], [low, high], Math.min(before.requests, after.requests) >= minimum);
}

/** The interval of a quantile is that between the values at the ranks that surely hold it; two that do not meet differ. */
function latencies(
  before: QuantileSketch,
  after: QuantileSketch,
  q: number,
  z: number,
  minimum: number,
): MeasureComparison {
  const around = (sketch: QuantileSketch): readonly [number, number] => {
    const spread = z * Math.sqrt((q * (1 - q)) / Math.max(1, sketch.count));
    return [quantileOf(sketch, Math.max(0, q - spread)), quantileOf(sketch, Math.min(1, q + spread))];
  };
  const [[bLow, bHigh], [aLow, aHigh]] = [around(before), around(after)];
  // Beyond the last ranks there is nothing that would bound a quantile from above.
  const enough = Math.max(minimum, Math.ceil((z * z) / Math.min(q, 1 - q)));
  const values = [quantileOf(before, q), quantileOf(after, q)] as const;
  return judged(`p${q * 100}`, values, [aLow - bHigh, aHigh - bLow], Math.min(before.count, after.count) >= enough);
}

function losses(
  measure: "log loss" | "squared error",
  before: Side,
  after: Side,
  z: number,
  minimum: number,
): MeasureComparison {
  const of = ({ quality }: Side) => (measure === "log loss" ? quality.logLoss : quality.brier);
  const [a, b] = [of(before), of(after)];
  const spread = z * Math.hypot(a.standardError, b.standardError);
  const difference = b.mean - a.mean;
  const isKnown =
    Math.min(before.quality.labels, after.quality.labels) >= minimum && Number.isFinite(difference + spread);
  return judged(measure, [a.mean, b.mean], [difference - spread, difference + spread], isKnown);
}
