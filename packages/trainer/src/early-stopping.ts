import type { Metrics } from "./metrics.ts";

export interface EarlyStopping {
  /** A metric of the validation data. Default: the task's objective, `logLoss` or `mse`. */
  readonly metric?: string | undefined;
  /** Epochs without improvement before it stops. Default: 3. */
  readonly patience?: number | undefined;
  /** An improvement is more than this. Default: 0. */
  readonly minDelta?: number | undefined;
  /** What the metric must be better than by `minDelta`: until then, an improvement does not end the waiting. Default: none. */
  readonly baseline?: number | undefined;
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

export interface StoppingRule {
  readonly metric: string;
  readonly patience: number;
  readonly minDelta: number;
  readonly baseline?: number | null | undefined;
}

/** Whether it stops after so many epochs: never after the first, nor after one that is the best so far, as in Keras. */
export const isOver = (
  { waited, bestEpoch }: StoppingState,
  epochs: number,
  { patience }: Pick<StoppingRule, "patience">,
): boolean => waited >= patience && epochs > 1 && bestEpoch !== epochs;

/** One epoch's step, as Keras's EarlyStopping takes it: a value that is not a number is no improvement. Pure. */
export function stepStopping(
  state: StoppingState,
  epoch: number,
  metrics: Metrics,
  { metric, patience, minDelta, baseline }: StoppingRule,
): StoppingStep {
  const value = metrics[metric] ?? Number.NaN;
  const gainOver = (other: number): number => (isGrowing(metric) ? value - other : other - value);
  const improved = !Number.isNaN(value) && (state.bestValue === undefined || gainOver(state.bestValue) > minDelta);
  const enough = improved && (baseline === undefined || baseline === null || gainOver(baseline) > minDelta);
  const best = improved ? { bestValue: value, bestEpoch: epoch } : state;
  const next: StoppingState = {
    bestValue: best.bestValue,
    bestEpoch: best.bestEpoch,
    waited: enough ? 0 : state.waited + 1,
  };
  return { state: next, improved, stop: isOver(next, epoch, { patience }) };
}
