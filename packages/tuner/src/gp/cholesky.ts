/** Where row `row` of a lower triangle kept by rows begins: entry (i, j), j ≤ i, lies at `rowStart(i) + j`. */
export const rowStart = (row: number): number => (row * (row + 1)) / 2;

/**
 * Factors rows [from, count) of a symmetric matrix in place, A = L Lᵀ; rows below `from` hold L already, the others A.
 * Every entry is one sum in the order of its columns, so that rows appended later get the bits a factorisation from scratch gives them.
 * @param triangle The lower triangle, by rows.
 * @returns whether all pivots are positive; else the content is of no use.
 */
export function factorRows(triangle: Float64Array, from: number, count: number): boolean {
  let row = from;
  for (; row + 4 <= count; row += 4) {
    const offsets = [rowStart(row), rowStart(row + 1), rowStart(row + 2), rowStart(row + 3)] as const;
    solveLowerFour(triangle, row, triangle, offsets);
    for (let inner = 0; inner < 4; inner += 1) {
      if (!finishRow(triangle, row + inner, row)) return false;
    }
  }
  for (; row < count; row += 1) {
    if (!finishRow(triangle, row, 0)) return false;
  }
  return true;
}

/** Columns [from, row] of a row whose columns before `from` are done. */
function finishRow(triangle: Float64Array, row: number, from: number): boolean {
  const start = rowStart(row);
  for (let column = from; column < row; column += 1) {
    const other = rowStart(column);
    let sum = triangle[start + column] as number;
    for (let k = 0; k < column; k += 1) sum -= (triangle[start + k] as number) * (triangle[other + k] as number);
    triangle[start + column] = sum / (triangle[other + column] as number);
  }
  let pivot = triangle[start + row] as number;
  for (let k = 0; k < row; k += 1) pivot -= (triangle[start + k] as number) * (triangle[start + k] as number);
  if (!(pivot > 0)) return false;
  triangle[start + row] = Math.sqrt(pivot);
  return true;
}

/** Solves L x = b in place for the `size` values of `values` from `offset`. */
export function solveLower(factor: Float64Array, size: number, values: Float64Array, offset = 0): void {
  let row = 0;
  for (; row + 4 <= size; row += 4) {
    const a = rowStart(row);
    const b = a + row + 1;
    const c = b + row + 2;
    const d = c + row + 3;
    let w = values[offset + row] as number;
    let x = values[offset + row + 1] as number;
    let y = values[offset + row + 2] as number;
    let z = values[offset + row + 3] as number;
    for (let k = 0; k < row; k += 1) {
      const value = values[offset + k] as number;
      w -= (factor[a + k] as number) * value;
      x -= (factor[b + k] as number) * value;
      y -= (factor[c + k] as number) * value;
      z -= (factor[d + k] as number) * value;
    }
    w /= factor[a + row] as number;
    x = (x - (factor[b + row] as number) * w) / (factor[b + row + 1] as number);
    y -= (factor[c + row] as number) * w;
    y = (y - (factor[c + row + 1] as number) * x) / (factor[c + row + 2] as number);
    z -= (factor[d + row] as number) * w;
    z -= (factor[d + row + 1] as number) * x;
    z = (z - (factor[d + row + 2] as number) * y) / (factor[d + row + 3] as number);
    values[offset + row] = w;
    values[offset + row + 1] = x;
    values[offset + row + 2] = y;
    values[offset + row + 3] = z;
  }
  solveLowerFrom(factor, row, size, values, offset);
}

/** The rest of `solveLower` where the values before row `from` are solved already. */
export function solveLowerFrom(
  factor: Float64Array,
  from: number,
  size: number,
  values: Float64Array,
  offset = 0,
): void {
  for (let row = from; row < size; row += 1) {
    const start = rowStart(row);
    let sum = values[offset + row] as number;
    for (let k = 0; k < row; k += 1) sum -= (factor[start + k] as number) * (values[offset + k] as number);
    values[offset + row] = sum / (factor[start + row] as number);
  }
}

/**
 * `solveLower` for four right-hand sides at a time, which share each read of L; two columns a step. The sums are those of `solveLower`.
 * @param from Rows before it are solved already; even. Default: 0.
 */
