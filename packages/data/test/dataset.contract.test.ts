import { type DatasetFixture, datasetContract } from "@millwright/contracts/testing";
import { describe, test } from "vitest";
import { createDataset, datasetOf, mapDataset, sliceBatch } from "../src/index.ts";
import { allTypes } from "./batches.ts";

const { batch } = allTypes();
const whole = datasetOf([batch]);
const cut = datasetOf([sliceBatch(batch, 0, 7), sliceBatch(batch, 7, 7), sliceBatch(batch, 7, 19)]);

const fixtures: Readonly<Record<string, DatasetFixture>> = {
  datasetOf: { dataset: cut, recut: whole },
  createDataset: {
    dataset: createDataset({
      schema: whole.schema,
      async *walk() {
        for (let row = 0; row < batch.length; row += 5) yield sliceBatch(batch, row, row + 5);
      },
    }),
    recut: cut,
  },
  mapDataset: { dataset: mapDataset(cut, (each) => each), recut: whole },
};

describe.each(Object.entries(fixtures))("%s", (_, fixture) => {
  for (const { name, appliesTo, run } of datasetContract) {
    test(name, (context) => {
      context.skip(appliesTo?.(fixture) === false, "the dataset has no slices");
      return run(fixture);
    });
  }
});
