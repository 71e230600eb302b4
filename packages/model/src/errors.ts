import { MillwrightError } from "@millwright/contracts";

export type ModelErrorCode =
  | "MODEL_ARCHIVE_INVALID"
  | "MODEL_ARCHIVE_TOO_LARGE"
  | "MODEL_ARCHIVE_UNDESCRIBED"
  | "MODEL_ARCHIVE_UNSAFE"
  | "MODEL_BATCH_MISMATCH"
  | "MODEL_CALIBRATION_INVALID"
  | "MODEL_CONTENT_UNSAFE"
  | "MODEL_DIRECTORY_OCCUPIED"
  | "MODEL_EDGE_TOO_LARGE"
  | "MODEL_EDGE_UNSUPPORTED"
  | "MODEL_EXPLANATION_UNSUPPORTED"
  | "MODEL_FILE_PATH"
  | "MODEL_FORMAT_UNSUPPORTED"
  | "MODEL_GOLDEN_MISMATCH"
  | "MODEL_INPUT_MISMATCH"
  | "MODEL_KEY_INVALID"
  | "MODEL_LAYERS_INVALID"
  | "MODEL_LINEAR_INVALID"
  | "MODEL_ONNX_INVALID"
  | "MODEL_ONNX_RUN_FAILED"
  | "MODEL_ONNX_UNSUPPORTED"
  | "MODEL_PACKAGE_REVOKED"
  | "MODEL_SIGNATURE_INVALID"
  | "MODEL_SIGNATURE_MISSING"
  | "MODEL_SIGNER_UNTRUSTED"
  | "MODEL_STAGING_EXPOSED"
  | "MODEL_TRANSFORMS_UNFIT"
  | "MODEL_TREES_INVALID"
  | "MODEL_WRITE_FAILED";

export class ModelError extends MillwrightError<ModelErrorCode> {
  override readonly name = "ModelError";
}

export const batchMismatch = (problem: string, remedy: string): ModelError =>
  new ModelError("MODEL_BATCH_MISMATCH", `The batch does not fit the model: ${problem}.`, { category: "user", remedy });

export const calibrationInvalid = (problem: string): ModelError =>
  new ModelError("MODEL_CALIBRATION_INVALID", `The calibration cannot be used: ${problem}.`, {
    category: "user",
    remedy: "Give what `fitCalibration` of @millwright/algorithms gives, for an output that it was fitted to.",
  });

export const directoryOccupied = (directory: string): ModelError =>
  new ModelError("MODEL_DIRECTORY_OCCUPIED", `The directory "${directory}" exists and is not empty.`, {
    category: "user",
    remedy: "Pack each model into a fresh directory: a directory with files in it cannot be replaced in one step.",
  });

export const edgeTooLarge = (
  name: string,
  {
    bytes,
    codeBytes,
    weightBytes,
  }: { readonly bytes: number; readonly codeBytes: number; readonly weightBytes: number },
  maxBytes: number,
): ModelError =>
  new ModelError(
    "MODEL_EDGE_TOO_LARGE",
    `The exported model "${name}" has ${bytes} bytes (${weightBytes} of weights, ${codeBytes} of code), and ${maxBytes} are allowed.`,
    { category: "user", remedy: "Train a smaller model, or allow more bytes." },
  );

export const edgeUnsupported = (name: string, format: string): ModelError =>
  new ModelError(
    "MODEL_EDGE_UNSUPPORTED",
    `The model "${name}" of the format ${format} cannot be exported as a module.`,
    {
      category: "user",
      remedy: "Export a model of the format dense, trees or linear; others go to ONNX, or are served.",
    },
  );

export const explanationUnsupported = (name: string, problem: string, remedy: string): ModelError =>
  new ModelError(
    "MODEL_EXPLANATION_UNSUPPORTED",
    `The answers of the model "${name}" cannot be explained: ${problem}.`,
    {
      category: "user",
      remedy,
    },
  );

