import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import util from "node:util";
import { type CallOptions, isMillwrightError } from "@millwright/contracts";
import { deviceUnavailable } from "./errors.ts";
import { mendJs, mendWasm } from "./kernels/register.ts";
import { briefly, type Device, type DeviceProbe, failedProbe, recogniseLoadFailure } from "./probe.ts";
import { refuseUnsupportedGradients } from "./refuse.ts";
import { selfTest } from "./self-test.ts";
import { importTensorFlow, type TensorFlow } from "./tensorflow.ts";

/** Imports a native package: `() => import("@tensorflow/tfjs-node-gpu")`. */
export type NativeLoader = () => Promise<unknown>;

export interface OpenTfjsOptions extends CallOptions {
  /**
   * Where to compute. `auto`: the first of a GPU, the native library on the CPU, WASM, JavaScript that works. Any other value is taken at its
   * word: where it cannot be had, opening fails. Default: `"auto"`.
   */
  readonly device?: "auto" | Device | undefined;
  /** The native packages, tried in order. Default: none, so that only `wasm` and `js` can be had. */
  readonly native?: NativeLoader | readonly NativeLoader[] | undefined;
  /** Whether to check one training step of each layer family against stored answers before use. Default: true. */
  readonly selfTest?: boolean | undefined;
}

/** TensorFlow.js, ready to train and to predict. It lives as long as the process: there is nothing to dispose. */
export interface Tfjs {
  /** The functions and layers of TensorFlow.js; tensors of one `tf` never mix with those of another. */
  readonly tf: TensorFlow;
  readonly device: Device;
  /** TensorFlow.js's own name: `tensorflow`, `wasm`, `cpu`. */
  readonly backend: string;
  /** Every device that was tried, in order; the last is the one in use. */
  readonly probes: readonly DeviceProbe[];
  /** Versions and settings that decide the results: for a model's provenance. */
  readonly environment: Readonly<Record<string, string>>;
}

