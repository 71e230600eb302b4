import { inputInvalid } from "../errors.ts";
import {
  type ActivityParameters,
  classImbalance,
  type ClassImbalanceParameters,
  deadRelu,
  poorWeightInitialization,
  type PoorWeightInitializationParameters,
  saturatedActivation,
  type SaturatedActivationParameters,
} from "./layer-rules.ts";
import {
  lossNotDecreasing,
  type LossNotDecreasingParameters,
  overfit,
  type OverfitParameters,
  overtraining,
  type OvertrainingParameters,
  stalledTraining,
  type StalledTrainingParameters,
} from "./loss-rules.ts";
import {
  allZero,
  type AllZeroParameters,
  explodingTensor,
  type ExplodingTensorParameters,
  tensorVariance,
  type TensorVarianceParameters,
  unchangedTensor,
  type UnchangedTensorParameters,
  vanishingGradient,
  type VanishingGradientParameters,
  weightUpdateRatio,
  type WeightUpdateRatioParameters,
} from "./tensor-rules.ts";
import type { TrainingRule } from "./training-rule.ts";

/** Parameters of the built-in rules: SageMaker Debugger's, with its defaults, in this language's spelling. */
export interface RuleParameters {
  readonly AllZero: AllZeroParameters;
  readonly ClassImbalance: ClassImbalanceParameters;
  readonly DeadRelu: ActivityParameters;
  readonly ExplodingTensor: ExplodingTensorParameters;
  readonly LossNotDecreasing: LossNotDecreasingParameters;
  readonly Overfit: OverfitParameters;
  readonly Overtraining: OvertrainingParameters;
  readonly PoorWeightInitialization: PoorWeightInitializationParameters;
  readonly SaturatedActivation: SaturatedActivationParameters;
  readonly StalledTraining: StalledTrainingParameters;
  readonly TensorVariance: TensorVarianceParameters;
  readonly UnchangedTensor: UnchangedTensorParameters;
  readonly VanishingGradient: VanishingGradientParameters;
  readonly WeightUpdateRatio: WeightUpdateRatioParameters;
}

export type RuleName = keyof RuleParameters;

type Check = (value: unknown) => boolean;
const number =
  (holds: (value: number) => boolean): Check =>
  (value) =>
    typeof value === "number" && holds(value);
const wholeFrom0 = number((value) => Number.isInteger(value) && value >= 0);
const wholeFrom1 = number((value) => Number.isInteger(value) && value >= 1);
const from0 = number((value) => value >= 0 && Number.isFinite(value));
const finite = number(Number.isFinite);
const percent = number((value) => value >= 0 && value <= 100);
const flag: Check = (value) => typeof value === "boolean";
const bounds: Check = (value) =>
  Array.isArray(value) && value.length === 2 && finite(value[0]) && finite(value[1]) && value[0] < value[1];
const regex: Check = (value) => {
  if (typeof value !== "string") return false;
  try {
    return new RegExp(value) instanceof RegExp;
  } catch {
    return false;
  }
};
const collections: Check = (value) =>
  Array.isArray(value) &&
  value.every((name) =>
    ["losses", "weights", "gradients", "relu_input", "relu_output", "tanh_input", "sigmoid_input"].includes(name),
  );

const choice = { collectionNames: collections, tensorRegex: regex };
const activity = { tensorRegex: regex, thresholdInactivity: percent, thresholdLayer: percent };

const checks: { readonly [Name in RuleName]: Readonly<Record<keyof RuleParameters[Name], Check>> } = {
  AllZero: { ...choice, threshold: percent },
  ClassImbalance: { thresholdImbalance: from0, thresholdMisprediction: from0, samples: wholeFrom1 },
  DeadRelu: activity,
  ExplodingTensor: { ...choice, onlyNan: flag },
  LossNotDecreasing: {
    numSteps: wholeFrom1,
    diffPercent: percent,
    increaseThresholdPercent: from0,
    mode: (value) => value === "train" || value === "validation",
  },
  Overfit: { startStep: wholeFrom0, patience: wholeFrom1, ratioThreshold: finite },
  Overtraining: { patienceTrain: wholeFrom1, patienceValidation: wholeFrom1, delta: from0 },
  PoorWeightInitialization: {
    activationInputsRegex: regex,
    threshold: from0,
    distributionRange: from0,
    patience: wholeFrom1,
    steps: wholeFrom1,
  },
  SaturatedActivation: { ...activity, thresholdTanh: bounds, thresholdSigmoid: bounds },
  StalledTraining: { threshold: from0 },
  TensorVariance: { ...choice, maxThreshold: from0, minThreshold: from0 },
  UnchangedTensor: {
    ...choice,
    numSteps: number((value) => Number.isInteger(value) && value >= 2),
    rtol: from0,
    atol: from0,
    equalNan: flag,
  },
  VanishingGradient: { threshold: from0 },
  WeightUpdateRatio: { largeThreshold: from0, smallThreshold: from0, epsilon: from0 },
};

const makers: { readonly [Name in RuleName]: (parameters: RuleParameters[Name]) => TrainingRule } = {
  AllZero: allZero,
  ClassImbalance: classImbalance,
  DeadRelu: deadRelu,
  ExplodingTensor: explodingTensor,
  LossNotDecreasing: lossNotDecreasing,
  Overfit: overfit,
  Overtraining: overtraining,
  PoorWeightInitialization: poorWeightInitialization,
  SaturatedActivation: saturatedActivation,
  StalledTraining: stalledTraining,
  TensorVariance: tensorVariance,
  UnchangedTensor: unchangedTensor,
  VanishingGradient: vanishingGradient,
  WeightUpdateRatio: weightUpdateRatio,
};

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkRule(name: unknown, parameters: unknown, at = "rule"): asserts name is RuleName {
  const known = typeof name === "string" && Object.hasOwn(checks, name) ? checks[name as RuleName] : undefined;
  if (known === undefined) throw inputInvalid(at, name, `one of ${Object.keys(checks).join(", ")}`);
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))
    throw inputInvalid(`${at}.parameters`, parameters, "an object");
  for (const [field, value] of Object.entries(parameters)) {
    const check = Object.hasOwn(known, field) ? (known as Readonly<Record<string, Check>>)[field] : undefined;
    if (check === undefined)
      throw inputInvalid(`${at}.${field}`, value, `absent: ${String(name)} takes ${Object.keys(known).join(", ")}`);
    if (value !== undefined && !check(value))
      throw inputInvalid(`${at}.${field}`, value, `as the documentation of ${String(name)} says`);
  }
}

/**
 * One of SageMaker Debugger's built-in rules, as a state machine over observations that needs nothing else of this package:
 * `state = rule.update(state, observation)`, then `rule.verdict(state)`. Throws `TRAINER_INPUT_INVALID`.
 */
export function createRule<Name extends RuleName>(name: Name, parameters: RuleParameters[Name] = {}): TrainingRule {
  checkRule(name, parameters);
  return (makers[name] as (parameters: RuleParameters[Name]) => TrainingRule)(parameters);
}
