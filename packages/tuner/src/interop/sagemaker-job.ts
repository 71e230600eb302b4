import { importInvalid } from "../errors.ts";
import type { Params, ParamValue, Space } from "../space.ts";
import { contains } from "../space-check.ts";
import type { Direction, Trial } from "../trial.ts";
import { type ConversionLoss, loss } from "./losses.ts";
import { type SageMakerRanges, fromSageMakerRanges, sageMakerText, toSageMakerRanges } from "./sagemaker-ranges.ts";

/** `HyperParameterTuningJobConfig` of CreateHyperParameterTuningJob. */
export interface SageMakerTuningConfig {
  readonly Strategy: "Bayesian" | "Random" | "Hyperband" | "Grid";
  readonly StrategyConfig?:
    | {
        readonly HyperbandStrategyConfig?:
          | { readonly MinResource?: number | undefined; readonly MaxResource?: number | undefined }
          | undefined;
      }
    | undefined;
  readonly HyperParameterTuningJobObjective?:
    | { readonly Type: "Maximize" | "Minimize"; readonly MetricName: string }
    | undefined;
  readonly ResourceLimits: {
    readonly MaxNumberOfTrainingJobs?: number | undefined;
    readonly MaxParallelTrainingJobs: number;
    readonly MaxRuntimeInSeconds?: number | undefined;
  };
  readonly ParameterRanges?: SageMakerRanges | undefined;
  readonly TrainingJobEarlyStoppingType?: "Off" | "Auto" | undefined;
  readonly TuningJobCompletionCriteria?:
    | {
        readonly TargetObjectiveMetricValue?: number | undefined;
        readonly BestObjectiveNotImproving?:
          | { readonly MaxNumberOfTrainingJobsNotImproving?: number | undefined }
          | undefined;
        readonly ConvergenceDetected?:
          | { readonly CompleteOnConvergence?: "Disabled" | "Enabled" | undefined }
          | undefined;
      }
    | undefined;
  readonly RandomSeed?: number | undefined;
}

/** A tuning job as a study of ours is opened and run. */
export interface ImportedTuningJob {
  readonly space: Space;
  readonly direction: Direction;
  readonly metric: string;
  readonly seed: number | undefined;
  /** The strategies' samplers and pruners here: Bayesian is `autoSampler()`, Hyperband `hyperbandPruner()`, early stopping SageMaker's median rule. */
  readonly sampler: "auto" | "random" | "grid";
  readonly pruner: "none" | "sagemaker-median" | "hyperband";
  readonly hyperband: { readonly minimumResource: number; readonly maximumResource: number } | undefined;
  readonly trials: number;
  readonly parallelism: number;
  readonly timeLimitMs: number | undefined;
  readonly targetObjective: number | undefined;
  readonly maxNotImproving: number | undefined;
  readonly completeOnConvergence: boolean;
  readonly losses: readonly ConversionLoss[];
}

const fewestNotImproving = 3;

