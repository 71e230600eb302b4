import type { CallOptions } from "@millwright/contracts";
import { addConv3dTransposeGradient } from "./conv3d-transpose-gradient.ts";
import { deviceUnavailable, type TfjsError } from "./errors.ts";
import { type NativeLoader, openNative } from "./open-native.ts";
import { openJs, openWasm } from "./open-scripted.ts";
import { openWebGpu, type WebGpuLoader } from "./open-webgpu.ts";
import type { Opened, Trying } from "./opening.ts";
import { type Device, type DeviceProbe, failedProbe } from "./probe.ts";
import { refuseUnsupportedGradients } from "./refuse.ts";
import type { TensorFlow } from "./tensorflow.ts";

export interface OpenTfjsOptions extends CallOptions {
  /**
   * Where to compute. `auto`: the first that works of CUDA, WebGPU on a real GPU, the native library on the CPU, WASM, JavaScript. `gpu`: the first
   * of CUDA and WebGPU on a real GPU. Any other value is taken at its word: where it cannot be had, opening fails. Default: `"auto"`.
   */
  readonly device?: "auto" | Device | undefined;
  /** The native packages, tried in order. Default: none. */
  readonly native?: NativeLoader | readonly NativeLoader[] | undefined;
  /** The package `webgpu`. Default: none, so that without a native package only `wasm` and `js` can be had. */
  readonly webgpu?: WebGpuLoader | undefined;
  /** Whether to check one training step of each layer family against stored answers before use. Default: true. */
  readonly selfTest?: boolean | undefined;
}

/** TensorFlow.js, ready to train and to predict. It lives as long as the process: there is nothing to dispose. */
export interface Tfjs {
  /** The functions and layers of TensorFlow.js; tensors of one `tf` never mix with those of another. */
  readonly tf: TensorFlow;
  /** The one in use: `gpu` for CUDA. */
  readonly device: Device;
  /** TensorFlow.js's own name: `tensorflow`, `webgpu`, `wasm`, `cpu`. */
  readonly backend: string;
  /** Every device that was tried, in order; the last is the one in use. */
  readonly probes: readonly DeviceProbe[];
  /** Versions and settings that decide the results: for a model's provenance. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the device has failed of, once it has; all it gives from then on is worth nothing. */
  readonly failure: TfjsError | undefined;
  /**
   * To be called after each step: failures of a WebGPU device are thrown by no call of TensorFlow.js but a read. Costs nothing.
   * Throws `TFJS_DEVICE_LOST`, `TFJS_DEVICE_FAILED`.
   */
  check(): void;
}

/**
 * Picks the device, switches TensorFlow.js to it, mends its known faults and tests it. The choice is the process's: TensorFlow.js
 * keeps its backend in a global, so opening again with another device moves everybody.
 * Throws `TFJS_DEVICE_UNAVAILABLE` with the probes where the device asked for (or, for `auto`, any) does not work.
 */
export async function openTfjs({
  device = "auto",
  native = [],
  webgpu,
  selfTest: test = true,
  signal,
}: OpenTfjsOptions = {}): Promise<Tfjs> {
  const loaders = typeof native === "function" ? [native] : native;
  const probes: DeviceProbe[] = [];
  for (const attempt of attempts(device, loaders, webgpu)) {
    signal?.throwIfAborted();
    const opened = await attempt({ test, signal });
    signal?.throwIfAborted();
    probes.push(opened.probe);
    if (opened.probe.ok && opened.tf !== undefined) return taken({ ...opened, tf: opened.tf }, probes);
  }
  throw deviceUnavailable(device, probes);
}

function taken(
  { tf, probe, environment, watch }: Opened & { readonly tf: TensorFlow },
  probes: readonly DeviceProbe[],
): Tfjs {
  addConv3dTransposeGradient(tf);
  refuseUnsupportedGradients(tf);
  return {
    tf,
    device: probe.device,
    backend: tf.getBackend(),
    probes,
    environment: { node: process.versions.node, tfjs: tf.version_core, ...environment },
    get failure() {
      return watch?.failure;
    },
    check() {
      if (watch?.failure !== undefined) throw watch.failure;
    },
  };
}

type Attempt = (trying: Trying) => Promise<Opened>;

/** What to try for the device asked for, in order. */
function attempts(
  device: "auto" | Device,
  loaders: readonly NativeLoader[],
  webgpu: WebGpuLoader | undefined,
): readonly Attempt[] {
  const natively = (wanted: "gpu" | "cpu"): Attempt[] =>
    loaders.length === 0
      ? [() => Promise.resolve({ probe: failedProbe(wanted, "native-not-given", "no native package was passed in") })]
      : loaders.map((load) => (trying) => openNative(load, wanted, trying));
  const byWebGpu =
    (wanted: "webgpu" | "webgpu-software"): Attempt =>
    (trying) =>
      webgpu === undefined
        ? Promise.resolve({ probe: failedProbe(wanted, "webgpu-not-given", "the package webgpu was not passed in") })
        : openWebGpu(webgpu, wanted, trying);
  switch (device) {
    case "gpu":
      return [...natively("gpu"), byWebGpu("webgpu")];
    case "webgpu":
    case "webgpu-software":
      return [byWebGpu(device)];
    case "cpu":
      return natively("cpu");
    case "wasm":
      return [openWasm];
    case "js":
      return [openJs];
    case "auto":
      return [...natively("gpu"), byWebGpu("webgpu"), ...natively("cpu"), openWasm, openJs];
    default:
      throw new TypeError(
        `The device must be "auto", "gpu", "webgpu", "webgpu-software", "cpu", "wasm" or "js", not ${JSON.stringify(device)}.`,
      );
  }
}
