import { expect, expectTypeOf, test } from "vitest";
import { openTfjs, type WebGpuAdapter, type WebGpuModule } from "../src/index.ts";

test("the package webgpu is what openTfjs takes", () => {
  type Real = typeof import("webgpu");
  expectTypeOf<Real["globals"]>().toExtend<WebGpuModule["globals"]>();
  expectTypeOf<Parameters<Real["create"]>>().toEqualTypeOf<Parameters<WebGpuModule["create"]>>();
  expectTypeOf<() => Promise<Real>>().toExtend<NonNullable<Parameters<typeof openTfjs>[0]>["webgpu"]>();
});

/** A WebGPU that gives these adapters, one for each request. */
const giving = (...adapters: readonly (WebGpuAdapter | null)[]): WebGpuModule => {
  const left = [...adapters];
  return { globals: {}, create: () => ({ requestAdapter: () => Promise.resolve(left.shift() ?? null) }) };
};

const adapter = (isFallbackAdapter: boolean): WebGpuAdapter => ({
  info: { vendor: "a", architecture: "b", device: "c", description: "a card", isFallbackAdapter },
  features: new Set<string>(),
  limits: {},
  requestDevice: () => Promise.reject(new Error("no memory")),
});

const failure = (message: string, code: string): Error => Object.assign(new Error(message), { code });

test.each([
  ["no driver", "webgpu", () => giving(null), "adapter-missing", "Install a Vulkan driver"],
  ["only the CPU", "webgpu", () => giving(adapter(true)), "adapter-software", 'the device "webgpu-software"'],
  ["only a GPU", "webgpu-software", () => giving(null, adapter(false)), "adapter-missing", "Install a Vulkan driver"],
  ["a GPU that is full", "webgpu", () => giving(adapter(false)), "device-refused", "Update the Vulkan driver"],
  ["another package", "webgpu", () => ({}) as WebGpuModule, "load-failed", "pass in the package webgpu itself"],
] as const)("a WebGPU with %s says so, and what to do", async (_, device, load, reason, remedy) => {
  await expect(openTfjs({ device, webgpu: () => Promise.resolve(load()) })).rejects.toMatchObject({
    code: "TFJS_DEVICE_UNAVAILABLE",
    probes: [{ device, ok: false, reason, remedy: expect.stringContaining(remedy) as string }],
  });
});

test.each([
  [
    "package-missing",
    "npm install webgpu@0.6.2",
    failure("Cannot find package 'webgpu' imported from /a.js", "ERR_MODULE_NOT_FOUND"),
  ],
  ["library-missing", "GLIBCXX 3.4.30", failure("libstdc++.so.6: GLIBCXX_3.4.32 not found", "ERR_DLOPEN_FAILED")],
])("a package webgpu that cannot be loaded is told apart: %s", async (reason, remedy, error) => {
  await expect(openTfjs({ device: "webgpu", webgpu: () => Promise.reject(error) })).rejects.toMatchObject({
    probes: [{ device: "webgpu", reason, remedy: expect.stringContaining(remedy) as string }],
  });
});

test("a machine whose GPUs all fail falls back, and a GPU asked for by name is not replaced", async () => {
  const webgpu = (): Promise<WebGpuModule> => Promise.resolve(giving(null));
  const { device, probes, failure: none, check } = await openTfjs({ webgpu, selfTest: false });
  expect(device).toBe("wasm");
  expect(probes.map((probe) => [probe.device, probe.reason])).toEqual([
    ["gpu", "native-not-given"],
    ["webgpu", "adapter-missing"],
    ["cpu", "native-not-given"],
    ["wasm", undefined],
  ]);
  expect(none).toBeUndefined();
  expect(check).not.toThrow();
  await expect(openTfjs({ device: "gpu", webgpu })).rejects.toMatchObject({
    probes: [{ device: "gpu" }, { device: "webgpu" }],
  });
});
