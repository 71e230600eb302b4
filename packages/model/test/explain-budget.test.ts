import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensor, createManualClock, hasCode } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openExplainer } from "../src/explain.ts";
import {
  type DenseLayer,
  denseRuntime,
  goldenRequest,
  loadModel,
  packModel,
  writeDenseModel,
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

test("rows that time leaves none for are left away, and other work has its turn", async () => {
  const { forest } = golden.trees;
  const trees = Array.from({ length: 200 }, () => treesOf(forest).trees).flat();
  const model = { ...treesOf(forest), trees };
  const resolved = await packModel(fresh(), { name: "deep", format: "trees", ...writeTreeModel(model) });
  const columns = columnsOf(Array.from({ length: 30 }, () => forest.rows).flat());
  const batch = batchOf(Object.fromEntries(columns.map((values, at) => [`f${at}`, values])));
  const explainer = await openExplainer(resolved);
  expect((await explainer.explainBatch(batch, { timeMs: 40 })).rows.length).toBeLessThan(300);
  let [turns, working] = [0, true];
  const beat = (): void => {
    turns += 1;
    if (working) setImmediate(beat);
  };
  beat();
  const all = await explainer.explainBatch(batch);
  working = false;
  expect(all.rows.length).toBe(300);
  expect(turns).toBeGreaterThan(5);
  expect((await explainer.explainBatch(batch, { timeMs: 0, rows: [0] })).rows).toEqual([]);
  const stop = AbortSignal.timeout(20);
  await expect(explainer.explainBatch(batch, { signal: stop })).rejects.toBe(
    await new Promise((resolve) => stop.addEventListener("abort", () => resolve(stop.reason))),
  );

  // An estimate takes the time it is given, and is what came of it.
  const clock = createManualClock();
  const layers: DenseLayer[] = [
    { kernel: Array.from({ length: 40 }, (_, at) => Math.sin(at)), bias: [0, 1], activation: "tanh" },
    { kernel: [1, 2], bias: [0], activation: "linear" },
  ];
  const wide = await packModel(fresh(), { name: "wide", format: "dense", ...writeDenseModel(layers) });
  await using loaded = await loadModel(wide, [denseRuntime()]);
  const row = { features: matrix([Array.from({ length: 20 }, (_, at) => at / 7)]) };
  const estimate = await openExplainer(wide, {
    clock,
    scale: "output",
    background: {
      features: matrix([Array.from({ length: 20 }, () => 0.5), Array.from({ length: 20 }, (_, at) => at / 20)]),
    },
    maxEvaluations: 100_000,
    predict: async (inputs, options) => {
      await clock.advance(10);
      return loaded.predict(inputs, options);
    },
  });
  const told = await estimate.explain(row, { timeMs: 100 });
  expect(told.rows).toEqual([0]);
  expect(told.evaluations).toBeLessThan(1000);
  expect(gap(told)).toBeLessThan(1e-9);
  expect((await estimate.explain(row, { timeMs: 5 })).rows).toEqual([]);
});

test("the golden requests' rows are the background where none is given; without any the remedy is told", async () => {
  const network = writeDenseModel([{ kernel: [2, -1], bias: [0.5], activation: "linear" }]);
  const rows = matrix([
    [1, 2],
    [3, 5],
  ]);
  const answer: Tensor = { dtype: "float32", shape: [2, 1], data: Float32Array.of(0.5, 1.5) };
  const request = goldenRequest({ features: rows }, { prediction: answer }, 1e-6);
  const resolved = await packModel(fresh(), { name: "line", format: "dense", ...network, golden: [request] });
  const told = await (await openExplainer(resolved)).explain({ features: matrix([[5, 5]]) });
  expect(told.base[0]).toBeCloseTo(1, 6);
  expect([...told.contributions]).toEqual([6, -1.5]);
  const bare = await packModel(fresh(), { name: "line", format: "dense", ...network });
  await expect(openExplainer(bare)).rejects.toSatisfy((error) => hasCode(error, "MODEL_EXPLANATION_UNSUPPORTED"));
  await expect(openExplainer(resolved, { scale: "output" })).rejects.toThrow(/`predict`/);
  await expect(openExplainer(resolved, { features: ["x"] })).rejects.toThrow(/1 names were given for 2 columns/);
  const explainer = await openExplainer(resolved);
  await expect(explainer.explain({ features: rows }, { rows: [2] })).rejects.toThrow(RangeError);
  await expect(explainer.explain({})).rejects.toSatisfy((error) => hasCode(error, "MODEL_INPUT_MISMATCH"));
});
