import { hashBytes, hashText, mix32 } from "./hash.ts";

/**
 * HyperLogLog with 2^12 registers: Flajolet et al. (2007), relative standard error 1.04/√4096 = 1.6 %. Numbers are told apart by all 64 bits,
 * texts by 32 bits of hash. A function of the set of values alone.
 */
export type DistinctSketch = Uint8Array;

const indexBits = 12;
const registers = 1 << indexBits;
/** Leading zeros that a 32-bit word can show, plus one. */
const largestRank = 33;

export function emptyDistinct(): DistinctSketch {
  return new Uint8Array(registers);
}

/** Adds the finite numbers among the first `length`. Throws a RangeError where there are not as many. */
export function addNumbersToDistinct(sketch: DistinctSketch, values: Float64Array, length: number): void {
  if (!(length <= values.length)) throw new RangeError(`There are ${values.length} values, not ${length}.`);
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  for (let index = 0; index < length; index += 1) {
    const low = words[index * 2] as number;
    let high = words[index * 2 + 1] as number;
    if ((high & 0x7ff00000) === 0x7ff00000) continue;
    // Both zeros are one value.
    if (high === -0x80000000 && low === 0) high = 0;
    addHash(sketch, mix32(low + Math.imul(high, 0x9e3779b1) + 0x7f4a7c15), high ^ Math.imul(low, 0x5bd1e995));
  }
}

export function addTextToDistinct(sketch: DistinctSketch, text: string): void {
  const hash = hashText(text, 0x2545f491);
  addHash(sketch, hash, text.length);
}

/** As `addTextToDistinct` of the text that these bytes of UTF-8 write. */
export function addBytesToDistinct(sketch: DistinctSketch, bytes: Uint8Array, start: number, end: number): void {
  addHash(sketch, hashBytes(bytes, start, end, 0x2545f491), unitsOf(bytes, start, end));
}

/** UTF-16 units: one for each character, two for those of four bytes. */
function unitsOf(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

function addHash(sketch: DistinctSketch, first: number, salt: number): void {
  const register = first >>> (32 - indexBits);
  const rank = Math.clz32(mix32(first ^ salt ^ 0x5851f42d)) + 1;
  if (rank > (sketch[register] as number)) sketch[register] = rank;
}

/** Exactly associative, commutative and idempotent; any number at once. */
export function mergeDistinct(first: DistinctSketch, ...rest: readonly DistinctSketch[]): DistinctSketch {
  const merged = first.slice();
  for (const sketch of rest) {
    for (let register = 0; register < registers; register += 1) {
      if ((sketch[register] as number) > (merged[register] as number)) merged[register] = sketch[register] as number;
    }
  }
  return merged;
}

/**
 * The number of distinct values, by the improved raw estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (2017), algorithm 6: without bias tables, good from none to all.
 */
export function distinctOf(sketch: DistinctSketch): number {
  const multiplicities = new Float64Array(largestRank + 1);
  for (const rank of sketch) multiplicities[rank] = (multiplicities[rank] as number) + 1;
  let z = registers * tau((registers - (multiplicities[largestRank] as number)) / registers);
  for (let rank = largestRank - 1; rank >= 1; rank -= 1) z = 0.5 * (z + (multiplicities[rank] as number));
  z += registers * sigma((multiplicities[0] as number) / registers);
  return (registers * registers) / (2 * Math.LN2 * z);
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let x = share;
  let y = 1;
  let z = x;
  for (;;) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z === before) return z;
  }
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (;;) {
    x = Math.sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
    if (z === before) return z / 3;
  }
}