/** Reads the configuration of a tuning job by SageMaker's rules. Throws `TUNER_IMPORT_INVALID`, naming the member. */
export function fromSageMakerTuningJob(config: SageMakerTuningConfig): ImportedTuningJob {
  const { Strategy, HyperParameterTuningJobObjective: objective, ResourceLimits: limits } = config;
  if (!["Bayesian", "Random", "Hyperband", "Grid"].includes(Strategy))
    throw importInvalid("Strategy", `it is ${JSON.stringify(Strategy)}`);
  if (objective === undefined || (objective.Type !== "Maximize" && objective.Type !== "Minimize"))
    throw importInvalid("HyperParameterTuningJobObjective", "it has no Type of Maximize or Minimize");
  const { space, losses } = fromSageMakerRanges(config.ParameterRanges ?? {});
  const trials = limits.MaxNumberOfTrainingJobs ?? (Strategy === "Grid" ? gridSize(space) : undefined);
  if (trials === undefined)
    throw importInvalid("ResourceLimits.MaxNumberOfTrainingJobs", "it is needed for this strategy");
  if (Strategy === "Grid") checkGrid(space, trials);
  const early = config.TrainingJobEarlyStoppingType ?? "Off";
  if (Strategy === "Hyperband" && early !== "Off")
    throw importInvalid("TrainingJobEarlyStoppingType", "Hyperband stops jobs itself: it must be Off");
  const criteria = config.TuningJobCompletionCriteria;
  const notImproving = criteria?.BestObjectiveNotImproving?.MaxNumberOfTrainingJobsNotImproving;
  if (notImproving !== undefined && !(notImproving >= fewestNotImproving))
    throw importInvalid("MaxNumberOfTrainingJobsNotImproving", `it is ${notImproving}; SageMaker takes 3 and more`);
  const resources = config.StrategyConfig?.HyperbandStrategyConfig;
  return {
    space,
    direction: objective.Type === "Maximize" ? "maximize" : "minimize",
    metric: objective.MetricName,
    seed: config.RandomSeed,
    sampler: Strategy === "Random" ? "random" : Strategy === "Grid" ? "grid" : "auto",
    pruner: Strategy === "Hyperband" ? "hyperband" : early === "Auto" ? "sagemaker-median" : "none",
    hyperband:
      resources?.MaxResource === undefined
        ? undefined
        : { minimumResource: resources.MinResource ?? 1, maximumResource: resources.MaxResource },
    trials,
    parallelism: limits.MaxParallelTrainingJobs,
    timeLimitMs: limits.MaxRuntimeInSeconds === undefined ? undefined : limits.MaxRuntimeInSeconds * 1000,
    targetObjective: criteria?.TargetObjectiveMetricValue,
    maxNotImproving: notImproving,
    completeOnConvergence: criteria?.ConvergenceDetected?.CompleteOnConvergence === "Enabled",
    losses,
  };
}

const gridSize = (space: Space): number =>
  Object.values(space).reduce(
    (product, parameter) => product * (parameter.kind === "categorical" ? parameter.choices.length : Number.NaN),
    1,
  );

function checkGrid(space: Space, trials: number): void {
  const size = gridSize(space);
  if (Number.isNaN(size)) throw importInvalid("Strategy", "Grid takes categorical ranges alone");
  if (size !== trials)
    throw importInvalid("ResourceLimits.MaxNumberOfTrainingJobs", `it is ${trials}, and the grid has ${size} points`);
}

export interface SageMakerTuningOptions {
  readonly direction: Direction;
  /** The name of the metric that the jobs print. */
  readonly metric: string;
  readonly strategy?: SageMakerTuningConfig["Strategy"] | undefined;
  readonly trials: number;
  readonly parallelism?: number | undefined;
  readonly seed?: number | undefined;
  readonly earlyStopping?: boolean | undefined;
}

const limitsOfSageMaker = { parameters: 30, jobs: 750, parallel: 100 };

/** A tuning job of SageMaker for a space of ours, with the static hyperparameters that its jobs need. Strategy: default Bayesian. */
export function toSageMakerTuningJob(
  space: Space,
  {
    direction,
    metric,
    strategy = "Bayesian",
    trials,
    parallelism = 1,
    seed,
    earlyStopping = false,
  }: SageMakerTuningOptions,
): {
  readonly config: SageMakerTuningConfig;
  readonly staticHyperParameters: Readonly<Record<string, string>>;
  readonly losses: readonly ConversionLoss[];
} {
  const { ranges, fixed, losses } = toSageMakerRanges(space);
  const found = [...losses];
  const tuned = Object.values(ranges).reduce((sum, list: readonly unknown[]) => sum + list.length, 0);
  if (tuned > limitsOfSageMaker.parameters)
    found.push(
      loss(
        "ParameterRanges",
        "error",
        `SageMaker tunes up to ${limitsOfSageMaker.parameters} parameters; these are ${tuned}.`,
      ),
    );
  if (trials > limitsOfSageMaker.jobs && strategy !== "Random")
    found.push(
      loss(
        "ResourceLimits",
        "warning",
        `${trials} jobs are above SageMaker's default quota of ${limitsOfSageMaker.jobs}.`,
      ),
    );
  if (parallelism > limitsOfSageMaker.parallel)
    found.push(
      loss(
        "ResourceLimits",
        "warning",
        `${parallelism} jobs at a time are above SageMaker's quota of ${limitsOfSageMaker.parallel}.`,
      ),
    );
  return {
    staticHyperParameters: fixed,
    losses: found,
    config: {
      Strategy: strategy,
      HyperParameterTuningJobObjective: {
        Type: direction === "maximize" ? "Maximize" : "Minimize",
        MetricName: metric,
      },
      ResourceLimits: { MaxNumberOfTrainingJobs: trials, MaxParallelTrainingJobs: parallelism },
      ParameterRanges: ranges,
      TrainingJobEarlyStoppingType: earlyStopping && strategy !== "Hyperband" ? "Auto" : "Off",
      ...(seed === undefined ? {} : { RandomSeed: seed }),
    },
  };
}

