import { isGrowing } from "./early-stopping.ts";
import type { PlateauSchedule } from "./learning-rate.ts";
import type { Metrics } from "./metrics.ts";

/** Where lowering on plateaus stands; part of a checkpoint. */
export interface PlateauState {
  readonly best: number | undefined;
  /** Epochs since the best, or since it was lowered. */
  readonly waited: number;
  /** Epochs of cooling down that are left. */
  readonly cooling: number;
  readonly learningRate: number;
}

export const initialPlateau = (learningRate: number): PlateauState => ({
  best: undefined,
  waited: 0,
  cooling: 0,
  learningRate,
});

/** One epoch's step, as Keras's ReduceLROnPlateau takes it; a value that is not a number is no improvement. Pure. */
export function stepPlateau(
  state: PlateauState,
  metrics: Metrics,
  {
    metric,
    factor = 0.1,
    patience = 10,
    minDelta = 1e-4,
    cooldown = 0,
    minimum = 0,
  }: PlateauSchedule & { readonly metric: string },
): PlateauState {
  const value = metrics[metric] ?? Number.NaN;
  const cooling = Math.max(0, state.cooling - 1);
  const waited = state.cooling > 0 ? 0 : state.waited;
  const best = state.best ?? (isGrowing(metric) ? -Infinity : Infinity);
  if (isGrowing(metric) ? value > best + minDelta : value < best - minDelta) {
    return { ...state, best: value, waited: 0, cooling };
  }
  if (cooling > 0) return { ...state, waited, cooling };
  if (waited + 1 < patience || state.learningRate <= minimum) return { ...state, waited: waited + 1, cooling };
  return { ...state, waited: 0, cooling: cooldown, learningRate: Math.max(minimum, state.learningRate * factor) };
}
