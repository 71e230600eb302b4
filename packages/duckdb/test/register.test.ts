import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch } from "@millwright/contracts";
import { batchOf, column, createBatchDigester, schemaOf, toArray } from "@millwright/data";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-register-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("files that were scanned become a table in their order, with the columns asked for, and the rows are shown as they stand there", async () => {
  await using duckdb = await openDuckDb({ threads: 4 });
  const paths = ["a", "b"].map((name) => join(directory, `${name}.parquet`));
  for (const [index, path] of paths.entries()) {
    const sql = `SELECT (range * 7919) % 1000003 AS "n", 'text ' || range AS "t", range + ${index * 400_000} AS "place" FROM range(400000)`;
    await duckdb.writeParquet(sql, path, { rowGroupRows: 30_000 });
  }
  const dataset = await duckdb.scan(paths);
  const digester = createBatchDigester(dataset.schema);
  await using all = await duckdb.register("files", dataset, { onBatch: digester.update });
  expect(all.rows).toBe(800_000);
  expect(digester.digest()).toBe(await dataset.digest());
  const wrong = `SELECT count(*) AS "rows" FROM ${all.sql} WHERE rowid <> "place"`;
  for await (const batch of duckdb.query(wrong)) expect(toArray(batch.columns["rows"]!)).toEqual([0n]);
  const seen: Batch[] = [];
  await using some = await duckdb.register("some", dataset, {
    columns: ["place", "n"],
    onBatch: (each) => seen.push(each),
  });
  expect(some.rows).toBe(800_000);
  expect(
    seen.every(
      (each) =>
        schemaOf(each)
          .map(({ name }) => name)
          .join() === "place,n",
    ),
  ).toBe(true);
  expect(seen.reduce((sum, { length }) => sum + length, 0)).toBe(800_000);
  await expect(duckdb.register("none", dataset, { columns: ["nothing"] })).rejects.toThrow(RangeError);
});

test("columns whose types DuckDB has no twin of outside, and rows from elsewhere, are shown and kept as columns hold them", async () => {
  await using duckdb = await openDuckDb();
  const decimals = await duckdb.asDataset(`SELECT CAST(0.1 AS DECIMAL(18, 3)) AS "d", 5::HUGEINT AS "h" FROM range(3)`);
  const values = batchOf({ d: column("float64", [1, null, 3]), h: column("int64", [1n, 2n, 3n]) });
  const expected = [
    [0.1, 0.1, 0.1],
    [1, null, 3],
    [1, null, 3],
  ];
  const stream = async function* (): AsyncGenerator<Batch> {
    yield values;
  };
  for (const [index, source] of [decimals, values, stream()].entries()) {
    const seen: Batch[] = [];
    await using table = await duckdb.register("t", source, { columns: ["d"], onBatch: (each) => seen.push(each) });
    expect(table.rows).toBe(3);
    expect(seen.map(({ columns }) => Object.keys(columns))).toEqual([["d"]]);
    expect(seen.map(({ columns }) => toArray(columns["d"]!))).toEqual([expected[index]]);
    for await (const batch of duckdb.query(`SELECT typeof("d") AS "type" FROM t`)) {
      expect(toArray(batch.columns["type"]!)).toEqual(["DOUBLE", "DOUBLE", "DOUBLE"]);
    }
  }
});

test("where the one who is shown the rows throws, there is no table", async () => {
  await using duckdb = await openDuckDb();
  const rows = await duckdb.asDataset("SELECT 1 AS a");
  const onBatch = (): void => {
    throw new Error("not these");
  };
  for (const source of [rows, batchOf({ a: column("int32", [1]) })]) {
    await expect(duckdb.register("refused", source, { onBatch })).rejects.toThrow("not these");
    await expect(duckdb.execute("SELECT * FROM refused")).rejects.toMatchObject({ code: "DUCKDB_SQL_INVALID" });
  }
  await using table = await duckdb.register("counted", rows);
  expect(table.rows).toBe(1);
});

test("files whose rows nobody counts are written without a look at their footers", async () => {
  await using duckdb = await openDuckDb();
  const path = join(directory, "days");
  const sql = "SELECT range AS a, range % 3 AS day FROM range(30)";
  const parts = await duckdb.writeParquet(sql, path, { partitionBy: ["day"], countRows: false });
  expect(parts).toHaveLength(3);
  for (const part of parts) expect(Object.keys(part).toSorted()).toEqual(["format", "path", "sizeBytes"]);
  const [counted] = await duckdb.writeParquet(sql, join(directory, "all.parquet"));
  expect(counted!.rows).toBe(30);
});
