import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fromDuckDb } from "../src/errors.ts";
import { openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const MIB = 2 ** 20;

test("a sort larger than the memory limit spills and finishes in order", async () => {
  await using directory = await temporaryDirectory();
  const spill = join(directory.path, "spill");
  await using duckdb = await openDuckDb({ memoryLimitBytes: 64 * MIB, spillDirectory: spill, threads: 2 });
  let last = -1n;
  let rows = 0;
  let spilled = 0;
  // 6M rows of 8 + 32 bytes are four times the limit.
  const sql =
    "SELECT hash(range) % 9000000000000000000 AS k, md5(range::VARCHAR) AS payload FROM range(6000000) ORDER BY k";
  for await (const batch of duckdb.query(sql, { batchRows: 500_000 })) {
    const keys = batch.columns["k"]!.values as BigUint64Array;
    for (let row = 0; row < batch.length; row += 1) {
      if (keys[row]! < last) throw new Error("out of order");
      last = keys[row]!;
    }
    rows += batch.length;
    spilled = Math.max(spilled, existsSync(spill) ? (await readdir(spill)).length : 0);
  }
  expect(rows).toBe(6_000_000);
  expect(spilled).toBeGreaterThan(0);
}, 600_000);

test("what cannot spill fails as out of memory, and the instance goes on", async () => {
  await using duckdb = await openDuckDb({ memoryLimitBytes: 64 * MIB, threads: 1 });
  await expect(duckdb.execute("SELECT list(range) FROM range(30000000)")).rejects.toMatchObject({
    code: "DUCKDB_MEMORY_EXHAUSTED",
    category: "capacity",
  });
  expect(await columnsOf(duckdb.query("SELECT 1 AS one"))).toEqual({ one: [1] });
});

test("a full disk is told apart", async ({ skip }) => {
  if (!existsSync("/dev/full")) skip("this system has no /dev/full: run it on Linux");
  await using duckdb = await openDuckDb();
  await expect(
    duckdb.execute("COPY (SELECT range FROM range(1000000)) TO '/dev/full' (FORMAT csv)"),
  ).rejects.toMatchObject({
    code: "DUCKDB_DISK_FULL",
  });
});

test("within allowed directories all works, outside nothing does, and SQL cannot loosen it", async () => {
  await using directory = await temporaryDirectory();
  const inside = join(directory.path, "in");
  await mkdir(inside);
  await writeFile(join(directory.path, "secret.csv"), "a\n1\n");
  await using duckdb = await openDuckDb({ allowedDirectories: [inside] });
  await duckdb.writeParquet("SELECT 1 AS a", join(inside, "a.parquet"));
  expect((await duckdb.scan(join(inside, "*.parquet"))).rows).toBe(1);
  for (const sql of [
    `SELECT * FROM read_csv('${directory.path}/secret.csv')`,
    `SELECT * FROM read_csv('${inside}/../secret.csv')`,
    `COPY (SELECT 1) TO '${directory.path}/out.csv'`,
    `ATTACH '${directory.path}/out.db'`,
    "SELECT * FROM read_parquet('s3://bucket/a.parquet')",
    "INSTALL httpfs",
  ]) {
    await expect(duckdb.execute(sql)).rejects.toMatchObject({ code: "DUCKDB_ACCESS_DENIED" });
  }
  await expect(duckdb.execute("SET memory_limit = '100GB'")).rejects.toThrow("locked");
  expect(await readdir(directory.path)).toEqual(["in", "secret.csv"]);
});

test("without a sandbox nothing is downloaded either", async () => {
  await using duckdb = await openDuckDb();
  await expect(duckdb.execute("SELECT * FROM read_parquet('s3://bucket/a.parquet')")).rejects.toMatchObject({
    code: "DUCKDB_ACCESS_DENIED",
  });
});

test("times are UTC whatever the machine's zone", async () => {
  const before = process.env["TZ"];
  process.env["TZ"] = "Asia/Tokyo";
  try {
    await using duckdb = await openDuckDb();
    expect(
      await columnsOf(
        duckdb.query("SELECT TIMESTAMPTZ '2001-02-03 00:00:00+00'::VARCHAR AS t, '2001-02-03'::TIMESTAMPTZ AS u"),
      ),
    ).toEqual({
      t: ["2001-02-03 00:00:00+00"],
      u: [981_158_400_000_000n],
    });
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});

test("every kind of message DuckDB gives has its code", () => {
  const recorded: readonly (readonly [string, string])[] = [
    [
      'IO Error: Could not set lock on file "/a.db": Conflicting lock is held in /usr/bin/node (PID 1). See also https://…',
      "DUCKDB_FILE_LOCKED",
    ],
    ["INTERRUPT Error: Interrupted!", "DUCKDB_INTERRUPTED"],
    ["IO Error: Could not write all bytes to file: No space left on device", "DUCKDB_DISK_FULL"],
    [
      "Out of Memory Error: failed to offload data block of size 256.0 KiB (10.0 GiB/10.0 GiB used). This limit was set by the 'max_temp_directory_size' setting.",
      "DUCKDB_DISK_FULL",
    ],
    ["TransactionContext Error: Conflict on update!", "DUCKDB_TRANSACTION_CONFLICT"],
    ['Conversion Error: Could not convert string "x" to INT32', "DUCKDB_CONVERSION_FAILED"],
    ['Parser Error: syntax error at or near "selec"\n\nLINE 1: selec 1\n        ^', "DUCKDB_SQL_INVALID"],
    ["Constraint Error: Duplicate key", "DUCKDB_QUERY_FAILED"],
    ['IO Error: The file "/a.db" exists, but it is not a valid DuckDB database file!', "DUCKDB_DATABASE_CORRUPT"],
  ];
  for (const [text, code] of recorded) expect(fromDuckDb(new Error(text))).toMatchObject({ code });
  // The SQL that DuckDB quotes may hold data: it stays in the cause.
  expect(fromDuckDb(new Error(recorded[6]![0])).message).not.toContain("LINE 1");
});
