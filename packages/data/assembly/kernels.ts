// AssemblyScript, not TypeScript: what profiles compute of many rows at a time. `node scripts/wasm.mjs` compiles it.
// The results are those of the code in src/ to the bit: sums are taken in its order, and hashes and buckets are its own. Pointers are in bytes.
// Where things are is told in src/simd/machine.ts.

const OUT: usize = 4096;
/** Four pairs of masks of 64 bits, by two bits of a bitmap. */
const PAIRS: usize = 4352;
/** Sixteen masks of 16 bytes: the first so many bytes are kept. */
const HEADS: usize = 4416;
/** Sixteen masks of four times 32 bits, by four bits of a bitmap. */
const QUADS: usize = 4672;
const REGISTERS: usize = 8192;
const BITS: usize = 13312;
const VALUES: usize = 16384;
const PLACES: usize = 32768;
const PAGES: usize = 65536;
const COUNTS: usize = 98816;
const OFFSETS: usize = 65536;
const TEXT_KEYS: usize = 98816;
const TEXT_COUNTS: usize = 164352;
const TEXTS: usize = 197120;

/** Of a page of buckets. */
const PAGE_BYTES: usize = 512;

/** Fills the tables of masks. */
export function prepare(): void {
  for (let pair: usize = 0; pair < 4; pair++) {
    i64.store(PAIRS + (pair << 4), (pair & 1) != 0 ? -1 : 0);
    i64.store(PAIRS + (pair << 4) + 8, (pair & 2) != 0 ? -1 : 0);
  }
  for (let length: usize = 0; length < 16; length++)
    for (let byte: usize = 0; byte < 16; byte++) store<u8>(HEADS + (length << 4) + byte, byte < length ? 255 : 0);
  for (let quad: usize = 0; quad < 16; quad++)
    for (let lane: usize = 0; lane < 4; lane++)
      store<i32>(QUADS + (quad << 4) + (lane << 2), ((quad >> lane) & 1) != 0 ? -1 : 0);
}

/**
 * First pass: numbers that are null or not finite become NaN of all bits 1, those up to the next eighth row as well.
 * @param masked Whether BITS tells which are null.
 * To OUT: how many are left, their sum, the smallest and the largest.
 */
export function passFirst(rows: usize, masked: bool): void {
  for (let row = rows; (row & 7) != 0; row++) f64.store(VALUES + (row << 3), NaN);
  const zero = f64x2.splat(0);
  let sum = zero;
  let min = f64x2.splat(Infinity);
  let max = f64x2.splat(-Infinity);
  let count = i64x2.splat(0);
  for (let row: usize = 0; row < rows; row += 8) {
    let bits: usize = masked ? load<u8>(BITS + (row >> 3)) : 255;
    const end = VALUES + (row << 3) + 64;
    for (let at = end - 64; at < end; at += 16) {
      const value = v128.load(at);
      const kept = v128.and(f64x2.eq(f64x2.sub(value, value), zero), v128.load(PAIRS + ((bits & 3) << 4)));
      bits >>= 2;
      const clean = v128.or(value, v128.not(kept));
      v128.store(at, clean);
      sum = f64x2.add(sum, v128.and(value, kept));
      min = f64x2.pmin(min, clean);
      max = f64x2.pmax(max, clean);
      count = i64x2.sub(count, kept);
    }
  }
  f64.store(OUT, <f64>(i64x2.extract_lane(count, 0) + i64x2.extract_lane(count, 1)));
  f64.store(OUT, f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1), 8);
  const lowest = f64x2.extract_lane(min, 0);
  const lowestOdd = f64x2.extract_lane(min, 1);
  f64.store(OUT, lowestOdd < lowest ? lowestOdd : lowest, 16);
  const highest = f64x2.extract_lane(max, 0);
  const highestOdd = f64x2.extract_lane(max, 1);
  f64.store(OUT, highestOdd > highest ? highestOdd : highest, 24);
}

