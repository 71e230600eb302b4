import { bestTrial } from "../outcome.ts";
import type { Pruner, Trial } from "../trial.ts";
import { forecast, noiseOf } from "./curve-fit.ts";
import { checkNumber, checkWhole, signOf } from "./reports.ts";

export interface CurveOptions {
  /** The last step of a full training. `auto`: that of the completed trial that got furthest. Default: auto. */
  readonly horizon?: number | "auto" | undefined;
  /** Stops a trial whose chance to beat the best one is below this, in (0, 1). Default: 0.05. */
  readonly chance?: number | undefined;
  /** Reports that a curve must have before it is extrapolated, from 3. Default: 4. */
  readonly minimumReports?: number | undefined;
  /** Trials that must have completed before any is stopped, from 1. Default: 1. */
  readonly startupTrials?: number | undefined;
}

/**
 * Stops a trial when, by its learning curve so far, it is unlikely to beat the best completed trial: power laws and exponentials are fitted with their uncertainty and
 * averaged, and the chance that the value at the horizon is better is below `chance`. The last values of completed trials are what is to be beaten. After Domhan et al.,
 * IJCAI 2015, and the decay curve rule of Golovin et al., Google Vizier, KDD 2017. Steps count from 1 or from 0.
 */
export function curvePruner(options: CurveOptions = {}): Pruner {
  const { horizon = "auto", chance = 0.05, minimumReports = 4, startupTrials = 1 } = options;
  if (horizon !== "auto") checkNumber("horizon", horizon, 1, Number.MAX_VALUE);
  if (!(chance > 0 && chance < 1)) throw new RangeError(`chance is ${String(chance)}; it must lie in (0, 1).`);
  checkWhole("minimumReports", minimumReports, 3);
  checkWhole("startupTrials", startupTrials, 1);
  return {
    name: "curve",
    judge({ trial, trials, direction }) {
      const completed = trials.filter(({ state }) => state === "completed");
      const best = bestTrial(completed, direction);
      const value = best?.values?.[0] ?? best?.value;
      const last = horizon === "auto" ? furthest(completed) : horizon;
      const reports = trial.intermediates.filter(([, reported]) => Number.isFinite(reported));
      const step = trial.intermediates.at(-1)?.[0];
      if (completed.length < startupTrials || best === undefined || value === undefined || !Number.isFinite(value))
        return { prune: false };
      if (last === undefined || step === undefined || step >= last || reports.length < minimumReports)
        return { prune: false };
      const sign = signOf(direction);
      // A step of 0 is the first: shapes are of steps above 0.
      const offset = (trial.intermediates[0]?.[0] ?? 1) < 1 ? 1 - (trial.intermediates[0]?.[0] ?? 0) : 0;
      const losses = reports.map(([, reported]) => sign * reported);
      const curve = { steps: reports.map(([at]) => at + offset), losses };
      const seen = forecast(curve, last + offset, noiseOf(losses));
      const probability = seen.below(sign * value);
      if (!(probability < chance)) return { prune: false };
      const forecastValue = sign * seen.mean;
      return {
        prune: true,
        reason: `after step ${step} its chance to beat trial ${best.number}, ${value}, by step ${last} is ${probability.toPrecision(2)}`,
        explanation: {
          rule: "curve",
          step,
          horizon: last,
          probability,
          chance,
          forecast: forecastValue,
          best: best.number,
        },
      };
    },
  };
}

const furthest = (completed: readonly Trial[]): number | undefined => {
  const steps = completed.flatMap(({ intermediates }) => intermediates.at(-1)?.[0] ?? []);
  return steps.length === 0 ? undefined : Math.max(...steps);
};
