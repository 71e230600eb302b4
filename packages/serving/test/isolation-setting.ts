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
export async function until(holds: () => boolean, withinMs = 10_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new TypeError(`it does not hold within ${withinMs} ms: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
