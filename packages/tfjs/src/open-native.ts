import util from "node:util";
import { type Opened, switchTo, tested, type Trying } from "./opening.ts";
import { briefly, failedProbe, recogniseLoadFailure } from "./probe.ts";
import type { TensorFlow } from "./tensorflow.ts";

/** Imports a native package: `() => import("@tensorflow/tfjs-node-gpu")`. */
export type NativeLoader = () => Promise<unknown>;

/** What of tfjs-node's backend tells where it computes. */
interface NativeBackend {
  readonly isGPUPackage?: boolean;
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

export async function openNative(load: NativeLoader, device: "gpu" | "cpu", trying: Trying): Promise<Opened> {
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
export function restoreUtilFunctions(): void {
  const module = util as unknown as Record<string, unknown>;
  module["isNullOrUndefined"] ??= (value: unknown) => value === null || value === undefined;
  module["isArray"] ??= Array.isArray;
}
