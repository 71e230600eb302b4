/**
 * How the learning rate goes along a run, from the optimizer's own rate, the base. Times are counted in units of `per`: steps (the default) or
 * epochs that are over, so 0 in the first. Formulas: Keras's and PyTorch's schedules of the names given.
 */
export type LearningRateSchedule = PlainSchedule | WarmupSchedule | PlateauSchedule;

interface Timed {
  /** Default: `"step"`. */
  readonly per?: "step" | "epoch" | undefined;
}

export type PlainSchedule = StepSchedule | ExponentialSchedule | CosineSchedule | OneCycleSchedule;

/** base · factor^⌊t ÷ every⌋ (Keras `ExponentialDecay(staircase=True)`, PyTorch `StepLR`). */
export interface StepSchedule extends Timed {
  readonly kind: "step";
  readonly every: number;
  /** Default: 0.1. */
  readonly factor?: number | undefined;
}

/** base · factor^t (Keras `ExponentialDecay(decay_steps=1)`, PyTorch `ExponentialLR`). */
export interface ExponentialSchedule extends Timed {
  readonly kind: "exponential";
  readonly factor: number;
}

/**
 * Falls from the base to `minimum` along half a cosine, then starts anew; each period is `growth` times as long as the one before
 * (Keras `CosineDecayRestarts`, PyTorch `CosineAnnealingWarmRestarts`; Loshchilov and Hutter 2017, equation 5).
 */
export interface CosineSchedule extends Timed {
  readonly kind: "cosine";
  readonly period: number;
  /** From 1. Default: 1. */
  readonly growth?: number | undefined;
  /** Whether it starts anew; else it stays at the minimum (Keras `CosineDecay`). Default: true. */
  readonly restarts?: boolean | undefined;
  /** Default: 0. */
  readonly minimum?: number | undefined;
}

/**
 * Rises along half a cosine from base ÷ `divide` to the base, then falls to base ÷ `divide` ÷ `finalDivide` (PyTorch `OneCycleLR`; Smith and
 * Topin 2018). After its length it stays there.
 */
export interface OneCycleSchedule extends Timed {
  readonly kind: "oneCycle";
  /** Of the whole cycle; at least 2. */
  readonly length: number;
  /** Part of it that rises. Default: 0.3. */
  readonly rising?: number | undefined;
  /** Default: 25. */
  readonly divide?: number | undefined;
  /** Default: 10,000. */
  readonly finalDivide?: number | undefined;
}

/** Rises in a line from `from` · base to the base, then goes as `then` says, whose time begins there (Keras `CosineDecay(warmup_steps)`, PyTorch `LinearLR`). */
export interface WarmupSchedule extends Timed {
  readonly kind: "warmup";
  readonly length: number;
  /** Default: 0. */
  readonly from?: number | undefined;
  /** Counted in the unit of the warm-up. Default: the base. */
  readonly then?: PlainSchedule | undefined;
}

/** Is multiplied by `factor` where a metric stops getting better (Keras `ReduceLROnPlateau`); counted in epochs. */
export interface PlateauSchedule {
  readonly kind: "plateau";
  /** Default: the task's objective, the training loss where there is no validation data. */
  readonly metric?: string | undefined;
  /** Default: 0.1. */
  readonly factor?: number | undefined;
  /** Epochs without improvement before it is lowered. Default: 10. */
  readonly patience?: number | undefined;
  /** An improvement is more than this. Default: 0.0001. */
  readonly minDelta?: number | undefined;
  /** Epochs after it was lowered in which nothing is counted. Default: 0. */
  readonly cooldown?: number | undefined;
  /** Default: 0. */
  readonly minimum?: number | undefined;
}

const halfCosine = (from: number, to: number, part: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * part))) / 2;

/** The learning rate at time `t`, a whole number from 0. Pure. */
export function learningRateAt(schedule: PlainSchedule | WarmupSchedule, base: number, t: number): number {
  switch (schedule.kind) {
    case "step":
      return base * (schedule.factor ?? 0.1) ** Math.floor(t / schedule.every);
    case "exponential":
      return base * schedule.factor ** t;
    case "cosine":
      return halfCosine(base, schedule.minimum ?? 0, partOfPeriod(schedule, t));
    case "oneCycle":
      return oneCycleAt(schedule, base, t);
    case "warmup": {
      const { length, from = 0, then } = schedule;
      if (t < length) return base * (from + ((1 - from) * t) / length);
      return then === undefined ? base : learningRateAt(then, base, t - length);
    }
  }
}

/** How much of its period is over at `t`: from 0 to less than 1, or 1 where it does not start anew. */
function partOfPeriod({ period, growth = 1, restarts = true }: CosineSchedule, t: number): number {
  if (!restarts) return Math.min(1, t / period);
  if (growth === 1) return (t % period) / period;
  let length = period;
  let rest = t;
  while (rest >= length) {
    rest -= length;
    length *= growth;
  }
  return rest / length;
}

function oneCycleAt(schedule: OneCycleSchedule, base: number, t: number): number {
  const { length, rising = 0.3, divide = 25, finalDivide = 1e4 } = schedule;
  const first = base / divide;
  const last = first / finalDivide;
  const top = rising * length - 1; // the time of the base
  if (t <= top) return halfCosine(first, base, t / top);
  return halfCosine(base, last, Math.min(1, (t - top) / (length - 1 - top)));
}
