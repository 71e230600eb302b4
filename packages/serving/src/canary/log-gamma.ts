/** Lanczos' approximation with g = 7 and nine terms (Press et al., "Numerical Recipes", 3rd ed., 6.1; coefficients of P. Godfrey). */
const coefficients = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** ln Γ(x) for x > 0, to about fifteen digits. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  const t = z + 7.5;
  let sum: number = coefficients[0];
  for (let at = 1; at < coefficients.length; at += 1) sum += (coefficients[at] ?? 0) / (z + at);
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** ln B(a, b). */
export const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** ln Σ exp(x). */
export function logSumExp(terms: readonly number[]): number {
  const most = Math.max(...terms);
  if (!Number.isFinite(most)) return most;
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0));
}
