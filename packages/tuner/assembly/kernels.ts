// AssemblyScript, not TypeScript: what the tuner's samplers compute two numbers at a time. `node scripts/wasm.mjs` compiles it.
// Every sum is taken in the order of the code that it stands in for, so that results are the same to the bit. Pointers are in bytes; triangles are kept
// by rows, entry (i, j) at i (i + 1) / 2 + j; all numbers are doubles but where it says otherwise.

const LN2_HIGH: f64 = 6.9314718036912381649e-1;
const LN2_LOW: f64 = 1.90821492927058770002e-10;
const INVERSE_LN2: f64 = 1.442695040888963387;
const P1: f64 = 1.66666666666666019037e-1;
const P2: f64 = -2.77777777770155933842e-3;
const P3: f64 = 6.61375632143793436117e-5;
const P4: f64 = -1.6533902205465251539e-6;
const P5: f64 = 4.13813679705723846039e-8;

// @ts-ignore
@inline
function row(index: usize): usize {
  return (index * (index + 1)) << 2;
}

// @ts-ignore
@inline
function splat(value: f64): v128 {
  return f64x2.splat(value);
}

/** e^x for −700 ≤ x ≤ 0, by the algorithm and to the bits of FreeBSD's e_exp.c, which V8 has taken over. */
// @ts-ignore
@inline
function expOfNear(x: v128): v128 {
  const high = v128.and(x, i64x2.splat(0x7fffffff00000000));
  // |x| > ½ ln 2, by the upper half of the number.
  const reduced = i64x2.gt_s(high, i64x2.splat(0x3fd62e4200000000));
  const rounded = f64x2.trunc(f64x2.sub(f64x2.mul(splat(INVERSE_LN2), x), splat(0.5)));
  const k = v128.and(rounded, reduced);
  const upper = f64x2.sub(x, f64x2.mul(k, splat(LN2_HIGH)));
  const lower = f64x2.mul(k, splat(LN2_LOW));
  const rest = f64x2.sub(upper, lower);
  const t = f64x2.mul(rest, rest);
  let series = f64x2.add(splat(P4), f64x2.mul(t, splat(P5)));
  series = f64x2.add(splat(P3), f64x2.mul(t, series));
  series = f64x2.add(splat(P2), f64x2.mul(t, series));
  series = f64x2.add(splat(P1), f64x2.mul(t, series));
  const c = f64x2.sub(rest, f64x2.mul(t, series));
  const ratio = f64x2.div(f64x2.mul(rest, c), f64x2.sub(splat(2), c));
  const y = f64x2.sub(splat(1), f64x2.sub(f64x2.sub(lower, ratio), upper));
  // 2^k: adding 2^52 + 2^51 leaves k in the lowest bits.
  const bits = i64x2.shl(f64x2.add(k, splat(6755399441055744 + 1023)), 52);
  const value = f64x2.mul(y, bits);
  const tiny = i64x2.lt_s(high, i64x2.splat(0x3e30000000000000));
  return v128.bitselect(f64x2.add(splat(1), x), value, tiny);
}

/** The same of one number, however far below 0. */
function far(x: f64): f64 {
  if (x < -7.4513321910194110842e2) return 0;
  if (x >= -700) return f64x2.extract_lane(expOfNear(splat(x)), 0);
  const k = <i32>(INVERSE_LN2 * x - 0.5);
  const upper = x - <f64>k * LN2_HIGH;
  const lower = <f64>k * LN2_LOW;
  const rest = upper - lower;
  const t = rest * rest;
  const c = rest - t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5))));
  const y = 1 - (lower - (rest * c) / (2 - c) - upper);
  if (k >= -1021) return y * reinterpret<f64>((<i64>(1023 + k)) << 52);
  return y * reinterpret<f64>((<i64>(2023 + k)) << 52) * reinterpret<f64>(<i64>23 << 52);
}

