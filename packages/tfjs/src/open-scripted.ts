import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { mendJs, mendWasm } from "./kernels/register.ts";
import { type Opened, switchTo, tested, type Trying } from "./opening.ts";
import { briefly, failedProbe } from "./probe.ts";
import { importTensorFlow, type TensorFlow } from "./tensorflow.ts";

export async function openWasm(trying: Trying): Promise<Opened> {
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
}

export async function openJs(trying: Trying): Promise<Opened> {
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
}

/** Makes the JavaScript backend's instance, and keeps it from advertising tfjs-node on the console at its first use. */
async function quietJsBackend(tf: TensorFlow): Promise<void> {
  const before = tf.findBackend("cpu");
  if (before == null) await tf.setBackend("cpu");
  const backend = tf.findBackend("cpu") as { firstUse?: boolean } | null;
  if (backend !== null) backend.firstUse = false;
}
