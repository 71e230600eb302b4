import type { ExperimentMetric, ExperimentOptions } from "./experiment.ts";
import type { ExperimentState } from "./experiment-state.ts";
import { type Difference, compareMeans } from "./difference-test.ts";
import { logEvidenceOfMismatch } from "./sample-ratio.ts";
import { adjustedEstimates, rawEstimate } from "./unit-moments.ts";

/** One metric of one arm against the control. */
export interface ExperimentComparison extends Difference {
  readonly metric: string;
  readonly role: ExperimentMetric["role"];
  readonly arm: string;
  /** Means over units, raw. */
  readonly controlMean: number;
  readonly armMean: number;
  /** Of the variance of the difference, by the covariate, in [0, 1]. */
  readonly varianceReduction: number;
  readonly verdict: "better" | "worse" | "undecided";
}

export interface ExperimentReport {
  readonly experiment: string;
  readonly control: string;
  /** Units by arm. */
  readonly units: Readonly<Record<string, number>>;
  /** Whether units fell to arms as they should; `undefined` where a bandit assigns. */
  readonly sampleRatio: { readonly pValue: number; readonly mismatch: boolean } | undefined;
  readonly comparisons: readonly ExperimentComparison[];
  /**
   * `invalid`: a sample-ratio mismatch, whatever else is seen; `harmful`: a guardrail is worse; `better` or `worse`: by a goal, for the arm named; else `undecided`.
   */
  readonly decision: {
    readonly verdict: "invalid" | "harmful" | "better" | "worse" | "undecided";
    readonly arm?: string | undefined;
  };
}

/** A mismatch is a fault of the experiment, and rare: it is told only where it is all but sure. */
const mismatchAlpha = 0.001;

export function reportOf(options: ExperimentOptions, state: ExperimentState): ExperimentReport {
  const { name, arms, metrics, alpha = 0.05, bandit } = options;
  const names = Object.keys(arms);
  const [control = "", ...others] = names;
  const each = alpha / (metrics.length * others.length);
  const comparisons = metrics.flatMap((metric) => compareMetric(metric, { control, others, alpha: each }, state));
  const counts = names.map((arm) => state.units(arm));
  const shares = names.map((arm) => arms[arm]?.weight ?? 0);
  const evidence = logEvidenceOfMismatch(counts, shares);
  const sampleRatio =
    bandit === undefined
      ? { pValue: Math.min(1, Math.exp(-evidence)), mismatch: evidence >= Math.log(1 / mismatchAlpha) }
      : undefined;
  return {
    experiment: name,
    control,
    units: Object.fromEntries(names.map((arm, at) => [arm, counts[at] ?? 0])),
    sampleRatio,
    comparisons,
    decision: decide(sampleRatio?.mismatch === true, comparisons),
  };
}

function compareMetric(
  { name: metric, role, better, scale }: ExperimentMetric,
  { control, others, alpha }: { readonly control: string; readonly others: readonly string[]; readonly alpha: number },
  state: ExperimentState,
): readonly ExperimentComparison[] {
  const moments = [control, ...others].map((arm) => state.moments(arm, metric));
  const raw = moments.map(rawEstimate);
  const adjusted = adjustedEstimates(moments);
  return others.map((arm, at) => {
    const [before, after] = [adjusted[0], adjusted[at + 1]];
    const [rawBefore, rawAfter] = [raw[0], raw[at + 1]];
    if (before === undefined || after === undefined || rawBefore === undefined || rawAfter === undefined)
      throw new TypeError("An arm has no figures.");
    const found = compareMeans(before, after, { alpha, scale });
    const up = found.lower > 0;
    const down = found.upper < 0;
    const rawVariance = rawBefore.variance + rawAfter.variance;
    return {
      ...found,
      metric,
      role,
      arm,
      controlMean: rawBefore.mean,
      armMean: rawAfter.mean,
      varianceReduction: rawVariance === 0 ? 0 : Math.max(0, 1 - (before.variance + after.variance) / rawVariance),
      verdict: up || down ? (up === (better === "higher") ? "better" : "worse") : "undecided",
    };
  });
}

function decide(mismatch: boolean, comparisons: readonly ExperimentComparison[]): ExperimentReport["decision"] {
  if (mismatch) return { verdict: "invalid" };
  const harmed = comparisons.find(({ role, verdict }) => role === "guardrail" && verdict === "worse");
  if (harmed !== undefined) return { verdict: "harmful", arm: harmed.arm };
  const goals = comparisons.filter(({ role }) => role === "goal");
  for (const verdict of ["better", "worse"] as const) {
    const found = goals.find((each) => each.verdict === verdict);
    if (found !== undefined) return { verdict, arm: found.arm };
  }
  return { verdict: "undecided" };
}
