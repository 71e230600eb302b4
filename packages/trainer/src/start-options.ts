import type {
  CallOptions,
  Dataset,
  DatasetRef,
  Digest,
  JobLimits,
  JobResources,
  JobRetries,
  JobSpot,
  JsonObject,
  RunTracker,
  Schema,
  TrialHandle,
} from "@millwright/contracts";
import { compileTransforms, type FittedTransforms, type TransformPlan, type TransformStep } from "@millwright/data";
import { type BuiltInRuleUse, checkRuleUses } from "./debugger/rule-use.ts";
import type { Device } from "@millwright/tfjs";
import type { EarlyStopping } from "./early-stopping.ts";
import { featuresForeign, featuresMissing, inputInvalid, labelUnknown } from "./errors.ts";
import { checkLevel, type DeterminismLevel } from "./determinism/determinism-level.ts";
import { checkMemoryGuard, type MemoryGuardOptions } from "./memory/memory-guard.ts";
import { resolveWorkers, type WorkersOptions } from "./parallel/workers-option.ts";
import type { CodeVersion } from "./reproduce/code-facts.ts";
import type { ProgressTarget } from "./progress-line.ts";
import type { InputOptions } from "./input/input-plan.ts";
import { type BudgetOptions, checkBudget } from "./run-spending.ts";
import { checkWatching, type HangWatching, type LeakWatching } from "./watchdog/watch-options.ts";
import type { StopConditions } from "./stop-conditions.ts";

/** A dataset whose rows lie in files, or a reference to one. */
export type TrainingData = DatasetRef | Dataset | Promise<DatasetRef | Dataset>;

/** What will feed the model: a service of `@millwright/feature-store`, or what a feature source says of one. */
export interface FeatureServiceOption {
  readonly name: string;
  readonly digest: Digest;
  /** The columns it gives; those alone are learned from. Default: `featureNames`. */
  readonly features?: Schema | undefined;
  /** Default: not known, and any column may be learned from. */
  readonly featureNames?: readonly string[] | undefined;
}

export interface CheckpointOptions {
  /** After so many steps of the run. Default: none within epochs. */
  readonly everySteps?: number | undefined;
  /**
   * Whether the training goes on while a checkpoint is written, by a thread: it waits for a copy of the weights, and the memory is that of one more.
   * A checkpoint's failure then ends the run a step or more later. Default: true.
   */
  readonly asynchronous?: boolean | undefined;
  /** After so much time since the last, in milliseconds, once the step that runs is over. Default: none. */
  readonly everyMs?: number | undefined;
  /**
   * Those of the best epochs are kept besides, in `checkpoints/best`. `metric` is one of the validation data or `trainLoss`, by default the task's
   * objective; `keep` is 1 by default.
   */
  readonly best?: { readonly metric?: string | undefined; readonly keep?: number | undefined } | undefined;
}