// @ts-ignore
@inline
function expOfNegative(x: v128): v128 {
  if (v128.any_true(f64x2.lt(x, splat(-700))))
    return f64x2.replace_lane(splat(far(f64x2.extract_lane(x, 0))), 1, far(f64x2.extract_lane(x, 1)));
  return expOfNear(x);
}

/** Squared distances in length scales of two points, interleaved, from another: numeric coordinates first, then those that differ or not. */
// @ts-ignore
@inline
function distances(asked: usize, stride: usize, point: usize, dimensions: usize, numeric: usize, weights: usize): v128 {
  let sum = splat(0);
  for (let k: usize = 0; k < numeric; k++) {
    const difference = f64x2.sub(v128.load(asked + k * stride), v128.load64_splat(point + (k << 3)));
    sum = f64x2.add(sum, f64x2.mul(difference, difference));
  }
  for (let k = numeric; k < dimensions; k++) {
    const other = f64x2.ne(v128.load(asked + k * stride), v128.load64_splat(point + (k << 3)));
    sum = f64x2.add(sum, v128.and(other, v128.load64_splat(weights + (k << 3))));
  }
  return sum;
}

/** scale · (1 + r + r²/3) · e^(−r). */
// @ts-ignore
@inline
function matern(scale: f64, squared: v128): v128 {
  const r = f64x2.sqrt(f64x2.mul(splat(5), squared));
  const shape = f64x2.add(f64x2.add(splat(1), r), f64x2.div(f64x2.mul(r, r), splat(3)));
  return f64x2.mul(f64x2.mul(splat(scale), shape), expOfNegative(f64x2.neg(r)));
}

/** Covariances of four points with `count` others. @param asked The four, interleaved. @param block Four numbers for each of the others. */
export function covariancesOfFour(
  asked: usize,
  framed: usize,
  count: usize,
  dimensions: usize,
  numeric: usize,
  weights: usize,
  scale: f64,
  block: usize,
): void {
  for (let index: usize = 0; index < count; index++) {
    let from = asked;
    let first = splat(0);
    let second = splat(0);
    for (let k: usize = 0; k < numeric << 3; k += 8) {
      const place = v128.load64_splat(framed + k);
      const x = f64x2.sub(v128.load(from), place);
      const y = f64x2.sub(v128.load(from + 16), place);
      first = f64x2.add(first, f64x2.mul(x, x));
      second = f64x2.add(second, f64x2.mul(y, y));
      from += 32;
    }
    for (let k = numeric << 3; k < dimensions << 3; k += 8) {
      const place = v128.load64_splat(framed + k);
      const weight = v128.load64_splat(weights + k);
      first = f64x2.add(first, v128.and(f64x2.ne(v128.load(from), place), weight));
      second = f64x2.add(second, v128.and(f64x2.ne(v128.load(from + 16), place), weight));
      from += 32;
    }
    framed += dimensions << 3;
    v128.store(block, matern(scale, first));
    v128.store(block + 16, matern(scale, second));
    block += 32;
  }
}

