import { type ErrorCategory, hasCode } from "@millwright/contracts";
import type { Rank } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { openTfjs, recogniseLoadFailure, type TfjsError } from "../src/index.ts";

const failure = (message: string, code?: string): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

/** As thrown by tfjs-node 4.22.0 on Node 20 to 25. */
const seen = {
  "package-missing": failure(
    "Cannot find package '@tensorflow/tfjs-node-gpu' imported from /app/main.js",
    "ERR_MODULE_NOT_FOUND",
  ),
  "addon-missing": failure(
    "The Node.js native addon module (tfjs_binding.node) can not be found at path: /app/node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node. \nPlease run command",
  ),
  "library-missing": failure(
    "libtensorflow_cc.so.2: cannot open shared object file: No such file or directory",
    "ERR_DLOPEN_FAILED",
  ),
  "node-incompatible": new TypeError("(0 , util_1.isNullOrUndefined) is not a function"),
  "load-failed": failure("Unexpected token"),
} as const;

test.each(Object.entries(seen))("a native package that fails is told apart: %s", async (reason, error) => {
  expect(recogniseLoadFailure(error)).toBe(reason);
  const opening = openTfjs({ device: "gpu", native: () => Promise.reject(error) });
  const thrown: unknown = await opening.catch((caught: unknown) => caught);
  expect(hasCode(thrown, "TFJS_DEVICE_UNAVAILABLE")).toBe(true);
  const { probes, message, remedy, category } = thrown as TfjsError;
  expect(probes).toMatchObject([
    { device: "gpu", ok: false, reason },
    { device: "webgpu", ok: false, reason: "webgpu-not-given" },
  ]);
  expect(remedy).toBe(`${probes[0]?.remedy} ${probes[1]?.remedy}`);
  expect(message).toContain(reason);
  expect(category).toBe<ErrorCategory>("user");
});

test("CommonJS says that a package is missing in its own words", () => {
  expect(
    recogniseLoadFailure(failure("Cannot find module '@tensorflow/tfjs-node'\nRequire stack:", "MODULE_NOT_FOUND")),
  ).toBe("package-missing");
  expect(recogniseLoadFailure(failure("Cannot find module 'long'", "MODULE_NOT_FOUND"))).toBe("load-failed");
});

test("asking for the GPU without a native package fails at once, and says what to pass", async () => {
  await expect(openTfjs({ device: "gpu" })).rejects.toMatchObject({
    code: "TFJS_DEVICE_UNAVAILABLE",
    probes: [
      { device: "gpu", ok: false, reason: "native-not-given" },
      { device: "webgpu", ok: false, reason: "webgpu-not-given" },
    ],
    message: expect.stringContaining('native: () => import("@tensorflow/tfjs-node-gpu")') as string,
  });
});

test("auto falls back to WASM and keeps why", async () => {
  const { tf, device, backend, probes, environment } = await openTfjs({
    native: [() => Promise.reject(seen["addon-missing"]), () => Promise.reject(seen["package-missing"])],
  });
  expect([device, backend, tf.getBackend()]).toEqual(["wasm", "wasm", "wasm"]);
  expect(probes.map((probe) => [probe.device, probe.reason])).toEqual([
    ["gpu", "addon-missing"],
    ["gpu", "package-missing"],
    ["webgpu", "webgpu-not-given"],
    ["cpu", "addon-missing"],
    ["cpu", "package-missing"],
    ["wasm", undefined],
  ]);
  expect(environment).toMatchObject({ tfjs: "4.22.0", tfjsBackendWasm: "4.22.0", node: process.versions.node });
});

test("opening again moves the process to the other device, and back", async () => {
  for (const device of ["js", "wasm", "js", "wasm"] as const) {
    const opened = await openTfjs({ device });
    expect(opened.device).toBe(device);
    expect(opened.tf.getBackend()).toBe(device === "js" ? "cpu" : "wasm");
    expect(opened.tf.add(1, 2).dataSync()[0]).toBe(3);
  }
});

test("a backend that TensorFlow.js does not really switch to is refused, although it says it did", async () => {
  // As the WASM backend behaves when its threads are forced on.
  const { tf } = await openTfjs({ device: "js" });
  const pretending = { ...tf, setBackend: () => Promise.resolve(true), ready: () => Promise.resolve() };
  await expect(openTfjs({ device: "cpu", native: () => Promise.resolve(pretending) })).rejects.toMatchObject({
    probes: [{ device: "cpu", reason: "backend-refused" }],
  });
});

test("what is no TensorFlow.js package is not taken for one", async () => {
  await expect(openTfjs({ device: "cpu", native: () => Promise.resolve({ default: {} }) })).rejects.toMatchObject({
    probes: [{ device: "cpu", reason: "load-failed" }],
  });
});

test("a device that does not exist is a mistake of the caller", async () => {
  // @ts-expect-error -- no such device.
  await expect(openTfjs({ device: "tpu" })).rejects.toThrow(TypeError);
});

test("gradients that no backend has are refused by name, not in the middle of a step", async () => {
  const { tf } = await openTfjs({ device: "wasm" });
  const x = tf.ones<Rank.R4>([1, 5, 5, 1]);
  const filter = tf.ones<Rank.R4>([2, 2, 1, 1]);
  const dilated = () => tf.grad((z) => tf.conv2d(z as typeof x, filter, 1, "same", "NHWC", 2))(x);
  expect(dilated).toThrow(expect.objectContaining({ code: "TFJS_KERNEL_REFUSED" }) as Error);
  const depthwise = () => tf.grad((z) => tf.depthwiseConv2d(z as typeof x, filter, 1, "same", "NHWC", 2))(x);
  expect(depthwise).toThrow(expect.objectContaining({ code: "TFJS_KERNEL_REFUSED" }) as Error);
  const sums = () => tf.grad((z) => tf.cumsum(z, 1))(x);
  expect(sums).toThrow(/TFJS|axis is 1 of 4/);
  expect(tf.conv2d(x, filter, 1, "same", "NHWC", 2).shape).toEqual([1, 5, 5, 1]);
});
