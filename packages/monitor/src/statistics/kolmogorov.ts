import { binomialDensity } from "./special-functions.ts";

/** Most terms of the one-sided sum below this distance; longer sums are taken at evenly spaced terms, which for a smooth function that vanishes at both ends is as exact. */
const mostTerms = 256;
const smoothBelow = 0.3;

/** Probability that `n` values lie at least `d` above their own distribution on one side: the sum of Birnbaum and Tingey (1951), whose terms are all positive. */
export function oneSidedTail(d: number, n: number): number {
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  const step = d < smoothBelow ? Math.ceil(n / mostTerms) : 1;
  const last = Math.floor(n * (1 - d));
  let sum = 0;
  for (let j = 0; j <= last; j += step) {
    const p = d + j / n;
    sum += (d / p) * binomialDensity(j, n - j, p, Math.max(0, 1 - p));
  }
  return Math.min(1, sum * step);
}

/**
 * The distribution of √n·D by Pelz and Good, "Approximating the lower tail-areas of the Kolmogorov–Smirnov one-sample statistic" (1976): Kolmogorov's
 * limit and three corrections in 1/√n.
 */
function pelzGood(d: number, n: number): number {
  const z = Math.sqrt(n) * d;
  const pi2 = Math.PI ** 2;
  const z2 = z * z;
  if (pi2 / 8 / z2 > 700) return 0;
  const sums = [0, 0, 0, 0];
  const most = Math.ceil((16 * z) / Math.PI) + 4;
  const add = (at: number, value: number): void => void (sums[at] = (sums[at] as number) + value);
  for (let k = 1; k <= most; k += 1) {
    const m2 = (2 * k - 1) ** 2;
    const weight = Math.exp((-pi2 * m2) / (8 * z2));
    add(0, weight);
    add(1, weight * (-z2 + (pi2 / 4) * m2));
    add(
      2,
      weight *
        (6 * z2 ** 3 +
          2 * z2 ** 2 +
          ((2 * z2 ** 2 - 5 * z2) * pi2 * m2) / 4 +
          (pi2 ** 2 * (1 - 2 * z2) * m2 ** 2) / 16),
    );
    const cubic =
      -30 * z2 ** 3 -
      90 * z2 ** 4 +
      (pi2 * (135 * z2 ** 2 - 96 * z2 ** 3) * m2) / 4 +
      (pi2 ** 2 * (-60 * z2 + 212 * z2 ** 2) * m2 ** 2) / 16 +
      (pi2 ** 3 * (5 - 30 * z2) * m2 ** 3) / 64;
    add(3, weight * cubic);
  }
  const root = Math.sqrt(2 * Math.PI);
  let [second, third] = [0, 0];
  for (let k = 1; k <= most; k += 1) {
    const weight = Math.exp((-pi2 * k * k) / (2 * z2)) * k * k;
    second += weight;
    third += weight * (3 * z2 - pi2 * k * k);
  }
  const parts = [
    ((sums[0] as number) * root) / z,
    ((sums[1] as number) * root) / (6 * z2 ** 2),
    ((sums[2] as number) * root) / (72 * z ** 7) - (second * pi2 * root) / (36 * z ** 3),
    ((sums[3] as number) * root) / (6480 * z ** 10) + (third * pi2 * root) / (216 * z2 ** 3),
  ];
  return parts.reduce((sum, part, index) => sum + part / n ** (index / 2), 0);
}

/** Where matrix powers stay cheap: always, and for small distances. Above, Pelz and Good are within 1e-7. */
const mostExact = 140;
const mostMatrix = 1_000;

const clipped = (value: number): number => Math.min(1, Math.max(0, value));

/**
 * Probability that the distance of `n` values from their own distribution exceeds `d`, with the choice of methods of Simard and L'Ecuyer, "Computing the two-sided
 * Kolmogorov–Smirnov distribution" (2011): the matrix of Marsaglia, Tsang and Wang (2003) up to 140 values, Pelz and Good above, twice the one-sided
 * probability in the tail, to full relative precision.
 */
export function kolmogorovSmirnovTail(d: number, n: number): number {
  if (d <= 0 || n * d <= 0.5) return 1;
  if (d >= 1) return 0;
  const scale = n * d * d;
  if (d >= 0.5 || scale > (n <= mostExact ? 4 : 2.2)) return scale >= 370 ? 0 : clipped(2 * oneSidedTail(d, n));
  if (n <= mostExact || (n <= mostMatrix && n * d ** 1.5 <= 1.4)) return clipped(1 - marsagliaTsangWang(d, n));
  return clipped(1 - pelzGood(d, n));
}

