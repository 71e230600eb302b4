import { createRandom } from "@millwright/contracts";
import { fitGbdt as builtFitGbdt } from "@millwright/algorithms";
import { batchOf, column, datasetOf } from "@millwright/data";
import { expect, test } from "vitest";
import { type FittedGbdt, type GbdtOptions, fitGbdt } from "../src/index.ts";
import { fitGbdtIn } from "../src/gbdt.ts";
import { treeModule } from "../src/tree-assembly.ts";
import { sharedMemory } from "../src/tree-memory.ts";

const count = 6000;
const random = createRandom(8);
const numbers = Object.fromEntries(
  Array.from({ length: 11 }, (_, index) => [
    `c${index}`,
    Float64Array.from({ length: count }, () => {
      const value = random.normal();
      // A hole in two columns, and one of few values.
      if (index < 2 && value > 1) return Number.NaN;
      return index === 2 ? Math.round(value) : value;
    }),
  ]),
);
const towns = column(
  "utf8",
  Array.from({ length: count }, (_, row) => (row % 11 === 0 ? null : `town ${(row * 7) % 40}`)),
);
const score = Float64Array.from(numbers["c3"]!, (value, row) => value + numbers["c4"]![row]! ** 2 + (row % 40) / 20);
const rows = datasetOf([
  batchOf({
    ...numbers,
    towns,
    w: Float64Array.from(score, (_, row) => (row % 5) / 3),
    amount: score,
    count: score.map((value) => Math.max(0, Math.round(value))),
    late: score.map((value) => (value > 2 ? 1 : 0)),
    kind: Array.from(score, (value) => (value > 3 ? "c" : value > 1 ? "b" : "a")),
  }),
]);
const features = [...Object.keys(numbers), "towns"];
const cases: Readonly<Record<string, GbdtOptions>> = {
  "two classes": { label: "late", task: "binary" },
  "several classes": { label: "kind", task: "multiclass", trees: 5 },
  "numbers with weights": { label: "amount", task: "regression", weight: "w" },
  counts: { label: "count", task: "regression", loss: "poisson" },
  "some rows and columns": { label: "late", task: "binary", rowShare: 0.6, columnShare: 0.5, seed: 3 },
  "monotone, level by level": { label: "amount", task: "regression", monotone: { c3: 1 }, growth: "depth" },
};
const answers = ({ model, predictions }: FittedGbdt) => ({ model, predictions });

test("this engine runs the assembled functions, and a memory that cannot hold a fit is none", () => {
  expect(treeModule()).toBeDefined();
  expect(sharedMemory(1e6)?.shared).toBeDefined();
  expect(sharedMemory(2 ** 33)).toBeUndefined();
});

test.each(Object.entries(cases))(
  "AM-2: assembled functions, plain TypeScript and three threads give the same bits: %s",
  async (_, options) => {
    const all = { trees: 12, minLeafRows: 5, features, ...options };
    const assembled = await fitGbdt(rows, all);
    expect(assembled.model.trees.flat().length).toBeGreaterThan(50);
    expect(answers(await fitGbdtIn(() => undefined, rows, all))).toEqual(answers(assembled));
    expect(answers(await builtFitGbdt(rows, { ...all, threads: 3 }))).toEqual(answers(assembled));
  },
);

test("threads are there during a fit, and gone after it, also where it was given up", async () => {
  const threads = (): number =>
    (process.report.getReport() as unknown as { workers: readonly unknown[] }).workers.length;
  await expect.poll(threads).toBe(0);
  const controller = new AbortController();
  let during = 0;
  const fit = builtFitGbdt(rows, {
    label: "late",
    task: "binary",
    features,
    threads: 2,
    trees: 1000,
    signal: controller.signal,
    onProgress() {
      during = threads();
      // It takes a while until a thread runs.
      if (during > 0) controller.abort(new Error("enough"));
    },
  });
  await expect(fit).rejects.toThrow("enough");
  expect(during).toBe(1);
  await expect.poll(threads).toBe(0);
});