/** Solves L x = b for four interleaved right-hand sides. */
export function solveFour(factor: usize, size: usize, block: usize): void {
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    const a = factor + row(i);
    const b = a + ((i + 1) << 3);
    const c = b + ((i + 2) << 3);
    const d = c + ((i + 3) << 3);
    const out = block + (i << 5);
    let a0 = v128.load(out);
    let a1 = v128.load(out + 16);
    let b0 = v128.load(out + 32);
    let b1 = v128.load(out + 48);
    let c0 = v128.load(out + 64);
    let c1 = v128.load(out + 80);
    let d0 = v128.load(out + 96);
    let d1 = v128.load(out + 112);
    for (let k: usize = 0; k < i; k++) {
      const v0 = v128.load(block + (k << 5));
      const v1 = v128.load(block + (k << 5) + 16);
      const w = v128.load64_splat(a + (k << 3));
      const x = v128.load64_splat(b + (k << 3));
      const y = v128.load64_splat(c + (k << 3));
      const z = v128.load64_splat(d + (k << 3));
      a0 = f64x2.sub(a0, f64x2.mul(v0, w));
      a1 = f64x2.sub(a1, f64x2.mul(v1, w));
      b0 = f64x2.sub(b0, f64x2.mul(v0, x));
      b1 = f64x2.sub(b1, f64x2.mul(v1, x));
      c0 = f64x2.sub(c0, f64x2.mul(v0, y));
      c1 = f64x2.sub(c1, f64x2.mul(v1, y));
      d0 = f64x2.sub(d0, f64x2.mul(v0, z));
      d1 = f64x2.sub(d1, f64x2.mul(v1, z));
    }
    const at = i << 3;
    const p = v128.load64_splat(a + at);
    a0 = f64x2.div(a0, p);
    a1 = f64x2.div(a1, p);
    const q = v128.load64_splat(b + at);
    const q1 = v128.load64_splat(b + at + 8);
    b0 = f64x2.div(f64x2.sub(b0, f64x2.mul(a0, q)), q1);
    b1 = f64x2.div(f64x2.sub(b1, f64x2.mul(a1, q)), q1);
    const r = v128.load64_splat(c + at);
    const r1 = v128.load64_splat(c + at + 8);
    const r2 = v128.load64_splat(c + at + 16);
    c0 = f64x2.div(f64x2.sub(f64x2.sub(c0, f64x2.mul(a0, r)), f64x2.mul(b0, r1)), r2);
    c1 = f64x2.div(f64x2.sub(f64x2.sub(c1, f64x2.mul(a1, r)), f64x2.mul(b1, r1)), r2);
    const s = v128.load64_splat(d + at);
    const s1 = v128.load64_splat(d + at + 8);
    const s2 = v128.load64_splat(d + at + 16);
    const s3 = v128.load64_splat(d + at + 24);
    d0 = f64x2.sub(f64x2.sub(f64x2.sub(d0, f64x2.mul(a0, s)), f64x2.mul(b0, s1)), f64x2.mul(c0, s2));
    d1 = f64x2.sub(f64x2.sub(f64x2.sub(d1, f64x2.mul(a1, s)), f64x2.mul(b1, s1)), f64x2.mul(c1, s2));
    v128.store(out, a0);
    v128.store(out + 16, a1);
    v128.store(out + 32, b0);
    v128.store(out + 48, b1);
    v128.store(out + 64, c0);
    v128.store(out + 80, c1);
    v128.store(out + 96, f64x2.div(d0, s3));
    v128.store(out + 112, f64x2.div(d1, s3));
  }
  for (; i < size; i++) {
    const a = factor + row(i);
    const out = block + (i << 5);
    let a0 = v128.load(out);
    let a1 = v128.load(out + 16);
    for (let k: usize = 0; k < i; k++) {
      const w = v128.load64_splat(a + (k << 3));
      a0 = f64x2.sub(a0, f64x2.mul(v128.load(block + (k << 5)), w));
      a1 = f64x2.sub(a1, f64x2.mul(v128.load(block + (k << 5) + 16), w));
    }
    const p = v128.load64_splat(a + (i << 3));
    v128.store(out, f64x2.div(a0, p));
    v128.store(out + 16, f64x2.div(a1, p));
  }
}

/** Of four interleaved vectors, the products with `weights` and with themselves: four and four numbers to `out`. */
export function projectFour(block: usize, weights: usize, size: usize, out: usize): void {
  let m0 = splat(0);
  let m1 = splat(0);
  let s0 = splat(0);
  let s1 = splat(0);
  for (let k: usize = 0; k < size; k++) {
    const v0 = v128.load(block + (k << 5));
    const v1 = v128.load(block + (k << 5) + 16);
    const w = v128.load64_splat(weights + (k << 3));
    m0 = f64x2.add(m0, f64x2.mul(v0, w));
    m1 = f64x2.add(m1, f64x2.mul(v1, w));
    s0 = f64x2.add(s0, f64x2.mul(v0, v0));
    s1 = f64x2.add(s1, f64x2.mul(v1, v1));
  }
  v128.store(out, m0);
  v128.store(out + 16, m1);
  v128.store(out + 32, s0);
  v128.store(out + 48, s1);
}

