export { TunerError, type TunerErrorCode } from "./errors.ts";
export type { JournalEntry, JournalWrite, StudyJournal, Told, TrialResult } from "./journal.ts";
export type { Objective, OptimizeOptions, StudySummary } from "./optimize.ts";
export { type PercentileOptions, medianPruner, percentilePruner } from "./pruners/median.ts";
export { randomSampler } from "./samplers/random.ts";
export { type TpeOptions, tpeSampler } from "./samplers/tpe.ts";
export {
  type CategoricalParameter,
  type Choice,
  type FloatOptions,
  type FloatParameter,
  type IntOptions,
  type IntParameter,
  type Parameter,
  type Params,
  type ParamsOf,
  type Space,
  categorical,
  float,
  int,
} from "./space.ts";
export { type AskOptions, type Study, type StudyOptions, bestTrial, openStudy } from "./study.ts";
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