export interface StartOptions extends CallOptions {
  readonly data: {
    readonly train: TrainingData;
    /** What metrics, early stopping and trials go by. Default: none, and the training loss takes its place. */
    readonly validation?: TrainingData | undefined;
  };
  /** The column to predict: 0 or 1 (or booleans) for `binary`, any number for `regression`; never null. */
  readonly label: string;
  /** Hyperparameters, checked by the module's schema. Default: `{}`. */
  readonly params?: JsonObject | undefined;
  /** Fitted transforms from columns to inputs. */
  readonly transforms?: FittedTransforms | undefined;
  /**
   * Transforms to fit on the training data, where none are given. Default: of all columns, or of the feature service's where its features are
   * known, numbers and booleans standardized, text one-hot; dates, timestamps and lists are left out.
   */
  readonly plan?: TransformPlan | undefined;
  /** Default: 10. */
  readonly epochs?: number | undefined;
  /** Rows a step; the last step of an epoch may have fewer. Default: 1,024. */
  readonly batchSize?: number | undefined;
  /** Decides initial weights, order and dropout. Default: 1. */
  readonly seed?: number | undefined;
  /** Default: none. */
  readonly earlyStopping?: EarlyStopping | undefined;
  /** When it ends before its last epoch, with a model package. Default: never. */
  readonly stopWhen?: StopConditions | undefined;
  /** A checkpoint is written after each epoch, and as these say; false for none. The newest two are kept. */
  readonly checkpoints?: CheckpointOptions | false | undefined;
  /** Rules that watch the training, and what is done where one fires; after those of the module. Default: none. */
  readonly rules?: readonly BuiltInRuleUse[] | undefined;
  /**
   * What the run's time goes to is in `result.profile`; false for not. `traceSpans` keeps so many of the newest stretches of it as a Chrome trace,
   * in the run's `profile` folder. Default: `{}`, without a trace.
   */
  readonly profile?: { readonly traceSpans?: number | undefined } | false | undefined;
  /** Whether memory and tensors grow from step to step is watched; false for not. Default: `{}`. */
  readonly leaks?: LeakWatching | false | undefined;
  /** Whether the run stands still is watched from another thread; false for not. Default: `{}`. */
  readonly hangs?: HangWatching | false | undefined;
  /** The `checkpoints` folder of another run to go on from. Default: that of the trial, else none. */
  readonly resumeFrom?: string | undefined;
  /** Most rows of each dataset, evenly spread over it. Default: all. */
  readonly maxRows?: number | undefined;
  /** Where rows are kept: in memory, or in their files. Default: in memory where they take at most 2 GiB there. */
  readonly input?: InputOptions | undefined;
  /** Reads the data twice to check that it has the digest of its reference. Default: false. */
  readonly verifyData?: boolean | undefined;
  /**
   * `gpu`: CUDA or WebGPU, whichever of the module's packages gives a real GPU first, or the run fails with what each said. Default: `"auto"`: a GPU, else
   * the native package on the CPU, else WASM.
   */
  readonly device?: "auto" | Device | undefined;
  /** Default: `"auto"`: `dense` where the network is a chain of dense layers, else `tfjs-layers`. */
  readonly format?: "auto" | "dense" | "tfjs-layers" | undefined;
  /** The model's name. Default: `"model"`. */
  readonly name?: string | undefined;
  /** Starting the same id again attaches to the run there is. Default: a new one. */
  readonly id?: string | undefined;
  /** Is told the objective after each epoch, and may prune or pause the run. */
  readonly trial?: TrialHandle | undefined;
  readonly tracker?: RunTracker | undefined;
  /** For the tracker. Default: `name`. */
  readonly experiment?: string | undefined;
  /** What will feed the model; its name and digest are kept in the manifest. */
  readonly featureService?: FeatureServiceOption | undefined;
  /**
   * When it is started again; each start goes on from the last checkpoint. Default: 2, after interruptions, transient failures, and SIGKILL from outside
   * where memory was not the reason.
   */
  readonly retries?: number | JobRetries | undefined;
  /** Runs on a machine that may be taken away at any time: interruptions use up no retries. Default: it does not. */
  readonly spot?: JobSpot | undefined;
  readonly limits?: JobLimits | undefined;
  /**
   * What the run may spend. A part is reserved before the process starts (throws `PORT_BUDGET_EXHAUSTED`), the next whenever it is used up; where
   * there is none left, the run ends with its package. Default: no limit.
   */
  readonly budget?: BudgetOptions | undefined;
  /**
   * Workers on this machine that learn from each batch together: as many as the number says, or as the options do. Any number of them makes the same weights, to
   * the bit. Default: none, and batches are learned from whole.
   */
  readonly workers?: number | WorkersOptions | undefined;
  /**
   * Where memory runs out while training (the job's limit, JavaScript's heap, the machine's, WebAssembly's 4 GiB, a GPU's), the run goes on from its last checkpoint
   * and learns from each batch in parts of half as many rows, as often as it takes; the batch, its step and its learning rate stay. It uses up no `retries`.
   * Default: false, and the run fails with `TRAINER_OUT_OF_MEMORY`.
   */
  readonly memoryGuard?: boolean | MemoryGuardOptions | undefined;
  /** How alike runs with these options are to be: declared in the model's provenance, and checked by `verify`. Default: nothing is declared. */
  readonly determinism?: DeterminismLevel | undefined;
  /** CPUs and GPUs the launcher reserves. Default: a CPU for each worker. */
  readonly resources?: JobResources | undefined;
  /** Which code the module is of, for the run's record and the package. Default: what git says of the module's folder, where there is git. */
  readonly code?: CodeVersion | undefined;
  /** Environment of the run's process. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Default: `process.stderr` where it is a terminal; false for nothing. */
  readonly progress?: ProgressTarget | false | undefined;
  /** Least time between two progress events. Default: 500. */
  readonly progressEveryMs?: number | undefined;
}

const numeric: ReadonlySet<string> = new Set([
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "bool",
]);

