import type { Pruner } from "../trial.ts";
import { bestOf, checkNumber, checkWhole, isFirstInInterval, percentileOf } from "./reports.ts";

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
  checkNumber("percentile", percentile, 0, 100);
  checkWhole("startupTrials", startupTrials, 0);
  checkNumber("warmupSteps", warmupSteps, 0, Infinity);
  checkNumber("intervalSteps", intervalSteps, 1, Infinity);
  checkWhole("minimumTrials", minimumTrials, 1);
  return {
    name: "percentile",
    judge({ trial, trials, direction }) {
      const completed = trials.filter(({ state }) => state === "completed");
      const step = trial.intermediates.at(-1)?.[0];
      if (completed.length === 0 || completed.length < startupTrials || step === undefined || step < warmupSteps)
        return { prune: false };
      if (!isFirstInInterval(trial, step, warmupSteps, intervalSteps)) return { prune: false };
      const best = bestOf(
        trial.intermediates.map(([, value]) => value),
        direction,
      );
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