interface Opened {
  readonly probe: DeviceProbe;
  readonly tf?: TensorFlow;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Picks the device, switches TensorFlow.js to it, mends its known faults and tests it. The choice is the process's: TensorFlow.js
 * keeps its backend in a global, so opening again with another device moves everybody.
 * Throws `TFJS_DEVICE_UNAVAILABLE` with the probes where the device asked for (or, for `auto`, any) does not work.
 */
export async function openTfjs({
  device = "auto",
  native = [],
  selfTest: test = true,
  signal,
}: OpenTfjsOptions = {}): Promise<Tfjs> {
  const loaders = typeof native === "function" ? [native] : native;
  const probes: DeviceProbe[] = [];
  for (const attempt of attempts(device, loaders)) {
    signal?.throwIfAborted();
    const opened = await attempt({ test, signal });
    signal?.throwIfAborted();
    probes.push(opened.probe);
    if (opened.probe.ok && opened.tf !== undefined) {
      refuseUnsupportedGradients(opened.tf);
      return {
        tf: opened.tf,
        device: opened.probe.device,
        backend: opened.tf.getBackend(),
        probes,
        environment: { node: process.versions.node, tfjs: opened.tf.version_core, ...opened.environment },
      };
    }
  }
  throw deviceUnavailable(device, probes);
}

/** How a device that can be had is tried. */
interface Trying extends CallOptions {
  readonly test: boolean;
}

type Attempt = (trying: Trying) => Promise<Opened>;

/** What to try for the device asked for, in order. */
function attempts(device: "auto" | Device, loaders: readonly NativeLoader[]): readonly Attempt[] {
  const natively = (wanted: "gpu" | "cpu"): Attempt[] =>
    loaders.length === 0
      ? [() => Promise.resolve({ probe: failedProbe(wanted, "native-not-given", "no native package was passed in") })]
      : loaders.map((load) => (trying) => openNative(load, wanted, trying));
  switch (device) {
    case "gpu":
    case "cpu":
      return natively(device);
    case "wasm":
      return [openWasm];
    case "js":
      return [openJs];
    case "auto":
      return [...natively("gpu"), ...natively("cpu"), openWasm, openJs];
    default:
      throw new TypeError(`The device must be "auto", "gpu", "cpu", "wasm" or "js", not ${JSON.stringify(device)}.`);
  }
}

/** What of tfjs-node's backend tells where it computes. */
interface NativeBackend {
  readonly isGPUPackage?: boolean;
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

async function openNative(load: NativeLoader, device: "gpu" | "cpu", trying: Trying): Promise<Opened> {
  restoreUtilFunctions();
  try {
    const loaded = (await load()) as { readonly default?: unknown };
    const tf = [loaded, loaded.default].find(isTensorFlow);
    if (tf === undefined) {
      return { probe: failedProbe(device, "load-failed", "what was loaded is not a TensorFlow.js package") };
    }
    const refused = await switchTo(tf, "tensorflow", device);
    if (refused !== undefined) return { probe: refused };
    const backend = tf.backend() as NativeBackend;
    const version = backend.binding?.TF_Version ?? "unknown";
    const said = `TensorFlow ${version}, isGPUPackage ${backend.isGPUPackage === true}, isUsingGpuDevice ${backend.isUsingGpuDevice === true}`;
    if (device === "gpu" && backend.isUsingGpuDevice !== true)
      return { probe: failedProbe("gpu", "gpu-not-visible", said) };
    return await tested(tf, device, said, { tensorflow: version }, trying);
  } catch (error) {
    return { probe: failedProbe(device, recogniseLoadFailure(error), briefly(error)) };
  }
}

const isTensorFlow = (value: unknown): value is TensorFlow =>
  typeof value === "object" &&
  value !== null &&
  "setBackend" in value &&
  typeof value.setBackend === "function" &&
  "layers" in value;

/** tfjs-node 4.22.0 calls two functions that Node 23 took out of `util`; the module's object is shared, so they can be put back. */
function restoreUtilFunctions(): void {
  const module = util as unknown as Record<string, unknown>;
  module["isNullOrUndefined"] ??= (value: unknown) => value === null || value === undefined;
  module["isArray"] ??= Array.isArray;
}

const openWasm: Attempt = async (trying) => {
  try {
    const tf = await importTensorFlow();
    await import("@tensorflow/tfjs-backend-cpu");
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    const binaries = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
    if (tf.findBackend("wasm") == null) wasm.setWasmPaths(join(binaries, sep));
    // The kernels borrowed from the JavaScript backend run on its instance.
    await quietJsBackend(tf);
    const refused = await switchTo(tf, "wasm", "wasm");
    if (refused !== undefined) return { probe: refused };
    const mended = mendWasm(tf);
    const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
    const environment = { tfjsBackendWasm: wasm.version_wasm, simd: String(simd), mendedKernels: mended.join(" ") };
    return await tested(tf, "wasm", `WASM ${wasm.version_wasm}, one thread, SIMD ${String(simd)}`, environment, trying);
  } catch (error) {
    return { probe: failedProbe("wasm", "load-failed", briefly(error)) };
  }
};

const openJs: Attempt = async (trying) => {
  try {
    const tf = await importTensorFlow();
    const { version_cpu } = await import("@tensorflow/tfjs-backend-cpu");
    await quietJsBackend(tf);
    const refused = await switchTo(tf, "cpu", "js");
    if (refused !== undefined) return { probe: refused };
    const mended = mendJs(tf);
    const environment = { tfjsBackendCpu: version_cpu, mendedKernels: mended.join(" ") };
    return await tested(tf, "js", `JavaScript ${version_cpu}`, environment, trying);
  } catch (error) {
    return { probe: failedProbe("js", "load-failed", briefly(error)) };
  }
};

/** Makes the JavaScript backend's instance, and keeps it from advertising tfjs-node on the console at its first use. */
async function quietJsBackend(tf: TensorFlow): Promise<void> {
  const before = tf.findBackend("cpu");
  if (before == null) await tf.setBackend("cpu");
  const backend = tf.findBackend("cpu") as { firstUse?: boolean } | null;
  if (backend !== null) backend.firstUse = false;
}

/** Both signs are needed: with threads forced on, `setBackend("wasm")` leaves TensorFlow.js on another backend. */
async function switchTo(tf: TensorFlow, backend: string, device: Device): Promise<DeviceProbe | undefined> {
  const accepted = await tf.setBackend(backend);
  await tf.ready();
  const now = tf.getBackend();
  if (accepted && now === backend) return undefined;
  return failedProbe(
    device,
    "backend-refused",
    `setBackend("${backend}") gave ${accepted}, and the backend is "${now}"`,
  );
}

async function tested(
  tf: TensorFlow,
  device: Device,
  detail: string,
  environment: Readonly<Record<string, string>>,
  { test, signal }: Trying,
): Promise<Opened> {
  const failure = test
    ? await selfTest(tf, { signal }).then(
        () => undefined,
        (error: unknown) => error,
      )
    : undefined;
  if (failure !== undefined) return { probe: failedProbe(device, "self-test-failed", withoutRemedy(failure)) };
  return { probe: { device, ok: true, detail }, tf, environment };
}

/** The probe has a remedy of its own. */
const withoutRemedy = (error: unknown): string =>
  briefly(isMillwrightError(error) ? error.message.replace(error.remedy, "").trimEnd() : error);
