export {
  type Checkpoint,
  type CheckpointPart,
  type ReadCheckpoint,
  readLatestCheckpoint,
  writeCheckpoint,
} from "./checkpoint-file.ts";
export {
  type BuildContext,
  type BuiltTraining,
  defineTraining,
  type LayersModel,
  type Optimizer,
  type Tensor,
  type TrainingDefinition,
  type TrainingTask,
} from "./define-training.ts";
export type { DryRunReport } from "./dry-run-report.ts";
export type { EarlyStopping } from "./early-stopping.ts";
export { TrainerError, type TrainerErrorCode } from "./errors.ts";
export {
  areaUnderRoc,
  binaryMetrics,
  type CalibrationBin,
  calibrationBins,
  calibrationError,
  logLoss,
  meanSquaredError,
  type Metrics,
  regressionMetrics,
} from "./metrics.ts";
export type {
  CosineSchedule,
  ExponentialSchedule,
  LearningRateSchedule,
  OneCycleSchedule,
  PlainSchedule,
  PlateauSchedule,
  StepSchedule,
  WarmupSchedule,
} from "./learning-rate.ts";
export type { GradientClipping, Optimization, WeightAveraging } from "./optimization.ts";
export type { DeterminismLevel, DeterminismReport } from "./determinism/determinism-level.ts";
export type { MemoryDecision, MemoryGuardOptions, MemoryReport } from "./memory/memory-guard.ts";
export type { MemoryKind } from "./memory/out-of-memory.ts";
export type { WorkersReport } from "./parallel/run-workers.ts";
export type { WorkerChange } from "./parallel/worker-group.ts";
export type { WorkersOptions } from "./parallel/workers-option.ts";
export type { LossScaleState, LossScaling } from "./precision/loss-scale.ts";
export type { MixedPrecision } from "./precision/mixed-precision.ts";
export type { ProgressTarget } from "./progress-line.ts";
export type { BestCheckpoint, EpochReport, RunOutcome } from "./run-messages.ts";
export {
  type CheckpointOptions,
  defaultPlan,
  type FeatureServiceOption,
  type StartOptions,
  type TrainingData,
} from "./start-options.ts";
export type { InputOptions } from "./input/input-plan.ts";
export type { BudgetOptions } from "./run-spending.ts";
export type { StopConditions, StopReason } from "./stop-conditions.ts";
export { createTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";
export type { FinishOptions, TrainingResult, TrainingRun } from "./training-run.ts";
export {
  type BatchEnd,
  type BatchStart,
  type CallbackFailure,
  type CallbackRun,
  defineCallback,
  type TrainingCallback,
} from "./training-callback.ts";
export { createRule, type RuleName, type RuleParameters } from "./debugger/create-rule.ts";
export {
  type Observation,
  observeLoss,
  type ObservedTensor,
  type ObserveOptions,
  observeTensor,
  type TensorCollection,
  type Tolerance,
} from "./debugger/observation.ts";
export type { RuleFinding, TrainingRule } from "./debugger/training-rule.ts";
export type { BuiltInRuleUse, FiredRule, RuleAction, RuleUse } from "./debugger/rule-use.ts";
export {
  type ProfiledRun,
  type ProfilerFinding,
  profilerFindings,
  type ProfilerRuleName,
  type ProfilerRuleParameters,
  type SystemSample,
} from "./profiler/profiler-rules.ts";
export { chromeTrace, formatProfile, type RunProfile, type Spread } from "./profiler/run-profile.ts";
export type { Phase, PhaseSpan } from "./profiler/step-profiler.ts";
export type { CodeVersion } from "./reproduce/code-facts.ts";
export type { ReproduceOptions, ReproduceReport } from "./reproduce/reproduce-run.ts";
export type { RecordDifference, RecordedResult } from "./reproduce/run-record.ts";
