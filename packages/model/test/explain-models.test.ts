import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { batchOf, column, compileTransforms, datasetOf, fitTransforms, takeRows } from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Explanation, compileLinearExplainer, openExplainer } from "../src/explain.ts";
import {
  type DenseLayer,
  denseRuntime,
  linearRuntime,
  loadModel,
  packModel,
  treeRuntime,
  writeCalibration,
  writeDenseModel,
  writeLinearModel,
  writeTreeModel,
} from "../src/index.ts";
import { gap, matrix } from "./explain-checks.ts";
import { columnsOf, golden, treesOf } from "./shap-golden.ts";

let root = "";
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-explain-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const fresh = (): string => join(root, String((count += 1)));
const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

/** Contributions by output, row and feature are those that shap tells. */
function expectTold(explanation: Explanation, told: readonly (readonly (readonly number[])[])[], digits: number): void {
  const { contributions, features, outputs } = explanation;
  for (const [output, rows] of told.entries())
    for (const [row, each] of rows.entries())
      for (const [feature, value] of each.entries())
        expect(contributions[(row * outputs.length + output) * features.length + feature]).toBeCloseTo(value, digits);
}

test("linear and logistic models have the contributions of shap's LinearExplainer, at the margin", async () => {
  const { coefficients, intercepts, background, rows, expected, contributions } = golden.logistic;
  const features = ["a", "b", "c", "d"];
  const model = {
    formatVersion: 1 as const,
    features,
    coefficients,
    intercepts,
    link: "softmax" as const,
    classes: ["low", "middle", "high"],
  };
  const resolved = await packModel(fresh(), { name: "grade", format: "linear", ...writeLinearModel(model) });
  const named = (cells: typeof rows) =>
    batchOf(Object.fromEntries(columnsOf(cells).map((values, at) => [features[at]!, values])));
  const explainer = await openExplainer(resolved, { background: named(background) });
  const told = await explainer.explainBatch(named(rows));
  expect(told).toMatchObject({ method: "linear-shap", exact: true, scale: "margin", outputs: model.classes, features });
  for (const [output, each] of expected.entries()) expect(told.base[output]).toBeCloseTo(each, 10);
  expectTold(told, contributions, 10);
  expect(gap(told)).toBeLessThan(1e-12);
  await using loaded = await loadModel(resolved, [linearRuntime()]);
  const { prediction } = await loaded.predictBatch(named(rows));
  const powers = [...told.values.subarray(0, 3)].map(Math.exp);
  expect(powers[2]! / (powers[0]! + powers[1]! + powers[2]!)).toBeCloseTo(Number(prediction!.data[2]), 12);
  const alone = new Float64Array(rows.length * 12);
  compileLinearExplainer(model, columnsOf(background)).explain(columnsOf(rows), alone);
  expect(alone).toEqual(told.contributions);
});

test("a small network is explained by all coalitions, as by shap's exact explainer", async () => {
  const { layers, background, rows, raw, expected, contributions } = golden.network;
  const [hidden, last] = layers.map((layer, at): DenseLayer => ({
    ...layer,
    activation: at === 0 ? "tanh" : "linear",
  }));
  const network = writeDenseModel([hidden!, last!]);
  const resolved = await packModel(fresh(), { name: "net", format: "dense", ...network });
  const explainer = await openExplainer(resolved, { background: { features: matrix(background) } });
  const told = await explainer.explain({ features: matrix(rows) });
  expect(told).toMatchObject({ method: "exact-shapley", exact: true, scale: "margin" });
  expect(told.standardErrors).toBeUndefined();
  expect(told.features).toEqual(["features_0", "features_1", "features_2", "features_3", "features_4", "features_5"]);
  expect(told.base[0]).toBeCloseTo(expected[0]!, 5);
  expectTold(told, contributions, 5);
  for (const [row, value] of raw[0]!.entries()) expect(told.values[row]).toBeCloseTo(value, 5);
  expect(gap(told)).toBeLessThan(1e-9);
});

test("contributions of one-hot and other transforms are summed back to the columns that callers send", async () => {
  const random = createRandom(3);
  const towns = ["Ulm", "Bonn", "Kiel", "Jena", null];
  const rows = 60;
  const batch = batchOf({
    hour: column(
      "float64",
      Array.from({ length: rows }, () => random.integer(24)),
    ),
    town: column(
      "utf8",
      Array.from({ length: rows }, () => towns[random.integer(5)]!),
    ),
    km: column(
      "float64",
      Array.from({ length: rows }, () => (random.next() < 0.2 ? null : random.next() * 900)),
    ),
  });
  const transforms = await fitTransforms(
    [
      { kind: "numeric", column: "km", missingIndicator: true },
      { kind: "oneHot", column: "town" },
      { kind: "cyclic", column: "hour", period: 24 },
      { kind: "hash", column: "town", buckets: 3 },
    ],
    datasetOf([batch]),
  );
  const { width, names } = compileTransforms(transforms);
  expect(width).toBeGreaterThan(8);
  const weights = Array.from({ length: width }, () => random.normal());
  const layer: DenseLayer = { kernel: weights, bias: [0.25], activation: "sigmoid" };
  const resolved = await packModel(fresh(), { name: "late", format: "dense", transforms, ...writeDenseModel([layer]) });
  const explainer = await openExplainer(resolved, { background: batch });
  expect(explainer.features).toEqual(["km", "town", "hour"]);
  const told = await explainer.explainBatch(batch);
  expect(told.method).toBe("linear-shap");
  await using loaded = await loadModel(resolved, [denseRuntime()]);
  const answers = (await loaded.predictBatch(batch))["prediction"]!.data as Float32Array;
  for (const [row, each] of answers.entries()) expect(sigmoid(told.values[row]!)).toBeCloseTo(each, 6);
  expect(gap(told)).toBeLessThan(1e-6);

  // The same by the definition: all coalitions of the three columns, asked of a network that computes the same with two layers.
  const pass = Array.from({ length: width * width }, (_, at) => (at % (width + 1) === 0 ? 1 : 0));
  const deep = writeDenseModel([
    { kernel: pass, bias: names.map(() => 0), activation: "linear" },
    { ...layer, activation: "sigmoid" },
  ]);
  const twice = await packModel(fresh(), { name: "late", format: "dense", transforms, ...deep });
  const asked = await (
    await openExplainer(twice, { background: batch })
  ).explainBatch(takeRows(batch, Int32Array.of(4, 9)));
  expect(asked.method).toBe("exact-shapley");
  for (const [at, row] of [4, 9].entries())
    for (let feature = 0; feature < 3; feature += 1)
      expect(asked.contributions[at * 3 + feature]).toBeCloseTo(told.contributions[row * 3 + feature]!, 5);
});

