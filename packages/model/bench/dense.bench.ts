import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { createRandom } from "@millwright/contracts";
import * as wasm from "@tensorflow/tfjs-backend-wasm";
import * as core from "@tensorflow/tfjs-core";
import * as keras from "@tensorflow/tfjs-layers";
import { bench, describe } from "vitest";
import { compileDense } from "../src/dense-kernel.ts";
import type { DenseLayer } from "../src/index.ts";

/** Run: pnpm exec vitest bench --run packages/model. Figures and method: benchmarks/results/model.md. */
const sizes = [32, 128, 128, 128, 1] as const;
const random = createRandom(7);
const layers = sizes.slice(1).map((units, index): DenseLayer => {
  const inputs = sizes[index] ?? 0;
  return {
    kernel: Float32Array.from({ length: inputs * units }, () => random.normal() * Math.sqrt(2 / inputs)),
    bias: Float32Array.from({ length: units }, () => random.normal() * 0.1),
    activation: units === 1 ? "sigmoid" : "relu",
  };
});

const require = createRequire(import.meta.url);
wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), sep));
await core.setBackend("wasm");
if (core.getBackend() !== "wasm") throw new Error("TensorFlow.js did not switch to WASM.");
const model = keras.sequential({
  layers: layers.map(({ bias, activation }, index) =>
    keras.layers.dense({
      units: bias.length,
      activation: activation === "relu" ? "relu" : "sigmoid",
      ...(index === 0 ? { inputShape: [sizes[0]] } : {}),
    }),
  ),
});
model.setWeights(
  layers.flatMap(({ kernel, bias }) => [
    core.tensor(Float32Array.from(kernel), [kernel.length / bias.length, bias.length]),
    core.tensor(Float32Array.from(bias)),
  ]),
);
const withTensorFlow = (features: Float32Array): Float32Array =>
  core.tidy(() =>
    (model.predict(core.tensor(features, [features.length / 32, 32])) as core.Tensor).dataSync<"float32">(),
  );

const simd = compileDense(layers);
const plain = compileDense(layers, { simd: false });

for (const rows of [1, 64, 1024]) {
  const features = Float32Array.from({ length: rows * 32 }, () => random.normal());
  const answers = new Float32Array(rows);
  simd.run(features, rows, answers);
  const wanted = withTensorFlow(features);
  const worst = answers.reduce((most, value, index) => Math.max(most, Math.abs(value - (wanted[index] ?? NaN))), 0);
  if (!(worst <= 1e-6)) throw new Error(`The answers differ from TensorFlow.js's by ${worst}.`);

  describe(`${rows} rows of 32-3×128-1, largest difference ${worst.toExponential(1)}`, () => {
    const options = { time: 1500, warmupTime: 500 };
    bench("dense, WebAssembly", () => simd.run(features, rows, answers), options);
    bench("dense, JavaScript", () => plain.run(features, rows, answers), options);
    bench("TensorFlow.js, WASM backend", () => void withTensorFlow(features), options);
  });
}
