/** A curve that was reported so far: steps from 1 on, and losses (less is better); the same number of both, at least 3, all finite. */
export interface Curve {
  readonly steps: readonly number[];
  readonly losses: readonly number[];
}

/** What a loss may come to: a mixture of Student t distributions. */
export interface Forecast {
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
  /** P(loss < bound). */
  below(bound: number): number;
}

/** One family with one rate: loss = a + b·shape(step). */
interface Member {
  readonly shape: (step: number) => number;
}

/** Rates of the families, log-uniform: a power law step^−c, and an exponential exp(−c·step/horizon). */
const powers = Array.from({ length: 24 }, (_, index) => 0.1 * 25 ** (index / 23));
const decays = Array.from({ length: 24 }, (_, index) => 0.5 * 40 ** (index / 23));

/** Of the prior of a and b, in standard deviations of the noise: as good as flat, but proper. */
const priorDeviation = 1_000;
/** Shape of the inverse gamma prior of the noise's variance: the weight of half a point. */
const priorShape = 0.25;

/**
 * Extrapolates a learning curve with its uncertainty. For each rate of two families, a + b·step^−c (power law) and a + b·exp(−c·step/horizon), the posterior of a, b and the
 * noise is that of Bayesian linear regression with a normal-inverse-gamma prior, its forecast a Student t distribution (Murphy, Machine Learning, 2012, 7.6.3); rates and
 * families are averaged by their marginal likelihoods. After Domhan, Springenberg and Hutter, IJCAI 2015, whose families these are among, in closed form instead of MCMC.
 * Rising curves (b < 0) have weight as far as the data say so.
 * @param horizon The step forecast, at or beyond the last of the curve.
 * @param noise A guess of the noise's standard deviation, above 0.
 */
export function forecast({ steps, losses }: Curve, horizon: number, noise: number): Forecast {
  const members: readonly Member[] = [
    ...powers.map((power) => ({ shape: (step: number) => step ** -power })),
    ...decays.map((decay) => ({ shape: (step: number) => Math.exp((-decay * step) / horizon) })),
  ];
  const shift = losses.at(-1) as number;
  const centred = losses.map((loss) => loss - shift);
  const fits = members.map(({ shape }) => regress(steps.map(shape), centred, shape(horizon), noise));
  const most = Math.max(...fits.map(({ evidence }) => evidence));
  const weights = fits.map(({ evidence }) => Math.exp(evidence - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const average = (of: (fit: Regression) => number): number =>
    fits.reduce((sum, fit, index) => sum + ((weights[index] as number) / total) * of(fit), 0);
  const middle = average(({ mean }) => mean);
  // Of a mixture: the mean variance, and the variance of the means.
  const variance = average(
    ({ mean, scale, degrees }) => (scale * scale * degrees) / (degrees - 2) + (mean - middle) ** 2,
  );
  return {
    mean: shift + middle,
    deviation: Math.sqrt(variance),
    below: (bound) => average(({ mean, scale, degrees }) => studentBelow((bound - shift - mean) / scale, degrees)),
  };
}

/** From second differences, whose variance is six times that of the noise where the curve is smooth; never nothing. */
export function noiseOf(losses: readonly number[]): number {
  const bends = losses
    .slice(2)
    .map((loss, index) => loss - 2 * (losses[index + 1] as number) + (losses[index] as number));
  const sorted = bends.map(Math.abs).toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const range = Math.max(...losses) - Math.min(...losses);
  return Math.max((1.4826 * middle) / Math.sqrt(6), 1e-3 * range, 1e-12);
}

interface Regression {
  readonly mean: number;
  readonly scale: number;
  readonly degrees: number;
  /** Log marginal likelihood, but for what all members have in common. */
  readonly evidence: number;
}

/** y = a + b·x with the prior N(0, σ²·priorDeviation²) of a and b, forecast at `at`. */
function regress(x: readonly number[], y: readonly number[], at: number, noise: number): Regression {
  const precision = priorDeviation ** -2;
  let [n, sx, sxx, sy, sxy, syy] = [precision, 0, precision, 0, 0, 0];
  for (const [index, xi] of x.entries()) {
    const yi = y[index] as number;
    n += 1;
    sx += xi;
    sxx += xi * xi;
    sy += yi;
    sxy += xi * yi;
    syy += yi * yi;
  }
  const determinant = n * sxx - sx * sx;
  const a = (sxx * sy - sx * sxy) / determinant;
  const b = (n * sxy - sx * sy) / determinant;
  const shape = priorShape + x.length / 2;
  const rate = priorShape * noise ** 2 + Math.max(0, syy - a * sy - b * sxy) / 2;
  // Of the mean at `at`, and of the noise there.
  const variance = 1 + (sxx - 2 * at * sx + at * at * n) / determinant;
  return {
    mean: a + b * at,
    scale: Math.sqrt((rate / shape) * variance),
    degrees: 2 * shape,
    evidence: -Math.log(determinant) / 2 - shape * Math.log(rate),
  };
}

/** P(T < t) for Student's t distribution, by the regularized incomplete beta function (Abramowitz and Stegun, 26.7.1). @param degrees Above 0, any real. */
export function studentBelow(t: number, degrees: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  const tail = incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;
  return t > 0 ? 1 - tail : tail;
}

/** I_x(a, b) by Lentz's continued fraction (Numerical Recipes, 6.4). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let [fraction, c, d] = [1, 1, 0];
  for (let index = 0; index <= 200; index += 1) {
    const m = index / 2;
    const numerator =
      index === 0
        ? 1
        : index % 2 === 0
          ? (m * (b - m) * x) / ((a + index - 1) * (a + index))
          : (-(a + (index - 1) / 2) * (a + b + (index - 1) / 2) * x) / ((a + index - 1) * (a + index));
    d = 1 / (1 + numerator * d);
    c = 1 + numerator / c;
    fraction *= c * d;
    if (Math.abs(1 - c * d) < 1e-14) break;
  }
  return front * (fraction - 1);
}

const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Lanczos' approximation, g = 7, for x > 0. */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  const series = lanczos.reduce(
    (sum, coefficient, index) => sum + (index === 0 ? coefficient : coefficient / (x - 1 + index)),
    0,
  );
  return Math.log(2 * Math.PI) / 2 + (x - 0.5) * Math.log(t) - t + Math.log(series);
}
