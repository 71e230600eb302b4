import type { Direction, Pruner, Trial } from "../trial.ts";

export interface PercentileOptions {
  /** Trials that must have completed before any is pruned. Default: 5. */
  readonly startupTrials?: number | undefined;
  /** Steps of each trial below this are never judged. Default: 0. */
  readonly warmupSteps?: number | undefined;
  /** Judges at most once per so many steps. Default: 1. */
  readonly intervalSteps?: number | undefined;
  /** Completed trials that must have reported the step. Default: 1. */
  readonly minimumTrials?: number | undefined;
}

/** Stops a trial whose best value so far is worse than the median of the completed trials' values at the same step. Rules and defaults of Optuna. */
export function medianPruner(options: PercentileOptions = {}): Pruner {
  return { ...percentilePruner(50, options), name: "median" };
}

/**
 * Keeps a trial only while its best value so far is within the best `percentile` percent of the completed trials' values at the same step.
 * @param percentile In [0, 100].
 */
export function percentilePruner(percentile: number, options: PercentileOptions = {}): Pruner {
  const { startupTrials = 5, warmupSteps = 0, intervalSteps = 1, minimumTrials = 1 } = options;
  return {
    name: "percentile",
    judge({ trial, trials, direction }) {
      const completed = trials.filter(({ state }) => state === "completed");
      const step = trial.intermediates.at(-1)?.[0];
      if (completed.length === 0 || completed.length < startupTrials || step === undefined || step < warmupSteps)
        return { prune: false };
      if (!isFirstInInterval(trial, step, warmupSteps, intervalSteps)) return { prune: false };
      const best = bestSoFar(trial, direction);
      if (Number.isNaN(best))
        return { prune: true, reason: "every value so far is NaN", explanation: { rule: "percentile", step } };
      const peers = completed.flatMap(({ intermediates }) =>
        intermediates.filter(([at]) => at === step).map(([, value]) => value),
      );
      if (peers.length < minimumTrials) return { prune: false };
      const bound = percentileOf(peers, direction === "minimize" ? percentile : 100 - percentile);
      if (Number.isNaN(bound) || !(direction === "minimize" ? best > bound : best < bound)) return { prune: false };
      return {
        prune: true,
        reason: `its best value up to step ${step}, ${best}, is worse than ${bound}, the ${percentile}th percentile of ${peers.length} trials`,
        explanation: { rule: "percentile", percentile, step, best, bound, peers: peers.length },
      };
    },
  };
}

function isFirstInInterval(trial: Trial, step: number, warmupSteps: number, intervalSteps: number): boolean {
  const start = Math.floor((step - warmupSteps) / intervalSteps) * intervalSteps + warmupSteps;
  const previous = trial.intermediates.reduce((last, [at]) => (at !== step && at > last ? at : last), -1);
  return previous < start;
}

function bestSoFar(trial: Trial, direction: Direction): number {
  const values = trial.intermediates.map(([, value]) => value).filter((value) => !Number.isNaN(value));
  if (values.length === 0) return Number.NaN;
  return direction === "minimize" ? Math.min(...values) : Math.max(...values);
}

/** Linear interpolation between order statistics (type 7 of Hyndman and Fan, 1996), NaN left out. */
function percentileOf(values: readonly number[], percentile: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const rank = (percentile / 100) * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] as number;
  const high = sorted[Math.ceil(rank)] as number;
  return low === high ? low : low + (high - low) * (rank - Math.floor(rank));
}
