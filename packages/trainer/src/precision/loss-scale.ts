import { inputInvalid } from "../errors.ts";

/** A factor of the loss that keeps small gradients from being rounded to nothing, and finds its size by itself (Micikevicius and others 2018). */
export interface LossScaling {
  /** With what it begins. Default: 65,536. */
  readonly initial?: number | undefined;
  /** It is multiplied by this after `interval` good steps on end. Default: 2. */
  readonly growth?: number | undefined;
  /** It is multiplied by this, and the step left out, where a gradient is no number. Default: 0.5. */
  readonly backoff?: number | undefined;
  /** Default: 2,000. */
  readonly interval?: number | undefined;
}

/** Where a loss scale is: part of every checkpoint. */
export interface LossScaleState {
  readonly scale: number;
  /** Steps on end whose gradients were numbers, since the scale last changed. */
  readonly goodSteps: number;
  /** Steps on end that were left out. */
  readonly skipped: number;
}

export const initialLossScale = ({ initial = 65_536 }: LossScaling): LossScaleState => ({
  scale: initial,
  goodSteps: 0,
  skipped: 0,
});

/** The scale after a step, as `torch.amp.GradScaler` has it: float32 numbers, and no growth to infinity. Pure. */
export function stepLossScale(
  { scale, goodSteps, skipped }: LossScaleState,
  finite: boolean,
  { growth = 2, backoff = 0.5, interval = 2_000 }: LossScaling,
): LossScaleState {
  if (!finite) return { scale: Math.fround(scale * backoff), goodSteps: 0, skipped: skipped + 1 };
  if (goodSteps + 1 < interval) return { scale, goodSteps: goodSteps + 1, skipped: 0 };
  const grown = Math.fround(scale * growth);
  return { scale: Number.isFinite(grown) ? grown : scale, goodSteps: 0, skipped: 0 };
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkLossScaling({ initial = 1, growth = 2, backoff = 0.5, interval = 1 }: LossScaling): void {
  const check = (field: string, value: number, holds: boolean, rule: string): void => {
    if (!holds) throw inputInvalid(`precision.lossScale.${field}`, value, rule);
  };
  const positive = initial > 0 && Number.isFinite(Math.fround(initial));
  check("initial", initial, positive, "a finite float32 number above 0");
  check("growth", growth, growth > 1 && Number.isFinite(growth), "a finite number above 1");
  check("backoff", backoff, backoff > 0 && backoff < 1, "above 0 and below 1");
  check("interval", interval, Number.isInteger(interval) && interval >= 1, "a whole number from 1");
}
