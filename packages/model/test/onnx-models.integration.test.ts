import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, hashSeed, type Random } from "@millwright/contracts";
import { batchOf, datasetOf, fitTransforms } from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  compileLinear,
  compileTrees,
  type LinearModel,
  packModel,
  type TreeModel,
  type TreeNode,
  writeLinearModel,
  writeTreeModel,
} from "../src/index.ts";
import { exportOnnx, writeOnnxModel } from "../src/onnx.ts";
import { ask, farthest, needPython } from "./ask-onnx.ts";
import { convolutionModels, openWasm, packLayers } from "./layers-models.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-onnx-models-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const towns = ["Ulm", "Bonn", "Köln", "a b", "ß"];
const features: TreeModel["features"] = [
  { name: "hour", kind: "number" },
  { name: "town", kind: "category", categories: towns },
  { name: "km", kind: "number" },
  { name: "kind", kind: "category", categories: ["x"] },
];

function randomTree(random: Random, depth: number): readonly TreeNode[] {
  const nodes: TreeNode[] = [];
  const grow = (left: number): number => {
    const at = nodes.push({ value: random.next() * 4 - 2, rows: 1 }) - 1;
    if (left === 0 || random.next() < 0.1) return at;
    const feature = Math.floor(random.next() * features.length);
    const kind = features[feature]!;
    const asked =
      kind.kind === "number"
        ? { threshold: random.next() < 0.05 ? Infinity : Math.round(random.next() * 20) / 2 }
        : { categories: kind.categories.flatMap((_, index) => (random.next() < 0.5 ? [index] : [])) };
    const split = { feature, ...asked, missingLeft: random.next() < 0.5, rows: 1, gain: 1 };
    nodes[at] = { ...split, left: grow(left - 1), right: grow(left - 1) };
    return at;
  };
  grow(depth);
  return nodes;
}

test(
  "trees of numbers and categories give ONNX Runtime what they give here, with the missing, the infinite and the unseen",
  { timeout: 600_000 },
  async (context) => {
    needPython(context);
    const random = createRandom(hashSeed("trees for onnx"));
    const rows = 3_000;
    const numbers = (): Float64Array =>
      Float64Array.from({ length: rows }, () => {
        const choice = random.next();
        if (choice < 0.05) return Number.NaN;
        if (choice < 0.08) return choice < 0.065 ? Infinity : -Infinity;
        return Math.round(random.next() * 20) / 2;
      });
    const texts = (known: readonly string[]): readonly string[] =>
      Array.from({ length: rows }, () => [...known, "", "unseen"][Math.floor(random.next() * (known.length + 2))]!);
    const columns = { hour: numbers(), town: texts(towns), km: numbers(), kind: texts(["x"]) };
    for (const link of ["identity", "logistic", "exponential", "softmax"] as const) {
      const trees = Array.from({ length: 39 }, () => randomTree(random, 6));
      const several = link === "softmax" ? { base: 0, bases: [0.25, -1, 2], classes: ["a", "b", "c"] } : {};
      const formatVersion = link === "identity" || link === "logistic" ? 1 : 2;
      const model: TreeModel = { formatVersion, features, base: 0.25, link, trees, ...several };
      const outputs = link === "softmax" ? 3 : 1;
      const packed = await packModel(join(root, link), { name: "late", format: "trees", ...writeTreeModel(model) });
      const exported = await exportOnnx(packed);
      const inputs = Object.fromEntries(
        Object.entries(columns).map(([name, data]) => [
          name,
          { dtype: data instanceof Float64Array ? "float64" : "string", shape: [rows, 1], data },
        ]),
      ) as Parameters<typeof ask>[1];
      const { said, answer } = await ask(exported, inputs);
      const expected = new Float64Array(rows * outputs);
      const position = (known: readonly string[]) => (text: string) => known.indexOf(text);
      const coded = (data: readonly string[], known: readonly string[]): Float64Array =>
        Float64Array.from(data, (text) => (known.includes(text) ? position(known)(text) : Number.NaN));
      compileTrees(model).predict(
        [columns.hour, coded(columns.town, towns), columns.km, coded(columns.kind, ["x"])],
        expected,
      );
      expect(new Set(expected).size).toBeGreaterThan(1_000);
      expect(said.outputs).toEqual([["prediction", "tensor(float)", ["rows", outputs]]]);
      // A power carries the rounding of its sum, up to 40, over.
      const tolerance = link === "exponential" ? 1e-5 : 1e-6;
      expect([link, farthest(answer, Float32Array.from(expected)) <= tolerance]).toEqual([link, true]);
    }
  },
);

test("trees that ask nothing are exported, and a category that stands for the missing is refused", async (context) => {
  needPython(context);
  const still: TreeModel = { formatVersion: 1, features: [features[1]!], base: 1.5, link: "identity", trees: [] };
  const town = { dtype: "string", shape: [2, 1], data: ["Ulm", ""] } as const;
  expect([...(await ask(writeOnnxModel({ trees: still }), { town })).answer]).toEqual([1.5, 1.5]);
  expect(() => writeOnnxModel({ trees: still }, { missingText: "Ulm" })).toThrow(/one of its categories/);
});

