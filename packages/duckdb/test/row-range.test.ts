import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { collect, column, batchOf, concatBatches, iterateDataset, type IteratorState } from "@millwright/data";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

const idsOf = async (dataset: Dataset): Promise<BigInt64Array> => {
  const { columns } = await collect(dataset, { columns: ["id"] });
  return (columns["id"] as { readonly values: BigInt64Array }).values;
};

test("slices of many row groups in several files come in the order of the rows, on several threads", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 4 });
  const paths = [];
  for (const [index, [from, to]] of [
    [0, 300_000],
    [300_000, 300_000],
    [300_000, 450_001],
    [450_001, 800_000],
  ].entries()) {
    paths.push(join(directory.path, `part-${index}.parquet`));
    await duckdb.writeParquet(`SELECT range AS id, 'row ' || range AS name FROM range(${from}, ${to})`, paths[index]!);
  }
  const dataset = await duckdb.scan(paths);
  for (const [start, end] of [
    [0, 800_000],
    [299_999, 300_001],
    [122_880, 245_760],
    [250_000, 700_000],
    [790_000, 900_000],
  ] as const) {
    const ids = await idsOf(dataset.slice!(start, end));
    expect(ids.length).toBe(Math.min(800_000, end) - start);
    expect(ids.every((id, at) => Number(id) === start + at)).toBe(true);
  }
});

test("TR-32: blocks of Parquet files come in the same order to any number of workers, and go on where they were", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 2 });
  const paths = [join(directory.path, "a.parquet"), join(directory.path, "b.parquet")];
  await duckdb.writeParquet("SELECT range AS id FROM range(70000)", paths[0]!);
  await duckdb.writeParquet("SELECT range AS id FROM range(70000, 100001)", paths[1]!);
  const dataset = await duckdb.scan(paths);
  const options = { batchRows: 3_000, shuffle: { seed: 4, bufferRows: 30_000, blockRows: 8_192 }, epoch: 2 };
  const read = async (more: { worker?: { index: number; count: number }; state?: IteratorState; most?: number }) => {
    const batches: string[] = [];
    const iterator = iterateDataset(dataset, { ...options, ...more });
    for await (const { columns } of iterator) {
      batches.push(String((columns["id"] as { readonly values: BigInt64Array }).values));
      if (batches.length === more.most) break;
    }
    return { batches, state: iterator.state() };
  };
  const single = (await read({})).batches;
  expect(
    single
      .join(",")
      .split(",")
      .map(Number)
      .toSorted((a, b) => a - b),
  ).toEqual([...Array.from({ length: 100_001 }).keys()]);
  for (const count of [2, 5]) {
    const workers = await Promise.all(Array.from({ length: count }, (_, index) => read({ worker: { index, count } })));
    expect(single.map((_, at) => workers[at % count]!.batches[Math.floor(at / count)])).toEqual(single);
  }
  const { state } = await read({ most: 13 });
  expect((await read({ state })).batches).toEqual(single.slice(13));
  // Neighbours alone leave the rows about where they were; blocks mix them.
  const spread = (batch: string): number =>
    Math.max(...batch.split(",").map(Number)) - Math.min(...batch.split(",").map(Number));
  expect(spread(single[0]!)).toBeGreaterThan(30_000);
});

test("files whose column has the name that DuckDB reads rows by have no slices", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "odd.parquet");
  await duckdb.writeParquet(concatBatches([batchOf({ file_row_number: column("int64", [1n, 2n]) })]), path);
  const dataset = await duckdb.scan(path);
  expect(dataset.slice).toBeUndefined();
  expect((await collect(dataset)).length).toBe(2);
});
