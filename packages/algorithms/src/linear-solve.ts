/**
 * Solves A x = b for a symmetric positive definite A of n × n, row-major, by Cholesky's factorization, in place of A.
 * @returns undefined where A is not positive definite beyond rounding.
 */
export function solveCholesky(matrix: Float64Array, right: Float64Array): Float64Array | undefined {
  const n = right.length;
  for (let row = 0; row < n; row += 1) {
    const own = matrix[row * n + row] as number;
    for (let column = 0; column <= row; column += 1) {
      let sum = matrix[row * n + column] as number;
      for (let at = 0; at < column; at += 1) sum -= matrix[row * n + at]! * matrix[column * n + at]!;
      if (column < row) matrix[row * n + column] = sum / matrix[column * n + column]!;
      else if (sum > own * 1e-13 && sum > 0) matrix[row * n + row] = Math.sqrt(sum);
      else return undefined;
    }
  }
  const solution = right.slice();
  for (let row = 0; row < n; row += 1) {
    for (let at = 0; at < row; at += 1) solution[row]! -= matrix[row * n + at]! * solution[at]!;
    solution[row]! /= matrix[row * n + row]!;
  }
  for (let row = n - 1; row >= 0; row -= 1) {
    for (let at = row + 1; at < n; at += 1) solution[row]! -= matrix[at * n + row]! * solution[at]!;
    solution[row]! /= matrix[row * n + row]!;
  }
  return solution;
}

/**
 * The step d that makes g·d + d'Hd / 2 + Σ penalty |x + d| least, by coordinate descent (Friedman, Hastie and Tibshirani, 2010), until no coordinate moves
 * by more than 1e-13 of the largest, or `maxSweeps`.
 */
export function descend(
  hessian: Float64Array,
  gradient: Float64Array,
  at: Float64Array,
  penalties: Float64Array,
  maxSweeps: number,
): Float64Array {
  const n = gradient.length;
  const step = new Float64Array(n);
  const slope = gradient.slice();
  for (let sweep = 0, moved = Infinity, largest = 1; sweep < maxSweeps && moved > 1e-13 * largest; sweep += 1) {
    moved = 0;
    for (let index = 0; index < n; index += 1) {
      const curvature = hessian[index * n + index] as number;
      if (curvature <= 0) continue;
      const old = (at[index] as number) + (step[index] as number);
      const wanted = softened(old - (slope[index] as number) / curvature, (penalties[index] as number) / curvature);
      const change = wanted - old;
      if (change === 0) continue;
      step[index]! += change;
      for (let other = 0; other < n; other += 1) slope[other]! += change * hessian[index * n + other]!;
      moved = Math.max(moved, Math.abs(change));
      largest = Math.max(largest, Math.abs(wanted));
    }
  }
  return step;
}

const softened = (value: number, by: number): number => Math.sign(value) * Math.max(0, Math.abs(value) - by);
