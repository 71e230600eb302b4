/** A symmetric matrix as B·diag(values)·Bᵀ. */
export interface Eigen {
  /** n values, in no order. */
  readonly values: Float64Array;
  /** n × n, row-major; column j belongs to value j. */
  readonly vectors: Float64Array;
}

/**
 * All eigenvalues and eigenvectors by cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, 8.5.3): slower than tridiagonal methods,
 * but small eigenvalues come out with small relative errors, which C^(-1/2) needs.
 * @param matrix n × n, row-major, symmetric; not changed.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const a = matrix.slice();
  const vectors = identity(n);
  let scale = 0;
  for (const value of a) scale += value * value;
  for (let sweep = 0; sweep < 60; sweep += 1) {
    let off = 0;
    for (let row = 0; row < n; row += 1)
      for (let column = row + 1; column < n; column += 1) off += (a[row * n + column] as number) ** 2;
    if (off <= 1e-32 * scale) break;
    for (let p = 0; p < n - 1; p += 1) for (let q = p + 1; q < n; q += 1) rotate(a, vectors, n, p, q);
  }
  const values = new Float64Array(n);
  for (let index = 0; index < n; index += 1) values[index] = a[index * n + index] as number;
  return { values, vectors };
}

/** Makes entry (p, q) of `a` zero. */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const entry = a[p * n + q] as number;
  if (entry === 0) return;
  const theta = ((a[q * n + q] as number) - (a[p * n + p] as number)) / (2 * entry);
  const tangent = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (let index = 0; index < n; index += 1) {
    const left = a[index * n + p] as number;
    const right = a[index * n + q] as number;
    a[index * n + p] = cosine * left - sine * right;
    a[index * n + q] = sine * left + cosine * right;
  }
  for (let index = 0; index < n; index += 1) {
    const left = a[p * n + index] as number;
    const right = a[q * n + index] as number;
    a[p * n + index] = cosine * left - sine * right;
    a[q * n + index] = sine * left + cosine * right;
    const first = vectors[index * n + p] as number;
    const second = vectors[index * n + q] as number;
    vectors[index * n + p] = cosine * first - sine * second;
    vectors[index * n + q] = sine * first + cosine * second;
  }
  a[p * n + q] = 0;
  a[q * n + p] = 0;
}

/** n × n, row-major. */
export function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let index = 0; index < n; index += 1) matrix[index * n + index] = 1;
  return matrix;
}

/** B·diag(scale)·Bᵀ·x. */
export function applySpectral({ vectors }: Eigen, scale: Float64Array, x: Float64Array): Float64Array {
  const n = x.length;
  const result = new Float64Array(n);
  for (let column = 0; column < n; column += 1) {
    let dot = 0;
    for (let row = 0; row < n; row += 1) dot += (vectors[row * n + column] as number) * (x[row] as number);
    dot *= scale[column] as number;
    for (let row = 0; row < n; row += 1)
      result[row] = (result[row] as number) + dot * (vectors[row * n + column] as number);
  }
  return result;
}
