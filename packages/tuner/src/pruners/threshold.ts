import type { Pruner } from "../trial.ts";
import { checkNumber, isFirstInInterval, lastReport } from "./reports.ts";

export interface ThresholdOptions {
  /** Values below this stop the trial. Default: none. */
  readonly lower?: number | undefined;
  /** Values above this stop the trial. Default: none. */
  readonly upper?: number | undefined;
  /** Steps below this are never judged. Default: 0. */
  readonly warmupSteps?: number | undefined;
  /** Judges at most once per so many steps. Default: 1. */
  readonly intervalSteps?: number | undefined;
}

/** Stops a trial whose newest value is NaN, or outside [lower, upper]; at least one of the two is given. The rule of Optuna's ThresholdPruner. */
export function thresholdPruner(options: ThresholdOptions): Pruner {
  const { lower, upper, warmupSteps = 0, intervalSteps = 1 } = options;
  if (lower === undefined && upper === undefined) throw new TypeError("thresholdPruner needs lower, upper, or both.");
  const low = lower ?? -Infinity;
  const high = upper ?? Infinity;
  checkNumber("lower", low, -Infinity, Infinity);
  checkNumber("upper", high, low, Infinity);
  checkNumber("warmupSteps", warmupSteps, 0, Infinity);
  checkNumber("intervalSteps", intervalSteps, 1, Infinity);
  return {
    name: "threshold",
    judge({ trial }) {
      const [step, value] = lastReport(trial) ?? [];
      if (step === undefined || value === undefined || step < warmupSteps) return { prune: false };
      if (!isFirstInInterval(trial, step, warmupSteps, intervalSteps)) return { prune: false };
      if (value >= low && value <= high) return { prune: false };
      return {
        prune: true,
        reason: `its value at step ${step}, ${value}, is outside [${low}, ${high}]`,
        explanation: { rule: "threshold", step, value, lower: low, upper: high },
      };
    },
  };
}
