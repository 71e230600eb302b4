import type { Explanation, Trial } from "../trial.ts";

/** A trial that the sampler itself suggested. */
export interface OwnTrial {
  readonly trial: Trial;
  readonly run: number;
  readonly generation: number;
  readonly point: readonly number[];
}

/** How a run begins: decided by its first trial, and read back from that one's explanation. */
export interface RunStart {
  readonly population: number;
  readonly sigma: number;
  /** The mean, by axis; absent where `warmTrials` tell it. */
  readonly start?: readonly number[] | undefined;
  /** Numbers of the trials whose points the start is estimated from. */
  readonly warmTrials?: readonly number[] | undefined;
  readonly regime: "large" | "small";
}

/** A run of CMA-ES as its trials tell it: its start, and for each later generation the trials it was learned from, best first. */
export interface Run {
  readonly index: number;
  readonly start: RunStart;
  readonly learned: readonly (readonly number[])[];
  readonly own: readonly OwnTrial[];
}

/** The runs so far, oldest first. Trials of other samplers, and those whose explanation does not fit the space, belong to none. */
export function readRuns(trials: readonly Trial[], dimensions: number, axes: number): readonly Run[] {
  const runs: { index: number; start: RunStart; learned: (readonly number[])[]; own: OwnTrial[] }[] = [];
  for (const trial of trials) {
    const { explanation } = trial;
    if (explanation["sampler"] !== "cma-es") continue;
    const { run, generation, point, learnedFrom } = explanation;
    if (typeof run !== "number" || typeof generation !== "number" || !Array.isArray(point)) continue;
    if (point.length !== dimensions) continue;
    const start = run === runs.length && generation === 0 ? readStart(explanation, axes) : undefined;
    if (start !== undefined) runs.push({ index: run, start, learned: [], own: [] });
    const at = runs[run];
    if (at === undefined || generation > at.learned.length + 1) continue;
    if (generation === at.learned.length + 1) {
      if (!Array.isArray(learnedFrom)) continue;
      at.learned.push(learnedFrom as readonly number[]);
    }
    at.own.push({ trial, run, generation, point: point as readonly number[] });
  }
  return runs;
}

function readStart(explanation: Explanation, axes: number): RunStart | undefined {
  const { population, sigma, start, warmTrials, regime } = explanation;
  if (typeof population !== "number" || typeof sigma !== "number" || (regime !== "large" && regime !== "small"))
    return undefined;
  if (Array.isArray(warmTrials)) return { population, sigma, warmTrials: warmTrials as readonly number[], regime };
  return Array.isArray(start) && start.length === axes
    ? { population, sigma, start: start as readonly number[], regime }
    : undefined;
}
