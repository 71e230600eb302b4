import { violationOf } from "../outcome.ts";
import type { Direction, Trial } from "../trial.ts";
import { constrainedRanks } from "./domination.ts";
import { measuredTrials } from "./front.ts";

/** A finished trial among others of its generation. */
export interface Candidate {
  readonly trial: Trial;
  readonly losses: readonly number[];
  /** Of the constrained ranks within its generation: 0 is the best. */
  readonly rank: number;
}

/** Chooses which of the worst front that still finds room survive. */
export type Survival = (
  survivors: readonly Candidate[],
  front: readonly Candidate[],
  room: number,
  generation: number,
) => readonly Candidate[];

export interface Generation {
  /** From 0. */
  readonly number: number;
  /** Whom its trials descend from; empty in generation 0. */
  readonly parents: readonly Candidate[];
}

/**
 * Which generation the next trial belongs to, told from the trials alone. A generation is complete with its `population`-th completed trial; its survivors
 * are chosen among it and its parents, and are the parents of the next. Trials that another sampler made, or the user, belong to generation 0.
 */
export function currentGeneration(
  sampler: string,
  trials: readonly Trial[],
  directions: readonly Direction[],
  population: number,
  survive: Survival,
): Generation {
  const generations = new Map<number, { readonly trial: Trial; readonly losses: readonly number[] }[]>();
  for (const measured of measuredTrials(trials, directions)) {
    const generation = generationOf(measured.trial, sampler);
    const members = generations.get(generation);
    if (members === undefined) generations.set(generation, [measured]);
    else members.push(measured);
  }
  let parents: readonly Candidate[] = [];
  let number = 0;
  for (;;) {
    const members = generations.get(number);
    if (members === undefined || members.length < population) return { number, parents };
    parents = selectSurvivors([...parents, ...members], population, survive, number);
    number += 1;
  }
}

function generationOf({ explanation }: Trial, sampler: string): number {
  const { generation } = explanation;
  return explanation["sampler"] === sampler && typeof generation === "number" && Number.isSafeInteger(generation)
    ? Math.max(0, generation)
    : 0;
}

function selectSurvivors(
  pool: readonly { readonly trial: Trial; readonly losses: readonly number[] }[],
  population: number,
  survive: Survival,
  generation: number,
): readonly Candidate[] {
  const ranks = constrainedRanks(
    pool.map(({ losses }) => losses),
    pool.map(({ trial }) => violationOf(trial)),
  );
  const fronts: Candidate[][] = [];
  for (const [index, { trial, losses }] of pool.entries()) {
    const rank = ranks[index] as number;
    (fronts[rank] ??= []).push({ trial, losses, rank });
  }
  const survivors: Candidate[] = [];
  for (const front of fronts) {
    const room = population - survivors.length;
    if (room === 0) break;
    survivors.push(...(front.length <= room ? front : survive(survivors, front, room, generation)));
  }
  return survivors;
}
