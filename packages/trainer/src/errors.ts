import { type ErrorCategory, isMillwrightError, MillwrightError, type StandardIssue } from "@millwright/contracts";

export type TrainerErrorCode =
  | "TRAINER_CALLBACK_FAILED"
  | "TRAINER_CHECKPOINT_CORRUPT"
  | "TRAINER_CHECKPOINT_UNSUPPORTED"
  | "TRAINER_DATA_UNREADABLE"
  | "TRAINER_DATA_EMPTY"
  | "TRAINER_DETERMINISM_BROKEN"
  | "TRAINER_FEATURES_MISMATCH"
  | "TRAINER_FORMAT_UNFIT"
  | "TRAINER_INPUT_INVALID"
  | "TRAINER_LABEL_INVALID"
  | "TRAINER_LABEL_UNKNOWN"
  | "TRAINER_LOSS_NOT_FINITE"
  | "TRAINER_MODEL_UNFIT"
  | "TRAINER_MODULE_INVALID"
  | "TRAINER_OUT_OF_MEMORY"
  | "TRAINER_PARALLEL_UNFIT"
  | "TRAINER_PARAMS_INVALID"
  | "TRAINER_PRECISION_UNSUPPORTED"
  | "TRAINER_RECORD_MISSING"
  | "TRAINER_RESUME_DIVERGED"
  | "TRAINER_RESUME_INEXACT"
  | "TRAINER_RULE_FIRED"
  | "TRAINER_RUN_FAILED"
  | "TRAINER_RUN_STALLED"
  | "TRAINER_RUN_STOPPED"
  | "TRAINER_WORKER_RECYCLED"
  | "TRAINER_WORKERS_LOST"
  | "TRAINER_WRITE_FAILED";

export class TrainerError extends MillwrightError<TrainerErrorCode> {
  override readonly name = "TrainerError";
}

export const callbackFailed = (callback: string, hook: string, cause: unknown): TrainerError =>
  new TrainerError(
    "TRAINER_CALLBACK_FAILED",
    `The callback "${callback}" failed in its ${hook}: ${cause instanceof Error ? cause.message : String(cause)}.`,
    {
      category: "user",
      remedy: 'Mend it, or let its failures be "report"; the last checkpoint is from before.',
      cause,
    },
  );

