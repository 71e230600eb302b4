import type { Estimate } from "./unit-moments.ts";

export interface Difference {
  /** Of the means: treatment − control. */
  readonly difference: number;
  /** Holds the true difference at all times at once with probability 1 − α. */
  readonly lower: number;
  readonly upper: number;
  /** Always valid: with probability at most α it is ever below α where there is no difference. */
  readonly pValue: number;
}

/**
 * The mixture sequential probability ratio test of two means (R. Johari, P. Koomen, L. Pekelis and D. Walsh, "Peeking at A/B tests", KDD 2017, section 4):
 * √(V / (V + τ²)) exp(τ² Δ² / (2 V (V + τ²))), where V is the variance of the difference Δ and N(0, τ²) the mixture over its true values. By the normal approximation, hence from `minimumUnits` on.
 * @param scale τ, in the metric's unit. Default: a tenth of the pooled standard deviation.
 */
export function compareMeans(
  control: Estimate,
  treatment: Estimate,
  {
    alpha,
    minimumUnits = 100,
    scale,
  }: { readonly alpha: number; readonly minimumUnits?: number; readonly scale?: number | undefined },
): Difference {
  const difference = treatment.mean - control.mean;
  const unknown = { difference, lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY, pValue: 1 };
  if (Math.min(control.units, treatment.units) < minimumUnits) return unknown;
  const variance = control.variance / control.units + treatment.variance / treatment.units;
  if (!(variance > 0)) return unknown;
  const mixture = scale === undefined ? ((control.variance + treatment.variance) / 2) * 0.01 : scale * scale;
  const both = variance + mixture;
  const logRatio = 0.5 * Math.log(variance / both) + (mixture * difference * difference) / (2 * variance * both);
  const width = Math.sqrt(((variance * both) / mixture) * (2 * Math.log(1 / alpha) + Math.log(both / variance)));
  return {
    difference,
    lower: difference - width,
    upper: difference + width,
    pValue: Math.min(1, Math.exp(-logRatio)),
  };
}
