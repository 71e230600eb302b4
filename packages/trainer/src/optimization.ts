import { inputInvalid } from "./errors.ts";
import type { LearningRateSchedule } from "./learning-rate.ts";
import { checkPrecision, type MixedPrecision } from "./precision/mixed-precision.ts";

/** Keeps gradients small. */
export type GradientClipping =
  /** All gradients together are scaled down to this L2 norm (Pascanu, Mikolov and Bengio 2013; Keras `global_clipnorm`). */
  | { readonly norm: number }
  /** Each number is cut to -value … value (Keras `clipvalue`). */
  | { readonly value: number };

/** What the model has in the end in place of its last weights; batch normalization's moving statistics are averaged with them. */
export type WeightAveraging =
  /** After each step, average · decay + weights · (1 − decay), from the initial weights on (Keras `use_ema`). */
  | { readonly kind: "ema"; /** From 0 to less than 1. Default: 0.99. */ readonly decay?: number | undefined }
  /** The mean of the weights after each epoch from `fromEpoch` (from 1) on (Izmailov and others 2018). */
  | { readonly kind: "swa"; readonly fromEpoch: number };

/** How a step is taken; all of it is part of what a checkpoint must have been made with. */
export interface Optimization {
  /** Default: the optimizer's own learning rate all along. */
  readonly learningRate?: LearningRateSchedule | undefined;
  /** Default: none. */
  readonly clip?: GradientClipping | undefined;
  /**
   * Parts a batch is learned from in, one after another, before one step with the gradients of all: memory for a batch of 1/n of the rows, the step
   * of the whole. Batch normalization and dropout see the parts. Default: 1.
   */
  readonly accumulate?: number | undefined;
  /** Validation, early stopping and the package take the averaged weights. Default: none. */
  readonly average?: WeightAveraging | undefined;
  /**
   * A step whose loss or gradients are no numbers: `"fail"` ends the run with `TRAINER_LOSS_NOT_FINITE`; `"stop"` ends it with the model of the step
   * before; `"skip"` leaves the step out. The latter two look at every step, which makes a GPU wait. Default: `"fail"`.
   */
  readonly notFinite?: "fail" | "skip" | "stop" | undefined;
  /** Default: float32 throughout. */
  readonly precision?: MixedPrecision | undefined;
}

type Rule = readonly [
  field: string,
  value: unknown,
  holds: (value: number) => boolean,
  says: string,
  wanted?: "wanted",
];

const positive = (value: number): boolean => value > 0 && Number.isFinite(value);
const atLeast0 = (value: number): boolean => value >= 0 && Number.isFinite(value);
const wholeFrom1 = (value: number): boolean => Number.isInteger(value) && value >= 1;
const wholeFrom0 = (value: number): boolean => Number.isInteger(value) && value >= 0;
const aPositive = "a finite number above 0";
const aWhole = "a whole number from 1";

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkOptimization(optimization: Optimization): void {
  const { learningRate, clip, accumulate, average, notFinite, precision } = optimization;
  if (precision !== undefined) checkPrecision(precision);
  const rules: Rule[] = [["accumulate", accumulate, wholeFrom1, aWhole]];
  if (learningRate !== undefined) rules.push(...rulesOf(learningRate, "learningRate"));
  if (clip !== undefined) {
    const [field, limit] = "norm" in clip ? ["clip.norm", clip.norm] : ["clip.value", clip.value];
    rules.push([field, limit, positive, aPositive, "wanted"]);
  }
  if (average?.kind === "ema")
    rules.push(["average.decay", average.decay, (decay) => decay >= 0 && decay < 1, "from 0 to less than 1"]);
  else if (average?.kind === "swa") rules.push(["average.fromEpoch", average.fromEpoch, wholeFrom1, aWhole, "wanted"]);
  else if (average !== undefined) throw inputInvalid("average", average, 'of the kind "ema" or "swa"');
  if (!["fail", "skip", "stop", undefined].includes(notFinite))
    throw inputInvalid("notFinite", notFinite, '"fail", "skip" or "stop"');
  for (const [field, value, holds, says, wanted] of rules) {
    if (wanted === "wanted" && value === undefined) throw inputInvalid(field, value, says);
    if (value !== undefined && !(typeof value === "number" && holds(value))) throw inputInvalid(field, value, says);
  }
}

function rulesOf(schedule: LearningRateSchedule, at: string): readonly Rule[] {
  const factor: Rule = [`${at}.factor`, "factor" in schedule ? schedule.factor : undefined, positive, aPositive];
  switch (schedule.kind) {
    case "step":
      return [factor, [`${at}.every`, schedule.every, wholeFrom1, aWhole, "wanted"]];
    case "exponential":
      return [factor, [`${at}.factor`, schedule.factor, positive, aPositive, "wanted"]];
    case "cosine":
      return [
        [`${at}.period`, schedule.period, wholeFrom1, aWhole, "wanted"],
        [`${at}.growth`, schedule.growth, (growth) => growth >= 1 && Number.isFinite(growth), "a finite number from 1"],
        [`${at}.minimum`, schedule.minimum, atLeast0, "a finite number from 0"],
      ];
    case "oneCycle": {
      const { length, rising = 0.3, divide, finalDivide } = schedule;
      const rises = (part: number): boolean => part * length > 1 && part * length < length;
      return [
        [`${at}.length`, length, (value) => Number.isInteger(value) && value >= 2, "a whole number from 2", "wanted"],
        [`${at}.rising`, rising, rises, "less than 1, and more than 1 of the length's units"],
        [`${at}.divide`, divide, positive, aPositive],
        [`${at}.finalDivide`, finalDivide, positive, aPositive],
      ];
    }
    case "warmup": {
      const { length, from, then } = schedule;
      const rest = then === undefined ? [] : rulesOf(then, `${at}.then`);
      return [
        [`${at}.length`, length, wholeFrom1, aWhole, "wanted"],
        [`${at}.from`, from, atLeast0, "a finite number from 0"],
        ...rest,
      ];
    }
    case "plateau": {
      const { patience, minDelta, cooldown, minimum } = schedule;
      return [
        [`${at}.factor`, schedule.factor, (value) => value > 0 && value < 1, "above 0 and below 1"],
        [`${at}.patience`, patience, wholeFrom1, aWhole],
        [`${at}.minDelta`, minDelta, atLeast0, "a finite number from 0"],
        [`${at}.cooldown`, cooldown, wholeFrom0, "a whole number from 0"],
        [`${at}.minimum`, minimum, atLeast0, "a finite number from 0"],
      ];
    }
    default:
      throw inputInvalid(
        at,
        schedule,
        'of the kind "step", "exponential", "cosine", "oneCycle", "warmup" or "plateau"',
      );
  }
}
