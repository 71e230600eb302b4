export { TunerError, type TunerErrorCode } from "./errors.ts";
export type {
  Attributes,
  CompletedResult,
  JournalEntry,
  JournalWrite,
  StoppedResult,
  StudyJournal,
  Told,
  TrialEntry,
  TrialResult,
} from "./journal.ts";
export type { OptimizeOptions, StudySummary } from "./optimize.ts";
export { type DynamicStudy, type DynamicStudyOptions, openDynamicStudy } from "./dynamic-study.ts";
export type { Completion, Convergence, StopWhen } from "./study/completion.ts";
export type { DuplicatePolicy } from "./study/duplicates.ts";
export type { DynamicTrial } from "./study/dynamic-trial.ts";
export type { FailureAction, FailureKind, OnFailure } from "./study/failures.ts";
export type { NoiseOptions } from "./study/noise.ts";
export type { Intermediate, Intermediates, ObjectiveOf, Outcome } from "./study/objective.ts";
export type { Progress } from "./study/progress.ts";
export { type AshaOptions, ashaPruner } from "./pruners/asha.ts";
export { type CurveOptions, curvePruner } from "./pruners/curve.ts";
export { type HyperbandOptions, hyperbandBudgets, hyperbandPruner } from "./pruners/hyperband.ts";
export { type PercentileOptions, medianPruner, percentilePruner } from "./pruners/median.ts";
export { autoSampler } from "./samplers/auto.ts";
export { type CmaEsOptions, cmaEsSampler } from "./samplers/cma-es.ts";
export { type GpOptions, gpSampler } from "./samplers/gp.ts";
export { type PatientOptions, patientPruner } from "./pruners/patient.ts";
export { type RayAshaOptions, type RayMedianOptions, rayAshaPruner, rayMedianPruner } from "./pruners/ray.ts";
export { type SageMakerMedianOptions, sageMakerMedianPruner } from "./pruners/sagemaker-median.ts";
export { type SuccessiveHalvingOptions, successiveHalvingPruner } from "./pruners/successive-halving.ts";
export { type ThresholdOptions, thresholdPruner } from "./pruners/threshold.ts";
export { type WilcoxonOptions, wilcoxonPruner } from "./pruners/wilcoxon.ts";
export { type HypervolumePoint, bestCompromise, hypervolumeHistory, kneePoint, paretoFront } from "./multi/front.ts";
export type { GeneticOptions } from "./multi/genetic.ts";
export { hypervolume } from "./multi/hypervolume.ts";
export type { VariationOptions } from "./multi/variation.ts";
export { type EhviOptions, ehviSampler } from "./samplers/ehvi.ts";
export { nsga2Sampler } from "./samplers/nsga2.ts";
export { type Nsga3Options, nsga3Sampler } from "./samplers/nsga3.ts";
export { type PbtOptions, lineageOf, pbtSampler } from "./samplers/pbt.ts";
export { type RandomForestOptions, randomForestSampler } from "./samplers/random-forest.ts";
export { type MultiFidelityOptions, multiFidelitySampler } from "./samplers/multi-fidelity.ts";
export { type GridOptions, gridSampler } from "./samplers/grid.ts";
export { type QuasiRandomOptions, haltonSampler, sobolSampler } from "./samplers/quasi-random.ts";
export { randomSampler } from "./samplers/random.ts";
export type { TpeOptions, TpeProfile } from "./samplers/tpe-profile.ts";
export { tpeSampler } from "./samplers/tpe.ts";
export {
  type CategoricalParameter,
  type Choice,
  type Condition,
  type ConditionBounds,
  type Conditional,
  type ConstantParameter,
  type FloatOptions,
  type FloatParameter,
  type IntOptions,
  type IntParameter,
  type NumericParameter,
  type OrdinalParameter,
  type ParamValue,
  type Parameter,
  type Params,
  type ParamsOf,
  type PermutationParameter,
  type Space,
  type SubsetOptions,
  type SubsetParameter,
  bool,
  categorical,
  constant,
  float,
  int,
  ordinal,
  permutation,
  subset,
  when,
} from "./space.ts";
export { type Constraint, type LinearConstraint, type RuleConstraint, linear, rule } from "./space-constraints.ts";
export { bestTrial, isFeasible } from "./outcome.ts";
export {
  type AskOptions,
  type BestTrial,
  type EnqueueOptions,
  type FinishedTrial,
  type FrontTrial,
  type FrontTrialOf,
  type Objective,
  type Study,
  type StudyOf,
  type StudyOptions,
  openStudy,
} from "./study.ts";
export type {
  Direction,
  Explanation,
  PruneContext,
  PruneVerdict,
  Pruner,
  Sampler,
  SuggestContext,
  Suggestion,
  Trial,
  TrialState,
} from "./trial.ts";
export type { StudyTrial } from "./trial-handle.ts";
export { type CostAwareOptions, costAwareSampler } from "./execute/cost-aware.ts";
export { type JobObjectiveOptions, jobObjective } from "./execute/job-objective.ts";
export { type RegisterBestOptions, type RegisteredBest, registerBest } from "./execute/register-best.ts";
export {
  type EvaluateOptions,
  type SealedTestSplit,
  type SealTestSplitOptions,
  type SplitAccess,
  sealTestSplit,
} from "./execute/sealed-split.ts";
export type { TrialCost } from "./execute/study-budget.ts";
export {
  type ShareOptions,
  type SlotCapacity,
  type TrialResources,
  type TrialShare,
  type TrialSlot,
  type TrialSlots,
  type TrialSlotsOptions,
  createTrialSlots,
} from "./execute/trial-slots.ts";
export { type DisposableObjective, type WorkerObjectiveOptions, workerObjective } from "./execute/worker-objective.ts";
export {
  type PriorStudy,
  type StudySubject,
  type WarmStart,
  type WarmStartParent,
  priorOfParents,
  warmStartParent,
} from "./warm-start.ts";
export { type TransferOptions, transferSampler } from "./warm-start-sampler.ts";