// @ts-ignore
@inline
function mix(hash: v128): v128 {
  let mixed = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 16)), i32x4.splat(0x85ebca6b));
  mixed = i32x4.mul(v128.xor(mixed, i32x4.shr_u(mixed, 13)), i32x4.splat(0xc2b2ae35));
  return v128.xor(mixed, i32x4.shr_u(mixed, 16));
}

// @ts-ignore
@inline
function raise(register: u32, hash: u32): void {
  const at = REGISTERS + <usize>register;
  const rank = clz(hash) + 1;
  const met = <u32>load<u8>(at);
  store<u8>(at, rank > met ? rank : met);
}

/**
 * Second pass over the numbers of the first.
 * @param about From where distances are taken; their sum and that of their squares go to OUT.
 * @param shift That of the buckets' keys. @param lowest What is taken off them. @param nothing Stands for what is no number.
 * @param places Where the keys go to, 32 bits each.
 * @param limit Hashes up to it may raise a register, the others surely do not. The register after the last takes what is no number.
 */
export function passSecond(
  rows: usize,
  about: f64,
  places: usize,
  shift: i32,
  lowest: i32,
  nothing: i32,
  limit: u32,
): void {
  const zero = f64x2.splat(0);
  const mean = f64x2.splat(about);
  const none = i32x4.splat(nothing);
  const origin = i32x4.splat(lowest);
  const most = i32x4.splat(limit);
  let rest = zero;
  let squares = zero;
  for (let row: usize = 0; row < rows; row += 4) {
    const a = v128.load(VALUES + (row << 3));
    const b = v128.load(VALUES + (row << 3), 16);
    const fromA = f64x2.sub(a, mean);
    const fineA = f64x2.eq(f64x2.sub(fromA, fromA), zero);
    rest = f64x2.add(rest, v128.and(fromA, fineA));
    squares = f64x2.add(squares, v128.and(f64x2.mul(fromA, fromA), fineA));
    const fromB = f64x2.sub(b, mean);
    const fineB = f64x2.eq(f64x2.sub(fromB, fromB), zero);
    rest = f64x2.add(rest, v128.and(fromB, fineB));
    squares = f64x2.add(squares, v128.and(f64x2.mul(fromB, fromB), fineB));

    const low = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    const high = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
    const bad = i32x4.eq(high, i32x4.splat(-1));
    const tiny = i32x4.eq(v128.and(high, i32x4.splat(0x7ff00000)), i32x4.splat(0));
    const ordered = v128.xor(high, v128.and(i32x4.shr_s(high, 31), i32x4.splat(0x7fffffff)));
    const place = i32x4.sub(i32x4.shr_s(v128.andnot(ordered, tiny), shift), origin);
    v128.store(places + (row << 2), v128.bitselect(none, place, bad));

    const minusZero = v128.and(i32x4.eq(high, i32x4.splat(0x80000000)), i32x4.eq(low, i32x4.splat(0)));
    const upper = v128.andnot(high, minusZero);
    const first = mix(
      i32x4.add(i32x4.add(low, i32x4.mul(upper, i32x4.splat(0x9e3779b1))), i32x4.splat(0x7f4a7c15)),
    );
    const salt = v128.xor(upper, i32x4.mul(low, i32x4.splat(0x5bd1e995)));
    const second = mix(v128.xor(v128.xor(first, salt), i32x4.splat(0x5851f42d)));
    if (!v128.any_true(i32x4.le_u(second, most))) continue;
    const register = v128.bitselect(i32x4.splat(4096), i32x4.shr_u(first, 20), bad);
    raise(i32x4.extract_lane(register, 0), i32x4.extract_lane(second, 0));
    raise(i32x4.extract_lane(register, 1), i32x4.extract_lane(second, 1));
    raise(i32x4.extract_lane(register, 2), i32x4.extract_lane(second, 2));
    raise(i32x4.extract_lane(register, 3), i32x4.extract_lane(second, 3));
  }
  f64.store(OUT, f64x2.extract_lane(rest, 0) + f64x2.extract_lane(rest, 1), 32);
  f64.store(OUT, f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1), 40);
}

