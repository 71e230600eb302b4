import { type GeneticOptions, geneticSampler } from "../multi/genetic.ts";
import { selectByNiche } from "../multi/niching.ts";
import { divisionsFor, referenceDirections } from "../multi/reference-directions.ts";
import type { Candidate } from "../multi/generations.ts";
import type { Sampler } from "../trial.ts";

export interface Nsga3Options extends GeneticOptions {
  /** Of the unit simplex, for the reference directions. Default: as many as give at most `population` directions. */
  readonly divisions?: number | undefined;
  /** Reference directions of one's own, from 0, not all 0: where on the front one wants to be. Default: Das and Dennis's. */
  readonly directions?: readonly (readonly number[])[] | undefined;
}

/**
 * NSGA-II whose last front is chosen by niches about reference directions, for three objectives and more.
 * Deb and Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting approach", IEEE TEVC 18 (2014).
 */
export function nsga3Sampler({ divisions, directions, ...options }: Nsga3Options = {}): Sampler {
  if (divisions !== undefined) referenceDirections(1, divisions);
  if (
    directions?.some((ray) => !ray.every((share) => share >= 0 && share < Infinity) || !ray.some((share) => share > 0))
  )
    throw new RangeError("A reference direction has shares from 0, one per objective, and not all of them 0.");
  return geneticSampler("nsga3", options, (objectives, population) => {
    if (directions?.some((ray) => ray.length !== objectives))
      throw new RangeError(`A reference direction of this study has ${objectives} shares, one per objective.`);
    const rays = directions ?? referenceDirections(objectives, divisions ?? divisionsFor(objectives, population));
    return (survivors, front, room, generation) =>
      selectByNiche(
        survivors.map(({ losses }) => losses),
        front.map(({ losses }) => losses),
        room,
        rays,
        generation,
      ).map((index) => front[index] as Candidate);
  });
}
