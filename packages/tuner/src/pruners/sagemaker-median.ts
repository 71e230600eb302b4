import type { Pruner, Trial } from "../trial.ts";
import { checkWhole, lastReport, percentileOf, signOf } from "./reports.ts";

export interface SageMakerMedianOptions {
  /** Earlier trials that must have reported so far, from 1. Default: 1. */
  readonly minimumTrials?: number | undefined;
}

/**
 * Stops a trial whose newest value is worse than the median, over the trials that ended before (completed or pruned), of the running average of their values up to
 * the same step. The median stopping rule of SageMaker automatic model tuning ("How early stopping works"), after Golovin et al., Google Vizier, KDD 2017.
 */
export function sageMakerMedianPruner({ minimumTrials = 1 }: SageMakerMedianOptions = {}): Pruner {
  checkWhole("minimumTrials", minimumTrials, 1);
  return {
    name: "sagemaker-median",
    judge({ trial, trials, direction }) {
      const [step, value] = lastReport(trial) ?? [];
      if (step === undefined || value === undefined) return { prune: false };
      if (Number.isNaN(value))
        return {
          prune: true,
          reason: `its value at step ${step} is NaN`,
          explanation: { rule: "sagemaker-median", step },
        };
      const averages = trials
        .filter(({ state, number }) => number !== trial.number && (state === "completed" || state === "pruned"))
        .flatMap((peer) => runningAverage(peer, step));
      if (averages.length < minimumTrials) return { prune: false };
      const bound = percentileOf(averages, 50);
      const sign = signOf(direction);
      if (!(sign * value > sign * bound)) return { prune: false };
      return {
        prune: true,
        reason: `its value at step ${step}, ${value}, is worse than ${bound}, the median of ${averages.length} running averages`,
        explanation: { rule: "sagemaker-median", step, value, bound, peers: averages.length },
      };
    },
  };
}

/** Of the values up to `step`; none where the trial did not get so far, or a value is NaN. */
function runningAverage({ intermediates }: Trial, step: number): readonly number[] {
  if ((intermediates.at(-1)?.[0] ?? -Infinity) < step) return [];
  const values = intermediates.filter(([at]) => at <= step).map(([, value]) => value);
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Number.isNaN(average) ? [] : [average];
}