/** Factors the rows [from, count) of a symmetric matrix in place. @param block Scratch: four numbers a row. @returns whether all pivots are positive. */
export function factorRows(triangle: usize, from: usize, count: usize, block: usize): bool {
  let i = from;
  for (; i + 4 <= count; i += 4) {
    const a = triangle + row(i);
    const b = a + ((i + 1) << 3);
    const c = b + ((i + 2) << 3);
    const d = c + ((i + 3) << 3);
    for (let k: usize = 0; k < i; k++) {
      const at = block + (k << 5);
      f64.store(at, f64.load(a + (k << 3)));
      f64.store(at + 8, f64.load(b + (k << 3)));
      f64.store(at + 16, f64.load(c + (k << 3)));
      f64.store(at + 24, f64.load(d + (k << 3)));
    }
    solveFour(triangle, i, block);
    let b0 = splat(0);
    let c0 = splat(0);
    let c1 = splat(0);
    let d0 = splat(0);
    let d1 = splat(0);
    const at = i << 3;
    let a0 = splat(f64.load(a + at));
    b0 = v128.load(b + at);
    c0 = v128.load(c + at);
    c1 = splat(f64.load(c + at + 16));
    d0 = v128.load(d + at);
    d1 = v128.load(d + at + 16);
    for (let k: usize = 0; k < i; k++) {
      const from = block + (k << 5);
      const v0 = v128.load(from);
      const v1 = v128.load(from + 16);
      const x = v128.load64_splat(from + 8);
      const y = v128.load64_splat(from + 16);
      const z = v128.load64_splat(from + 24);
      a0 = f64x2.sub(a0, f64x2.mul(v0, v0));
      b0 = f64x2.sub(b0, f64x2.mul(x, v0));
      c0 = f64x2.sub(c0, f64x2.mul(y, v0));
      c1 = f64x2.sub(c1, f64x2.mul(y, v1));
      d0 = f64x2.sub(d0, f64x2.mul(z, v0));
      d1 = f64x2.sub(d1, f64x2.mul(z, v1));
      f64.store(a + (k << 3), f64x2.extract_lane(v0, 0));
      f64.store(b + (k << 3), f64x2.extract_lane(v0, 1));
      f64.store(c + (k << 3), f64x2.extract_lane(v1, 0));
      f64.store(d + (k << 3), f64x2.extract_lane(v1, 1));
    }
    const aa = f64x2.extract_lane(a0, 0);
    if (!(aa > 0)) return false;
    const p = Math.sqrt(aa);
    const ba = f64x2.extract_lane(b0, 0) / p;
    const bb = f64x2.extract_lane(b0, 1) - ba * ba;
    if (!(bb > 0)) return false;
    const q = Math.sqrt(bb);
    const ca = f64x2.extract_lane(c0, 0) / p;
    const cb = (f64x2.extract_lane(c0, 1) - ca * ba) / q;
    const cc = f64x2.extract_lane(c1, 0) - ca * ca - cb * cb;
    if (!(cc > 0)) return false;
    const r = Math.sqrt(cc);
    const da = f64x2.extract_lane(d0, 0) / p;
    const db = (f64x2.extract_lane(d0, 1) - da * ba) / q;
    const dc = (f64x2.extract_lane(d1, 0) - da * ca - db * cb) / r;
    const dd = f64x2.extract_lane(d1, 1) - da * da - db * db - dc * dc;
    if (!(dd > 0)) return false;
    f64.store(a + at, p);
    f64.store(b + at, ba);
    f64.store(b + at + 8, q);
    f64.store(c + at, ca);
    f64.store(c + at + 8, cb);
    f64.store(c + at + 16, r);
    f64.store(d + at, da);
    f64.store(d + at + 8, db);
    f64.store(d + at + 16, dc);
    f64.store(d + at + 24, Math.sqrt(dd));
  }
  for (; i < count; i++) {
    const a = triangle + row(i);
    for (let j: usize = 0; j <= i; j++) {
      const other = triangle + row(j);
      let sum = f64.load(a + (j << 3));
      for (let k: usize = 0; k < j; k++) sum -= f64.load(a + (k << 3)) * f64.load(other + (k << 3));
      if (j < i) f64.store(a + (j << 3), sum / f64.load(other + (j << 3)));
      else if (!(sum > 0)) return false;
      else f64.store(a + (j << 3), Math.sqrt(sum));
    }
  }
  return true;
}

