import { createRandom, type Batch, type Column, type ColumnType } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { columnsOf } from "./rows.ts";

const random = createRandom(7);
const TEXTS = [
  "",
  "a",
  "exactly twelv",
  "twelve bytes",
  "long enough to live behind a pointer",
  "žluťoučký kůň 🐎 and more",
  ...[253, 254, 255, 256, 257, 1000].map((length) => "0123456789".repeat(100).slice(-length)),
];

const MAKERS: Readonly<Record<string, () => unknown>> = {
  int8: () => random.integer(256) - 128,
  int16: () => random.integer(65_536) - 32_768,
  int32: () => random.integer(2 ** 32) - 2 ** 31,
  int64: () => BigInt(random.integer(2 ** 32)) * 2_000_000_011n - 2n ** 62n,
  uint8: () => random.integer(256),
  uint16: () => random.integer(65_536),
  uint32: () => random.integer(2 ** 32),
  uint64: () => BigInt(random.integer(2 ** 32)) * 4_000_000_007n,
  float32: () => Math.fround(random.normal()),
  float64: () => [random.normal(), NaN, -0, Infinity, 5e-324][random.integer(5)],
  date: () => random.integer(40_000) - 20_000,
  timestamp: () => BigInt(random.integer(2 ** 32)) * 1_000_003n - 10n ** 15n,
  bool: () => random.integer(2) === 1,
  utf8: () => TEXTS[random.integer(TEXTS.length)],
  dictionary: () => TEXTS[random.integer(TEXTS.length)],
  binary: () => Uint8Array.from({ length: random.integer(40) }, () => random.integer(256)),
};

function values(type: string, rows: number, nullShare: number): unknown[] {
  const make = MAKERS[type]!;
  return Array.from({ length: rows }, () => (random.next() < nullShare ? null : make()));
}

const typed = column as (type: ColumnType, values: readonly unknown[]) => Column;

for (const type of Object.keys(MAKERS)) {
  test(`${type} goes in and comes out unchanged, with and without nulls, whatever the cut`, async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    for (const [rows, nullShare] of [
      [1, 0],
      [2047, 0.5],
      [2049, 0],
      [5000, 0.01],
      [5001, 1],
    ] as const) {
      const expected = values(type, rows, nullShare);
      const whole = typed(type as ColumnType, expected);
      const batches = async function* (): AsyncGenerator<Batch> {
        // Batches of odd sizes: no bitmap of one starts where the last one ended.
        for (let start = 0; start < rows; start += 1237) {
          yield {
            length: Math.min(1237, rows - start),
            columns: { v: typed(type as ColumnType, expected.slice(start, start + 1237)) },
          };
        }
      };
      await using table = await duckdb.register("t", batches());
      expect(table.rows).toBe(rows);
      for (const batchRows of [1000, 65_536]) {
        const found = await columnsOf(duckdb.query(`SELECT v FROM ${table.sql}`, { batchRows }));
        expect(found["v"]).toEqual(toArray(whole));
      }
      // A filter leaves chunks that are only partly full, so that every later bitmap is shifted.
      const filtered = await columnsOf(
        duckdb.query(
          `SELECT v FROM (SELECT v, row_number() OVER () AS n FROM ${table.sql}) WHERE n % 3 <> 0 ORDER BY n`,
        ),
      );
      expect(filtered["v"] ?? []).toEqual(toArray(whole).filter((_, index) => (index + 1) % 3 !== 0));
    }
  });
}

test("a sliced batch of rows is written from where it starts, bit and byte", async () => {
  await using duckdb = await openDuckDb();
  const list: Column = {
    type: "list",
    length: 3,
    values: column("float64", [1, 2, null, 4]),
    offsets: Int32Array.from([0, 2, 2, 4]),
    validity: Uint8Array.from([0b101]),
  };
  const batch: Batch = { length: 3, columns: { xs: list } };
  await using table = await duckdb.register("lists", batch);
  const found = await columnsOf(duckdb.query(`SELECT xs FROM ${table.sql}`));
  expect(found["xs"]).toEqual([[1, 2], null, [null, 4]]);
});