/** The plan that is taken where none is given. @param names The columns it may use. Default: all. */
export function defaultPlan(schema: Schema, label: string, names?: readonly string[]): TransformPlan {
  return schema
    .filter(({ name }) => name !== label && (names === undefined || names.includes(name)))
    .flatMap(({ name, type }): readonly TransformStep[] => {
      if (numeric.has(type)) return [{ kind: "numeric", column: name }];
      return type === "utf8" || type === "dictionary" ? [{ kind: "oneHot", column: name }] : [];
    });
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkOptions({
  epochs = 1,
  batchSize = 1,
  seed = 0,
  maxRows = 1,
  checkpoints,
  earlyStopping = {},
  stopWhen = {},
  budget,
  rules = [],
  profile = {},
  input = {},
  leaks = {},
  hangs = {},
  name = "model",
  id = "id",
  workers,
  memoryGuard = false,
  determinism = "bitwise",
  resources,
}: StartOptions): void {
  const whole = (field: string, value: number): void => {
    if (!Number.isInteger(value) || value < 1) throw inputInvalid(field, value, "a whole number from 1");
  };
  whole("epochs", epochs);
  whole("batchSize", batchSize);
  whole("maxRows", maxRows);
  checkInput(input);
  if (checkpoints !== undefined && checkpoints !== false) {
    whole("checkpoints.everySteps", checkpoints.everySteps ?? 1);
    whole("checkpoints.everyMs", checkpoints.everyMs ?? 1);
    whole("checkpoints.best.keep", checkpoints.best?.keep ?? 1);
  }
  const finite = (field: string, value: number): void => {
    if (!Number.isFinite(value)) throw inputInvalid(field, value, "a finite number");
  };
  whole("earlyStopping.patience", earlyStopping.patience ?? 1);
  finite("earlyStopping.minDelta", earlyStopping.minDelta ?? 0);
  finite("earlyStopping.baseline", earlyStopping.baseline ?? 0);
  if (budget !== undefined) checkBudget(budget);
  checkRuleUses(rules, { own: false });
  checkWatching(leaks, hangs);
  if (profile !== false) whole("profile.traceSpans", profile.traceSpans ?? 1);
  whole("stopWhen.steps", stopWhen.steps ?? 1);
  whole("stopWhen.timeMs", stopWhen.timeMs ?? 1);
  finite("stopWhen.metric.reaches", stopWhen.metric?.reaches ?? (stopWhen.metric === undefined ? 0 : Number.NaN));
  checkMemoryGuard(memoryGuard);
  checkLevel(determinism);
  if (workers !== undefined) {
    const { count } = resolveWorkers(workers);
    const { gpus = 0 } = resources ?? {};
    if (gpus >= 1 && gpus < count)
      throw inputInvalid("resources.gpus", gpus, `0, a share of one, or one for each of ${count} workers`);
  }
  if (!Number.isInteger(seed)) throw inputInvalid("seed", seed, "a whole number");
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,119}$/.test(id)) {
    throw inputInvalid("id", id, "1 to 120 letters, digits, dots, dashes and underscores");
  }
  if (name === "") throw inputInvalid("name", name, "a text");
}

function checkInput({ mode = "auto", memoryBytes = 2 ** 20, shuffleRows = 1 }: InputOptions): void {
  if (!["auto", "matrix", "stream"].includes(mode)) throw inputInvalid("input.mode", mode, "auto, matrix or stream");
  if (!(Number.isSafeInteger(memoryBytes) && memoryBytes >= 2 ** 20))
    throw inputInvalid("input.memoryBytes", memoryBytes, "a whole number from 1,048,576");
  if (!(Number.isSafeInteger(shuffleRows) && shuffleRows >= 1))
    throw inputInvalid("input.shuffleRows", shuffleRows, "a whole number from 1");
}

/** The columns that a feature service gives, where they are known. */
export function featureNamesOf(service: FeatureServiceOption | undefined): readonly string[] | undefined {
  return service?.features?.map(({ name }) => name) ?? service?.featureNames;
}

/**
 * Whether the model learns from what the feature service will give when it is served, and from all of it where no plan says otherwise.
 * Throws `TRAINER_FEATURES_MISMATCH`.
 */
export function checkFeatures({ featureService, plan, transforms }: StartOptions, { schema }: DatasetRef): void {
  const names = featureNamesOf(featureService);
  if (featureService === undefined || names === undefined) return;
  const used = transforms === undefined ? plan?.map(({ column }) => column) : compileTransforms(transforms).columns;
  const foreign = [...new Set(used ?? [])].filter((column) => !names.includes(column));
  if (foreign.length > 0) throw featuresForeign(featureService.name, foreign, names);
  const wanted = used === undefined ? names : [];
  const missing = wanted.filter((wantedName) => !schema.some(({ name }) => name === wantedName));
  if (missing.length > 0) throw featuresMissing(featureService.name, missing);
}

/** Throws `TRAINER_LABEL_UNKNOWN` before a process is started. */
export function checkLabelOf(ref: DatasetRef, label: string): void {
  const names = ref.schema.map(({ name }) => name);
  if (!names.includes(label)) throw labelUnknown(label, names);
}