/** out[j] ± w a[j] + … of four rows for j in [0, size). */
// @ts-ignore
@inline
function addRows(out: usize, size: usize, a: usize, b: usize, c: usize, d: usize, w: f64, x: f64, y: f64, z: f64): void {
  const wide = size & ~1;
  for (let j: usize = 0; j < wide << 3; j += 16) {
    let sum = f64x2.add(v128.load(out + j), f64x2.mul(splat(w), v128.load(a + j)));
    sum = f64x2.add(sum, f64x2.mul(splat(x), v128.load(b + j)));
    sum = f64x2.add(sum, f64x2.mul(splat(y), v128.load(c + j)));
    sum = f64x2.add(sum, f64x2.mul(splat(z), v128.load(d + j)));
    v128.store(out + j, sum);
  }
  if (wide < size) {
    const j = wide << 3;
    const sum = f64.load(out + j) + w * f64.load(a + j) + x * f64.load(b + j) + y * f64.load(c + j) + z * f64.load(d + j);
    f64.store(out + j, sum);
  }
}

// @ts-ignore
@inline
function addRow(out: usize, size: usize, a: usize, w: f64): void {
  const wide = size & ~1;
  for (let j: usize = 0; j < wide << 3; j += 16)
    v128.store(out + j, f64x2.add(v128.load(out + j), f64x2.mul(splat(w), v128.load(a + j))));
  if (wide < size) {
    const j = wide << 3;
    f64.store(out + j, f64.load(out + j) + w * f64.load(a + j));
  }
}

/** L⁻¹, by rows. */
function lowerInverse(factor: usize, size: usize, inverse: usize): void {
  memory.fill(inverse, 0, row(size));
  for (let i: usize = 0; i < size; i++) {
    const out = inverse + row(i);
    const own = factor + row(i);
    let k: usize = 0;
    for (; k + 4 <= i; k += 4) {
      const a = inverse + row(k);
      const b = a + ((k + 1) << 3);
      const c = b + ((k + 2) << 3);
      const d = c + ((k + 3) << 3);
      const at = k << 3;
      // The negative of a product, added, is the product subtracted, to the bit.
      const w = -f64.load(own + at);
      const x = -f64.load(own + at + 8);
      const y = -f64.load(own + at + 16);
      const z = -f64.load(own + at + 24);
      addRows(out, k + 1, a, b, c, d, w, x, y, z);
      f64.store(out + at + 8, x * f64.load(b + at + 8) + y * f64.load(c + at + 8) + z * f64.load(d + at + 8));
      f64.store(out + at + 16, y * f64.load(c + at + 16) + z * f64.load(d + at + 16));
      f64.store(out + at + 24, z * f64.load(d + at + 24));
    }
    for (; k < i; k++) addRow(out, k + 1, inverse + row(k), -f64.load(own + (k << 3)));
    const pivot = 1 / f64.load(own + (i << 3));
    for (let j: usize = 0; j < i; j++) f64.store(out + (j << 3), f64.load(out + (j << 3)) * pivot);
    f64.store(out + (i << 3), pivot);
  }
}

