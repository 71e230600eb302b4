import { beforeAll, describe, expect, test } from "vitest";
import { openTfjs, type TensorFlow } from "../src/index.ts";

/** What `fixtures/gradient-checks.mjs` exports. */
interface GradientChecks {
  readonly functions: Readonly<Record<string, unknown>>;
  readonly layers: Readonly<Record<string, unknown>>;
  checkFunction(tf: TensorFlow, f: unknown): Promise<Found>;
  checkLayers(tf: TensorFlow, parts: unknown): Promise<Found>;
}

interface Found {
  /** The largest difference from finite differences, in parts of the largest component. */
  readonly worst: number;
  /** Whether the gradient is zero everywhere, which none of these is. */
  readonly zero: boolean;
}

const fixture = new URL("./fixtures/gradient-checks.mjs", import.meta.url).href;
const { functions, layers, checkFunction, checkLayers } = (await import(fixture)) as GradientChecks;

describe.each(["wasm", "js"] as const)("on %s", (device) => {
  let tf: TensorFlow;
  beforeAll(async () => {
    ({ tf } = await openTfjs({ device, selfTest: false }));
  });

  async function check(work: () => Promise<Found>): Promise<void> {
    // Files run in processes of their own, but the two describes share one engine.
    await tf.setBackend(device === "js" ? "cpu" : device);
    const before = tf.memory().numTensors;
    const { worst, zero } = await work();
    // Differences of float32 sums carry about 1e-6 / epsilon of noise; a wrong kernel is off by a tenth and more.
    expect(worst).toBeLessThan(0.01);
    expect(zero).toBe(false);
    expect(tf.memory().numTensors).toBe(before);
  }

  test.each(Object.entries(functions))("the gradient of %s is that of finite differences", (_, f) =>
    check(() => checkFunction(tf, f)),
  );

  test.each(Object.entries(layers))("the gradients of layers are those of finite differences: %s", (_, parts) =>
    check(() => checkLayers(tf, parts)),
  );
});
