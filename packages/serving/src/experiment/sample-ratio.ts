import { logGamma } from "../canary/log-gamma.ts";

/** Strength of the Dirichlet prior around the intended shares: sharpest for deviations of a few percent. */
const concentration = 1000;

/**
 * ln of the evidence that units did not fall to arms by their intended shares, a sample-ratio mismatch:
 * Γ(K) / Γ(K + n) Π Γ(K w_i + n_i) / Γ(K w_i) / Π w_i^n_i for a Dirichlet prior of strength K around the shares w
 * (M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022). A martingale under the intended shares: with probability at most α it ever exceeds 1/α.
 */
export function logEvidenceOfMismatch(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  let sum = logGamma(concentration) - logGamma(concentration + total);
  for (const [at, count] of counts.entries()) {
    const share = (shares[at] ?? 0) / whole;
    if (share === 0) {
      if (count > 0) return Number.POSITIVE_INFINITY;
      continue;
    }
    sum += logGamma(concentration * share + count) - logGamma(concentration * share) - count * Math.log(share);
  }
  return sum;
}