/** The lower triangle of (L Lᵀ)⁻¹. @param lower Scratch of a triangle's size. */
export function inverseOf(factor: usize, size: usize, lower: usize, inverse: usize): void {
  lowerInverse(factor, size, lower);
  memory.fill(inverse, 0, row(size));
  for (let i: usize = 0; i < size; i++) {
    const out = inverse + row(i);
    const at = i << 3;
    let r = i;
    for (; r + 4 <= size; r += 4) {
      const a = lower + row(r);
      const b = a + ((r + 1) << 3);
      const c = b + ((r + 2) << 3);
      const d = c + ((r + 3) << 3);
      addRows(out, i + 1, a, b, c, d, f64.load(a + at), f64.load(b + at), f64.load(c + at), f64.load(d + at));
    }
    for (; r < size; r++) {
      const a = lower + row(r);
      addRow(out, i + 1, a, f64.load(a + at));
    }
  }
}

/** Solves Lᵀ x = b in place. */
export function solveUpper(factor: usize, size: usize, values: usize): void {
  let i: isize = <isize>size - 1;
  for (; i >= 1; i -= 2) {
    const b = factor + row(<usize>i);
    const a = b - ((<usize>i) << 3);
    const at = (<usize>i) << 3;
    const last = f64.load(values + at) / f64.load(b + at);
    const next = (f64.load(values + at - 8) - last * f64.load(b + at - 8)) / f64.load(a + at - 8);
    f64.store(values + at, last);
    f64.store(values + at - 8, next);
    const size = <usize>(i - 1);
    const wide = size & ~1;
    for (let k: usize = 0; k < wide << 3; k += 16) {
      const sum = f64x2.sub(v128.load(values + k), f64x2.mul(splat(last), v128.load(b + k)));
      v128.store(values + k, f64x2.sub(sum, f64x2.mul(splat(next), v128.load(a + k))));
    }
    if (wide < size) {
      const k = wide << 3;
      f64.store(values + k, f64.load(values + k) - last * f64.load(b + k) - next * f64.load(a + k));
    }
  }
  if (i == 0) f64.store(values, f64.load(values) / f64.load(factor));
}

/** Solves L x = b in place. */
export function solveLower(factor: usize, size: usize, values: usize): void {
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    const a = factor + row(i);
    const b = a + ((i + 1) << 3);
    const c = b + ((i + 2) << 3);
    const d = c + ((i + 3) << 3);
    const at = i << 3;
    let s0 = v128.load(values + at);
    let s1 = v128.load(values + at + 16);
    for (let k: usize = 0; k < i << 3; k += 16) {
      const a0 = v128.load(a + k);
      const b0 = v128.load(b + k);
      const c0 = v128.load(c + k);
      const d0 = v128.load(d + k);
      const v = v128.load64_splat(values + k);
      const w = v128.load64_splat(values + k + 8);
      s0 = f64x2.sub(s0, f64x2.mul(v128.shuffle<i64>(a0, b0, 0, 2), v));
      s1 = f64x2.sub(s1, f64x2.mul(v128.shuffle<i64>(c0, d0, 0, 2), v));
      s0 = f64x2.sub(s0, f64x2.mul(v128.shuffle<i64>(a0, b0, 1, 3), w));
      s1 = f64x2.sub(s1, f64x2.mul(v128.shuffle<i64>(c0, d0, 1, 3), w));
    }
    const w = f64x2.extract_lane(s0, 0) / f64.load(a + at);
    const x = (f64x2.extract_lane(s0, 1) - f64.load(b + at) * w) / f64.load(b + at + 8);
    const y = (f64x2.extract_lane(s1, 0) - f64.load(c + at) * w - f64.load(c + at + 8) * x) / f64.load(c + at + 16);
    const rest = f64x2.extract_lane(s1, 1) - f64.load(d + at) * w - f64.load(d + at + 8) * x - f64.load(d + at + 16) * y;
    f64.store(values + at, w);
    f64.store(values + at + 8, x);
    f64.store(values + at + 16, y);
    f64.store(values + at + 24, rest / f64.load(d + at + 24));
  }
  for (; i < size; i++) {
    const a = factor + row(i);
    let sum = f64.load(values + (i << 3));
    for (let k: usize = 0; k < i; k++) sum -= f64.load(a + (k << 3)) * f64.load(values + (k << 3));
    f64.store(values + (i << 3), sum / f64.load(a + (i << 3)));
  }
}

