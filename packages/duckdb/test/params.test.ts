import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

test("parameters go by position or by name, in queries, datasets and what is written", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const named = "SELECT range AS n, $label AS label FROM range(10) WHERE range >= $from AND range < $from + $count";
  const params = { from: 3n, count: 2n, label: "x" };
  const wanted = { n: [3n, 4n], label: ["x", "x"] };
  expect(await columnsOf(duckdb.query(named, { params }))).toEqual(wanted);
  const dataset = await duckdb.asDataset(named, { params });
  expect(await columnsOf(dataset.batches())).toEqual(wanted);
  expect(await columnsOf(dataset.batches({ columns: ["n"] }))).toEqual({ n: [3n, 4n] });
  const path = join(directory.path, "named.parquet");
  await duckdb.writeParquet(named, path, { params });
  expect(await columnsOf((await duckdb.scan(path)).batches())).toEqual(wanted);
  await duckdb.execute("CREATE TABLE kept AS SELECT $at AS at, $flag AS flag", {
    params: { at: new Date(5), flag: false },
  });
  expect(await columnsOf(duckdb.query("FROM kept"))).toEqual({ at: [5000n], flag: [false] });
  expect(await columnsOf(duckdb.query("SELECT $2 AS b, $1 AS a, $1 AS c", { params: ["a", 2] }))).toEqual({
    b: [2],
    a: ["a"],
    c: ["a"],
  });
});

test("parameters that are missing, too many or of no SQL type are named", async () => {
  await using duckdb = await openDuckDb();
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["SELECT $from", { form: 1 }, "$from has no value, the statement has no $form"],
    ["SELECT $from", [1], "$from has no value, the statement has no $1"],
    ["SELECT ?", {}, "$1 has no value"],
    ["SELECT ?, ?", [1], "$2 has no value"],
    ["SELECT 1", [1], "the statement has no $1"],
    ["SELECT ?", [undefined], "$1 is undefined"],
    ["SELECT ?", [[1]], "$1 is an object of the class Array"],
    ["SELECT ?", [new Date(Number.NaN)], "$1 is an object of the class Date"],
    ["SELECT $at", { at: {} }, "$at is an object of the class Object"],
    ["SELECT ?", 5, "they are 5"],
    ["SELECT ?", new Map([["1", 1]]), "they are an object of the class Map"],
  ];
  for (const [sql, params, problem] of cases) {
    await expect(duckdb.execute(sql, { params: params as [] }), sql).rejects.toMatchObject({
      code: "DUCKDB_PARAMS_INVALID",
      message: expect.stringContaining(problem),
    });
  }
  expect(await duckdb.execute("SELECT 1")).toBe(0);
});

test("a reference that nobody awaits yet may fail without ending the process; who awaits it is told", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const path = join(directory.path, "gone.parquet");
  await duckdb.writeParquet(batchOf({ n: Float64Array.of(1, 2) }), path);
  const gone = await duckdb.scan(path);
  await rm(path);
  const query = await duckdb.asDataset("SELECT 1 AS one");
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", listen);
  try {
    const [digest, ref, unsupported] = [gone.digest(), gone.ref(), query.ref()];
    // Long enough for all three to have failed before anybody looks.
    await expect(gone.digest()).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
    for (let count = 0; count < 10; count += 1) await turn();
    expect(unhandled).toEqual([]);
    await expect(digest).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
    await expect(ref).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
    await expect(unsupported).rejects.toMatchObject({ code: "PORT_UNSUPPORTED" });
  } finally {
    process.off("unhandledRejection", listen);
  }
});
