import { parameterInvalid } from "../errors.ts";

/** When a column counts as drifted: what is seen must be significant, and large enough to matter, and rest on enough rows. */
export interface DriftPolicy {
  /** Fewest values on both sides; below, the verdict is `not-enough-data`. */
  readonly minimumSamples: number;
  /** Largest adjusted p-value that counts as significant, in (0, 1). */
  readonly alpha: number;
  /** How p-values are adjusted for the number of tests in one report. */
  readonly correction: "benjamini-hochberg" | "none";
  /** Numbers: smallest Kolmogorov–Smirnov distance that matters, in [0, 1]. */
  readonly minimumDistance: number;
  /** Categories: smallest Jensen–Shannon distance (base 2) that matters, in [0, 1]. */
  readonly minimumDivergence: number;
  /** Smallest change of the share of nulls, NaN and infinities that matters, in [0, 1]. */
  readonly minimumMissingChange: number;
  /** Population stability index from which a column drifts, whatever its p-value; undefined: the index is told, and decides nothing. */
  readonly stabilityLimit?: number | undefined;
  /** The table has drifted when more than this share of its compared columns has. 0: any column. */
  readonly driftedShare: number;
  /** Columns that are not compared: the time of an event, which always moves on, ids, a label that comes later. Default: none. */
  readonly ignoredColumns?: readonly string[] | undefined;
}

/**
 * Significance at 1 % after Benjamini–Hochberg, and an effect that matters, on at least 500 values: a shift of 0.3 standard deviations (distance 0.12) is
 * seen from 500 values on, and a shift of 0.001 is not, however many there are.
 */
export function recommended(): DriftPolicy {
  return {
    minimumSamples: 500,
    alpha: 0.01,
    correction: "benjamini-hochberg",
    minimumDistance: 0.08,
    minimumDivergence: 0.1,
    minimumMissingChange: 0.05,
    driftedShare: 0,
  };
}

const corrections: readonly unknown[] = ["benjamini-hochberg", "none"];

/** Throws `MONITOR_PARAMETER_INVALID` for a policy by which nothing could be judged: with NaN no column would ever drift. */
export function checkDriftPolicy(policy: DriftPolicy): void {
  const { minimumSamples, alpha, correction, stabilityLimit = 0 } = policy;
  const { minimumDistance, minimumDivergence, minimumMissingChange, driftedShare } = policy;
  if (!(Number.isSafeInteger(minimumSamples) && minimumSamples >= 1))
    throw parameterInvalid(`minimumSamples is ${minimumSamples}, and must be a whole number from 1`);
  if (!(alpha > 0 && alpha < 1)) throw parameterInvalid(`alpha is ${alpha}, and must be in (0, 1)`);
  for (const [name, value] of Object.entries({
    minimumDistance,
    minimumDivergence,
    minimumMissingChange,
    driftedShare,
  }))
    if (!(value >= 0 && value <= 1)) throw parameterInvalid(`${name} is ${value}, and must be in [0, 1]`);
  if (!(stabilityLimit >= 0)) throw parameterInvalid(`stabilityLimit is ${stabilityLimit}, and must be at least 0`);
  if (!corrections.includes(correction))
    throw parameterInvalid(`correction is ${String(correction)}, and must be benjamini-hochberg or none`);
}