export function solveLowerFour(
  factor: Float64Array,
  size: number,
  values: Float64Array,
  [p, q, r, s]: readonly [number, number, number, number],
  from = 0,
): void {
  let row = from;
  for (; row + 2 <= size; row += 2) {
    const a = rowStart(row);
    const b = a + row + 1;
    let p0 = values[p + row] as number;
    let q0 = values[q + row] as number;
    let r0 = values[r + row] as number;
    let s0 = values[s + row] as number;
    let p1 = values[p + row + 1] as number;
    let q1 = values[q + row + 1] as number;
    let r1 = values[r + row + 1] as number;
    let s1 = values[s + row + 1] as number;
    for (let k = 0; k < row; k += 1) {
      const x = factor[a + k] as number;
      const y = factor[b + k] as number;
      const pk = values[p + k] as number;
      const qk = values[q + k] as number;
      const rk = values[r + k] as number;
      const sk = values[s + k] as number;
      p0 -= pk * x;
      q0 -= qk * x;
      r0 -= rk * x;
      s0 -= sk * x;
      p1 -= pk * y;
      q1 -= qk * y;
      r1 -= rk * y;
      s1 -= sk * y;
    }
    const first = factor[a + row] as number;
    const across = factor[b + row] as number;
    const second = factor[b + row + 1] as number;
    p0 /= first;
    q0 /= first;
    r0 /= first;
    s0 /= first;
    values[p + row] = p0;
    values[q + row] = q0;
    values[r + row] = r0;
    values[s + row] = s0;
    values[p + row + 1] = (p1 - p0 * across) / second;
    values[q + row + 1] = (q1 - q0 * across) / second;
    values[r + row + 1] = (r1 - r0 * across) / second;
    values[s + row + 1] = (s1 - s0 * across) / second;
  }
  if (row < size) {
    const a = rowStart(row);
    for (const offset of [p, q, r, s]) {
      let sum = values[offset + row] as number;
      for (let k = 0; k < row; k += 1) sum -= (values[offset + k] as number) * (factor[a + k] as number);
      values[offset + row] = sum / (factor[a + row] as number);
    }
  }
}

/** Solves Lᵀ x = b in place. */
export function solveUpper(factor: Float64Array, size: number, values: Float64Array): void {
  let row = size - 1;
  // Two rows at a time share each read and write of the right-hand side.
  for (; row >= 1; row -= 2) {
    const b = rowStart(row);
    const a = b - row;
    const last = (values[row] as number) / (factor[b + row] as number);
    const next =
      ((values[row - 1] as number) - last * (factor[b + row - 1] as number)) / (factor[a + row - 1] as number);
    values[row] = last;
    values[row - 1] = next;
    for (let k = 0; k < row - 1; k += 1) {
      values[k] = (values[k] as number) - last * (factor[b + k] as number) - next * (factor[a + k] as number);
    }
  }
  if (row === 0) values[0] = (values[0] as number) / (factor[0] as number);
}

/** The lower triangle of (L Lᵀ)⁻¹, by rows. */
export function inverseOf(factor: Float64Array, size: number): Float64Array {
  const lower = lowerInverse(factor, size);
  const inverse = new Float64Array(rowStart(size));
  for (let i = 0; i < size; i += 1) {
    const out = rowStart(i);
    let r = i;
    for (; r + 4 <= size; r += 4) {
      const a = rowStart(r);
      const b = a + r + 1;
      const c = b + r + 2;
      const d = c + r + 3;
      const w = lower[a + i] as number;
      const x = lower[b + i] as number;
      const y = lower[c + i] as number;
      const z = lower[d + i] as number;
      for (let j = 0; j <= i; j += 1) {
        inverse[out + j] =
          (inverse[out + j] as number) +
          w * (lower[a + j] as number) +
          x * (lower[b + j] as number) +
          y * (lower[c + j] as number) +
          z * (lower[d + j] as number);
      }
    }
    for (; r < size; r += 1) {
      const a = rowStart(r);
      const w = lower[a + i] as number;
      for (let j = 0; j <= i; j += 1) inverse[out + j] = (inverse[out + j] as number) + w * (lower[a + j] as number);
    }
  }
  return inverse;
}

/** L⁻¹, by rows. */
export function lowerInverse(factor: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(rowStart(size));
  for (let i = 0; i < size; i += 1) {
    const out = rowStart(i);
    let k = 0;
    for (; k + 4 <= i; k += 4) {
      const a = rowStart(k);
      const b = a + k + 1;
      const c = b + k + 2;
      const d = c + k + 3;
      const w = factor[out + k] as number;
      const x = factor[out + k + 1] as number;
      const y = factor[out + k + 2] as number;
      const z = factor[out + k + 3] as number;
      for (let j = 0; j <= k; j += 1) {
        inverse[out + j] =
          (inverse[out + j] as number) -
          w * (inverse[a + j] as number) -
          x * (inverse[b + j] as number) -
          y * (inverse[c + j] as number) -
          z * (inverse[d + j] as number);
      }
      // The ragged ends of the three longer rows.
      inverse[out + k + 1] =
        -x * (inverse[b + k + 1] as number) - y * (inverse[c + k + 1] as number) - z * (inverse[d + k + 1] as number);
      inverse[out + k + 2] = -y * (inverse[c + k + 2] as number) - z * (inverse[d + k + 2] as number);
      inverse[out + k + 3] = -z * (inverse[d + k + 3] as number);
    }
    for (; k < i; k += 1) {
      const a = rowStart(k);
      const w = factor[out + k] as number;
      for (let j = 0; j <= k; j += 1) inverse[out + j] = (inverse[out + j] as number) - w * (inverse[a + j] as number);
    }
    const pivot = 1 / (factor[out + i] as number);
    for (let j = 0; j < i; j += 1) inverse[out + j] = (inverse[out + j] as number) * pivot;
    inverse[out + i] = pivot;
  }
  return inverse;
}
