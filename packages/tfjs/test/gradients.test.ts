import { beforeAll, describe, expect, test } from "vitest";
import { openTfjs, type TensorFlow } from "../src/index.ts";
import { type Found, gradientChecks } from "./gradient-checks.ts";

const { functions, layers, checkFunction, checkLayers } = gradientChecks;

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
