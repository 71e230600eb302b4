import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch, Tensors } from "@millwright/contracts";
import { hasCode } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { loadModel, treeRuntime } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fitGbdt, packFitted } from "../src/index.ts";

interface Fixture {
  readonly train: number;
  readonly columns: readonly (readonly (number | null)[])[];
  readonly sets: readonly { readonly name: string; readonly labels: readonly number[]; readonly loss: number }[];
}

// Written by fixtures/make-lightgbm-losses.py with LightGBM 4.7.0 and the settings below.
const fixture = JSON.parse(
  await readFile(new URL("./fixtures/lightgbm-losses.json", import.meta.url), "utf8"),
) as Fixture;
const settings = { label: "y", trees: 40, maxLeaves: 7, learningRate: 0.1, minLeafRows: 20 } as const;

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-losses-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const rowsOf = (labels: readonly number[], from: number, to: number): Batch =>
  batchOf({
    ...Object.fromEntries(
      fixture.columns.map((values, index) => [`c${index}`, column("float64", values.slice(from, to))]),
    ),
    y: labels.slice(from, to),
  });

const relative = (x: number, y: number): number => (x === 0 ? 0 : x * Math.log(x / y));
/** Of a label and an answer, by the names of scikit-learn's metrics. */
const deviances: Readonly<Record<string, (label: number, mean: number) => number>> = {
  poisson: (label, mean) => 2 * (relative(label, mean) - label + mean),
  gamma: (label, mean) => 2 * (Math.log(mean / label) + label / mean - 1),
  tweedie: (label, mean) => 2 * (-4 * Math.sqrt(label) + 2 * (label / Math.sqrt(mean)) + 2 * Math.sqrt(mean)),
};

test.each(fixture.sets)(
  "AM-2: the loss on rows held out is LightGBM's within 2%, and what is served is what was fitted: $name",
  async ({ name, labels, loss }) => {
    const train = datasetOf([rowsOf(labels, 0, fixture.train)]);
    const held = rowsOf(labels, fixture.train, labels.length);
    const isClasses = name === "multiclass";
    const fitted = await fitGbdt(train, {
      ...settings,
      ...(isClasses
        ? { task: "multiclass" }
        : { task: "regression", loss: name as "gamma" | "poisson" | "tweedie", tweediePower: 1.5 }),
      validation: datasetOf([held]),
    });
    const packed = await packFitted(join(root, name), fitted, { name: "model", train });
    await using model = await loadModel(packed, [treeRuntime()]);
    const trained = (await model.predictBatch(rowsOf(labels, 0, fixture.train))) as Tensors;
    expect(trained["prediction"]!.data).toEqual(fitted.predictions);

    const answers = ((await model.predictBatch(held)) as Tensors)["prediction"]!;
    const outputs = isClasses ? 4 : 1;
    expect(answers.shape).toEqual([held.length, outputs]);
    const numbers = answers.data as Float64Array;
    const wanted = labels.slice(fixture.train);
    const own =
      wanted.reduce(
        (sum, label, row) =>
          sum + (isClasses ? -Math.log(numbers[row * outputs + label]!) : deviances[name]!(label, numbers[row]!)),
        0,
      ) / wanted.length;
    expect(own / loss).toBeGreaterThan(0.9);
    // 40 rounds, or those up to the best one.
    expect(fitted.validationLosses.at(-1)! / loss).toBeLessThan(1.02);
    expect(Math.abs(own - Math.min(...fitted.validationLosses))).toBeLessThan(1e-12);
    if (isClasses) {
      expect(fitted.model.classes).toEqual(["0", "1", "2", "3"]);
      expect(numbers.subarray(0, 4).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
    }
  },
);

test("a class that no training row has, and amounts that a loss does not take, are refused", async () => {
  const x = Array.from({ length: 60 }, (_, row) => row);
  const kind = (names: readonly string[]) => datasetOf([batchOf({ x, y: x.map((row) => names[row % names.length]!) })]);
  const amounts = (least: number) => datasetOf([batchOf({ x, y: x.map((value) => value + least) })]);
  const codeOf = async (fit: Promise<unknown>): Promise<boolean> =>
    hasCode(await fit.catch((error: unknown) => error), "ALGORITHMS_LABEL_UNFIT");
  const several = { label: "y", task: "multiclass" } as const;
  expect(await codeOf(fitGbdt(kind(["a", "b"]), { ...several, validation: kind(["a", "c"]) }))).toBe(true);
  expect(await codeOf(fitGbdt(kind(["a"]), several))).toBe(true);
  const counts = { label: "y", task: "regression", trees: 2 } as const;
  expect(await codeOf(fitGbdt(amounts(-1), { ...counts, loss: "poisson" }))).toBe(true);
  expect(await codeOf(fitGbdt(amounts(0), { ...counts, loss: "gamma" }))).toBe(true);
  expect((await fitGbdt(amounts(0), { ...counts, loss: "tweedie" })).model.link).toBe("exponential");
});
