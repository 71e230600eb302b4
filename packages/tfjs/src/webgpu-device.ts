import type { DataType, KernelBackend, TensorInfo } from "@tensorflow/tfjs-core";
import { deviceFailed, deviceLost, readRefused, type TfjsError } from "./errors.ts";

/** What of the npm package `webgpu` is used. */
export interface WebGpuModule {
  /** Makes a `navigator.gpu`; the texts are switches of Dawn, such as `adapter=NVIDIA`. */
  create(options: string[]): WebGpuEntry;
  /** The classes and constants that a browser has as globals. */
  readonly globals: object;
}

/** What of `navigator.gpu` is used. */
export interface WebGpuEntry {
  requestAdapter(options?: {
    powerPreference?: "high-performance" | "low-power";
    forceFallbackAdapter?: boolean;
  }): Promise<WebGpuAdapter | null>;
}

export interface WebGpuAdapter {
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly isFallbackAdapter?: boolean;
  };
  readonly features: { has(name: string): boolean };
  readonly limits: object;
  // Its types are those of the package's own enumerations.
  requestDevice(descriptor: never): Promise<WebGpuDevice>;
}

export interface WebGpuDevice {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  destroy(): void;
}

interface UncapturedError {
  readonly error: { readonly message: string };
  preventDefault?(): void;
}

/** What has gone wrong on a device that is in use. */
export interface DeviceWatch {
  /** The first failure, and the same ever after: what the device gives from then on is worth nothing. */
  readonly failure: TfjsError | undefined;
}

/** Failures of a WebGPU device come as events, beside the calls that made them: the calls themselves give zeros. */
export function watchDevice(device: WebGpuDevice): DeviceWatch {
  let failure: TfjsError | undefined;
  const listening = device as unknown as { onuncapturederror: (event: UncapturedError) => void };
  listening.onuncapturederror = (event) => {
    event.preventDefault?.();
    failure ??= deviceFailed(event.error.constructor.name, event.error.message);
  };
  void device.lost.then(({ reason, message }) => (failure ??= deviceLost(reason, message)));
  return {
    get failure() {
      return failure;
    },
  };
}

/** A shader as TensorFlow.js's kernels hand it over. */
interface ShaderProgram {
  readonly shaderKey: string;
  getUserCode(): string;
}

interface ShaderBackend extends KernelBackend {
  runWebGPUProgram(program: ShaderProgram, inputs: TensorInfo[], dtype: DataType, ...rest: unknown[]): TensorInfo;
}

type BackendClass = new (device: never, info: never) => KernelBackend;

/**
 * Two shaders of TensorFlow.js as they should be. That of transpositions of more than two axes stores float32 whatever it has read, which no shader of
 * integers or booleans may: sums and maxima over an axis, and masks, fail of it too. That of segment sums adds up integers by the bits of floats.
 * @param buffer The type of the first input's buffer; its tensor may have been given another.
 */
function mendProgram(program: ShaderProgram, buffer: DataType | undefined): ShaderProgram {
  const [wrong, right] =
    buffer === "float32" || buffer === undefined
      ? []
      : program.shaderKey.startsWith("transpose_")
        ? ["setOutputAtIndex(", "setOutputAtIndexI32("]
        : program.shaderKey === "unsortedSegmentSum"
          ? ["bitcast<i32>(value)", "i32(value)"]
          : [];
  if (wrong === undefined || right === undefined) return program;
  return Object.assign(Object.create(program) as ShaderProgram, {
    shaderKey: `${program.shaderKey}_integer`,
    getUserCode: () => program.getUserCode().replace(wrong, right),
  });
}

interface TensorMap {
  get(id: object): { readonly values?: unknown; readonly dtype: DataType };
}

/** A backend of ours, with what was opened for it. */
export interface WatchedBackend extends KernelBackend {
  readonly watch: DeviceWatch;
  readonly adapter: WebGpuAdapter;
  /** Held on to: adapters and devices live no longer. */
  readonly entry: WebGpuEntry;
}

export interface OpenedDevice {
  readonly entry: WebGpuEntry;
  readonly adapter: WebGpuAdapter;
  readonly device: WebGpuDevice;
}

/**
 * TensorFlow.js's WebGPU backend on a device of our own. Reading from it rejects once the device has failed, and says so where TensorFlow.js would
 * give zeros or look for a browser's canvas.
 */
export function watchedBackend(Backend: BackendClass, { entry, adapter, device }: OpenedDevice): WatchedBackend {
  class Watched extends (Backend as unknown as new (device: never, info: never) => ShaderBackend) {
    readonly watch: DeviceWatch = watchDevice(device);
    readonly adapter = adapter;
    readonly entry = entry;

    override runWebGPUProgram(
      program: ShaderProgram,
      inputs: TensorInfo[],
      dtype: DataType,
      ...rest: unknown[]
    ): TensorInfo {
      const [first] = inputs;
      const buffer = first === undefined ? undefined : tensorsOf(this).get(first.dataId).dtype;
      return super.runWebGPUProgram(mendProgram(program, buffer), inputs, dtype, ...rest);
    }

    override async read(dataId: object): ReturnType<KernelBackend["read"]> {
      try {
        const values = await super.read(dataId);
        if (this.watch.failure === undefined) return values;
      } catch (error) {
        // The news of a lost device may be behind that of a read that failed of it.
        await new Promise((resolve) => setImmediate(resolve));
        throw this.watch.failure ?? error;
      }
      throw this.watch.failure;
    }

    override readSync(dataId: object): ReturnType<KernelBackend["readSync"]> {
      if (tensorsOf(this).get(dataId).values == null) throw readRefused();
      return super.readSync(dataId);
    }
  }
  return withNavigator(entry, () => new Watched(device as never, adapter.info as never));
}

const tensorsOf = (backend: KernelBackend): TensorMap =>
  (backend as unknown as { readonly tensorMap: TensorMap }).tensorMap;

/** The backend's constructor wants a browser's `navigator.gpu`, and looks at nothing in it. */
function withNavigator<Value>(gpu: WebGpuEntry, work: () => Value): Value {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  try {
    return work();
  } finally {
    if (before === undefined) delete (globalThis as { navigator?: unknown }).navigator;
    else Object.defineProperty(globalThis, "navigator", before);
  }
}
