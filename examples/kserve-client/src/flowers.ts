import { readFile } from "node:fs/promises";
import type { Batch } from "@millwright/contracts";
import { batchOf } from "@millwright/data";

export const measures = ["sepalLength", "sepalWidth", "petalLength", "petalWidth"] as const;
export const species = ["setosa", "versicolor", "virginica"] as const;

/** Fisher's irises of 1936: 150 flowers, four measures in centimetres, and the species as its number. Every fifth is kept for the test. */
export async function readFlowers(): Promise<{ readonly train: Batch; readonly test: Batch }> {
  const text = await readFile(new URL("../data/iris.csv", import.meta.url), "utf8");
  const rows = text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  const columns = (kept: readonly string[][]): Batch =>
    batchOf({
      ...Object.fromEntries(measures.map((name, at) => [name, Float64Array.from(kept, (row) => Number(row[at]))])),
      species: Float64Array.from(kept, (row) => species.indexOf(row[4] as (typeof species)[number])),
    });
  return { train: columns(rows.filter((_, at) => at % 5 !== 0)), test: columns(rows.filter((_, at) => at % 5 === 0)) };
}
