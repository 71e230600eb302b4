import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, type LoadedModel, type Tensor, type Tensors } from "@millwright/contracts";
import { modelRuntimeContract, type ModelRuntimeFixture } from "@millwright/contracts/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Activation,
  type DenseLayer,
  denseRuntime,
  goldenRequest,
  packModel,
  writeDenseModel,
} from "../src/index.ts";
import { compileDense } from "../src/dense-kernel.ts";

interface GoldenNetwork {
  readonly layers: readonly { kernel: number[]; bias: number[]; activation: Activation }[];
  readonly rows: number;
  readonly inputs: number[];
  readonly outputs: number[];
}

const golden = JSON.parse(await readFile(new URL("./fixtures/dense-golden.json", import.meta.url), "utf8")) as Readonly<
  Record<string, GoldenNetwork>
>;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-dense-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let made = 0;
async function loaded(layers: readonly DenseLayer[]): Promise<LoadedModel> {
  made += 1;
  const { files, signature } = writeDenseModel(layers);
  const { directory, manifest } = await packModel(join(root, String(made)), {
    name: "net",
    format: "dense",
    files,
    signature,
  });
  return denseRuntime().load(directory, manifest);
}

const matrix = (data: ArrayLike<number>, rows: number): Tensor => ({
  dtype: "float32",
  shape: [rows, data.length / rows],
  data: Float32Array.from(data),
});

/** Dense models answer at once. */
const predict = (model: LoadedModel, features: Tensor): Float32Array =>
  (model.predict({ features }) as Tensors)["prediction"]?.data as Float32Array;

test.each(Object.entries(golden))("answers are NumPy's to 1e-6: %s", async (_, { layers, rows, inputs, outputs }) => {
  const model = await loaded(layers);
  const answers = predict(model, matrix(inputs, rows));
  expect(answers.length).toBe(outputs.length);
  outputs.forEach((wanted, index) =>
    expect(Math.abs((answers[index] ?? NaN) - wanted)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(wanted))),
  );
});

test("a row has the same bits alone as in a batch, in any order and of any size", async () => {
  for (const { layers, rows, inputs } of Object.values(golden)) {
    const model = await loaded(layers);
    const width = inputs.length / rows;
    const batch = Array.from({ length: 37 }, (_, row) =>
      inputs.slice((row % rows) * width, ((row % rows) + 1) * width),
    ).flat();
    const together = predict(model, matrix(batch, 37));
    const outputs = together.length / 37;
    for (let row = 0; row < 37; row += 1) {
      const alone = predict(model, matrix(batch.slice(row * width, (row + 1) * width), 1));
      expect(together.subarray(row * outputs, (row + 1) * outputs)).toEqual(alone);
    }
  }
});

test("WebAssembly and JavaScript give the same bits, for sizes that fill groups and pairs and those that do not", () => {
  const random = createRandom(11);
  const numbers = (count: number): number[] =>
    Array.from({ length: count }, () => (random.next() < 0.3 ? 0 : random.normal()));
  for (let round = 0; round < 60; round += 1) {
    const sizes = Array.from({ length: 2 + random.integer(3) }, () => 1 + random.integer(40));
    const layers = sizes.slice(1).map((units, index): DenseLayer => ({
      kernel: numbers(units * (sizes[index] ?? 0)),
      bias: numbers(units),
      activation: "relu",
    }));
    const rows = 1 + random.integer(5);
    const features = Float64Array.from(numbers(rows * (sizes[0] ?? 0)));
    if (round % 10 === 0) features[random.integer(features.length)] = [Infinity, -Infinity, NaN, -0][round % 4] ?? 0;
    const answers = [true, false].map((simd) => {
      const kernel = compileDense(layers, { simd });
      const data = new Float32Array(rows * kernel.outputs);
      kernel.run(features, rows, data);
      return data;
    });
    expect(answers[0]).toEqual(answers[1]);
  }
});

test("where there is no WebAssembly, JavaScript answers", async () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "WebAssembly") as PropertyDescriptor;
  Object.defineProperty(globalThis, "WebAssembly", { value: undefined, configurable: true, writable: true });
  try {
    const { layers, rows, inputs, outputs } = golden["wide"] as GoldenNetwork;
    const answers = predict(await loaded(layers), matrix(inputs, rows));
    outputs.forEach((wanted, index) => expect(answers[index]).toBeCloseTo(wanted, 6));
  } finally {
    Object.defineProperty(globalThis, "WebAssembly", kept);
  }
});

test("zeros, infinities and NaN go through as arithmetic has it", async () => {
  const layers: DenseLayer[] = [{ kernel: [1, -1, 0.5, 2], bias: [0.25, 0], activation: "linear" }];
  const model = await loaded(layers);
  expect([...predict(model, matrix([0, 0], 1))]).toEqual([0.25, 0]);
  expect([...predict(model, matrix([Infinity, 1], 1))]).toEqual([Infinity, -Infinity]);
  expect([...predict(model, matrix([NaN, 1], 1))]).toEqual([NaN, NaN]);
  expect(predict(model, matrix([0, 0], 1))).not.toBe(predict(model, matrix([0, 0], 1)));
});

