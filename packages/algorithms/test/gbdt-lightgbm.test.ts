import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch, Tensors } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { loadModel, treeRuntime } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fitGbdt, packFitted } from "../src/index.ts";
import { areaUnder } from "./area-under.ts";

interface FixtureSet {
  readonly name: string;
  /** Positions of columns of categories. */
  readonly categorical: readonly number[];
  readonly trainRows: number;
  readonly columns: readonly (readonly (number | null)[])[];
  readonly labels: readonly number[];
  readonly auc: number;
}

// Written by fixtures/make-lightgbm.py with LightGBM 4.7.0 and the settings below.
const { sets } = JSON.parse(await readFile(new URL("./fixtures/lightgbm.json", import.meta.url), "utf8")) as {
  readonly sets: readonly FixtureSet[];
};
const settings = { task: "binary", label: "y", trees: 60, maxLeaves: 15, learningRate: 0.1, minLeafRows: 20 } as const;

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-gbdt-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function rowsOf({ columns, categorical, labels }: FixtureSet, from: number, to: number): Batch {
  const named = columns.map((values, index) => {
    const part = values.slice(from, to);
    const isText = categorical.includes(index);
    const built = isText
      ? column(
          "utf8",
          part.map((value) => (value === null ? null : `k${value}`)),
        )
      : column("float64", part);
    return [`c${index}`, built] as const;
  });
  return batchOf({ ...Object.fromEntries(named), y: column("float64", labels.slice(from, to)) });
}

test("there are five sets, with missing values and with categories among them", () => {
  expect(sets).toHaveLength(5);
  expect(sets.some(({ columns, categorical }) => categorical.length === 0 && columns.flat().includes(null))).toBe(true);
  expect(sets.some(({ categorical }) => categorical.length > 0)).toBe(true);
});

test.each(sets)(
  "AM-2: trees have LightGBM's area under the curve within 0.005, the same bits each time: $name",
  async (set) => {
    const train = datasetOf([rowsOf(set, 0, set.trainRows)]);
    const held = rowsOf(set, set.trainRows, set.labels.length);
    const fitted = await fitGbdt(train, settings);
    expect(fitted.model.trees).toHaveLength(60);
    // Batches of another size are the same rows.
    const cut = [0, 100, 101].map((from, index, all) => rowsOf(set, from, all[index + 1] ?? set.trainRows));
    expect((await fitGbdt(datasetOf(cut), settings)).model).toEqual(fitted.model);

    const packed = await packFitted(join(root, set.name), fitted, { name: "model", train });
    await using model = await loadModel(packed, [treeRuntime()]);
    const { prediction } = (await model.predictBatch(held)) as Tensors;
    const area = areaUnder(set.labels.slice(set.trainRows), prediction!.data as Float64Array);
    expect(Math.abs(area - set.auc)).toBeLessThan(0.005);

    const trained = (await model.predictBatch(rowsOf(set, 0, set.trainRows))) as Tensors;
    expect(trained["prediction"]!.data).toEqual(fitted.predictions);
  },
);
