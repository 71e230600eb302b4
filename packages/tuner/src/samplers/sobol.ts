import type { Random } from "@millwright/contracts";
import { JOE_KUO } from "./sobol-directions.ts";

const BITS = 32;
const SCALE = 2 ** -32;

/** Coordinates with direction numbers of their own; those beyond are drawn independently. */
export const SOBOL_DIMENSIONS = 256;

/** A point of a low-discrepancy sequence, by its index alone: workers that take different indices get different points. */
export interface PointSequence {
  readonly dimensions: number;
  /**
   * @param index From 0, below 2^32.
   * @param into Receives the coordinates from `offset` on, each in [0, 1). Default: a new array.
   */
  point(index: number, into?: Float64Array, offset?: number): Float64Array;
}

/**
 * Sobol's sequence in Gray-code order (Antonov and Saleev, 1979) with Joe and Kuo's direction numbers: every 2^k points put one into each of 2^k
 * cells of every coordinate. Beyond 256 coordinates the rest are drawn uniformly.
 * @param random Scrambles it as Owen does (nested uniform scrambling, 1995), by Burley's hash ("Practical hash-based Owen scrambling", JCGT 9, 2020);
 *   values are then inside (0, 1). Without it the sequence is the bare one, which begins with zeros.
 */
export function sobolSequence(dimensions: number, random?: Random): PointSequence {
  const own = Math.min(dimensions, SOBOL_DIMENSIONS);
  const directions = directionNumbers(own);
  const seeds = random === undefined ? undefined : Uint32Array.from({ length: own }, () => random.integer(2 ** 32));
  const rest = dimensions > own ? (random?.fork("sobol rest") ?? undefined) : undefined;
  return {
    dimensions,
    point(index, into = new Float64Array(dimensions), offset = 0) {
      const gray = (index ^ (index >>> 1)) >>> 0;
      for (let dimension = 0; dimension < own; dimension += 1) {
        let bits = 0;
        for (let left = gray, bit = dimension * BITS; left !== 0; left >>>= 1, bit += 1) {
          if ((left & 1) === 1) bits ^= directions[bit] as number;
        }
        into[offset + dimension] =
          seeds === undefined ? (bits >>> 0) * SCALE : (scramble(bits, seeds[dimension] as number) + 0.5) * SCALE;
      }
      if (dimensions > own) fillRest(into, offset + own, offset + dimensions, rest?.fork(index));
      return into;
    },
  };
}

/**
 * `count` scrambled Sobol points in (0, 1), row after row: `count` × `dimensions`. Powers of two fill the cube most evenly.
 * @param random Chooses the scrambling.
 */
export function sobolPoints(dimensions: number, count: number, random: Random): Float64Array {
  const sequence = sobolSequence(dimensions, random);
  const points = new Float64Array(dimensions * count);
  for (let index = 0; index < count; index += 1) sequence.point(index, points, index * dimensions);
  return points;
}

function fillRest(into: Float64Array, from: number, to: number, random: Random | undefined): void {
  if (random === undefined)
    throw new RangeError(`Sobol's sequence has ${SOBOL_DIMENSIONS} coordinates; more need a random stream.`);
  for (let index = from; index < to; index += 1) into[index] = random.next();
}

let entries: readonly string[] | undefined;
const known = new Map<number, Uint32Array>();

/** V[dimension · 32 + bit], highest bit first: the recurrence of Bratley and Fox, "Algorithm 659", ACM TOMS 14 (1988). */
function directionNumbers(dimensions: number): Uint32Array {
  const directions = known.get(dimensions) ?? computeDirections(dimensions);
  known.set(dimensions, directions);
  return directions;
}

function computeDirections(dimensions: number): Uint32Array {
  const directions = new Uint32Array(dimensions * BITS);
  for (let bit = 0; bit < BITS && dimensions > 0; bit += 1) directions[bit] = (1 << (BITS - 1 - bit)) >>> 0;
  entries ??= JOE_KUO.trim().split(/\s+/);
  for (let dimension = 1; dimension < dimensions; dimension += 1) {
    const [polynomial = 0, ...initial] = (entries[dimension - 1] ?? "").split(",").map((text) => parseInt(text, 36));
    const degree = initial.length;
    const start = dimension * BITS;
    for (let bit = 0; bit < BITS; bit += 1) {
      if (bit < degree) {
        directions[start + bit] = (initial[bit] as number) << (BITS - 1 - bit);
        continue;
      }
      const back = directions[start + bit - degree] as number;
      let value = back ^ (back >>> degree);
      for (let term = 1; term < degree; term += 1) {
        if (((polynomial >>> (degree - term)) & 1) === 1) value ^= directions[start + bit - term] as number;
      }
      directions[start + bit] = value;
    }
  }
  return directions;
}

/** Each bit is flipped by a hash of the bits above it: the hash lets only lower bits act on higher ones, so it is done in reversed order. */
function scramble(bits: number, seed: number): number {
  let word = (reverseBits(bits) + seed) | 0;
  word ^= Math.imul(word, 0x6c50b47c);
  word ^= Math.imul(word, 0xb82f1e52);
  word ^= Math.imul(word, 0xc7afe638);
  word ^= Math.imul(word, 0x8d22f6e6);
  return reverseBits(word);
}

function reverseBits(bits: number): number {
  let word = bits;
  word = ((word >>> 1) & 0x55555555) | ((word & 0x55555555) << 1);
  word = ((word >>> 2) & 0x33333333) | ((word & 0x33333333) << 2);
  word = ((word >>> 4) & 0x0f0f0f0f) | ((word & 0x0f0f0f0f) << 4);
  word = ((word >>> 8) & 0x00ff00ff) | ((word & 0x00ff00ff) << 8);
  return ((word >>> 16) | (word << 16)) >>> 0;
}