/**
 * Covariances and their slopes by the squared distance, of all pairs. Squares of pair p begin at p · `width` numbers, `width` being even; two pairs more
 * may be read and written. Diagonals are left out: entries are those of the triangle without them.
 */
export function pairCovariances(
  squares: usize,
  pairs: usize,
  width: usize,
  weights: usize,
  scale: f64,
  covariance: usize,
  slope: usize,
): void {
  for (let p: usize = 0; p < pairs; p += 2) {
    const first = squares + ((p * width) << 3);
    const second = first + (width << 3);
    let squared = splat(0);
    for (let k: usize = 0; k < width << 3; k += 16) {
      const x = v128.load(first + k);
      const y = v128.load(second + k);
      squared = f64x2.add(squared, f64x2.mul(v128.load64_splat(weights + k), v128.shuffle<i64>(x, y, 0, 2)));
      squared = f64x2.add(squared, f64x2.mul(v128.load64_splat(weights + k + 8), v128.shuffle<i64>(x, y, 1, 3)));
    }
    storeMatern(scale, squared, covariance + (p << 3), slope + (p << 3));
  }
}

// @ts-ignore
@inline
function storeMatern(scale: f64, squared: v128, covariance: usize, slope: usize): void {
  const r = f64x2.sqrt(f64x2.mul(splat(5), squared));
  const decay = f64x2.mul(splat(scale), expOfNegative(f64x2.neg(r)));
  const shape = f64x2.add(f64x2.add(splat(1), r), f64x2.div(f64x2.mul(r, r), splat(3)));
  v128.store(covariance, f64x2.mul(shape, decay));
  v128.store(slope, f64x2.mul(f64x2.mul(splat(-5.0 / 6.0), f64x2.add(splat(1), r)), decay));
}

/** Puts pairs' entries into a triangle, with `diagonal` on its diagonal. */
export function toTriangle(pairs: usize, size: usize, diagonal: f64, triangle: usize): void {
  for (let i: usize = 0; i < size; i++) {
    memory.copy(triangle, pairs, i << 3);
    pairs += i << 3;
    triangle += i << 3;
    f64.store(triangle, diagonal);
    triangle += 8;
  }
}

/**
 * ½ tr((K⁻¹ − α αᵀ) dK/dθ): by the weights to `gradient` (`width` numbers, not yet multiplied by the weights), by the scale and the noise to the two
 * numbers behind.
 */
export function likelihoodGradient(
  squares: usize,
  size: usize,
  width: usize,
  covariance: usize,
  slope: usize,
  scale: f64,
  inverse: usize,
  solved: usize,
  gradient: usize,
): void {
  memory.fill(gradient, 0, (width + 2) << 3);
  let byScale: f64 = 0;
  let byNoise: f64 = 0;
  for (let i: usize = 0; i < size; i++) {
    const alpha = f64.load(solved + (i << 3));
    for (let j: usize = 0; j < i; j++) {
      const pull = f64.load(inverse) - alpha * f64.load(solved + (j << 3));
      byScale += pull * f64.load(covariance);
      const bySquare = splat(pull * f64.load(slope));
      for (let k: usize = 0; k < width << 3; k += 16)
        v128.store(gradient + k, f64x2.add(v128.load(gradient + k), f64x2.mul(bySquare, v128.load(squares + k))));
      squares += width << 3;
      inverse += 8;
      covariance += 8;
      slope += 8;
    }
    const pull = (f64.load(inverse) - alpha * alpha) / 2;
    byScale += pull * scale;
    byNoise += pull;
    inverse += 8;
  }
  f64.store(gradient + (width << 3), byScale);
  f64.store(gradient + (width << 3) + 8, byNoise);
}

/**
 * Covariances of one point with `count` others, and their slopes by the squared distance; one more may be written.
 * @param pairs The others, every two interleaved.
 */
