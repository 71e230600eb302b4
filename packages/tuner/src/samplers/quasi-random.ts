import { createRandom } from "@millwright/contracts";
import type { Random } from "@millwright/contracts";
import { constraintsUnsatisfiable } from "../errors.ts";
import type { Params, Space } from "../space.ts";
import { type Constraint, isAllowed } from "../space-constraints.ts";
import type { Sampler, Trial } from "../trial.ts";
import { type Encoding, createEncoding } from "./encoding.ts";
import { haltonSequence } from "./halton.ts";
import { type PointSequence, sobolSequence } from "./sobol.ts";

export interface QuasiRandomOptions {
  /**
   * Randomises the sequence, so that studies with other seeds get other points. The first trial's explanation keeps the choice. Default: true; false
   * gives the bare sequence, whose first point is the low end of all ranges.
   */
  readonly scramble?: boolean | undefined;
}

/**
 * Points of Sobol's sequence with Owen's scrambling, trial n the n-th that the known constraints allow: they fill the space more evenly than chance, most so
 * after 2^k trials. Beyond 256 coordinates the rest are drawn. See `sobolPoints` for the sources.
 */
export function sobolSampler({ scramble = true }: QuasiRandomOptions = {}): Sampler {
  return quasiRandomSampler("sobol", sobolSequence, scramble);
}

/** Points of Halton's sequence with random digit permutations, trial n the n-th that the known constraints allow. Best below some 10 dimensions. */
export function haltonSampler({ scramble = true }: QuasiRandomOptions = {}): Sampler {
  return quasiRandomSampler("halton", haltonSequence, scramble);
}

/** So many points in a row may be forbidden. */
const MOST_FORBIDDEN = 20_000;

function quasiRandomSampler(
  name: string,
  sequenceOf: (dimensions: number, random?: Random) => PointSequence,
  scramble: boolean,
): Sampler {
  // Which sequences were looked into, and how far: the answers are the same without.
  const walks = new WeakMap<Space, Map<string, Walk>>();
  return {
    name,
    suggest(space, { trials, constraints = [] }, random) {
      const scrambling = scramble ? (knownScrambling(trials, name) ?? random.integer(2 ** 32)) : undefined;
      const known = walks.get(space) ?? new Map<string, Walk>();
      walks.set(space, known);
      let walk = known.get(String(scrambling));
      if (walk?.constraints !== constraints) {
        const encoding = createEncoding(space);
        const stream = scrambling === undefined ? undefined : createRandom(scrambling);
        walk = { encoding, sequence: sequenceOf(encoding.dimensions.length, stream), constraints, allowed: [] };
        known.set(String(scrambling), walk);
      }
      const { params, index } = pointOf(walk, trials.length);
      const explanation = { sampler: name, index, ...(scrambling === undefined ? {} : { scrambling }) };
      return { params, explanation };
    },
  };
}

interface Walk {
  readonly encoding: Encoding;
  readonly sequence: PointSequence;
  readonly constraints: readonly Constraint[];
  /** Indices of the points that the constraints allow, as far as was looked. */
  readonly allowed: number[];
}

/** The sequence's `place`-th allowed point. */
function pointOf(
  { encoding, sequence, constraints, allowed }: Walk,
  place: number,
): { readonly params: Params; readonly index: number } {
  const at = (index: number): Params => encoding.decode(sequence.point(index));
  if (constraints.length === 0) return { params: at(place), index: place };
  for (let index = (allowed.at(-1) ?? -1) + 1; allowed.length <= place; index += 1) {
    if (isAllowed(constraints, at(index))) allowed.push(index);
    else if (index - (allowed.at(-1) ?? 0) > MOST_FORBIDDEN) throw constraintsUnsatisfiable(MOST_FORBIDDEN);
  }
  const index = allowed[place] as number;
  return { params: at(index), index };
}

function knownScrambling(trials: readonly Trial[], sampler: string): number | undefined {
  for (const { explanation } of trials) {
    const scrambling = explanation["scrambling"];
    if (explanation["sampler"] === sampler && typeof scrambling === "number") return scrambling;
  }
  return undefined;
}
