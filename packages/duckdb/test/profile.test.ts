import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import {
  batchOf,
  type ColumnProfile,
  createDataset,
  datasetOf,
  type FrequentTexts,
  fromIpc,
  mostFrequent,
  type Profile,
  profileDataset,
  type ProfileDatasetOptions,
  profileToJson,
  toIpc,
} from "@millwright/data";
import { describe, expect, test } from "vitest";
import { identifier, openDuckDb } from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

/** Each kind of column, with nulls; two row groups, the last of which is not full. */
const ROWS = 130_123;
const often = (value: string): string => `CASE WHEN hash(i, 1) % 10 = 0 THEN NULL ELSE ${value} END`;
const EXPRESSIONS: Readonly<Record<string, string>> = {
  row: "i",
  normal: often("sqrt(-2 * ln((hash(i) % 999983 + 0.5) / 999984)) * cos(6.283185307 * (hash(i, 3) % 999979) / 999979)"),
  strange:
    "CASE i % 7 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN 'Infinity'::DOUBLE WHEN 2 THEN '-Infinity'::DOUBLE WHEN 3 THEN -0.0::DOUBLE WHEN 4 THEN 5e-324::DOUBLE ELSE NULL END",
  narrow: often("(hash(i) % 5003 / 7.0)::FLOAT"),
  few_floats: often("(i % 11) / 4.0::DOUBLE"),
  int8: `(${often("(hash(i) % 256)::INTEGER - 128")})::TINYINT`,
  int16: `(${often("(hash(i) % 60000)::INTEGER - 30000")})::SMALLINT`,
  int32: often("(hash(i) % 1000)::INTEGER"),
  int64: often("(hash(i) % 300)::BIGINT * 9007199254740993"),
  uint8: `(${often("hash(i) % 256")})::UTINYINT`,
  uint16: `(${often("hash(i) % 60000")})::USMALLINT`,
  uint32: `(${often("hash(i) % 4294967296")})::UINTEGER`,
  uint64: often("hash(i)"),
  money: `(${often("hash(i) % 100000 / 100.0")})::DECIMAL(9, 2)`,
  much_money: `(${often("hash(i) % 1000000007 / 8.0")})::DECIMAL(30, 4)`,
  flag: often("i % 3 = 0"),
  day: often("DATE '1969-06-01' + (hash(i) % 400)::INTEGER"),
  time: often("TIMESTAMP '1969-12-31 12:00:00' + INTERVAL (i) SECOND"),
  time_ns: often("make_timestamp_ns((hash(i) % 2000000000)::BIGINT - 1000000000)"),
  level: often("'level-' || (hash(i) % 20)"),
  long_level: often("repeat('a long text, ', 1 + (hash(i) % 20)::INTEGER)"),
  city: often("['Zürich', '東京', '', '🙂', 'x'][1 + (hash(i) % 5)::INTEGER]"),
  some: often("'some-' || (hash(i) % 5000)"),
  unique_text: often("md5(i::VARCHAR)"),
  constant: "'one'",
  constant_number: "17",
  nothing: "NULL::VARCHAR",
  nothing_number: "NULL::DOUBLE",
  list: often("[i, i + 1]"),
  bytes: often("encode('b' || (i % 9))"),
};
const SQL = `SELECT ${Object.entries(EXPRESSIONS)
  .map(([name, value]) => `${value} AS ${name}`)
  .join(", ")} FROM range(${ROWS}) AS r(i)`;

/** Texts of which more are met than are kept have counts within an error, by the order of rows: told apart by `expectTexts`. */
const MANY_TEXTS = ["unique_text"];

