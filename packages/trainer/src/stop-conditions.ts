import { isGrowing } from "./early-stopping.ts";
import type { Metrics } from "./metrics.ts";

/** When a run ends before its last epoch, with a model package. */
export interface StopConditions {
  /** Most steps of the whole run, those before a resume among them. Default: as many as the epochs have. */
  readonly steps?: number | undefined;
  /** Most time of training and validation, all attempts together, in milliseconds; looked at after each step. Default: no limit. */
  readonly timeMs?: number | undefined;
  /** A metric of the validation data that is good enough, looked at after each epoch: at most this, for `auc`, `accuracy` and `r2` at least. */
  readonly metric?: { readonly name: string; readonly reaches: number } | undefined;
}

/** Why a run ended as `"stopped"`. */
export interface StopReason {
  /** `request`: `finish` was called; `budget`: there was none left; `callback`: one called `stop`; `not-finite`: the loss was no number; `rule`: one fired whose action is `stop`. */
  readonly cause: "steps" | "time" | "metric" | "request" | "budget" | "callback" | "not-finite" | "rule";
  readonly reason: string;
}

/** Whether the run ends after the step. Pure. */
export function stopAfterStep(
  { steps, timeMs }: StopConditions,
  { step, elapsedMs }: { readonly step: number; readonly elapsedMs: number },
): StopReason | undefined {
  if (steps !== undefined && step >= steps) return { cause: "steps", reason: `${step} steps are over.` };
  if (timeMs !== undefined && elapsedMs >= timeMs) {
    return { cause: "time", reason: `${Math.round(elapsedMs)} ms have passed, of ${timeMs}.` };
  }
  return undefined;
}

/** Whether the run ends after the epoch. A metric that is not there, or is no number, is not good enough. Pure. */
export function stopAfterEpoch({ metric }: StopConditions, metrics: Metrics): StopReason | undefined {
  if (metric === undefined) return undefined;
  const value = metrics[metric.name] ?? Number.NaN;
  const reached = isGrowing(metric.name) ? value >= metric.reaches : value <= metric.reaches;
  return reached
    ? { cause: "metric", reason: `${metric.name} is ${value}, and had to reach ${metric.reaches}.` }
    : undefined;
}