export const filePath = (path: string, problem: string): ModelError =>
  new ModelError("MODEL_FILE_PATH", `A model package cannot hold the file "${path}": ${problem}.`, {
    category: "user",
    remedy: "Name files relative to the package, with / between folders.",
  });

/** What the file system says of a folder that it cannot list; any other error is passed on. */
export const folderUnreadable = (directory: string, error: unknown): unknown =>
  error instanceof Error && "syscall" in error
    ? new ModelError("MODEL_FILE_PATH", `The files of "${directory}" cannot be listed: ${error.message}.`, {
        category: "user",
        remedy: "Name a folder that exists and that this process may read.",
        cause: error,
      })
    : error;

export const formatUnsupported = (name: string, format: string, formats: readonly string[]): ModelError =>
  new ModelError(
    "MODEL_FORMAT_UNSUPPORTED",
    `No runtime was passed in for the format "${format}" of the model "${name}".`,
    {
      category: "user",
      remedy: `Pass one in. Formats of the runtimes passed in: ${formats.length === 0 ? "none" : formats.join(", ")}.`,
    },
  );

export const goldenMismatch = (name: string, difference: string): ModelError =>
  new ModelError(
    "MODEL_GOLDEN_MISMATCH",
    `The model "${name}" does not give the answers it was packed with: ${difference}.`,
    {
      category: "data",
      remedy:
        "Serve it with the runtime and versions it was trained with, or pack it again with the answers this runtime gives.",
    },
  );

export const inputMismatch = (input: string, problem: string, expected: string): ModelError =>
  new ModelError("MODEL_INPUT_MISMATCH", `The input "${input}" does not fit the model: ${problem}.`, {
    category: "user",
    remedy: `The model takes ${expected}.`,
  });

export const layersInvalid = (problem: string): ModelError =>
  new ModelError("MODEL_LAYERS_INVALID", `The layers do not make a network: ${problem}.`, {
    category: "user",
    remedy:
      "Give each layer a kernel of inputs × units numbers, a bias of units numbers, and an activation that exists.",
  });

export const linearInvalid = (problem: string): ModelError =>
  new ModelError("MODEL_LINEAR_INVALID", `The coefficients do not make a model: ${problem}.`, {
    category: "user",
    remedy:
      "Give named features, a finite coefficient of each for each output, and a finite intercept for each output.",
  });

export const onnxInvalid = (problem: string, cause?: unknown): ModelError =>
  new ModelError("MODEL_ONNX_INVALID", `The ONNX model cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Export it again with tensors as inputs and outputs, and its weights within the file or beside it.",
    cause,
  });

/** What ONNX Runtime says when it does not answer. */
export const onnxRunFailed = (name: string, cause: unknown): ModelError =>
  new ModelError(
    "MODEL_ONNX_RUN_FAILED",
    `ONNX Runtime did not answer with the model "${name}": ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      category: "data",
      remedy: "Give it inputs as its signature says them; sizes that are named there may have to be equal.",
      cause,
    },
  );

export const onnxUnsupported = (what: string, problem: string, remedy: string): ModelError =>
  new ModelError("MODEL_ONNX_UNSUPPORTED", `${what} cannot be written as ONNX: ${problem}.`, {
    category: "user",
    remedy,
  });

export const transformsUnfit = (name: string, problem: string, cause?: unknown): ModelError =>
  new ModelError("MODEL_TRANSFORMS_UNFIT", `The model "${name}" cannot be packed with its transforms: ${problem}.`, {
    category: "user",
    remedy: "Pack a model with the transforms that it was trained on, as fitTransforms gave them.",
    cause,
  });

export const treesInvalid = (problem: string): ModelError =>
  new ModelError("MODEL_TREES_INVALID", `The trees do not make a model: ${problem}.`, {
    category: "user",
    remedy: "Give named features, and trees whose nodes are leaves with a value or splits with two later nodes.",
  });

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
};

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new ModelError("MODEL_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}
