import { MillwrightError, type MillwrightErrorOptions } from "@millwright/contracts";
import type { DeviceProbe } from "./probe.ts";

export type TfjsErrorCode =
  | "TFJS_DEVICE_FAILED"
  | "TFJS_DEVICE_LOST"
  | "TFJS_DEVICE_UNAVAILABLE"
  | "TFJS_SELF_TEST_FAILED"
  | "TFJS_KERNEL_REFUSED"
  | "TFJS_PROVISION_FAILED"
  | "TFJS_READ_REFUSED"
  | "TFJS_DIRECTORY_OCCUPIED"
  | "TFJS_INPUT_MISMATCH"
  | "TFJS_TENSOR_UNSUPPORTED"
  | "TFJS_WRITE_FAILED";

export class TfjsError extends MillwrightError<TfjsErrorCode> {
  override readonly name = "TfjsError";
  /** What each device said when it was tried, in the order tried; empty where no device was looked for. */
  readonly probes: readonly DeviceProbe[];

  constructor(
    code: TfjsErrorCode,
    message: string,
    options: MillwrightErrorOptions & { readonly probes?: readonly DeviceProbe[] | undefined },
  ) {
    super(code, message, options);
    this.probes = options.probes ?? [];
  }
}

const describe = (probe: DeviceProbe): string => `${probe.device}: ${probe.reason ?? "ok"} (${probe.detail})`;

export const deviceUnavailable = (asked: string, probes: readonly DeviceProbe[]): TfjsError =>
  new TfjsError(
    "TFJS_DEVICE_UNAVAILABLE",
    `TensorFlow.js cannot compute on the device "${asked}" here. Tried: ${probes.map(describe).join("; ")}.`,
    {
      category: "user",
      remedy: [...new Set(probes.flatMap((probe) => (probe.remedy === undefined ? [] : [probe.remedy])))].join(" "),
      probes,
    },
  );

const firstLine = (text: string): string =>
  (text.split("\n", 1)[0] ?? "").trim().replace(/\.$/, "") || "no reason was given";

/** @param reason Of WebGPU: `destroyed` or `unknown`. */
export const deviceLost = (reason: string, message: string): TfjsError =>
  new TfjsError("TFJS_DEVICE_LOST", `The WebGPU device was lost (${reason}): ${firstLine(message)}.`, {
    category: "transient",
    remedy: "Open TensorFlow.js anew, in a process of its own, and go on from the last checkpoint.",
    retryable: true,
  });

/** @param kind WebGPU's class of the error: `GPUOutOfMemoryError`, `GPUInternalError`, `GPUValidationError`. */
export function deviceFailed(kind: string, message: string): TfjsError {
  const said = `The WebGPU device failed (${kind}): ${firstLine(message)}.`;
  if (kind === "GPUOutOfMemoryError" || /larger than the max|exceeds the max|too large/i.test(message)) {
    const full = `The WebGPU device is out of memory (${kind}): ${firstLine(message)}.`;
    const remedy = "Use a smaller batch or model, or a device with more memory, or one that takes larger tensors.";
    return new TfjsError("TFJS_DEVICE_FAILED", full, { category: "capacity", remedy });
  }
  if (kind === "GPUInternalError") {
    const remedy = "Go on from the last checkpoint; where it comes again, update the driver or use another device.";
    return new TfjsError("TFJS_DEVICE_FAILED", said, { category: "transient", remedy, retryable: true });
  }
  return new TfjsError("TFJS_DEVICE_FAILED", said, {
    category: "user",
    remedy: "Use another device; where it is a layer that it fails of, put others in its place.",
  });
}

export const provisionFailed = (problem: string, remedy: string): TfjsError =>
  new TfjsError("TFJS_PROVISION_FAILED", `The native addon could not be built: ${problem}.`, {
    category: "user",
    remedy,
  });

export const readRefused = (): TfjsError =>
  new TfjsError("TFJS_READ_REFUSED", "WebGPU cannot read a tensor at once.", {
    category: "user",
    remedy: "Read it with `await tensor.data()` in place of `dataSync()`, `arraySync()` or `print()`.",
  });

export const selfTestFailed = (backend: string, family: string, problem: string): TfjsError =>
  new TfjsError("TFJS_SELF_TEST_FAILED", `The backend "${backend}" computes ${family} wrongly: ${problem}.`, {
    category: "bug",
    remedy:
      'Train on another device (openTfjs({ device: "wasm" })), and check that the TensorFlow.js versions are 4.22.0.',
  });

export const kernelRefused = (kernel: string, problem: string, remedy: string): TfjsError =>
  new TfjsError("TFJS_KERNEL_REFUSED", `The kernel ${kernel} was refused: ${problem}.`, { category: "user", remedy });

export const operationAbsent = (name: string): TfjsError =>
  kernelRefused(name, "this TensorFlow.js does not have it", "Install the TensorFlow.js packages in version 4.22.0.");

export const directoryOccupied = (directory: string): TfjsError =>
  new TfjsError("TFJS_DIRECTORY_OCCUPIED", `The directory "${directory}" exists and is not empty.`, {
    category: "user",
    remedy: "Save each model into a fresh directory: a directory with files in it cannot be replaced in one step.",
  });

export const inputMismatch = (input: string, problem: string, expected: string): TfjsError =>
  new TfjsError("TFJS_INPUT_MISMATCH", `The input "${input}" does not fit the model: ${problem}.`, {
    category: "user",
    remedy: `The model takes ${expected}.`,
  });

export const tensorUnsupported = (name: string, dtype: string): TfjsError =>
  new TfjsError(
    "TFJS_TENSOR_UNSUPPORTED",
    `The tensor "${name}" is of type ${dtype}, which TensorFlow.js does not compute with.`,
    {
      category: "user",
      remedy: "Give float32, int32 or bool; float64 and the integers up to 32 bits are converted.",
    },
  );

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

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new TfjsError("TFJS_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}
