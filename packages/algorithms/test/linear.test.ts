import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensors, hasCode } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { linearRuntime, loadModel } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LinearOptions, fitLinear, packFitted } from "../src/index.ts";

interface FixtureSet {
  readonly name: string;
  readonly options: Omit<LinearOptions, "label">;
  readonly columns: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly weights: readonly number[] | null;
  /** By output, and then by column. */
  readonly coefficients: readonly (readonly number[])[];
  readonly intercepts: readonly number[];
}

// Written by fixtures/make-linear.py with scikit-learn 1.9.1.
const { sets } = JSON.parse(await readFile(new URL("./fixtures/linear.json", import.meta.url), "utf8")) as {
  readonly sets: readonly FixtureSet[];
};

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-linear-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const rowsOf = ({ columns, labels, weights }: FixtureSet) =>
  batchOf({
    ...Object.fromEntries(columns.map((values, index) => [`c${index}`, values])),
    y: labels,
    ...(weights === null ? {} : { w: weights }),
  });

const largestDifference = (some: readonly number[], others: readonly number[]): number => {
  expect(some).toHaveLength(others.length);
  return Math.max(...some.map((value, index) => Math.abs(value - others[index]!)));
};

/** To add the same to all classes changes nothing: both sides have a sum of 0. */
const centred = (values: readonly number[]): readonly number[] => {
  const mean = values.length === 1 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
};

test("there are eight sets: least squares, ridge, lasso, elastic net, two and more classes, L1, L2, weights", () => {
  expect(sets).toHaveLength(8);
  expect(new Set(sets.map(({ options }) => options.task))).toEqual(new Set(["regression", "binary", "multiclass"]));
  expect(sets.filter(({ weights }) => weights !== null).length).toBeGreaterThan(1);
});

test.each(sets)(
  "AM-1: coefficients and intercepts are scikit-learn's to 1e-6, and are served as probabilities or sums: $name",
  async (set) => {
    const batch = rowsOf(set);
    const train = datasetOf([batch]);
    const fitted = await fitLinear(train, { label: "y", ...set.options });
    const { coefficients, intercepts, classes } = fitted.model;
    expect(largestDifference(coefficients.flat(), set.coefficients.flat())).toBeLessThan(1e-6);
    expect(largestDifference(intercepts, centred(set.intercepts))).toBeLessThan(1e-6);

    await using model = await loadModel(await packFitted(join(root, set.name), fitted, { name: "model", train }), [
      linearRuntime(),
    ]);
    const { prediction } = (await model.predictBatch(batch)) as Tensors;
    const answers = prediction!.data as Float64Array;
    expect(answers).toEqual(fitted.predictions);
    const outputs = intercepts.length;
    expect(prediction!.shape).toEqual([set.labels.length, outputs]);
    // By hand, from scikit-learn's coefficients.
    const sums = set.coefficients.map((row, output) =>
      row.reduce((sum, weight, index) => sum + weight * set.columns[index]![7]!, set.intercepts[output]!),
    );
    const powers = sums.map(Math.exp);
    const total = powers.reduce((sum, power) => sum + power, 0);
    const wanted = {
      regression: sums,
      binary: sums.map((sum) => 1 / (1 + Math.exp(-sum))),
      multiclass: powers.map((power) => power / total),
    };
    const row = [...answers.subarray(7 * outputs, 8 * outputs)];
    expect(largestDifference(row, wanted[set.options.task])).toBeLessThan(1e-4);
    expect(classes).toEqual(set.options.task === "multiclass" ? ["0", "1", "2"] : undefined);
  },
);

test("L1 makes coefficients exactly 0", async () => {
  const lasso = sets.find(({ name }) => name.includes("lasso"))!;
  const { model } = await fitLinear(datasetOf([rowsOf(lasso)]), { label: "y", ...lasso.options });
  expect(model.coefficients[0]!.filter((value) => value === 0).length).toBe(
    lasso.coefficients[0]!.filter((value) => value === 0).length,
  );
  expect(model.coefficients[0]!.filter((value) => value === 0).length).toBeGreaterThan(0);
});

test("classes may be texts, a column that does not vary counts for nothing, columns of any scale are no trouble", async () => {
  const x = Array.from({ length: 90 }, (_, row) => 1e6 + ((row * 37) % 90));
  const kind = x.map(
    (value, row) => ["low", "middle", "high"][(Math.floor((value - 1e6) / 30) + (row % 7 === 0 ? 1 : 0)) % 3]!,
  );
  const rows = datasetOf([batchOf({ x, same: x.map(() => 5), kind: column("dictionary", kind) })]);
  const { model, metrics } = await fitLinear(rows, { label: "kind", task: "multiclass", l2: 1e-4 });
  expect(model.classes).toEqual(["high", "low", "middle"]);
  expect(model.coefficients.every((row) => row[1] === 0)).toBe(true);
  expect(metrics["trainLogLoss"]).toBeLessThan(Math.log(3));
});

test.each([
  [
    "ALGORITHMS_NOT_CONVERGED",
    "columns that depend on each other",
    { x: [1, 2, 3, 4], z: [2, 4, 6, 8], y: [1, 0, 3, 2] },
    { task: "regression" },
  ],
  ["ALGORITHMS_NOT_CONVERGED", "classes that a plane parts", { x: [1, 2, 3, 4], y: [0, 0, 1, 1] }, { task: "binary" }],
  ["ALGORITHMS_COLUMN_UNFIT", "texts", { x: ["a", "b", "c", "d"], y: [1, 0, 3, 2] }, { task: "regression" }],
  [
    "ALGORITHMS_COLUMN_UNFIT",
    "missing numbers",
    { x: column("float64", [1, null, 3, 4]), y: [1, 0, 3, 2] },
    { task: "regression" },
  ],
  ["ALGORITHMS_LABEL_UNFIT", "one class", { x: [1, 2, 3, 4], y: [1, 1, 1, 1] }, { task: "binary" }],
  [
    "ALGORITHMS_LABEL_UNFIT",
    "classes that are no whole numbers",
    { x: [1, 2, 3, 4], y: [1, 0.5, 1, 1] },
    { task: "multiclass" },
  ],
] as const)("%s for %s", async (code, _, columns, options) => {
  const error: unknown = await fitLinear(datasetOf([batchOf(columns)]), { label: "y", ...options }).catch(
    (thrown: unknown) => thrown,
  );
  expect(hasCode(error, code), String(error)).toBe(true);
});

test("a little L2 settles what has no single minimum", async () => {
  const rows = datasetOf([batchOf({ x: [1, 2, 3, 4], z: [2, 4, 6, 8], y: [0, 0, 1, 1] })]);
  const { predictions } = await fitLinear(rows, { label: "y", task: "binary", l2: 1e-3 });
  expect([...predictions].map(Math.round)).toEqual([0, 0, 1, 1]);
});

test("the signal ends a fit", async () => {
  const controller = new AbortController();
  const fit = fitLinear(datasetOf([rowsOf(sets[0]!)]), { label: "y", task: "regression", signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(fit).rejects.toThrow("enough");
});
