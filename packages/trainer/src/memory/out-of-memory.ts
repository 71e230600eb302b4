import { hasCode, isMillwrightError, type JobFailureCause } from "@millwright/contracts";
import type { Tfjs } from "@millwright/tfjs";
import { outOfMemory } from "../errors.ts";

/** Which memory it was that had run out. */
export type MemoryKind =
  /** The limit that the job has. */
  | "limit"
  /** JavaScript's own heap. */
  | "heap"
  /** The machine's, as the kernel says by a kill, or a library by an error. */
  | "machine"
  /** WebAssembly's, which has 4 GiB at most. */
  | "wasm"
  | "gpu";

const causes: Readonly<Partial<Record<JobFailureCause, MemoryKind>>> = {
  "memory-limit": "limit",
  "gpu-memory-limit": "gpu",
  "heap-out-of-memory": "heap",
  "kernel-out-of-memory": "machine",
  "host-out-of-memory": "machine",
  "gpu-out-of-memory": "gpu",
};

/** The memory that a job's failure was for want of; undefined where it was for something else. */
export const memoryOfCause = (cause: JobFailureCause | undefined): MemoryKind | undefined =>
  cause === undefined ? undefined : causes[cause];

const wasm = /memory access out of bounds|^Aborted\(/;
/** Of the 4 GiB that WebAssembly can have. A kernel that reads out of bounds with a small heap does so for another reason. */
const largeHeap = 2 * 2 ** 30;

const gpu =
  /\bCUDA\b[^\n]{0,40}\bout of memory|CUDA_ERROR_OUT_OF_MEMORY|\bOOM when allocating tensor|RESOURCE_EXHAUSTED|ResourceExhausted|GPUOutOfMemoryError/;
const machine = /Array buffer allocation failed|std::bad_alloc|Cannot allocate memory/;

/** Where it trained. */
export interface MemoryPlace {
  readonly device: string;
  /** Of WebAssembly; 0 where there is none. */
  readonly heapBytes: number;
}

/** The memory that an error thrown while training was for want of. Pure. */
export function memoryOfError(error: unknown, { device, heapBytes }: MemoryPlace): MemoryKind | undefined {
  const text = error instanceof Error ? error.message : String(error);
  if (device === "wasm" && heapBytes >= largeHeap && wasm.test(text)) return "wasm";
  if (machine.test(text)) return "machine";
  if (!gpu.test(text)) return undefined;
  return device === "gpu" || device.startsWith("webgpu") ? "gpu" : "machine";
}

/** The error to fail with: its own kind where memory had run out, else the one that was thrown. */
export function memoryFailure(error: unknown, tfjs: Pick<Tfjs, "tf" | "device"> | undefined): unknown {
  // WebGPU's own, told as what they are by the package that watches the device.
  if (hasCode(error, "TFJS_DEVICE_FAILED") && error.category === "capacity")
    return outOfMemory("gpu", error.message.replace(error.remedy, "").trim(), error);
  if (tfjs === undefined || isMillwrightError(error)) return error;
  const { wasm: module } = tfjs.tf.backend() as { readonly wasm?: { readonly HEAPU8?: Uint8Array } };
  const kind = memoryOfError(error, { device: tfjs.device, heapBytes: module?.HEAPU8?.length ?? 0 });
  return kind === undefined ? error : outOfMemory(kind, error instanceof Error ? error.message : String(error), error);
}