export function covariancesOfOne(
  asked: usize,
  pairs: usize,
  count: usize,
  dimensions: usize,
  numeric: usize,
  weights: usize,
  scale: f64,
  covariance: usize,
  slope: usize,
): void {
  for (let i: usize = 0; i < count; i += 2) {
    const squared = distances(pairs + ((i * dimensions) << 3), 16, asked, dimensions, numeric, weights);
    storeMatern(scale, squared, covariance + (i << 3), slope + (i << 3));
  }
}

/** `out` = byMean · `whitened` − twice · `solved`; one number more may be written. */
export function combine(whitened: usize, solved: usize, count: usize, byMean: f64, twice: f64, out: usize): void {
  for (let k: usize = 0; k < count << 3; k += 16) {
    const mean = f64x2.mul(splat(byMean), v128.load(whitened + k));
    v128.store(out + k, f64x2.sub(mean, f64x2.mul(splat(twice), v128.load(solved + k))));
  }
}

/** Σ over the points of coefficient · slope · (asked − point), of the first `numeric` coordinates; one number more may be read and written. */
export function pullBack(
  asked: usize,
  framed: usize,
  count: usize,
  dimensions: usize,
  numeric: usize,
  coefficients: usize,
  slope: usize,
  moved: usize,
): void {
  memory.fill(moved, 0, (numeric + 1) << 3);
  for (let i: usize = 0; i < count; i++) {
    const weight = splat(f64.load(coefficients + (i << 3)) * f64.load(slope + (i << 3)));
    for (let k: usize = 0; k < numeric << 3; k += 16) {
      const difference = f64x2.sub(v128.load(asked + k), v128.load(framed + k));
      v128.store(moved + k, f64x2.add(v128.load(moved + k), f64x2.mul(weight, difference)));
    }
    framed += dimensions << 3;
  }
}

/** The products of a vector with another and with itself. */
export function project(values: usize, other: usize, size: usize, out: usize): void {
  let mean: f64 = 0;
  let square: f64 = 0;
  for (let k: usize = 0; k < size << 3; k += 8) {
    const value = f64.load(values + k);
    mean += value * f64.load(other + k);
    square += value * value;
  }
  f64.store(out, mean);
  f64.store(out + 8, square);
}

/**
 * Writes the numbers of those kernels, from the last to the first, whose Σ ((xᵢ − centreᵢ) · inverseᵢ)² at the point does not exceed `limit`.
 * @param size Coordinates of a kernel.
 * @param point Four numbers may be read.
 * @param found 32-bit integers.
 * @returns how many.
 */
export function nearKernels(
  centres: usize,
  inverses: usize,
  count: usize,
  size: usize,
  point: usize,
  limit: f64,
  found: usize,
): usize {
  const begin = found;
  const wide = (size & ~1) << 3;
  const bytes = size << 3;
  // The sum of a kernel's first four coordinates is looked at before the others.
  const first = min(wide, 32);
  const p0 = v128.load(point);
  const p1 = v128.load(point + 16);
  for (let kernel: isize = <isize>count - 1; kernel >= 0; kernel--) {
    const own = <usize>kernel * bytes;
    let sums = splat(0);
    let k = first;
    if (first != 0) sums = addSquares(sums, p0, centres + own, inverses + own);
    if (first == 32) sums = addSquares(sums, p1, centres + own + 16, inverses + own + 16);
    if (f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1) > limit) continue;
    for (; k < wide; k += 16) {
      sums = addSquares(sums, v128.load(point + k), centres + own + k, inverses + own + k);
      if (f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1) > limit) break;
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    if (wide < bytes) {
      const z = (f64.load(point + wide) - f64.load(centres + own + wide)) * f64.load(inverses + own + wide);
      sum += z * z;
    }
    if (sum > limit) continue;
    i32.store(found, <i32>kernel);
    found += 4;
  }
  return (found - begin) >> 2;
}

// @ts-ignore
@inline
function addSquares(sums: v128, point: v128, centre: usize, inverse: usize): v128 {
  const z = f64x2.mul(f64x2.sub(point, v128.load(centre)), v128.load(inverse));
  return f64x2.add(sums, f64x2.mul(z, z));
}