function expectSame(actual: Profile, expected: Profile): void {
  expect(actual.rows).toBe(expected.rows);
  expect(Object.keys(actual.columns)).toEqual(Object.keys(expected.columns));
  for (const [name, right] of Object.entries(expected.columns)) {
    const mine = actual.columns[name]!;
    expect(exact(mine, name), name).toEqual(exact(right, name));
    for (const part of ["mean", "m2"] as const) {
      const [a, b] = [mine.moments?.[part] ?? 0, right.moments?.[part] ?? 0];
      expect(Math.abs(a - b), `${name}: ${part}`).toBeLessThanOrEqual(1e-11 * Math.abs(b));
    }
    if (MANY_TEXTS.includes(name)) expectTexts(mine.frequent!, right.frequent!);
  }
}

function exact({ moments, frequent, ...rest }: ColumnProfile, name: string): unknown {
  const counts = frequent && !MANY_TEXTS.includes(name) ? { ...frequent, counts: mostFrequent(frequent) } : undefined;
  return { ...rest, moments: moments && { count: moments.count, min: moments.min, max: moments.max }, counts };
}

function expectTexts(mine: FrequentTexts, right: FrequentTexts): void {
  expect(mine.total).toBe(right.total);
  expect(mine.error).toBeLessThanOrEqual(mine.total / (mine.capacity + 1));
}

/** Batch by batch: a copy of a dataset has no way of its own. */
const walked = async (dataset: Dataset, options?: ProfileDatasetOptions): Promise<Profile> =>
  await profileDataset({ ...dataset }, options);

for (const threads of [1, 4])
  test(`Parquet files give the profile of the same rows from Arrow, on ${threads} threads`, async () => {
    await using directory = await temporaryDirectory();
    await using duckdb = await openDuckDb({ threads });
    const path = join(directory.path, "rows.parquet");
    await duckdb.writeParquet(SQL, path);
    const stored = await duckdb.scan(path);
    const arrow = createDataset({
      schema: stored.schema,
      walk: async function* () {
        for await (const batch of stored.batches()) yield* fromIpc(toIpc([batch]));
      },
    });
    const expected = await profileDataset(arrow);
    expectSame(await duckdb.profile(stored), expected);
    // A query is walked once, and its columns are all visited, whatever DuckDB keeps them in.
    expectSame(await duckdb.profile(await duckdb.asDataset(`SELECT * FROM read_parquet('${path}')`)), expected);
    const columns = ["level", "normal"];
    const some = await duckdb.profile(stored, { columns });
    expectSame(some, {
      rows: ROWS,
      columns: Object.fromEntries(columns.map((name) => [name, expected.columns[name]!])),
    });
  });

test("files without rows, and parts of files, have a profile as well", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = (name: string): string => join(directory.path, `${name}.parquet`);
  for (const name of ["empty", "none"]) await duckdb.writeParquet(`SELECT * FROM (${SQL}) WHERE row < 0`, path(name));
  await duckdb.writeParquet(`SELECT * FROM (${SQL}) LIMIT 3000`, path("some"));
  const empty = await duckdb.scan([path("empty"), path("none")]);
  expectSame(await duckdb.profile(empty), await walked(empty));
  const all = await duckdb.scan([path("empty"), path("some"), path("none"), path("some")]);
  expectSame(await duckdb.profile(all), await walked(all));
  const slice = all.slice!(2000, 4000);
  expectSame(await duckdb.profile(slice), await walked(slice));
});

test("columns may have any name", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "a'b [1].parquet");
  const names = ["__proto__", "constructor", "value", "times", 'a"b', "a.b", " "];
  // Of few values, which DuckDB counts, and of many.
  const columns = names.flatMap((name, at) => [
    `(i % ${at + 2})::TINYINT AS ${identifier(name)}`,
    `i + ${at} AS ${identifier(`${name} `)}`,
  ]);
  const all = ["i AS __proto__", ...columns.slice(1)];
  for (const each of [columns, all]) {
    await duckdb.writeParquet(`SELECT ${each.join(", ")} FROM range(40000) AS r(i)`, path);
    const stored = await duckdb.scan([path]);
    expectSame(await duckdb.profile(stored), await walked(stored));
    expect(Object.values((await duckdb.profile(stored)).columns).map(({ count }) => count)).toEqual(
      each.map(() => 40_000),
    );
  }
});

