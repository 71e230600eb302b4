import { bestTrial } from "../outcome.ts";
import type { Pruner, Trial } from "../trial.ts";
import { checkNumber, checkWhole, signOf, valueAt } from "./reports.ts";
import { signedRankPValue } from "./wilcoxon-test.ts";

export interface WilcoxonOptions {
  /** Stops a trial where the test's p value is below this, in [0, 1]. Default: 0.1. */
  readonly threshold?: number | undefined;
  /** Steps that the trial and the best trial must share, from 0; never fewer than 2. Default: 2. */
  readonly startupSteps?: number | undefined;
}

/**
 * For objectives that average over instances (folds, seeds, problems), where the step is the instance: stops a trial that a one-sided Wilcoxon signed-rank test of
 * the shared steps calls worse than the best trial, unless the mean of its values so far is as good as that of the best. Trials with values that are not finite
 * are never stopped. The rule of Optuna's WilcoxonPruner.
 */
export function wilcoxonPruner({ threshold = 0.1, startupSteps = 2 }: WilcoxonOptions = {}): Pruner {
  checkNumber("threshold", threshold, 0, 1);
  checkWhole("startupSteps", startupSteps, 0);
  return {
    name: "wilcoxon",
    judge({ trial, trials, direction }) {
      const best = bestTrial(trials, direction);
      if (best === undefined || !hasFiniteReports(trial) || !hasFiniteReports(best)) return { prune: false };
      const sign = signOf(direction);
      const differences = trial.intermediates.flatMap(([step, value]) => {
        const other = valueAt(best, step);
        return other === undefined ? [] : [sign * (value - other)];
      });
      if (differences.length < Math.max(2, startupSteps)) return { prune: false };
      const pValue = signedRankPValue(differences);
      const [mean, bestMean] = [meanOf(trial), meanOf(best)];
      if (!(pValue < threshold) || sign * bestMean >= sign * mean) return { prune: false };
      return {
        prune: true,
        reason: `on ${differences.length} shared steps it is worse than trial ${best.number}: p = ${pValue.toPrecision(3)}`,
        explanation: {
          rule: "wilcoxon",
          pValue,
          threshold,
          best: best.number,
          mean,
          bestMean,
          peers: differences.length,
        },
      };
    },
  };
}

const hasFiniteReports = ({ intermediates }: Trial): boolean =>
  intermediates.length > 0 && intermediates.every(([, value]) => Number.isFinite(value));

const meanOf = ({ intermediates }: Trial): number =>
  intermediates.reduce((sum, [, value]) => sum + value, 0) / intermediates.length;
