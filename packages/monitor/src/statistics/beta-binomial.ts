import { logGamma } from "./special-functions.ts";

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/**
 * The probability of at least `hits` of `trials`, the share being drawn from the beta distribution with `a` and `b`, both above 0: of so many new values that exceed the limit which `a` − 1 of `a` + `b` − 1 earlier ones exceed, whatever their
 * distribution (negative hypergeometric: Johnson, Kemp and Kotz, Univariate Discrete Distributions, 6.2.2).
 */
export function betaBinomialSurvival(hits: number, trials: number, a: number, b: number): number {
  if (hits <= 0) return 1;
  if (hits > trials) return 0;
  // From the far side of the mean the first term may be too small for a double, and the sum is not.
  if (hits <= (trials * a) / (a + b)) return 1 - betaBinomialSurvival(trials - hits + 1, trials, b, a);
  const choose = -Math.log(trials + 1) - logBeta(trials - hits + 1, hits + 1);
  let term = Math.exp(choose + logBeta(hits + a, trials - hits + b) - logBeta(a, b));
  let sum = 0;
  for (let at = hits; at <= trials && term > 0; at += 1) {
    sum += term;
    // Terms only fall from here on: the rest cannot be seen any more.
    const next = term * (((trials - at) / (at + 1)) * ((at + a) / (trials - at - 1 + b)));
    if (next < term && next < sum * 1e-17) break;
    term = next;
  }
  return Math.min(1, sum);
}
