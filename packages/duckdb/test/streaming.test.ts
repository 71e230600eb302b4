import { join } from "node:path";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

test("batches have the rows asked for, and the last one the rest", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  const lengths: number[] = [];
  for await (const batch of duckdb.query("SELECT range AS a FROM range(10000)", { batchRows: 3000 }))
    lengths.push(batch.length);
  expect(lengths).toEqual([3000, 3000, 3000, 1000]);
});

test("columns are read by projection, in the order asked", async () => {
  await using duckdb = await openDuckDb();
  const dataset = await duckdb.asDataset("SELECT 1 AS a, 'x' AS b, 2.5::DOUBLE AS c");
  expect(Object.entries(await columnsOf(dataset.batches({ columns: ["c", "a"] })))).toEqual([
    ["c", [2.5]],
    ["a", [1]],
  ]);
  expect(() => dataset.batches({ columns: ["nope"] })).toThrow('No column is named "nope". Columns: a, b, c.');
});

test("several streams and statements at once each see all their rows", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  let pairs = 0;
  let inner = 0;
  for await (const outer of duckdb.query("SELECT range AS a FROM range(20000)", { batchRows: 5000 })) {
    for await (const batch of duckdb.query("SELECT range AS a FROM range(30000)")) inner += batch.length;
    await duckdb.execute("CREATE OR REPLACE TABLE x AS SELECT 1 AS one");
    pairs += outer.length;
  }
  expect(pairs).toBe(20_000);
  expect(inner).toBe(4 * 30_000);
  const all = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      columnsOf(duckdb.query("SELECT count(*) AS n FROM range(?::BIGINT)", { params: [n] })),
    ),
  );
  expect(all.map((row) => row["n"])).toEqual(Array.from({ length: 8 }, (_, n) => [BigInt(n)]));
});

test("leaving a stream early frees its connection and harms no later query", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  for (let round = 0; round < 20; round++) {
    for await (const batch of duckdb.query("SELECT range AS a FROM range(10000000)", { batchRows: 100 })) {
      expect(batch.length).toBe(100);
      break;
    }
  }
  expect(await columnsOf(duckdb.query("SELECT count(*) AS n FROM range(100000)"))).toEqual({ n: [100_000n] });
});

test("a failure after millions of rows is thrown, never taken for the end", async () => {
  await using duckdb = await openDuckDb({ threads: 1 });
  const sql = "SELECT CAST(CASE WHEN range = ? THEN 'x' ELSE '1' END AS INTEGER) AS a FROM range(6000000)";
  const walk = async (batches: AsyncIterable<{ readonly length: number }>): Promise<number> => {
    let rows = 0;
    for await (const batch of batches) rows += batch.length;
    return rows;
  };
  const failure = { code: "DUCKDB_CONVERSION_FAILED", message: expect.stringContaining("'x'") };
  await expect(walk(duckdb.query(sql, { params: [5_000_000n] }))).rejects.toMatchObject(failure);
  await expect(duckdb.execute(sql, { params: [5_000_000n] })).rejects.toMatchObject(failure);
  const dataset = await duckdb.asDataset(sql, { params: [5_000_000n] });
  await expect(dataset.digest()).rejects.toMatchObject(failure);
  expect(await walk(duckdb.query(sql, { params: [-1n] }))).toBe(6_000_000);
});

test("a CSV many times larger than the memory limit is read to its last row", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1, memoryLimitBytes: 48 * 2 ** 20 });
  const path = join(directory.path, "a.csv");
  await duckdb.writeCsv("SELECT range AS a, md5(range::VARCHAR) AS b FROM range(3000000)", path);
  let rows = 0;
  for await (const batch of (await duckdb.scan(path)).batches()) rows += batch.length;
  expect(rows).toBe(3_000_000);
});

test("an aborted query stops and rejects with the signal's reason; the instance goes on", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  const reason = new Error("enough");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  const endless = duckdb.execute("SELECT count(*) FROM range(1000000000000) AS t(a) WHERE a * a % 7 = 3", {
    signal: controller.signal,
  });
  await expect(endless).rejects.toBe(reason);
  await expect(duckdb.execute("SELECT 1", { signal: controller.signal })).rejects.toBe(reason);
  expect(await columnsOf(duckdb.query("SELECT 1 AS one"))).toEqual({ one: [1] });
});

test("closing with a query in flight and a stream open settles both", async () => {
  const duckdb = await openDuckDb({ threads: 2 });
  const running = duckdb.execute("SELECT count(*) FROM range(1000000000000) AS t(a) WHERE a * a % 7 = 3");
  const stopped = running.catch((error: unknown) => error);
  const open = duckdb.query("SELECT range AS a FROM range(10000000)", { batchRows: 10 })[Symbol.asyncIterator]();
  await open.next();
  await new Promise((resolve) => setTimeout(resolve, 30));
  await duckdb[Symbol.asyncDispose]();
  expect(await stopped).toMatchObject({ code: "PORT_CLOSED" });
  const drained = (async () => {
    while ((await open.next()).done !== true);
  })();
  await expect(drained).rejects.toMatchObject({ code: "PORT_CLOSED" });
  await expect(duckdb.execute("SELECT 1")).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("parameters keep their types: a number is DOUBLE, a bigint BIGINT, a Date a UTC timestamp", async () => {
  await using duckdb = await openDuckDb();
  const sql =
    "SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, typeof(?) AS e, typeof(?) AS f, ?::VARCHAR AS g";
  const day = new Date("2001-02-03T04:05:06.789Z");
  const params = [1, 1n, "x", true, day, Uint8Array.of(1, 2), day];
  expect(await columnsOf(duckdb.query(sql, { params }))).toEqual({
    a: ["DOUBLE"],
    b: ["BIGINT"],
    c: ["VARCHAR"],
    d: ["BOOLEAN"],
    e: ["TIMESTAMP"],
    f: ["BLOB"],
    g: ["2001-02-03 04:05:06.789"],
  });
});

test("one statement a call, and no transaction left open on a shared connection", async () => {
  await using duckdb = await openDuckDb();
  await expect(duckdb.execute("SELECT 1; SELECT 2")).rejects.toMatchObject({ code: expect.stringMatching(/^DUCKDB_/) });
  await expect(duckdb.execute("BEGIN")).rejects.toMatchObject({ code: "DUCKDB_SQL_INVALID" });
  expect(await duckdb.execute("CREATE TABLE t AS SELECT range AS a FROM range(5)")).toBe(0);
  expect(await duckdb.execute("INSERT INTO t VALUES (7), (8)")).toBe(2);
  expect(await duckdb.execute("UPDATE t SET a = a + 1 WHERE a > 1")).toBe(5);
});
