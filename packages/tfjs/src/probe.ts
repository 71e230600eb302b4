/**
 * Where TensorFlow.js can compute: CUDA, WebGPU on a real GPU, the native library on the CPU, WebAssembly (one thread, SIMD), plain JavaScript; and,
 * only where it is asked for by name, WebGPU on an adapter that computes on the CPU, for tests.
 */
export type Device = "gpu" | "webgpu" | "cpu" | "wasm" | "js" | "webgpu-software";

/** Why a device cannot be used. */
export type ProbeReason =
  /** No `native` function was passed to `openTfjs`. */
  | "native-not-given"
  /** No `webgpu` function was passed to `openTfjs`. */
  | "webgpu-not-given"
  /** The package is not installed. */
  | "package-missing"
  /** It is installed, but its compiled addon is not: its install script did not run. */
  | "addon-missing"
  /** The addon is there, but the TensorFlow library it links to is not. */
  | "library-missing"
  /** The package calls functions that this version of Node no longer has. */
  | "node-incompatible"
  /** It works, but on the CPU: no GPU, or no driver or CUDA library that fits. */
  | "gpu-not-visible"
  /** WebGPU finds no adapter: no GPU, or no driver of it that WebGPU can work with. */
  | "adapter-missing"
  /** WebGPU finds no other adapter than one that computes on the CPU. */
  | "adapter-software"
  /** The adapter gives no device. */
  | "device-refused"
  /** TensorFlow.js did not switch to the backend. */
  | "backend-refused"
  /** It computes something wrongly. */
  | "self-test-failed"
  /** Anything else that was thrown while loading. */
  | "load-failed";

/** What a device said when it was tried. */
export interface DeviceProbe {
  readonly device: Device;
  readonly ok: boolean;
  /** Absent when `ok`. */
  readonly reason?: ProbeReason | undefined;
  /** The versions found, or the words of the failure. */
  readonly detail: string;
  /** What would make the device usable; absent when `ok`. */
  readonly remedy?: string | undefined;
}

const install = "npm install --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0";

/** What to do about each reason, as a sentence. */
export const remedies: Readonly<Record<ProbeReason, string>> = {
  "native-not-given": 'Pass the native package in: openTfjs({ native: () => import("@tensorflow/tfjs-node-gpu") }).',
  "webgpu-not-given": 'Pass the package webgpu in: openTfjs({ webgpu: () => import("webgpu") }).',
  "package-missing": `Install the native package (${install}) and build its addon (npx millwright-tfjs provision).`,
  "addon-missing":
    "The native package was installed without its install script: build its addon against a TensorFlow library (npx millwright-tfjs provision).",
  "library-missing":
    "Put libtensorflow_cc.so.2 and libtensorflow_framework.so.2 into the native package's deps/lib, or on LD_LIBRARY_PATH.",
  "node-incompatible":
    "Use Node 20 or 22, or load the native package through openTfjs, which mends it, before anything else imports it.",
  "gpu-not-visible":
    "Check that nvidia-smi lists a GPU, that CUDA_VISIBLE_DEVICES does not hide it, and that the CUDA libraries fit the TensorFlow library; the addon must be that of @tensorflow/tfjs-node-gpu.",
  "adapter-missing":
    "Install a Vulkan driver for the GPU (NVIDIA's own, or Mesa 23 and later) and libvulkan1, let this process read /dev/dri or /dev/nvidia*, and see with vulkaninfo that it is found.",
  "adapter-software":
    'Install the Vulkan driver of the GPU; to test on the CPU all the same, ask for the device "webgpu-software".',
  "device-refused": "Update the Vulkan driver, and check that the GPU's memory is not used up.",
  "backend-refused": "Check that all @tensorflow packages are of version 4.22.0.",
  "self-test-failed": "Use another device, and check that all @tensorflow packages are of version 4.22.0.",
  "load-failed": "See the detail; reinstall the package if its files are damaged.",
};

/** What is to be done about the package `webgpu`, where it differs. */
const webGpuRemedies: Partial<Record<ProbeReason, string>> = {
  "package-missing": "Install the package webgpu (npm install webgpu@0.6.2).",
  "library-missing":
    "Install the version 0.6.2 of the package webgpu, which needs GLIBC 2.34 and GLIBCXX 3.4.30 (Debian 12, Ubuntu 22.04 and later).",
  "load-failed": 'See the detail; pass in the package webgpu itself: openTfjs({ webgpu: () => import("webgpu") }).',
};

/** A failed probe of a device. */
export const failedProbe = (device: Device, reason: ProbeReason, detail: string): DeviceProbe => ({
  device,
  ok: false,
  reason,
  detail,
  remedy: (device.startsWith("webgpu") ? webGpuRemedies[reason] : undefined) ?? remedies[reason],
});

/** Why loading a native package failed, told from what it threw. Codes and messages are those of tfjs-node 4.22.0 and webgpu 0.6.2 on Node 20 to 25. */
export function recogniseLoadFailure(error: unknown): ProbeReason {
  const { code, message } =
    error instanceof Error
      ? (error as Error & { readonly code?: unknown })
      : { code: undefined, message: String(error) };
  if (message.includes("tfjs_binding.node) can not be found")) return "addon-missing";
  // A module that the native package itself fails to find is not a missing package.
  const missing = /Cannot find (?:package|module) '(@tensorflow\/tfjs-node(?:-gpu)?|webgpu)'/.exec(message);
  if ((code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && missing !== null) return "package-missing";
  if (code === "ERR_DLOPEN_FAILED" || message.includes("cannot open shared object file")) return "library-missing";
  if (/(?:isNullOrUndefined|isArray)\) is not a function/.test(message)) return "node-incompatible";
  return "load-failed";
}

/** The first line of what was thrown, short enough for a message and without its full stop. */
export function briefly(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]?.trim() ?? "";
  return text.length > 240 ? `${text.slice(0, 240)}…` : text.replace(/\.$/, "");
}