function marsagliaTsangWang(d: number, n: number): number {
  const k = Math.floor(n * d) + 1;
  const m = 2 * k - 1;
  const power = matrixPower(kolmogorovMatrix(m, k - n * d), m, n);
  let probability = power.matrix[(k - 1) * m + k - 1] as number;
  let exponent = power.exponent;
  for (let index = 1; index <= n; index += 1) {
    probability = (probability * index) / n;
    if (probability < 1e-140) {
      probability *= 1e140;
      exponent -= 140;
    }
  }
  return probability * 10 ** exponent;
}

function kolmogorovMatrix(m: number, h: number): Float64Array {
  const matrix = new Float64Array(m * m);
  const at = (row: number, column: number): number => row * m + column;
  const change = (index: number, amount: number): void => {
    matrix[index] = (matrix[index] as number) + amount;
  };
  for (let row = 0; row < m; row += 1)
    for (let column = 0; column < m; column += 1) matrix[at(row, column)] = row - column + 1 < 0 ? 0 : 1;
  for (let index = 0; index < m; index += 1) {
    change(at(index, 0), -(h ** (index + 1)));
    change(at(m - 1, index), -(h ** (m - index)));
  }
  change(at(m - 1, 0), 2 * h - 1 > 0 ? (2 * h - 1) ** m : 0);
  for (let row = 0; row < m; row += 1) {
    for (let column = 0; column < m; column += 1) {
      for (let factor = 1; factor <= row - column + 1; factor += 1)
        matrix[at(row, column)] = (matrix[at(row, column)] as number) / factor;
    }
  }
  return matrix;
}

interface ScaledMatrix {
  readonly matrix: Float64Array;
  /** The matrix stands for itself times 10^exponent. */
  readonly exponent: number;
}

function matrixPower(matrix: Float64Array, m: number, n: number): ScaledMatrix {
  if (n === 1) return { matrix, exponent: 0 };
  const half = matrixPower(matrix, m, Math.floor(n / 2));
  let product = multiply(half.matrix, half.matrix, m);
  let exponent = 2 * half.exponent;
  if (n % 2 === 1) product = multiply(product, matrix, m);
  const middle = product[((m - 1) / 2) * m + (m - 1) / 2] as number;
  if (middle > 1e140) {
    product = product.map((value) => value * 1e-140);
    exponent += 140;
  }
  return { matrix: product, exponent };
}

function multiply(a: Float64Array, b: Float64Array, m: number): Float64Array {
  const product = new Float64Array(m * m);
  for (let row = 0; row < m; row += 1) {
    for (let inner = 0; inner < m; inner += 1) {
      const factor = a[row * m + inner] as number;
      if (factor === 0) continue;
      for (let column = 0; column < m; column += 1) {
        product[row * m + column] = (product[row * m + column] as number) + factor * (b[inner * m + column] as number);
      }
    }
  }
  return product;
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/**
 * Exact probability that two samples of one distribution, without ties, are at least `d` apart (`two-sided`), or that the first lies that far above
 * (`greater`): the share of lattice paths that leave the band, by the recursion of Kim and Jennrich (1973) over the paths that have left it, so that
 * nothing cancels. Costs as many steps as there are lattice points within the band, at most n·m.
 */
export function twoSampleTail(d: number, n: number, m: number, side: "two-sided" | "greater" = "two-sided"): number {
  const divisor = greatestCommonDivisor(n, m);
  const [stepN, stepM] = [m / divisor, n / divisor];
  const limit = Math.round(d * stepN * n);
  if (limit <= 0) return 1;
  if (n === m) return equalSizesTail(n, limit, side);
  // Share of the paths to (i, j) that have left, for one i and all j; outside all have.
  const left = new Float64Array(m + 1).fill(1);
  for (let i = 0; i <= n; i += 1) {
    const low = Math.max(0, Math.floor((i * stepN - limit) / stepM) + 1);
    const high = side === "greater" ? m : Math.min(m, Math.ceil((i * stepN + limit) / stepM) - 1);
    if (low > m) return 1;
    let before = 1;
    for (let j = low; j <= high; j += 1) {
      const above = left[j] as number;
      before = i + j === 0 ? 0 : ((i === 0 ? 0 : i * above) + (j === 0 ? 0 : j * before)) / (i + j);
      left[j] = before;
    }
    if (high < m) left[high + 1] = 1;
  }
  return clipped(left[m] as number);
}

/** `twoSampleTail` of two samples of one size, by reflection (Gnedenko and Korolyuk, 1951). */
function equalSizesTail(n: number, limit: number, side: "two-sided" | "greater"): number {
  // C(2n, n − kh) / C(2n, n)
  const ratio = (k: number): number => {
    let product = 1;
    for (let j = 0; j < limit && product > 0; j += 1) product *= (n - k * limit - j) / (n + k * limit + j + 1);
    return product;
  };
  if (side === "greater") return clipped(ratio(0));
  let probability = 0;
  for (let k = Math.floor(n / limit); k >= 0; k -= 1) probability = ratio(k) * (1 - probability);
  return clipped(2 * probability);
}