test("no rows are answered by no rows", async () => {
  const model = await loaded(golden["relu"]?.layers ?? []);
  const outputs = model.predict({ features: { dtype: "float32", shape: [0, 5], data: new Float32Array() } }) as Tensors;
  expect(outputs["prediction"]).toEqual({ dtype: "float32", shape: [0, 3], data: new Float32Array() });
});

test.each<[string, Tensor | undefined]>([
  ["absent", undefined],
  ["of another width", matrix([1, 2, 3], 1)],
  ["of one axis", { dtype: "float32", shape: [5], data: new Float32Array(5) }],
  ["with too few numbers", { dtype: "float32", shape: [2, 5], data: new Float32Array(5) }],
  ["of integers", { dtype: "int32", shape: [1, 5], data: new Int32Array(5) }],
])("an input that is %s is refused with what the model takes", async (_, features) => {
  const model = await loaded(golden["relu"]?.layers ?? []);
  expect(() => model.predict(features === undefined ? {} : { features })).toThrow(
    expect.objectContaining({
      code: "MODEL_INPUT_MISMATCH",
      remedy: expect.stringContaining("[rows, 5]") as string,
    }) as Error,
  );
});

test.each<[string, DenseLayer[]]>([
  ["there is no layer", []],
  ["a layer has no units", [{ kernel: [], bias: [], activation: "relu" }]],
  ["a kernel does not fit its bias", [{ kernel: [1, 2, 3], bias: [1, 2], activation: "relu" }]],
  [
    "layers do not fit each other",
    [
      { kernel: [1, 2], bias: [1, 2], activation: "relu" },
      { kernel: [1, 2, 3], bias: [1], activation: "relu" },
    ],
  ],
  ["an activation is unknown", [{ kernel: [1], bias: [1], activation: "gelu" as Activation }]],
  ["a weight is not a number", [{ kernel: [NaN], bias: [1], activation: "relu" }]],
  ["a weight is too large for float32", [{ kernel: [1e39], bias: [1], activation: "relu" }]],
])("layers are refused where %s", (_, layers) => {
  expect(() => writeDenseModel(layers)).toThrow(expect.objectContaining({ code: "MODEL_LAYERS_INVALID" }) as Error);
});

test("the files keep float32 weights exactly, little-endian, kernel before bias", () => {
  const { files } = writeDenseModel([{ kernel: [0.1, -2], bias: [3], activation: "tanh" }], {
    input: "a",
    output: "b",
  });
  const view = new DataView(files["weights.bin"].buffer);
  expect([0, 4, 8].map((at) => view.getFloat32(at, true))).toEqual([Math.fround(0.1), -2, 3]);
  expect(JSON.parse(new TextDecoder().decode(files["network.json"]))).toEqual({
    formatVersion: 1,
    inputs: 2,
    layers: [{ units: 1, activation: "tanh" }],
  });
});

test.each<[string, string, string | Uint8Array]>([
  ["the network is not JSON", "network.json", "{"],
  ["the network is of a later version", "network.json", '{"formatVersion":2}'],
  ["the network has no layers", "network.json", '{"formatVersion":1,"inputs":5,"layers":[]}'],
  [
    "an activation is unknown",
    "network.json",
    '{"formatVersion":1,"inputs":5,"layers":[{"units":3,"activation":"toString"}]}',
  ],
  ["the weights are too few", "weights.bin", new Uint8Array(8)],
])("a package is refused where %s", async (_, name, content) => {
  made += 1;
  const { files, signature } = writeDenseModel(golden["relu"]?.layers ?? []);
  const options = { name: "net", format: "dense", files, signature };
  const { directory, manifest } = await packModel(join(root, String(made)), options);
  await writeFile(join(directory, name), content);
  await expect(denseRuntime().load(directory, manifest)).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
});

describe("the port's promises", () => {
  let fixture: ModelRuntimeFixture;
  beforeAll(async () => {
    const { layers, rows, inputs, outputs } = golden["many layers"] as GoldenNetwork;
    const request = goldenRequest({ features: matrix(inputs, rows) }, { prediction: matrix(outputs, rows) }, 1e-6);
    const { files, signature } = writeDenseModel(layers);
    const options = { name: "net", format: "dense", files, signature, golden: [request] };
    const { directory, manifest } = await packModel(join(root, "contract"), options);
    const corrupt = await packModel(join(root, "corrupt"), { ...options, files: { ...files, "network.json": "{}" } });
    fixture = { runtime: denseRuntime(), directory, manifest, corruptDirectory: corrupt.directory };
  });
  for (const { name, appliesTo, run } of modelRuntimeContract) {
    test(name, async ({ skip }) => {
      if (appliesTo?.(fixture) === false) skip("the case asks for a package that this runtime is not given");
      await run(fixture);
    });
  }
});
