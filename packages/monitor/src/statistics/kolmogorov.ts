/**
 * Probability that √n·D exceeds `lambda` in the limit of many values: Kolmogorov (1933), 2 Σ (−1)^(k−1) e^(−2k²λ²).
 */
export function kolmogorovTail(lambda: number): number {
  // Below, the sum converges too slowly to say anything but 1.
  if (lambda < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k += 1) {
    const term = 2 * (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * lambda * lambda);
    sum += term;
    if (Math.abs(term) < 1e-17) break;
  }
  return Math.min(1, Math.max(0, sum));
}

/** Where matrix powers stay cheap. */
const mostExact = 140;

/**
 * Probability that the distance of `n` values from their own distribution exceeds `d`: by the matrix of Marsaglia, Tsang and Wang, "Evaluating
 * Kolmogorov's distribution" (2003) up to 140 values; above, Kolmogorov's limit at the argument that Stephens (1970) corrected for n.
 */
export function kolmogorovSmirnovTail(d: number, n: number): number {
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  if (n <= mostExact) return Math.min(1, Math.max(0, 1 - marsagliaTsangWang(d, n)));
  const root = Math.sqrt(n);
  return kolmogorovTail((root + 0.12 + 0.11 / root) * d);
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

/**
 * Exact probability that two samples of one distribution, without ties, are at least as far apart as `d`: the share of lattice paths that leave the
 * band, by the recursion of R's `psmirnov` (Kim and Jennrich, 1973). Costs n·m steps.
 */
export function twoSampleTail(d: number, n: number, m: number): number {
  // Paths are counted inside the band just below d, whose multiples of 1/(nm) are exact.
  const limit = (0.5 + Math.floor(d * n * m - 1e-7)) / (n * m);
  const inside = new Float64Array(m + 1);
  for (let j = 0; j <= m; j += 1) inside[j] = j / m > limit ? 0 : 1;
  for (let i = 1; i <= n; i += 1) {
    const weight = i / (i + m);
    inside[0] = i / n > limit ? 0 : weight * (inside[0] as number);
    for (let j = 1; j <= m; j += 1) {
      inside[j] = Math.abs(i / n - j / m) > limit ? 0 : weight * (inside[j] as number) + (inside[j - 1] as number);
    }
  }
  return Math.min(1, Math.max(0, 1 - (inside[m] as number)));
}