/** One of `TrainingJobSummaries` of ListTrainingJobsForHyperParameterTuningJob. */
export interface SageMakerTrainingSummary {
  readonly TrainingJobName?: string | undefined;
  readonly TrainingJobStatus?: string | undefined;
  readonly TunedHyperParameters?: Readonly<Record<string, string>> | undefined;
  readonly FinalHyperParameterTuningJobObjectiveMetric?: { readonly Value?: number | undefined } | undefined;
  readonly CreationTime?: Date | undefined;
  readonly TrainingStartTime?: Date | undefined;
  readonly TrainingEndTime?: Date | undefined;
  readonly FailureReason?: string | undefined;
}

/** The jobs of a tuning job as trials, oldest first; stopped jobs with a last value count as pruned. Throws `TUNER_IMPORT_INVALID`. */
export function fromSageMakerTrainingJobs(
  space: Space,
  summaries: readonly SageMakerTrainingSummary[],
): readonly Trial[] {
  const oldest = summaries.toSorted((a, b) => (a.CreationTime?.getTime() ?? 0) - (b.CreationTime?.getTime() ?? 0));
  return oldest.map((summary, number) => {
    const value = summary.FinalHyperParameterTuningJobObjectiveMetric?.Value;
    const completed = summary.TrainingJobStatus === "Completed" && value !== undefined;
    const stopped = summary.TrainingJobStatus === "Stopped" || summary.TrainingJobStatus === "Stopping";
    const start = summary.TrainingStartTime?.getTime();
    const end = summary.TrainingEndTime?.getTime();
    return {
      number,
      state: completed
        ? "completed"
        : stopped
          ? "pruned"
          : summary.TrainingJobStatus === "InProgress"
            ? "waiting"
            : "failed",
      params: typedParams(space, summary.TunedHyperParameters ?? {}, summary.TrainingJobName ?? String(number)),
      explanation: { sampler: "sagemaker" },
      intermediates: stopped && value !== undefined ? [[0, value] as const] : [],
      attempts: 1,
      ...(completed
        ? { value, values: [value] }
        : { reason: summary.FailureReason ?? `SageMaker: ${String(summary.TrainingJobStatus)}` }),
      ...(summary.TrainingJobName === undefined ? {} : { attributes: { training_job_name: summary.TrainingJobName } }),
      ...(start === undefined ? {} : { startedMs: start }),
      ...(end === undefined ? {} : { endedMs: end }),
      ...(start === undefined || end === undefined ? {} : { cost: { seconds: (end - start) / 1000 } }),
    };
  });
}

/** Text as the values of the space. */
function typedParams(space: Space, texts: Readonly<Record<string, string>>, job: string): Params {
  return Object.fromEntries(
    Object.entries(space).flatMap(([name, parameter]) => {
      const text = texts[name];
      if (parameter.kind === "constant") return [[name, parameter.value]];
      if (text === undefined) throw importInvalid(job, `it has no ${name}`);
      const value = valueOf(parameter, text);
      if (value === undefined || !contains(parameter, value))
        throw importInvalid(job, `its ${name}, ${JSON.stringify(text)}, is outside the space`);
      return [[name, value]];
    }),
  );
}

function valueOf(parameter: Space[string], text: string): ParamValue | undefined {
  if (parameter.kind === "float" || parameter.kind === "int") return text.trim() === "" ? undefined : Number(text);
  const known = parameter.kind === "categorical" || parameter.kind === "ordinal" ? parameter.choices : [];
  return known.find((choice) => sageMakerText(choice) === text);
}