/** @returns the smallest of the registers. */
export function leastRegister(): u32 {
  let least = i8x16.splat(-1);
  for (let at: usize = 0; at < 4096; at += 16) least = i8x16.min_u(least, v128.load(REGISTERS + at));
  let smallest: u32 = 255;
  v128.store(OUT, least);
  for (let at: usize = 0; at < 16; at++) smallest = min(smallest, <u32>load<u8>(OUT + at));
  return smallest;
}

/**
 * Counts PLACES by page. Page 0 is that of runs without one: its counts are all 0.
 * @param used Pages there are. To OUT, as 32-bit integers: pages and filled buckets there are then.
 */
export function countPages(rows: usize, used: u32, filled: u32): void {
  for (let row: usize = 0; row < rows; row++) {
    const place = load<u32>(PLACES + (row << 2));
    const run = PAGES + (<usize>(place >> 6) << 1);
    let at = COUNTS + <usize>load<u16>(run) * PAGE_BYTES + (<usize>(place & 63) << 3);
    const count = f64.load(at);
    if (count == 0) {
      filled++;
      if (load<u16>(run) == 0) {
        used++;
        store<u16>(run, <u16>used);
        memory.fill(COUNTS + <usize>used * PAGE_BYTES, 0, PAGE_BYTES);
        at = COUNTS + <usize>used * PAGE_BYTES + (<usize>(place & 63) << 3);
      }
    }
    f64.store(at, count + 1);
  }
  i32.store(OUT, used);
  i32.store(OUT, filled, 4);
}

/**
 * Counts PLACES in a table of open addressing, keys at PAGES and counts at COUNTS, at most half full.
 * @returns the row that is next, `rows` or one before which the table has to grow. To OUT, as a 32-bit integer: slots used then.
 */
export function countKeys(from: usize, rows: usize, mask: u32, bits: u32, used: u32, nothing: i32): usize {
  let row = from;
  for (; row < rows; row++) {
    const key = load<i32>(PLACES + (row << 2));
    if (key == nothing) continue;
    let slot = (<u32>key * 0x9e3779b1) >> bits;
    let count = f64.load(COUNTS + (<usize>slot << 3));
    while (count != 0 && load<i32>(PAGES + (<usize>slot << 2)) != key) {
      slot = (slot + 1) & mask;
      count = f64.load(COUNTS + (<usize>slot << 3));
    }
    f64.store(COUNTS + (<usize>slot << 3), count + 1);
    if (count != 0) continue;
    store<i32>(PAGES + (<usize>slot << 2), key);
    used++;
    // This row is the last for which there is room.
    if (used * 2 > mask) rows = row + 1;
  }
  i32.store(OUT, used);
  return row;
}

/** Which of the eight rows from one on are there, and not null. */
// @ts-ignore
@inline
function eightOf(row: usize, rows: usize, masked: bool): usize {
  const bits: usize = masked ? load<u8>(BITS + (row >> 3)) : 255;
  return row + 8 > rows ? bits & ((1 << (rows - row)) - 1) : bits;
}

// @ts-ignore
@inline
function min4(all: v128): i32 {
  const two = i32x4.min_s(all, v128.shuffle<i32>(all, all, 2, 3, 0, 1));
  return min(i32x4.extract_lane(two, 0), i32x4.extract_lane(two, 1));
}

// @ts-ignore
@inline
function max4(all: v128): i32 {
  const two = i32x4.max_s(all, v128.shuffle<i32>(all, all, 2, 3, 0, 1));
  return max(i32x4.extract_lane(two, 0), i32x4.extract_lane(two, 1));
}

/** The smallest and the largest of the whole numbers at PLACES, 32 bits each, to OUT; the largest below the smallest where all are null. */
export function boundsOfWhole(rows: usize, masked: bool): void {
  const most = i32x4.splat(i32.MAX_VALUE);
  const least = i32x4.splat(i32.MIN_VALUE);
  let min = most;
  let max = least;
  for (let row: usize = 0; row < rows; row += 8) {
    const bits = eightOf(row, rows, masked);
    const at = PLACES + (row << 2);
    const keptA = v128.load(QUADS + ((bits & 15) << 4));
    const a = v128.load(at);
    min = i32x4.min_s(min, v128.bitselect(a, most, keptA));
    max = i32x4.max_s(max, v128.bitselect(a, least, keptA));
    const keptB = v128.load(QUADS + ((bits >> 4) << 4));
    const b = v128.load(at, 16);
    min = i32x4.min_s(min, v128.bitselect(b, most, keptB));
    max = i32x4.max_s(max, v128.bitselect(b, least, keptB));
  }
  i32.store(OUT, min4(min));
  i32.store(OUT, max4(max), 4);
}