test("a wide network is estimated: its sum is kept, its error is told and true, and it is the same for the same seed", async () => {
  const random = createRandom(5);
  const numbers = (many: number, scale: number): number[] =>
    Array.from({ length: many }, () => random.normal() * scale);
  const width = 18;
  const layers: DenseLayer[] = [
    { kernel: numbers(width * 12, 0.4), bias: numbers(12, 0.4), activation: "tanh" },
    { kernel: numbers(24, 1), bias: [0, 0.5], activation: "softmax" },
  ];
  const resolved = await packModel(fresh(), { name: "wide", format: "dense", ...writeDenseModel(layers) });
  const rowsOf = (many: number) => matrix(Array.from({ length: many }, () => numbers(width, 1)));
  const features = Array.from({ length: width }, (_, at) => `column ${at}`);
  const options = { background: { features: rowsOf(20) }, features };
  const asked = { features: rowsOf(3) };
  const few = await (await openExplainer(resolved, { ...options, maxEvaluations: 800 })).explain(asked);
  const many = await (
    await openExplainer(resolved, { ...options, maxEvaluations: 100_000, seed: 9 })
  ).explain(asked, { rows: [1] });
  expect(few).toMatchObject({ method: "sampled-shapley", exact: false, features, rows: [0, 1, 2] });
  expect(many.rows).toEqual([1]);
  expect(few.evaluations).toBeLessThanOrEqual(2400);
  expect(gap(few)).toBeLessThan(1e-9);
  // Of 36 numbers all lie within five of their standard errors of a much better estimate, most within two.
  const gaps = [...many.contributions].map((each, at) => Math.abs(each - few.contributions[2 * width + at]!));
  const errors = few.standardErrors!.subarray(2 * width, 4 * width);
  expect(gaps.filter((each, at) => each > 5 * errors[at]!)).toEqual([]);
  expect(gaps.filter((each, at) => each > 2 * errors[at]!).length).toBeLessThan(9);
  const mean = (list: ArrayLike<number>): number => Array.from(list).reduce((sum, each) => sum + each, 0) / list.length;
  expect(mean(many.standardErrors!)).toBeLessThan(mean(errors) / 5);
  const again = await (
    await openExplainer(resolved, { ...options, maxEvaluations: 800 })
  ).explain(asked, { rows: [2, 1] });
  expect(again.contributions.subarray(2 * width)).toEqual(few.contributions.subarray(2 * width, 4 * width));
});

test("what a model answers is explained by asking it: calibrated probabilities of trees", async () => {
  const model = { ...treesOf(golden.trees.categories), link: "logistic" as const };
  const calibration = writeCalibration({
    formatVersion: 1,
    output: "prediction",
    map: { kind: "platt", slope: 2, intercept: 1 },
  });
  const { files, signature } = writeTreeModel(model);
  const resolved = await packModel(fresh(), {
    name: "towns",
    format: "trees",
    files: { ...files, ...calibration.files },
    signature,
  });
  await using loaded = await loadModel(resolved, [treeRuntime()]);
  const text = (cell: number | null): string | null => (cell === null ? null : `c${cell}`);
  const { rows } = golden.trees.categories;
  const batch = batchOf({
    f0: column(
      "float64",
      rows.map(([a]) => a!),
    ),
    f1: column(
      "float64",
      rows.map(([, b]) => b!),
    ),
    f2: column(
      "utf8",
      rows.map(([, , town]) => text(town!)),
    ),
  });
  const answers = (await loaded.predictBatch(batch))["prediction"]!.data;
  const margin = await openExplainer(resolved);
  const raw = await margin.explainBatch(batch);
  expect(raw).toMatchObject({ method: "tree-shap", scale: "margin", outputs: ["prediction"] });
  expectTold(raw, golden.trees.categories.contributions, 8);
  for (const [row, each] of golden.trees.categories.raw[0]!.entries()) expect(raw.values[row]).toBeCloseTo(each, 8);
  const output = await openExplainer(resolved, { scale: "output", predict: loaded.predict, background: batch });
  const told = await output.explainBatch(batch);
  expect(told).toMatchObject({ method: "exact-shapley", scale: "output" });
  for (const [row, each] of Array.from(answers, Number).entries()) expect(told.values[row]).toBeCloseTo(each, 12);
  expect(gap(told)).toBeLessThan(1e-9);
  const against = await openExplainer(resolved, { background: batch });
  expect((await against.explainBatch(batch, { rows: [3] })).method).toBe("interventional-tree-shap");
});