test("a bound of ranks is kept, as the profile of rows keeps it", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "rows.parquet");
  await duckdb.writeParquet("SELECT hash(i) % 1000 AS few, hash(i) AS many FROM range(100000) AS r(i)", path);
  const stored = await duckdb.scan(path);
  const options = { rankError: 0.01, maxBuckets: 64 };
  expectSame(await duckdb.profile(stored, options), await walked(stored, options));
});

test("the profile of a file is the same to the bit on any number of threads, each time, and to whoever asks", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "rows.parquet");
  const found: unknown[] = [];
  for (const threads of [1, 4, 4]) {
    await using duckdb = await openDuckDb({ threads });
    if (found.length === 0) await duckdb.writeParquet(SQL, path, { rowGroupRows: 8192 });
    const stored = await duckdb.scan(path);
    found.push(profileToJson(await duckdb.profile(stored)), profileToJson(await profileDataset(stored)));
    // Ranks are drawn from the rows in their order, here in one walk, of a query.
    const query = await duckdb.asDataset(`SELECT row, normal, unique_text FROM read_parquet('${path}')`);
    const [ranked, again] = [
      await profileDataset(query, { rankError: 0.01 }),
      await walked(query, { rankError: 0.01 }),
    ];
    expectSame(ranked, again);
    found.push(profileToJson(ranked));
  }
  for (const at of [0, 1, 3, 4, 6, 7]) expect(found[at]).toEqual(found[0]);
  for (const at of [2, 5, 8]) expect(found[at]).toEqual(found[2]);
});

test("a million categories are counted as batches count them, and progress is told to the last row", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 2 });
  const path = join(directory.path, "rows.parquet");
  await duckdb.writeParquet(
    "SELECT CASE WHEN i % 4 = 0 THEN 'often' ELSE 'user-' || i END AS user, i % 7 AS few FROM range(1333333) AS r(i)",
    path,
  );
  const stored = await duckdb.scan(path);
  const told: number[] = [];
  const progress: ProfileDatasetOptions["progress"] = ({ rows, totalRows }) => {
    expect(totalRows).toBe(1_333_333);
    told.push(rows);
  };
  const [mine, right] = [await profileDataset(stored, { progress }), await walked(stored)];
  expect(told.at(-1)).toBe(1_333_333);
  expect(told.length).toBeGreaterThan(10);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect({ ...mine.columns["user"], frequent: 0 }).toEqual({ ...right.columns["user"], frequent: 0 });
  for (const { frequent } of [mine.columns["user"]!, right.columns["user"]!]) {
    expect(frequent!.total).toBe(1_333_333);
    expect(frequent!.error).toBeLessThanOrEqual(frequent!.total / (frequent!.capacity + 1));
    const [text, count] = mostFrequent(frequent!)[0]!;
    expect(text).toBe("often");
    expect(Math.abs(count - 333_334)).toBeLessThanOrEqual(frequent!.error);
  }
  expectSame(
    { ...mine, columns: { few: mine.columns["few"]! } },
    { ...right, columns: { few: right.columns["few"]! } },
  );
  const enough = new Error("enough");
  const stop = (): void => {
    throw enough;
  };
  await expect(profileDataset(stored, { progress: stop })).rejects.toBe(enough);
});

test("a copy that gives other batches has their profile, and that of no column has the rows", async () => {
  await using duckdb = await openDuckDb();
  const all = await duckdb.asDataset("SELECT 1 AS x, 2 AS y UNION ALL SELECT 3, 4");
  const one = await duckdb.asDataset("SELECT 7 AS x, 8 AS y");
  const copy: Dataset = { ...all, batches: one.batches };
  expect((await profileDataset(copy)).rows).toBe(1);
  expect((await duckdb.profile(copy)).rows).toBe(1);
  expect(await profileDataset(all, { columns: [] })).toEqual({ rows: 2, columns: {} });
  await expect(profileDataset(all, { columns: ["z"] })).rejects.toMatchObject({ code: "DATA_COLUMN_MISSING" });
});