// @ts-ignore
@inline
function countOne(place: u32): void {
  const at = COUNTS + (<usize>place << 3);
  f64.store(at, f64.load(at) + 1);
}

/** Counts the whole numbers at PLACES, by their distance from the lowest that has a count. @param spoil Takes what is null: the place behind the counts. */
export function countWhole(rows: usize, masked: bool, lowest: i32, spoil: i32): void {
  const origin = i32x4.splat(lowest);
  const none = i32x4.splat(spoil);
  for (let row: usize = 0; row < rows; row += 8) {
    const bits = eightOf(row, rows, masked);
    const at = PLACES + (row << 2);
    const a = v128.bitselect(i32x4.sub(v128.load(at), origin), none, v128.load(QUADS + ((bits & 15) << 4)));
    countOne(i32x4.extract_lane(a, 0));
    countOne(i32x4.extract_lane(a, 1));
    countOne(i32x4.extract_lane(a, 2));
    countOne(i32x4.extract_lane(a, 3));
    const b = v128.bitselect(i32x4.sub(v128.load(at, 16), origin), none, v128.load(QUADS + ((bits >> 4) << 4)));
    countOne(i32x4.extract_lane(b, 0));
    countOne(i32x4.extract_lane(b, 1));
    countOne(i32x4.extract_lane(b, 2));
    countOne(i32x4.extract_lane(b, 3));
  }
}

/**
 * Counts short texts, from one row to before another. A key is the bytes, zeros, and the length and 1 in the last byte.
 * @param base What is taken off the offsets. @param most With more slots used than that, the table has to grow.
 * @returns the row that is next: `rows`, that of a long text, or one before which the table has to grow. To OUT, as a 32-bit integer: slots used then.
 */
export function countTexts(
  from: usize,
  rows: usize,
  masked: bool,
  base: i32,
  mask: u32,
  used: u32,
  most: u32,
): usize {
  let row = from;
  let start = load<i32>(OFFSETS + (row << 2));
  for (; row < rows; row++) {
    const end = load<i32>(OFFSETS + (row << 2), 4);
    const length = end - start;
    if (masked && ((load<u8>(BITS + (row >> 3)) >> (row & 7)) & 1) == 0) {
      start = end;
      continue;
    }
    if (length > 15) break;
    const kept = v128.and(v128.load(TEXTS + <usize>(start - base)), v128.load(HEADS + (<usize>length << 4)));
    const key = v128.or(kept, i32x4.replace_lane(i32x4.splat(0), 3, (length + 1) << 24));
    let mixed = i32x4.mul(key, i32x4(0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f));
    mixed = v128.xor(mixed, v128.shuffle<i32>(mixed, mixed, 2, 3, 0, 1));
    let hash: u32 = i32x4.extract_lane(mixed, 0) ^ i32x4.extract_lane(mixed, 1);
    hash = (hash ^ (hash >> 15)) * 0x2c1b3c6d;
    let slot = (hash ^ (hash >> 16)) & mask;
    let found = v128.load(TEXT_KEYS + (<usize>slot << 4));
    while (v128.any_true(v128.xor(found, key))) {
      if (!v128.any_true(found)) {
        v128.store(TEXT_KEYS + (<usize>slot << 4), key);
        used++;
        // This row is the last for which there is room.
        if (used > most) rows = row + 1;
        break;
      }
      slot = (slot + 1) & mask;
      found = v128.load(TEXT_KEYS + (<usize>slot << 4));
    }
    const at = TEXT_COUNTS + (<usize>slot << 3);
    f64.store(at, f64.load(at) + 1);
    start = end;
  }
  i32.store(OUT, used);
  return row;
}
