export {
  type BaselineComparison,
  type BaselineOptions,
  type BaselineReport,
  type NamedAnswers,
  baselineReport,
  baselineText,
} from "./baselines.ts";
export type { Interval, IntervalMethod } from "./bootstrap.ts";
export { type CalibrationOptions, fitCalibration } from "./calibrate.ts";
export { AlgorithmsError, type AlgorithmsErrorCode } from "./errors.ts";
export { type FittedGbdt, fitGbdt } from "./gbdt.ts";
export type { GbdtOptions, GbdtProgress } from "./gbdt-options.ts";
export { type FittedLinear, type LinearOptions, fitLinear } from "./linear.ts";
export { type FittedMlp, fitMlp } from "./mlp.ts";
export type { MlpOptions, MlpProgress } from "./mlp-options.ts";
export type { Metric } from "./metrics.ts";
export { type Fitted, type PackFittedOptions, packFitted } from "./pack-fitted.ts";
export {
  type ChosenThreshold,
  type DecisionCosts,
  type Reliability,
  type ReliabilityOptions,
  type ThresholdOptions,
  chooseThreshold,
  reliabilityOf,
} from "./reliability.ts";
