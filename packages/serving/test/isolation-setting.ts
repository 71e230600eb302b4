import type { LoadedModel, ModelManifest, Tensors } from "@millwright/contracts";
import type { IsolatedRuntime, IsolatedRuntimeOptions } from "../src/isolation.ts";
import { isolatedRuntime } from "../src/isolation.ts";
import { matrix } from "./models.ts";

export const fixture = new URL("./fixtures/isolated-runtimes.js", import.meta.url);

/** Runtimes of the fixture in workers that come back soon. */
export const isolated = (options: Partial<IsolatedRuntimeOptions> = {}): IsolatedRuntime =>
  isolatedRuntime({
    formats: ["dense", "obedient"],
    ...(options.command === undefined ? { module: fixture } : {}),
    backoffMs: { first: 20, most: 200 },
    // A worker may take its time to come back on a busy machine.
    waitMs: 60_000,
    ...options,
  });

/** A model that does what the first number of a row says: see the fixture. */
export const obedient = (hyperparameters: ModelManifest["provenance"]["hyperparameters"] = {}): ModelManifest => ({
  formatVersion: 1,
  name: "obedient",
  format: "obedient",
  files: [],
  signature: {
    inputs: [{ name: "features", dtype: "float32", shape: [-1, 2] }],
    outputs: [{ name: "probability", dtype: "float32", shape: [-1, 1] }],
  },
  golden: [],
  provenance: { datasets: {}, environment: {}, hyperparameters, metrics: {}, createdTimeMs: 0 },
});

export const row = (...values: readonly number[]): Tensors => ({ features: matrix([values]) });

/** The doubled first number, which the model answers. */
export async function asked(model: LoadedModel, ...values: readonly number[]): Promise<number> {
  const { probability } = await model.predict(row(...values));
  return Number(probability?.data[0]);
}

/** Waits for a condition, a turn of a few milliseconds at a time. */
export async function until(holds: () => boolean, withinMs = 100_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new TypeError(`it does not hold within ${withinMs} ms: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A tensor of every type. */
export const everyType = {
  bool: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
  int8: { dtype: "int8", shape: [1, 3], data: Int8Array.of(-1, 0, 127) },
  int16: { dtype: "int16", shape: [1], data: Int16Array.of(-300) },
  int32: { dtype: "int32", shape: [], data: Int32Array.of(70_000) },
  int64: { dtype: "int64", shape: [2], data: BigInt64Array.of(-(2n ** 60n), 1n) },
  uint8: { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 255) },
  uint16: { dtype: "uint16", shape: [1], data: Uint16Array.of(65_535) },
  uint32: { dtype: "uint32", shape: [1], data: Uint32Array.of(4_000_000_000) },
  uint64: { dtype: "uint64", shape: [1], data: BigUint64Array.of(2n ** 63n) },
  // A view of a larger buffer, as slices of batches are.
  float32: { dtype: "float32", shape: [2], data: Float32Array.of(9, 1.5, -0, 9).subarray(1, 3) },
  float64: { dtype: "float64", shape: [2], data: Float64Array.of(Number.NaN, Math.PI) },
  string: { dtype: "string", shape: [3], data: ["", "münchen", "𝄞"] },
  none: { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
} as const;
