import { crowdingDistances } from "../multi/crowding.ts";
import { type Survival } from "../multi/generations.ts";
import { type GeneticOptions, geneticSampler } from "../multi/genetic.ts";
import type { Sampler } from "../trial.ts";

/**
 * The elitist genetic algorithm with non-dominated sorting: of a generation and its parents the better fronts survive, of the last of them those whose
 * neighbours are furthest; infeasible trials come behind all feasible ones, by their violation.
 * Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6 (2002). Defaults are Optuna's.
 */
export function nsga2Sampler(options: GeneticOptions = {}): Sampler {
  return geneticSampler("nsga2", options, () => byCrowding);
}

const byCrowding: Survival = (_, front, room) => {
  const distances = crowdingDistances(front.map(({ losses }) => losses));
  return [...front.keys()]
    .sort((a, b) => compare(distances[b] as number, distances[a] as number) || a - b)
    .slice(0, room)
    .map((index) => front[index] as (typeof front)[number]);
};

const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
