import type { Random } from "@millwright/contracts";
import type { PointSequence } from "./sobol.ts";

/**
 * Halton's sequence (1960): the index written in the base of each coordinate's prime, mirrored at the point.
 * @param random Scrambles it by a random permutation of the digits at every position (Owen, "A randomized Halton algorithm in R", arXiv 1706.02808).
 *   Without it the sequence is the bare one, which begins with zeros.
 */
export function haltonSequence(dimensions: number, random?: Random): PointSequence {
  const bases = firstPrimes(dimensions);
  const permutations = random === undefined ? undefined : bases.map((base) => digitPermutations(base, random));
  return {
    dimensions,
    point(index, into = new Float64Array(dimensions), offset = 0) {
      for (const [dimension, base] of bases.entries()) {
        const own = permutations?.[dimension];
        into[offset + dimension] = own === undefined ? mirrored(index, base) : mirroredBy(index, base, own);
      }
      return into;
    },
  };
}

function mirrored(index: number, base: number): number {
  let value = 0;
  for (let left = index, weight = 1 / base; left > 0; left = Math.floor(left / base), weight /= base) {
    value += (left % base) * weight;
  }
  return value;
}

/** All positions of a double count: leading zeros are permuted as well. */
function mirroredBy(index: number, base: number, permutations: Uint16Array): number {
  const positions = permutations.length / base;
  let value = 0;
  let left = index;
  let weight = 1 / base;
  for (let position = 0; position < positions; position += 1) {
    value += (permutations[position * base + (left % base)] as number) * weight;
    left = Math.floor(left / base);
    weight /= base;
  }
  // Rounding may bring a sum of only highest digits up to 1.
  return Math.min(value, 1 - 2 ** -53);
}

/** As many digits as 53 bits hold, each with a shuffle (Fisher and Yates) of its own. */
function digitPermutations(base: number, random: Random): Uint16Array {
  const positions = Math.max(1, Math.floor(53 / Math.log2(base)));
  const permutations = new Uint16Array(positions * base);
  for (let position = 0; position < positions; position += 1) {
    const digits = permutations.subarray(position * base, (position + 1) * base);
    for (let digit = 0; digit < base; digit += 1) {
      const other = random.integer(digit + 1);
      digits[digit] = digits[other] as number;
      digits[other] = digit;
    }
  }
  return permutations;
}

function firstPrimes(count: number): readonly number[] {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < count; candidate += 1) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}