test("linear models give ONNX Runtime what they give here, through every link", async (context) => {
  needPython(context);
  const [a, b] = [Float64Array.of(-3, 0, 0.5, 40), Float64Array.of(2, -1, 7, 0.25)];
  const one = { coefficients: [[0.5, -1.25]], intercepts: [0.75] };
  const three = { coefficients: [[1, 2], [0, -1], [-0.5, 0.25]], intercepts: [0, 1, -1] }; // oxfmt-ignore
  const models: readonly LinearModel[] = [
    { formatVersion: 1, features: ["a", "b"], link: "identity", ...one },
    { formatVersion: 1, features: ["a", "b"], link: "logistic", ...one },
    { formatVersion: 1, features: ["a", "b"], link: "softmax", classes: ["x", "y", "z"], ...three },
    { formatVersion: 2, features: ["a", "b"], link: "exponential", coefficients: [[0.05, -0.25]], intercepts: [-1] },
  ];
  for (const model of models) {
    const packed = await packModel(join(root, `linear-${model.link}`), {
      name: "line",
      format: "linear",
      ...writeLinearModel(model),
    });
    const inputs = {
      a: { dtype: "float64", shape: [4, 1], data: a },
      b: { dtype: "float64", shape: [4, 1], data: b },
    } as const;
    const { said, answer } = await ask(await exportOnnx(packed), inputs);
    const expected = new Float64Array(4 * model.intercepts.length);
    compileLinear(model).predict([a, b], expected);
    expect(said.outputs).toEqual([["prediction", "tensor(double)", ["rows", model.intercepts.length]]]);
    expect(farthest(answer, Float32Array.from(expected))).toBeLessThanOrEqual(1e-7);
  }
});

test(
  "convolutional networks of TensorFlow.js give ONNX Runtime what they give there: every layer, stride, padding and activation that is written",
  { timeout: 600_000 },
  async (context) => {
    needPython(context);
    const tf = await openWasm();
    const random = createRandom(hashSeed("networks for onnx"));
    for (const [name, model] of convolutionModels(tf)) {
      const inputs = (model.inputs[0]!.shape.slice(1) as number[]).reduce((size, each) => size * each, 1);
      const packed = await packLayers(model, join(root, name));
      const data = Float32Array.from({ length: 5 * inputs }, () => random.next() * 2 - 1);
      const features = { dtype: "float32", shape: [5, inputs], data } as const;
      const { said, answer } = await ask(await exportOnnx(packed), { features });
      const input = tf.tensor(data, [5, ...(model.inputs[0]!.shape.slice(1) as number[])]);
      const output = model.predict(input) as typeof input;
      expect([name, said.inputs]).toEqual([name, [["features", "tensor(float)", ["rows", inputs]]]]);
      expect(answer.length).toBe(output.size);
      // Sums of up to a few hundred products in single precision, in another order.
      expect([name, farthest(answer, output.dataSync<"float32">()) < 2e-5]).toEqual([name, true]);
      model.dispose();
    }
  },
);

test("a convolutional network behind transforms takes raw columns", async (context) => {
  needPython(context);
  const tf = await openWasm();
  const rows = batchOf(
    Object.fromEntries(["a", "b", "c", "d"].map((name, at) => [name, [0, 1, 2, 3, 4].map((x) => x * (at + 1))])),
  );
  const plan = ["a", "b", "c", "d"].map((column) => ({ kind: "numeric", column }) as const);
  const transforms = await fitTransforms(plan, datasetOf([rows]));
  const model = tf.sequential({
    layers: [
      tf.layers.reshape({ targetShape: [4, 1], inputShape: [4] }),
      tf.layers.conv1d({ filters: 3, kernelSize: 2, activation: "relu" }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 1, activation: "sigmoid" }),
    ],
  });
  const packed = await packLayers(model, join(root, "columns"), transforms);
  const { said, answer } = await ask(
    await exportOnnx(packed),
    Object.fromEntries(
      Object.keys(rows.columns).map((name, at) => [
        name,
        { dtype: "float64", shape: [5, 1], data: Float64Array.from([0, 1, 2, 3, 4], (x) => x * (at + 1)) },
      ]),
    ) as Parameters<typeof ask>[1],
  );
  const standard = [0, 1, 2, 3, 4].map((x) => (x - 2) / Math.sqrt(2));
  const expected = model.predict(tf.tensor(standard.map((x) => [x, x, x, x]))) as ReturnType<typeof tf.tensor>;
  expect(said.inputs.map(([name]) => name)).toEqual(["a", "b", "c", "d"]);
  expect(farthest(answer, expected.dataSync<"float32">())).toBeLessThanOrEqual(1e-6);
});

test("what no ONNX chain can be is refused by its layer's name", async () => {
  const tf = await openWasm();
  const recurrent = tf.sequential({ layers: [tf.layers.lstm({ units: 2, inputShape: [3, 1], name: "memory" })] });
  await expect(exportOnnx(await packLayers(recurrent, join(root, "recurrent")))).rejects.toMatchObject({
    code: "MODEL_ONNX_UNSUPPORTED",
    message: expect.stringContaining('"memory" (LSTM)') as unknown,
  });
  const input = tf.input({ shape: [2] });
  const left = tf.layers.dense({ units: 1, name: "left" }).apply(input) as typeof input;
  const right = tf.layers.dense({ units: 1, name: "right" }).apply(input) as typeof input;
  const forked = tf.model({ inputs: input, outputs: tf.layers.add().apply([left, right]) as typeof input });
  await expect(exportOnnx(await packLayers(forked, join(root, "forked")))).rejects.toMatchObject({
    code: "MODEL_ONNX_UNSUPPORTED",
    message: expect.stringContaining("the one layer before it") as unknown,
  });
});
