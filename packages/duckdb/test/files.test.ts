import { appendFile, mkdir, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DatasetRef } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

test("CSV and NDJSON are read with guessed or given types", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const csv = join(directory.path, "a.csv");
  await writeFile(csv, "id,score,day\n1,2.5,2020-01-01\n2,,2020-01-02\n");
  const guessed = await duckdb.scan(csv);
  expect(guessed.schema).toEqual([
    { name: "id", type: "int64" },
    { name: "score", type: "float64" },
    { name: "day", type: "date" },
  ]);
  expect(await columnsOf(guessed.batches())).toEqual({ id: [1n, 2n], score: [2.5, null], day: [18_262, 18_263] });
  const given = await duckdb.scan(csv, {
    schema: [
      { name: "id", type: "utf8" },
      { name: "score", type: "float32" },
      { name: "day", type: "utf8" },
    ],
  });
  expect(await columnsOf(given.batches())).toEqual({
    id: ["1", "2"],
    score: [2.5, null],
    day: ["2020-01-01", "2020-01-02"],
  });

  const lines = join(directory.path, "a.ndjson");
  await writeFile(lines, '{"id": 1, "name": "x"}\n{"id": 2}\n');
  const json = await duckdb.scan(lines, {
    schema: [
      { name: "id", type: "int32" },
      { name: "name", type: "utf8" },
    ],
  });
  expect(await columnsOf(json.batches())).toEqual({ id: [1, 2], name: ["x", null] });
  await expect(duckdb.scan(join(directory.path, "a.xlsx"))).rejects.toMatchObject({ code: "DUCKDB_FORMAT_UNKNOWN" });
});

test("a value that is not of the type asked names file, line and column", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const csv = join(directory.path, "bad.csv");
  await writeFile(csv, "a,b\n1,2\nx,3\n");
  const read = async () =>
    columnsOf(
      (
        await duckdb.scan(csv, {
          header: true,
          schema: [
            { name: "a", type: "int32" },
            { name: "b", type: "int32" },
          ],
        })
      ).batches(),
    );
  await expect(read()).rejects.toMatchObject({
    code: "DUCKDB_FILE_CORRUPT",
    message: expect.stringMatching(/Line: 3[^]*bad\.csv/),
  });
});

test("a pattern gives the files in order of their names, whatever order they were written in", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  for (const name of ["c", "a", "b"]) {
    await duckdb.writeParquet(
      `SELECT '${name}' AS file, range AS n FROM range(5000)`,
      join(directory.path, `${name}.parquet`),
    );
  }
  const dataset = await duckdb.scan(join(directory.path, "*.parquet"));
  expect(dataset.rows).toBe(15_000);
  const rows = await columnsOf(dataset.batches());
  expect(rows["file"]).toEqual(["a", "b", "c"].flatMap((name) => Array<string>(5000).fill(name)));
  expect(rows["n"]).toEqual(Array.from({ length: 15_000 }, (_, index) => BigInt(index % 5000)));
});

test("missing, empty, truncated and damaged files have their own errors, which name the file", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = (name: string): string => join(directory.path, name);
  await expect(duckdb.scan(path("none.parquet"))).rejects.toMatchObject({
    code: "DUCKDB_FILE_MISSING",
    message: expect.stringContaining("none.parquet"),
  });
  await expect(duckdb.scan(path("*.parquet"))).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
  for (const name of ["good", "cut", "tiny", "footer"])
    await duckdb.writeParquet("SELECT range AS a FROM range(1000)", path(`${name}.parquet`));
  const size = (await readFile(path("cut.parquet"))).length;
  await truncate(path("cut.parquet"), size - 20);
  await truncate(path("tiny.parquet"), 5);
  const bytes = await readFile(path("footer.parquet"));
  const footer = size - 8 - bytes.readUInt32LE(size - 8);
  await writeFile(path("footer.parquet"), bytes.fill(0xff, footer, footer + 40));
  for (const name of ["cut", "tiny", "footer"]) {
    await expect(duckdb.scan([path("good.parquet"), path(`${name}.parquet`)])).rejects.toMatchObject({
      code: "DUCKDB_FILE_CORRUPT",
      category: "data",
      message: expect.stringContaining(`${name}.parquet`),
    });
  }
});

test("a damaged page is found while reading", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "page.parquet");
  await duckdb.writeParquet("SELECT hash(range) AS a FROM range(10000)", path);
  const bytes = await readFile(path);
  await writeFile(path, bytes.fill(0x5a, 4, 2000));
  const dataset = await duckdb.scan(path);
  await expect(columnsOf(dataset.batches())).rejects.toMatchObject({
    code: "DUCKDB_FILE_CORRUPT",
    message: expect.stringContaining("page.parquet"),
  });
});