test("rows that DuckDB does not read are walked", async () => {
  await using duckdb = await openDuckDb();
  const rows = datasetOf([batchOf({ a: [1, 2, 2], b: ["x", null, "y"] })]);
  expectSame(await duckdb.profile(rows), await profileDataset(rows));
  expect(Object.keys((await duckdb.profile(rows, { columns: ["b"] })).columns)).toEqual(["b"]);
});

describe("what cannot be profiled", () => {
  test("files of a reference that are others are told apart, by their rows or their types", async () => {
    await using directory = await temporaryDirectory();
    await using duckdb = await openDuckDb();
    const path = join(directory.path, "rows.parquet");
    const write = async (sql: string) => await duckdb.writeParquet(sql, path);
    await write("SELECT i::DOUBLE AS x, 'a' AS t FROM range(50000) AS r(i)");
    const ref = await (await duckdb.scan(path)).ref();
    await write("SELECT i::DOUBLE AS x, 'a' AS t FROM range(40000) AS r(i)");
    await expect(duckdb.profile(duckdb.openRef(ref))).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
    await write("SELECT i::TINYINT AS x, 'a' AS t FROM range(100) AS r(i)");
    await expect(duckdb.profile(duckdb.openRef(ref))).rejects.toMatchObject({ code: "DUCKDB_SCHEMA_MISMATCH" });
  });

  test("a value without a layout is refused with its own error, and the instance goes on", async () => {
    await using duckdb = await openDuckDb();
    const large = await duckdb.asDataset("SELECT i::HUGEINT << 80 AS x FROM range(1, 9000) AS r(i)");
    await expect(duckdb.profile(large)).rejects.toMatchObject({ code: "DUCKDB_CONVERSION_FAILED" });
    const fails = await duckdb.asDataset(
      "SELECT CASE WHEN i > 7000 THEN error('here') ELSE i END AS x FROM range(9000) AS r(i)",
    );
    await expect(duckdb.profile(fails)).rejects.toMatchObject({ code: "DUCKDB_QUERY_FAILED" });
    expect((await duckdb.profile(await duckdb.asDataset("SELECT 1 AS x"))).rows).toBe(1);
  });

  test("no column, or one that is not there, is a mistake of the caller", async () => {
    await using duckdb = await openDuckDb();
    const one = await duckdb.asDataset("SELECT 1 AS x");
    await expect(duckdb.profile(one, { columns: [] })).rejects.toThrow(RangeError);
    await expect(duckdb.profile(datasetOf([batchOf({ x: [1] })]), { columns: [] })).rejects.toThrow(RangeError);
    await expect(duckdb.profile(one, { columns: ["y"] })).rejects.toThrow(/No column is named "y"/);
  });

  test("SQL of a caller's reaches no visitor", async () => {
    await using duckdb = await openDuckDb();
    await expect(duckdb.execute("SELECT millwright_visit(1, 2)")).rejects.toMatchObject({
      code: "DUCKDB_QUERY_FAILED",
    });
  });
});

test("aborting stops a profile, and closing lets none begin", async () => {
  const duckdb = await openDuckDb({ threads: 1 });
  const endless = await duckdb.asDataset("SELECT i FROM range(100000000000) AS r(i)");
  const reason = new Error("enough");
  const controller = new AbortController();
  const profile = duckdb.profile(endless, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  await expect(profile).rejects.toBe(reason);
  await expect(duckdb.profile(endless, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await duckdb[Symbol.asyncDispose]();
  await expect(duckdb.profile(endless)).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("closing ends a profile that runs", async () => {
  const duckdb = await openDuckDb({ threads: 1 });
  const endless = await duckdb.asDataset("SELECT i FROM range(100000000000) AS r(i)");
  const profile = duckdb.profile(endless);
  setTimeout(() => void duckdb[Symbol.asyncDispose](), 50);
  await expect(profile).rejects.toMatchObject({ code: "PORT_CLOSED" });
});
