import { mendWebGpu } from "./kernels/webgpu-pool-gradients.ts";
import { type Opened, switchTo, tested, type Trying } from "./opening.ts";
import { briefly, type DeviceProbe, failedProbe, type ProbeReason, recogniseLoadFailure } from "./probe.ts";
import { importTensorFlow, type TensorFlow } from "./tensorflow.ts";
import {
  type WatchedBackend,
  watchedBackend,
  type WebGpuAdapter,
  type WebGpuDevice,
  type WebGpuEntry,
  type WebGpuModule,
} from "./webgpu-device.ts";

/** Imports the npm package `webgpu`: `() => import("webgpu")`. */
export type WebGpuLoader = () => Promise<WebGpuModule>;

type Wanted = "webgpu" | "webgpu-software";

/** A step of the opening that failed. */
class Refusal extends Error {
  readonly probe: DeviceProbe;
  constructor(wanted: Wanted, reason: ProbeReason, detail: string) {
    super(detail);
    this.probe = failedProbe(wanted, reason, detail);
  }
}

export async function openWebGpu(load: WebGpuLoader, wanted: Wanted, trying: Trying): Promise<Opened> {
  try {
    const tf = await importTensorFlow();
    const backend = living(tf, wanted) ?? (await newBackend(tf, load, wanted));
    const refused = await switchTo(tf, "webgpu", wanted);
    if (refused !== undefined) return { probe: refused };
    const mended = mendWebGpu(tf);
    const { vendor, architecture, device, description } = backend.adapter.info;
    const said = [vendor, architecture, device, description].filter((text) => text !== "").join(", ");
    const environment = { tfjsBackendWebGpu: tf.version_core, adapter: said, mendedKernels: mended.join(" ") };
    const opened = await tested(tf, wanted, `WebGPU on ${said}`, environment, trying);
    const { watch } = backend;
    if (watch.failure !== undefined) return { probe: failedProbe(wanted, "self-test-failed", briefly(watch.failure)) };
    return { ...opened, watch };
  } catch (error) {
    if (error instanceof Refusal) return { probe: error.probe };
    return { probe: failedProbe(wanted, recogniseLoadFailure(error), briefly(error)) };
  }
}

const isSoftware = ({ info }: WebGpuAdapter): boolean => info.isFallbackAdapter === true;

/** The backend of an earlier opening, while it works. */
function living(tf: TensorFlow, wanted: Wanted): WatchedBackend | undefined {
  const backend = tf.findBackend("webgpu") as Partial<WatchedBackend> | null;
  if (backend?.watch === undefined || backend.adapter === undefined || backend.watch.failure !== undefined)
    return undefined;
  return isSoftware(backend.adapter) === (wanted === "webgpu-software") ? (backend as WatchedBackend) : undefined;
}

async function newBackend(tf: TensorFlow, load: WebGpuLoader, wanted: Wanted): Promise<WatchedBackend> {
  const loaded = (await load()) as WebGpuModule & { readonly default?: WebGpuModule };
  const webgpu = [loaded, loaded.default].find(isWebGpu);
  if (webgpu === undefined) throw new Refusal(wanted, "load-failed", "what was loaded is not the package webgpu");
  // TensorFlow.js looks for WebGPU's classes and constants where a browser has them.
  for (const [name, value] of Object.entries(webgpu.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const entry = webgpu.create([]);
  const adapter = await adapterOf(entry, wanted);
  const device = await deviceOf(adapter).catch((error: unknown) => {
    throw new Refusal(wanted, "device-refused", briefly(error));
  });
  await import("@tensorflow/tfjs-backend-cpu");
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  const backend = watchedBackend(WebGPUBackend, { entry, adapter, device });
  // The process keeps one: TensorFlow.js's own, or that of a device that has failed, goes.
  if (tf.engine().registryFactory["webgpu"] !== undefined) tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", () => backend);
  return backend;
}

const isWebGpu = (value: unknown): value is WebGpuModule =>
  typeof value === "object" &&
  value !== null &&
  "create" in value &&
  typeof value.create === "function" &&
  "globals" in value &&
  typeof value.globals === "object";

async function adapterOf(entry: WebGpuEntry, wanted: Wanted): Promise<WebGpuAdapter> {
  const software = wanted === "webgpu-software";
  // Dawn gives Mesa's adapter on the CPU to a plain request alone.
  const adapter =
    (software ? await entry.requestAdapter({ forceFallbackAdapter: true }) : null) ??
    (await entry.requestAdapter({ powerPreference: "high-performance" }));
  if (adapter === null) throw new Refusal(wanted, "adapter-missing", "WebGPU gave no adapter");
  const { description, device } = adapter.info;
  if (isSoftware(adapter) === software) return adapter;
  const found = description === "" ? device : description;
  throw software
    ? new Refusal(wanted, "adapter-missing", `WebGPU gave the hardware adapter ${found}`)
    : new Refusal(wanted, "adapter-software", `the only adapter computes on the CPU: ${found}`);
}

/** Limits that TensorFlow.js's kernels reach for; a device has the lowest ones unless it is asked for more. */
const limits = [
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
];

function deviceOf(adapter: WebGpuAdapter): Promise<WebGpuDevice> {
  const offered = adapter.limits as Readonly<Record<string, number>>;
  const requiredLimits = Object.fromEntries(limits.map((name) => [name, offered[name]]));
  return adapter.requestDevice({ requiredLimits } as never);
}
