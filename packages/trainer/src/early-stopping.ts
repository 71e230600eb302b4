import type { Metrics } from "./metrics.ts";

export interface EarlyStopping {
  /** A metric of the validation data. Default: the task's objective, `logLoss` or `mse`. */
  readonly metric?: string | undefined;
  /** Epochs without improvement before it stops. Default: 3. */
  readonly patience?: number | undefined;
  /** An improvement is more than this. Default: 0. */
  readonly minDelta?: number | undefined;
  /** Whether the model ends with the weights of its best epoch. Default: true. */
  readonly restoreBest?: boolean | undefined;
}

/** Where early stopping stands; part of a checkpoint. */
export interface StoppingState {
  readonly bestValue: number | undefined;
  /** From 1; 0 before the first. */
  readonly bestEpoch: number;
  /** Epochs since the best. */
  readonly waited: number;
}

export const initialStopping: StoppingState = { bestValue: undefined, bestEpoch: 0, waited: 0 };

const growing: ReadonlySet<string> = new Set(["auc", "accuracy", "r2"]);

/** Whether more of the metric is better. */
export const isGrowing = (metric: string): boolean => growing.has(metric);

export interface StoppingStep {
  readonly state: StoppingState;
  readonly improved: boolean;
  readonly stop: boolean;
}

/** One epoch's step, as Keras's EarlyStopping takes it: a value that is not a number is no improvement. */
export function stepStopping(
  state: StoppingState,
  epoch: number,
  metrics: Metrics,
  { metric, patience, minDelta }: { readonly metric: string; readonly patience: number; readonly minDelta: number },
): StoppingStep {
  const value = metrics[metric] ?? Number.NaN;
  const gain =
    state.bestValue === undefined ? Infinity : isGrowing(metric) ? value - state.bestValue : state.bestValue - value;
  if (!Number.isNaN(value) && gain > minDelta) {
    return { state: { bestValue: value, bestEpoch: epoch, waited: 0 }, improved: true, stop: false };
  }
  const waited = state.waited + 1;
  return { state: { ...state, waited }, improved: false, stop: waited >= patience };
}
