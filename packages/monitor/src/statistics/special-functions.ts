// Why these stand here and come from no library: docs/decisions/distribution-functions.md.

const logRootTwoPi = 0.9189385332046728;
const roundOff = 1e-16;
const tiny = 1e-300;
/** More steps than any argument that fits into memory needs: the sums converge in about √a steps. */
const mostSteps = 2_000_000;

/**
 * δ(x) = ln Γ(x + 1) − (x + ½) ln x + x − ½ ln 2π for x > 0, what Stirling's formula lacks: Stirling's series (DLMF 5.11.1) from 16 on, and
 * δ(x) = δ(x + 1) + (x + ½) ln(1 + 1/x) − 1 below.
 */
function stirlingRest(x: number): number {
  let sum = 0;
  let at = x;
  for (; at < 16; at += 1) sum += (at + 0.5) * Math.log1p(1 / at) - 1;
  const square = at * at;
  const series =
    (1 / 12 -
      (1 / 360 - (1 / 1260 - (1 / 1680 - (1 / 1188 - 691 / 360_360 / square) / square) / square) / square) / square) /
    at;
  return sum + series;
}

/** ln Γ(x) for x > 0. */
export function logGamma(x: number): number {
  if (x === Number.POSITIVE_INFINITY) return x;
  return stirlingRest(x) + (x - 0.5) * Math.log(x) - x + logRootTwoPi;
}

/** x ln(x/m) + m − x without cancellation: the deviance of Loader, "Fast and accurate computation of binomial probabilities" (2000). */
function deviance(x: number, m: number): number {
  const difference = x - m;
  if (Math.abs(difference) >= 0.1 * (x + m)) return x * Math.log(x / m) - difference;
  const v = difference / (x + m);
  let sum = difference * v;
  let term = 2 * x * v;
  for (let j = 1; j < 1_000; j += 1) {
    term *= v * v;
    const next = sum + term / (2 * j + 1);
    if (next === sum) break;
    sum = next;
  }
  return sum;
}

/** m^x e^(−m) / Γ(x + 1), Loader's form: right to the last digits for large x, where powers and gamma functions would cancel. */
export function poissonDensity(x: number, mean: number): number {
  if (mean === 0) return x === 0 ? 1 : 0;
  if (x === 0) return Math.exp(-mean);
  return Math.exp(-stirlingRest(x) - deviance(x, mean)) / Math.sqrt(2 * Math.PI * x);
}

/** Γ(a + b + 1) / (Γ(a + 1) Γ(b + 1)) p^a q^b, Loader's form, for q = 1 − p. */
export function binomialDensity(a: number, b: number, p: number, q: number): number {
  if (p === 0) return a === 0 ? 1 : 0;
  if (q === 0) return b === 0 ? 1 : 0;
  const n = a + b;
  if (a === 0) return Math.exp(b * (q < 0.5 ? Math.log(q) : Math.log1p(-p)));
  if (b === 0) return Math.exp(a * (p < 0.5 ? Math.log(p) : Math.log1p(-q)));
  const rest = stirlingRest(n) - stirlingRest(a) - stirlingRest(b);
  return Math.exp(rest - deviance(a, n * p) - deviance(b, n * q)) * Math.sqrt(n / a / b / (2 * Math.PI));
}

/** What a continued fraction is worth: the modified Lentz method (Thompson and Barnett, 1986). `part(n)` gives the n-th numerator and denominator, n ≥ 1. */
function continuedFraction(first: number, part: (n: number) => readonly [number, number]): number {
  let value = first === 0 ? tiny : first;
  let c = value;
  let d = 0;
  for (let n = 1; n < mostSteps; n += 1) {
    const [numerator, denominator] = part(n);
    d = denominator + numerator * d;
    d = 1 / (d === 0 ? tiny : d);
    c = denominator + numerator / c;
    if (c === 0) c = tiny;
    const factor = c * d;
    value *= factor;
    if (Math.abs(factor - 1) <= 2 * roundOff) break;
  }
  return value;
}

/** Both regularized incomplete gamma functions, P(a, x) and Q(a, x), a > 0, x ≥ 0: a series (DLMF 8.11.4) below a + 1, a continued fraction (DLMF 8.9.2) above. */
export function incompleteGamma(a: number, x: number): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 };
  if (x === Number.POSITIVE_INFINITY) return { lower: 1, upper: 0 };
  const front = poissonDensity(a, x);
  if (x < a + 1) {
    let term = 1;
    let sum = 1;
    for (let n = 1; term > sum * roundOff && n < mostSteps; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    const lower = Math.min(1, front * sum);
    return { lower, upper: 1 - lower };
  }
  const fraction = continuedFraction(x + 1 - a, (n) => [-n * (n - a), x + 2 * n + 1 - a]);
  const upper = Math.min(1, (front * a) / fraction);
  return { lower: 1 - upper, upper };
}

/**
 * Both regularized incomplete beta functions, I_x(a, b) and 1 − I_x(a, b), a, b > 0, for y = 1 − x, which the caller knows without cancellation:
 * the continued fraction of Didonato and Morris, "Significant digit computation of the incomplete beta function ratios" (1992), their (9).
 */
export function incompleteBeta(
  a: number,
  b: number,
  x: number,
  y: number,
): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 };
  if (y <= 0) return { lower: 1, upper: 0 };
  if (x > (a + 1) / (a + b + 2)) {
    const { lower, upper } = lowerBeta(b, a, y, x);
    return { lower: upper, upper: lower };
  }
  return lowerBeta(a, b, x, y);
}

function lowerBeta(a: number, b: number, x: number, y: number): { readonly lower: number; readonly upper: number } {
  // Every term is positive here, so nothing cancels.
  const center = a * y - b * x + 1;
  const fraction = continuedFraction((a * center) / (a + 1), (m) => {
    const k = a + 2 * m;
    const odd = m * (b - m) * (x / (k - 1));
    return [
      (a + m - 1) * (a + b + m - 1) * odd * (x / (k - 1)),
      m + odd + ((a + m) * (center + m * (1 + y))) / (k + 1),
    ];
  });
  // x^a y^b / B(a, b), over the fraction.
  const lower = Math.min(1, (binomialDensity(a, b, x, y) * a * (b / (a + b))) / fraction);
  return { lower, upper: 1 - lower };
}

/** Probability that a standard normal variable exceeds z ≥ 0. */
export const normalUpper = (z: number): number => incompleteGamma(0.5, (z * z) / 2).upper / 2;
