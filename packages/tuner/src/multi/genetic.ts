import type { Random } from "@millwright/contracts";
import { type Encoding, createEncoding } from "../samplers/encoding.ts";
import type { Params, Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Sampler, SuggestContext } from "../trial.ts";
import { crowdingDistances } from "./crowding.ts";
import { type Candidate, type Survival, currentGeneration } from "./generations.ts";
import { type Individual, type VariationOptions, makeChild, validateVariation } from "./variation.ts";

export interface GeneticOptions extends VariationOptions {
  /** Trials of a generation. From 2. Default: 50. */
  readonly population?: number | undefined;
}

/** Children tried for one that the constraints allow and that is no copy of a parent. */
const attempts = 100;

interface Parent extends Individual, Candidate {
  readonly crowding: number;
}

/** A genetic sampler that keeps its state in the trials: a trial's generation stands in its explanation. */
export function geneticSampler(
  name: string,
  options: GeneticOptions,
  survivalOf: (objectives: number, population: number) => Survival,
): Sampler {
  const { population = 50, ...variation } = options;
  if (!Number.isSafeInteger(population) || population < 2)
    throw new RangeError(`"population" is a whole number from 2, not ${population}.`);
  validateVariation(variation);
  return {
    name,
    suggest(space, context, random) {
      const directions = context.directions ?? [context.direction];
      const survive = survivalOf(directions.length, population);
      const { number, parents } = currentGeneration(name, context.trials, directions, population, survive);
      if (number === 0) {
        return {
          params: drawParams(space, random, context.constraints),
          explanation: { sampler: name, phase: "startup", generation: 0 },
        };
      }
      const eta = variation.crossoverEta ?? (directions.length > 1 ? 20 : 2);
      const { params, parents: used } = breed(space, context, parentsOf(space, parents), { ...variation, eta }, random);
      return { params, explanation: { sampler: name, phase: "offspring", generation: number, parents: used } };
    },
  };
}

function parentsOf(space: Space, candidates: readonly Candidate[]): { encoding: Encoding; parents: readonly Parent[] } {
  const encoding = createEncoding(space);
  const crowding = crowdingOf(candidates);
  return {
    encoding,
    parents: candidates.map((candidate, index) => ({
      ...candidate,
      params: candidate.trial.params,
      point: encoding.encode(candidate.trial.params),
      crowding: crowding[index] as number,
    })),
  };
}

/** Among those of the same rank. */
function crowdingOf(candidates: readonly Candidate[]): Float64Array {
  const crowding = new Float64Array(candidates.length);
  for (const rank of new Set(candidates.map((candidate) => candidate.rank))) {
    const members = [...candidates.keys()].filter((index) => candidates[index]?.rank === rank);
    const distances = crowdingDistances(members.map((index) => (candidates[index] as Candidate).losses));
    for (const [position, index] of members.entries()) crowding[index] = distances[position] as number;
  }
  return crowding;
}

function breed(
  space: Space,
  { constraints }: SuggestContext,
  { encoding, parents }: { readonly encoding: Encoding; readonly parents: readonly Parent[] },
  variation: VariationOptions & { readonly eta: number },
  random: Random,
): { readonly params: Params; readonly parents: readonly number[] } {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const chosen: Parent[] = [];
    const child = makeChild(
      encoding.dimensions,
      () => {
        const parent = tournament(parents, chosen[0], random);
        chosen.push(parent);
        return parent;
      },
      variation,
      random,
    );
    const params = encoding.decode(child);
    const point = encoding.encode(params);
    const copy = parents.some((parent) => isSame(parent, point, params));
    // In a small space a copy may be all there is.
    if ((!copy || attempt >= attempts / 2) && isAllowed(constraints, params))
      return { params, parents: chosen.map(({ trial }) => trial.number) };
  }
  return { params: drawParams(space, random, constraints), parents: [] };
}

function isSame(parent: Parent, point: Float64Array, params: Params): boolean {
  return (
    point.every((coordinate, index) => coordinate === parent.point[index]) &&
    Object.keys(params).length === Object.keys(parent.params).length
  );
}

/** The better of two: of the better front, or in the emptier place of the same. `other` is not chosen again. */
function tournament(parents: readonly Parent[], other: Parent | undefined, random: Random): Parent {
  const draw = (): Parent => {
    const index = random.integer(other === undefined ? parents.length : parents.length - 1);
    return parents[other !== undefined && index >= parents.indexOf(other) ? index + 1 : index] as Parent;
  };
  const one = draw();
  const two = draw();
  if (one.rank !== two.rank) return one.rank < two.rank ? one : two;
  return one.crowding > two.crowding ? one : two;
}