test("lists of texts, bools and times go in and come out, long and short, empty and null, in many rows", async () => {
  await using duckdb = await openDuckDb();
  const random = createRandom(3);
  const lists = <Value>(make: () => Value): (Value[] | null)[] =>
    Array.from({ length: 5_000 }, () =>
      random.integer(9) === 0 ? null : Array.from({ length: random.integer(6) }, make),
    );
  const given = {
    texts: lists(() => ["", "é", "twelve bytes", "a text that is longer than twelve bytes", "😀"][random.integer(5)]!),
    bools: lists(() => random.integer(2) === 1),
    times: lists(() => BigInt(random.integer(2 ** 31)) * 1000n),
  };
  const batch: Batch = {
    length: 5_000,
    columns: {
      texts: column("list", given.texts, { items: "utf8" }),
      bools: column("list", given.bools, { items: "bool" }),
      times: column("list", given.times, { items: "timestamp" }),
    },
  };
  await using table = await duckdb.register("lists", batch);
  expect(await columnsOf(duckdb.query(`SELECT * FROM ${table.sql}`))).toEqual(given);
});

test("DuckDB's other types come out as the nearest column type", async () => {
  await using duckdb = await openDuckDb();
  const dataset = await duckdb.asDataset(`
    SELECT TIMESTAMP_S '1969-12-31 23:59:59' AS s, TIMESTAMP_MS '2001-02-03 04:05:06.789' AS ms,
           TIMESTAMP_NS '1969-12-31 23:59:59.999999999' AS ns, TIMESTAMPTZ '2001-02-03 04:05:06+02' AS tz,
           CAST(-12.34 AS DECIMAL(4, 2)) AS d2, CAST(-12345.678 AS DECIMAL(9, 3)) AS d4,
           CAST(-123456789012.5 AS DECIMAL(18, 1)) AS d8, CAST(-12345678901234567890.5 AS DECIMAL(30, 1)) AS d16,
           CAST(-7 AS HUGEINT) AS h, CAST('b' AS ENUM ('a', 'b')) AS e, [1, NULL, 3] AS l,
           CAST([1.5, 2.5] AS DOUBLE[2]) AS a, NULL AS n, DATE '1970-01-03' AS d`);
  expect(
    dataset.schema.map((field) => `${field.name}:${field.type}${field.items === undefined ? "" : ` ${field.items}`}`),
  ).toEqual([
    "s:timestamp",
    "ms:timestamp",
    "ns:timestamp",
    "tz:timestamp",
    "d2:float64",
    "d4:float64",
    "d8:float64",
    "d16:float64",
    "h:int64",
    "e:dictionary",
    "l:list int32",
    "a:list float64",
    "n:int32",
    "d:date",
  ]);
  const row = await columnsOf(dataset.batches());
  expect(row).toEqual({
    s: [-1_000_000n],
    ms: [981_173_106_789_000n],
    ns: [-1n],
    tz: [981_165_906_000_000n],
    d2: [-12.34],
    d4: [-12_345.678],
    d8: [-123_456_789_012.5],
    d16: [-12_345_678_901_234_567_890.5],
    h: [-7n],
    e: ["b"],
    l: [[1, null, 3]],
    a: [[1.5, 2.5]],
    n: [null],
    d: [2],
  });
});

test("a type without a column layout is refused by name, and a HUGEINT too large is not cut", async () => {
  await using duckdb = await openDuckDb();
  await expect(duckdb.asDataset("SELECT {'a': 1} AS s")).rejects.toMatchObject({
    code: "DUCKDB_TYPE_UNSUPPORTED",
    message: expect.stringContaining('CAST("s" AS VARCHAR)'),
  });
  await expect(columnsOf(duckdb.query("SELECT [['a']] AS texts"))).rejects.toMatchObject({
    code: "DUCKDB_TYPE_UNSUPPORTED",
  });
  await expect(columnsOf(duckdb.query("SELECT CAST(9223372036854775808 AS HUGEINT) AS h"))).rejects.toMatchObject({
    code: "DUCKDB_CONVERSION_FAILED",
  });
});

test("a batch that does not fit the schema is refused, and leaves no table behind", async () => {
  await using duckdb = await openDuckDb();
  const batches = async function* (): AsyncGenerator<Batch> {
    yield batchOf({ a: column("int32", [1]) });
    yield batchOf({ a: column("utf8", ["x"]) });
  };
  await expect(duckdb.register("t", batches())).rejects.toMatchObject({ code: "DUCKDB_SCHEMA_MISMATCH" });
  await expect(duckdb.execute("SELECT * FROM t")).rejects.toMatchObject({ code: "DUCKDB_SQL_INVALID" });
});
