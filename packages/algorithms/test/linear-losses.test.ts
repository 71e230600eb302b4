import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensors, hasCode } from "@millwright/contracts";
import { batchOf, datasetOf } from "@millwright/data";
import { linearRuntime, loadModel } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fitLinear, packFitted } from "../src/index.ts";

// Written by fixtures/make-glm.py with scikit-learn 1.9.1.
const { columns, sets } = JSON.parse(await readFile(new URL("./fixtures/glm.json", import.meta.url), "utf8")) as {
  readonly columns: readonly (readonly number[])[];
  readonly sets: readonly {
    readonly name: "gamma" | "poisson" | "tweedie";
    readonly power: number | null;
    readonly weights: readonly number[] | null;
    readonly l2: number;
    readonly labels: readonly number[];
    readonly coefficients: readonly number[];
    readonly intercept: number;
    readonly answers: readonly number[];
  }[];
};
const largestDifference = (some: ArrayLike<number>, others: readonly number[]): number =>
  Math.max(...others.map((value, at) => Math.abs(value - some[at]!)));

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-glm-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test.each(
  sets.map((set, index) => ({ ...set, title: `${set.name}, ${set.weights === null ? "plain" : "weighted"}`, index })),
)(
  "AM-1: coefficients and answers are scikit-learn's to 1e-6, and are served: $title",
  async ({ name, power, weights, l2, labels, coefficients, intercept, answers, index }) => {
    const rows = batchOf({
      ...Object.fromEntries(columns.map((values, at) => [`c${at}`, values])),
      y: labels,
      ...(weights === null ? {} : { w: weights }),
    });
    const train = datasetOf([rows]);
    const fitted = await fitLinear(train, {
      label: "y",
      task: "regression",
      loss: name,
      l2,
      ...(power === null ? {} : { tweediePower: power }),
      ...(weights === null ? {} : { weight: "w" }),
    });
    expect(largestDifference(fitted.model.coefficients[0]!, coefficients)).toBeLessThan(1e-6);
    expect(Math.abs(fitted.model.intercepts[0]! - intercept)).toBeLessThan(1e-6);
    expect(largestDifference(fitted.predictions, answers)).toBeLessThan(1e-5);
    await using model = await loadModel(await packFitted(join(root, String(index)), fitted, { name: "model", train }), [
      linearRuntime(),
    ]);
    expect(((await model.predictBatch(rows)) as Tensors)["prediction"]!.data).toEqual(fitted.predictions);
  },
);

test("amounts of any size are found from their mean, and labels that a loss does not take are refused", async () => {
  const x = Array.from({ length: 50 }, (_, row) => row / 10);
  const large = datasetOf([batchOf({ x, y: x.map((value) => Math.round(1e7 * Math.exp(value / 5))) })]);
  const options = { label: "y", task: "regression", loss: "poisson" } as const;
  const { model } = await fitLinear(large, options);
  expect(model.coefficients[0]![0]).toBeCloseTo(0.2, 6);
  const codeOf = async (y: readonly number[], loss: "gamma" | "poisson"): Promise<boolean> =>
    hasCode(
      await fitLinear(datasetOf([batchOf({ x: [1, 2], y })]), { ...options, loss }).catch((error: unknown) => error),
      "ALGORITHMS_LABEL_UNFIT",
    );
  expect(await codeOf([1, -1], "poisson")).toBe(true);
  expect(await codeOf([1, 0], "gamma")).toBe(true);
  expect(await codeOf([0, 0], "poisson")).toBe(true);
  await expect(fitLinear(large, { ...options, task: "binary" })).rejects.toThrow(RangeError);
});