test("a reference opens the same rows elsewhere, and says so when they have changed", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.parquet");
  await duckdb.writeParquet("SELECT range AS a, range % 3 = 0 AS b FROM range(3000)", path);
  const written = await duckdb.scan(path);
  const ref = JSON.parse(JSON.stringify(await written.ref())) as DatasetRef;
  expect(ref.parts).toMatchObject([{ path, format: "parquet", rows: 3000 }]);

  await using other = await openDuckDb();
  const opened = other.openRef(ref);
  expect(await opened.digest()).toBe(ref.digest);
  expect(await columnsOf(opened.batches())).toEqual(await columnsOf(written.batches()));
  await duckdb.writeParquet("SELECT range + 1 AS a, range % 3 = 0 AS b FROM range(3000)", path);
  await expect(other.openRef(ref).digest()).rejects.toMatchObject({ code: "DUCKDB_REF_CHANGED" });
  await duckdb.writeParquet("SELECT range::INTEGER AS a, range % 3 = 0 AS b FROM range(3000)", path);
  await expect(columnsOf(other.openRef(ref).batches())).rejects.toMatchObject({ code: "DUCKDB_SCHEMA_MISMATCH" });
  await expect((await duckdb.asDataset("SELECT 1 AS a")).ref()).rejects.toMatchObject({ code: "PORT_UNSUPPORTED" });
});

test("the digest of a file's rows is that of the same columns in memory", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const batch = batchOf({ id: column("int64", [1n, 2n, null]), name: column("utf8", ["x", null, "žluťoučký kůň"]) });
  const path = join(directory.path, "a.parquet");
  await duckdb.writeParquet(batch, path);
  expect(await (await duckdb.scan(path)).digest()).toBe(await datasetOf([batch]).digest());
});

test("a file is whole or absent: a failed write leaves nothing, a leftover is not read", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "deep", "a.parquet");
  await expect(
    duckdb.writeParquet("SELECT CAST(range AS TINYINT) AS a FROM range(1000000)", path),
  ).rejects.toMatchObject({ code: "DUCKDB_CONVERSION_FAILED" });
  expect(await readdir(join(directory.path, "deep"))).toEqual([]);
  await duckdb.writeParquet("SELECT 1 AS a", path);
  await appendFile(`${path}.99-1.tmp`, "half");
  expect((await duckdb.scan(join(directory.path, "deep", "*.parquet"))).rows).toBe(1);
});

test("partitions become directories that any reader of hive layout understands", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "parts");
  const parts = await duckdb.writeParquet(
    "SELECT range AS a, DATE '2024-01-01' + (range % 3)::INTEGER AS ds FROM range(3000)",
    path,
    { partitionBy: ["ds"] },
  );
  expect(parts.map((part) => [part.path.slice(path.length + 1).split(/[\\/]/)[0], part.rows])).toEqual([
    ["ds=2024-01-01", 1000],
    ["ds=2024-01-02", 1000],
    ["ds=2024-01-03", 1000],
  ]);
  const dataset = await duckdb.scan(join(path, "*", "*.parquet"));
  expect(dataset.schema).toEqual([
    { name: "a", type: "int64" },
    { name: "ds", type: "date" },
  ]);
  expect(dataset.rows).toBe(3000);
  await expect(duckdb.writeParquet("SELECT 1 AS a, 2 AS ds", path, { partitionBy: ["ds"] })).rejects.toMatchObject({
    code: "DUCKDB_FILE_EXISTS",
  });
});

test("a file with brackets in its name is that file, not a pattern", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "it's [1].csv");
  await mkdir(directory.path, { recursive: true });
  await writeFile(path, "a\n1\n");
  expect(await columnsOf((await duckdb.scan(path)).batches())).toEqual({ a: [1n] });
});

test("a part of a row is no batch, and settings that Parquet does not have are refused before anything is written", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  for (const batchRows of [0, 1.5, Number.NaN, -1]) {
    const walk = async (): Promise<void> => {
      for await (const _ of duckdb.query("SELECT range FROM range(5)", { batchRows })) continue;
    };
    await expect(walk()).rejects.toThrow(/batchRows must be a whole number from 1/);
  }
  const target = join(directory.path, "rows.parquet");
  const compression = "zstd, PER_THREAD_OUTPUT true" as "zstd";
  await expect(duckdb.writeParquet("SELECT 1 AS a", target, { compression })).rejects.toThrow(RangeError);
  await expect(duckdb.writeParquet("SELECT 1 AS a", target, { rowGroupRows: 0.5 })).rejects.toThrow(RangeError);
  expect(await readdir(directory.path)).toEqual([]);
});

test("a path that the file system does not take fails by a code that names it", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "");
  for (const path of [join(file, "rows.parquet"), join(directory.path, "x".repeat(5_000), "rows.parquet")])
    await expect(duckdb.writeParquet("SELECT 1 AS a", path)).rejects.toMatchObject({
      code: expect.stringMatching(/^DUCKDB_/) as string,
    });
});

test("what is no path and no list of paths is refused, and leaves no rejection behind", async () => {
  await using duckdb = await openDuckDb();
  const strays: unknown[] = [];
  const noteStray = (reason: unknown): void => void strays.push(reason);
  process.on("unhandledRejection", noteStray);
  try {
    for (const source of [Uint8Array.of(1, 2), 5, [5], new Array(2), undefined])
      await expect(duckdb.scan(source as unknown as string)).rejects.toThrow(TypeError);
    await new Promise((resolve) => setImmediate(resolve));
    expect(strays).toEqual([]);
  } finally {
    process.off("unhandledRejection", noteStray);
  }
});