export const checkpointCorrupt = (path: string, problem: string, cause?: unknown): TrainerError =>
  new TrainerError("TRAINER_CHECKPOINT_CORRUPT", `The checkpoint "${path}" cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Delete it: an older one is taken, or the run starts from the beginning.",
    cause,
  });

export const checkpointUnsupported = (optimizer: string, cause?: unknown): TrainerError =>
  new TrainerError("TRAINER_CHECKPOINT_UNSUPPORTED", `The state of the optimizer ${optimizer} cannot be saved.`, {
    category: "user",
    remedy: "Use sgd, momentum, rmsprop, adagrad, adadelta or adam, or train with checkpoints: false.",
    cause,
  });

export const dataEmpty = (role: string): TrainerError =>
  new TrainerError("TRAINER_DATA_EMPTY", `The ${role} data has no rows.`, {
    category: "data",
    remedy: "Check the query or split that made it.",
  });

export const readingFailed = (problem: string, cause?: unknown): TrainerError =>
  new TrainerError("TRAINER_DATA_UNREADABLE", `The rows could not be read while the run went on: ${problem}.`, {
    category: "transient",
    remedy: "Check that the files are still there and whole; the run goes on from its last checkpoint.",
    retryable: true,
    cause,
  });

export const recordMissing = (directory: string): TrainerError =>
  new TrainerError("TRAINER_RECORD_MISSING", `"${directory}" has no record of a run that has ended.`, {
    category: "user",
    remedy: "Name a run that ended with a result, by its id or the folder that its `directory` says.",
  });

export const determinismBroken = (
  level: string,
  { weightDistance, metricDistance }: { readonly weightDistance: number; readonly metricDistance: number },
): TrainerError =>
  new TrainerError(
    "TRAINER_DETERMINISM_BROKEN",
    `Two runs with the same options were to be alike as "${level}" says, and are not: weights are up to ${weightDistance} apart, metrics up to ${metricDistance}.`,
    {
      category: "user",
      remedy:
        'Let chance come from the seed alone, and workers.reduction be "tree"; or declare a lower level: { tolerance } or "statistical".',
    },
  );

export const featuresForeign = (service: string, columns: readonly string[], known: readonly string[]): TrainerError =>
  new TrainerError(
    "TRAINER_FEATURES_MISMATCH",
    `The model would learn from ${columns.join(", ")}, which the feature service "${service}" does not give.`,
    {
      category: "user",
      remedy: `Plan with its features alone (${known.join(", ")}), or define the others in the service: requests will not have them.`,
    },
  );

export const featuresMissing = (service: string, columns: readonly string[]): TrainerError =>
  new TrainerError(
    "TRAINER_FEATURES_MISMATCH",
    `The data lacks ${columns.join(", ")}, which the feature service "${service}" gives.`,
    {
      category: "user",
      remedy: "Train on what the feature store's history gives for the service, or name the columns to use in `plan`.",
    },
  );

export const formatUnfit = (layers: readonly string[]): TrainerError =>
  new TrainerError("TRAINER_FORMAT_UNFIT", `The network is no plain chain of dense layers: ${layers.join(", ")}.`, {
    category: "user",
    remedy: 'Pack it as "tfjs-layers", or let format be "auto".',
  });

export const inputInvalid = (field: string, value: unknown, rule: string): TrainerError =>
  new TrainerError("TRAINER_INPUT_INVALID", `"${field}" is ${JSON.stringify(value) ?? String(value)}.`, {
    category: "user",
    remedy: `It must be ${rule}.`,
  });

export const labelInvalid = (column: string, row: number, value: unknown, rule: string): TrainerError =>
  new TrainerError("TRAINER_LABEL_INVALID", `The label "${column}" is ${String(value)} in row ${row}.`, {
    category: "data",
    remedy: `It must be ${rule}; leave out rows without a label.`,
  });

export const labelUnknown = (label: string, known: readonly string[]): TrainerError =>
  new TrainerError("TRAINER_LABEL_UNKNOWN", `The data has no label column "${label}".`, {
    category: "user",
    remedy: `Its columns: ${known.join(", ")}.`,
  });

export const lossNotFinite = (loss: number, epoch: number, step: number): TrainerError =>
  new TrainerError("TRAINER_LOSS_NOT_FINITE", `The loss became ${loss} in step ${step} (epoch ${epoch}).`, {
    category: "data",
    remedy: "Scale the inputs, lower the learning rate, or clip the gradients; the last checkpoint is from before.",
  });

export const modelUnfit = (problem: string): TrainerError =>
  new TrainerError("TRAINER_MODEL_UNFIT", `The model that build returned does not fit: ${problem}.`, {
    category: "user",
    remedy: "Return a layers model with one input of the given width and one output of one unit.",
  });

export const moduleInvalid = (module: string, problem: string): TrainerError =>
  new TrainerError("TRAINER_MODULE_INVALID", `The training module ${module} cannot be used: ${problem}.`, {
    category: "user",
    remedy: "Let it export defineTraining({ params, build }) as its default, compiled to JavaScript.",
  });

// The launcher tells kinds of memory apart by these words.
const memoryWords = {
  limit: "The memory limit was passed",
  heap: "JavaScript heap out of memory",
  machine: "Cannot allocate memory (machine)",
  wasm: "Cannot allocate memory (wasm)",
  gpu: "CUDA or WebGPU out of memory",
} as const;

export const outOfMemory = (memory: keyof typeof memoryWords, said: string, cause?: unknown): TrainerError =>
  new TrainerError("TRAINER_OUT_OF_MEMORY", `${memoryWords[memory]}: ${said}`, {
    category: "capacity",
    remedy:
      "memoryGuard: true learns from batches in smaller parts, to the same step; or take smaller batches, fewer units, or another machine.",
    cause,
  });

export const parallelUnfit = (problem: string): TrainerError =>
  new TrainerError("TRAINER_PARALLEL_UNFIT", `The model cannot be learned by several workers: ${problem}.`, {
    category: "user",
    remedy: "Train it without the option workers, or without that layer.",
  });

export const paramsInvalid = (issues: readonly StandardIssue[]): TrainerError =>
  new TrainerError("TRAINER_PARAMS_INVALID", `The params do not pass: ${issues.map(describeIssue).join("; ")}.`, {
    category: "user",
    remedy: "Give what the module's schema asks for.",
  });

export const precisionUnsupported = (kind: string, backend: string): TrainerError =>
  new TrainerError(
    "TRAINER_PRECISION_UNSUPPORTED",
    `The backend "${backend}" of TensorFlow.js does not train in ${kind}.`,
    {
      category: "user",
      remedy: "Leave precision out, or let it be simulated: true to see what so many bits do to the training.",
    },
  );

export const resumeDiverged = (differences: readonly string[]): TrainerError =>
  new TrainerError(
    "TRAINER_RESUME_DIVERGED",
    `The checkpoint is of another training: ${differences.join("; ")}. Going on would mix the two.`,
    { category: "user", remedy: "Start a new run, or give it what the checkpoint was made with." },
  );

export const resumeInexact = (steps: number): TrainerError =>
  new TrainerError(
    "TRAINER_RESUME_INEXACT",
    `A run that went on from a checkpoint had other weights after step ${steps} than the one without a break.`,
    {
      category: "user",
      remedy:
        "Keep what training depends on in a callback's state: what a loss, layer or callback remembers elsewhere is lost with its process.",
    },
  );

export const ruleFired = (rule: string, message: string, step: number): TrainerError =>
  new TrainerError("TRAINER_RULE_FIRED", `The rule ${rule} fired in step ${step}: ${message}`, {
    category: "data",
    remedy: "Mend what it found, or give the rule other parameters or actions; the last checkpoint is from before.",
  });

export const runFailed = (id: string, reason: string, category: ErrorCategory): TrainerError =>
  new TrainerError("TRAINER_RUN_FAILED", `The run ${id} failed: ${reason}`, {
    category,
    remedy: "Mend the cause; resumeFrom goes on from its last checkpoint.",
    retryable: category === "transient",
  });

export const runStalled = (
  id: string,
  { idleMs, step, bundle }: { readonly idleMs: number; readonly step: number; readonly bundle: string },
  goesOn: boolean,
): TrainerError =>
  new TrainerError(
    "TRAINER_RUN_STALLED",
    `The run ${id} has stood still for ${Math.round(idleMs)} ms after step ${step}; what it was doing is in "${bundle}".`,
    {
      category: goesOn ? "transient" : "user",
      remedy: "Look at its stack.txt, mend what waits there, or give hangs.afterMs more time.",
      retryable: goesOn,
    },
  );

export const workerRecycled = (measure: string, perStep: number, step: number): TrainerError =>
  new TrainerError(
    "TRAINER_WORKER_RECYCLED",
    `The process was ended after step ${step}, at a checkpoint: its ${measure} had grown by ${Math.round(perStep)} a step.`,
    {
      category: "transient",
      remedy: "Allow another retry, and dispose of the tensors that callbacks, losses and layers make.",
      retryable: true,
    },
  );

export const runStopped = (id: string, state: string, reason: string): TrainerError =>
  new TrainerError("TRAINER_RUN_STOPPED", `The run ${id} ended as ${state}: ${reason}`, {
    category: "user",
    remedy: "resumeFrom goes on from its last checkpoint.",
  });

export const workersLost = (left: number, minimum: number, reason: string): TrainerError =>
  new TrainerError(
    "TRAINER_WORKERS_LOST",
    `${left === 1 ? "One worker is" : `${left} workers are`} left, of at least ${minimum}: ${reason}`,
    {
      category: "transient",
      remedy:
        "The next attempt goes on from the last checkpoint with all of them; a lower workers.minimum goes on with fewer.",
      retryable: true,
    },
  );

function describeIssue({ message, path = [] }: StandardIssue): string {
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
}

/** An error as it crosses from the run's process. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly category: ErrorCategory;
  readonly retryable: boolean;
  /** Absent where an older install threw it. */
  readonly docs?: string | undefined;
}

export function tellError(error: unknown): ToldError | undefined {
  if (!isMillwrightError(error)) return undefined;
  const { code, remedy, category, retryable, docs } = error;
  const message = error.message.endsWith(` ${remedy}`) ? error.message.slice(0, -remedy.length - 1) : error.message;
  return { code, message, remedy, category, retryable, docs };
}

/** The error as it was thrown there: codes of other packages stay what they are. */
export const heardError = ({ code, message, ...options }: ToldError): MillwrightError =>
  code.startsWith("TRAINER_")
    ? new TrainerError(code as TrainerErrorCode, message, options)
    : new MillwrightError(code, message, options);

const remedies: Readonly<Record<string, readonly ["capacity" | "user", string]>> = {
  ENOSPC: ["capacity", "Make room on its disk, then do it again."],
  EDQUOT: ["capacity", "Make room within the quota, or raise it, then do it again."],
  EFBIG: ["capacity", "Raise the limit on file sizes, or use a file system that takes larger ones."],
  EROFS: ["user", "Name a folder on a file system that can be written to."],
  EACCES: ["user", "Let this process write there, or name another folder."],
  EPERM: ["user", "Let this process write there, or name another folder."],
  ENAMETOOLONG: ["user", "Choose a shorter path."],
  ENOTDIR: ["user", "Name a folder below folders: a part of the path is a file."],
  EEXIST: ["user", "Name another folder: there is a file of that name."],
  ENOENT: ["user", "Name a folder that is there, or that can be made."],
};

/** The thread that writes a checkpoint has failed of something else than the disk. */
export const writerFailed = (problem: string, cause?: unknown): TrainerError =>
  new TrainerError("TRAINER_WRITE_FAILED", `A checkpoint could not be written beside the training: ${problem}.`, {
    category: "transient",
    remedy: "Start again from the last checkpoint, or with checkpoints: { asynchronous: false }.",
    retryable: true,
    cause,
  });

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new TrainerError("TRAINER_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}
