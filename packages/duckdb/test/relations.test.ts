import { createRandom, type Batch, type Dataset, type Random } from "@millwright/contracts";
import { batchOf, collect, column, datasetOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import {
  openDuckDb,
  type Aggregate,
  type DuckDb,
  type JoinOptions,
  type SortKey,
  type WindowColumn,
} from "../src/index.ts";
import { naiveGroupBy, naiveJoin, naiveWindow, type Row } from "./naive-relations.ts";
import { columnsOf } from "./rows.ts";

/** A name that would end a string, a name and a statement. */
const hostile = `a"b'; DROP TABLE x; --`;

function tableOf(random: Random, rows: number, names: readonly [string, string, string, string]): Batch {
  const make = <Value>(value: () => Value): (Value | null)[] =>
    Array.from({ length: rows }, () => (random.next() < 0.2 ? null : value()));
  const numbers = [Number.NaN, 0, -0, 1, 2.5, -3, Infinity];
  const texts = ["x", "", "ö", "null", "'"];
  const [text, number, whole, id] = names;
  return batchOf({
    [text]: column(
      random.next() < 0.5 ? "utf8" : "dictionary",
      make(() => texts[random.integer(texts.length)]!),
    ),
    [number]: column(
      "float64",
      make(() => numbers[random.integer(numbers.length)]!),
    ),
    [whole]: column(
      "int32",
      make(() => random.integer(7) - 3),
    ),
    [id]: column(
      "int32",
      Array.from({ length: rows }, (_, row) => row),
    ),
  });
}

const rowsOf = (batch: Batch): readonly Row[] => {
  const columns = Object.entries(batch.columns).map(([name, each]) => [name, toArray(each)] as const);
  return Array.from({ length: batch.length }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[row]])),
  );
};

/** Rows as texts, in an order that hangs on nothing but themselves; sums of floats to nine digits. */
const canonical = (rows: readonly Row[]): readonly string[] =>
  rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => [
            name,
            typeof value === "number"
              ? `number ${Number(value.toPrecision(9)) + 0}`
              : typeof value === "bigint"
                ? `whole ${value}`
                : value,
          ]),
      ),
    )
    .toSorted();

/** The batch as a dataset from elsewhere, as a query of this instance, or as a query with parameters. */
async function given(duckdb: DuckDb, random: Random, batch: Batch): Promise<Dataset> {
  const choice = random.integer(3);
  if (choice === 0) return datasetOf([batch]);
  const table = await duckdb.register(`given_${random.integer(2 ** 31)}`, batch);
  const params = choice === 1 ? [] : [1];
  return duckdb.asDataset(`SELECT * FROM ${table.sql}${choice === 1 ? "" : " WHERE ? = 1"}`, { params });
}

const hows = ["inner", "left", "semi", "anti"] as const;

test(
  "DQ-14: joins of any kind, with nulls, NaN and names that are no names, give what loops over all pairs give",
  { timeout: 600_000 },
  async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    const random = createRandom(14);
    for (let round = 0; round < 80; round += 1) {
      const left = tableOf(random, random.integer(25), ["text", "number", hostile, "id"]);
      const right = tableOf(random, random.integer(25), ["text", hostile, "whole", "id"]);
      const choices: readonly JoinOptions["on"][] = [
        ["text"],
        [["number", hostile]],
        ["text", [hostile, "whole"]],
        [[hostile, "whole"]],
      ];
      const options: JoinOptions = {
        on: choices[round % choices.length]!,
        how: hows[random.integer(4)],
        nullsMatch: random.next() < 0.5,
        suffix: random.next() < 0.5 ? undefined : `_${hostile}`,
      };
      const joined = await duckdb.join(await given(duckdb, random, left), await given(duckdb, random, right), options);
      const expected = naiveJoin(rowsOf(left), rowsOf(right), Object.keys(right.columns), options);
      const found = await collect(joined);
      expect(canonical(rowsOf(found)), JSON.stringify(options)).toEqual(canonical(expected));
      expect(joined.schema.map(({ name }) => name)).toEqual(Object.keys(found.columns));
    }
  },
);

const aggregates: Readonly<Record<string, Aggregate>> = {
  rows: { kind: "rows" },
  count: { kind: "count", column: "number" },
  distinct: { kind: "countDistinct", column: "text" },
  sum: { kind: "sum", column: "whole" },
  mean: { kind: "mean", column: "whole" },
  least: { kind: "min", column: "whole" },
  [hostile]: { kind: "max", column: "id" },
  spread: { kind: "standardDeviation", column: "whole" },
};

test(
  "DQ-14: groups are what loops make of them, null and NaN among their keys, and come in the order of their keys",
  { timeout: 600_000 },
  async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    const random = createRandom(15);
    for (let round = 0; round < 40; round += 1) {
      const batch = tableOf(random, random.integer(60), ["text", "number", "whole", "id"]);
      const by = [["text"], ["number"], ["text", "whole"], []][round % 4]!;
      const grouped = await duckdb.groupBy(await given(duckdb, random, batch), { by, aggregates });
      const found = rowsOf(await collect(grouped));
      expect(canonical(found), by.join()).toEqual(canonical(naiveGroupBy(rowsOf(batch), by, aggregates)));
      if (by[0] === "text") {
        const texts = found.map((row) => row["text"] as string | null);
        expect(texts).toEqual(
          texts.toSorted((a, b) =>
            a === b ? 0 : a === null ? 1 : b === null ? -1 : Buffer.compare(Buffer.from(a), Buffer.from(b)),
          ),
        );
      }
    }
    const none = await duckdb.groupBy(datasetOf([tableOf(random, 0, ["text", "number", "whole", "id"])]), {
      by: [],
      aggregates,
    });
    expect(rowsOf(await collect(none))).toEqual([
      { rows: 0n, count: 0n, distinct: 0n, sum: null, mean: null, least: null, [hostile]: null, spread: null },
    ]);
  },
);

const windows: Readonly<Record<string, WindowColumn>> = {
  number_of_row: { kind: "rowNumber" },
  rank: { kind: "rank" },
  dense: { kind: "denseRank" },
  before: { kind: "lag", column: "whole" },
  later: { kind: "lead", column: "text", offset: 2 },
  running: { kind: "sum", column: "whole" },
  [hostile]: { kind: "mean", column: "whole", preceding: 2, following: 1 },
  ahead: { kind: "rows", preceding: 0, following: Infinity },
  top: { kind: "max", column: "whole", preceding: 3 },
};

test("DQ-14: windows are what loops over a partition give", { timeout: 600_000 }, async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  const random = createRandom(16);
  for (let round = 0; round < 40; round += 1) {
    const batch = tableOf(random, random.integer(60), ["text", "number", "whole", "id"]);
    const partitionBy = [["text"], ["number", "whole"], []][round % 3]!;
    const found = await duckdb.window(await given(duckdb, random, batch), {
      partitionBy,
      orderBy: ["id"],
      columns: windows,
    });
    const expected = naiveWindow(rowsOf(batch), partitionBy, "id", windows);
    expect(canonical(rowsOf(await collect(found)))).toEqual(canonical(expected));
  }
  // Ties share a rank, and the next one counts them all or as one.
  const ties = datasetOf([batchOf({ points: column("int32", [5, 9, 9, 1, null]) })]);
  const ranked = await duckdb.window(ties, {
    orderBy: [{ column: "points", descending: true }],
    columns: { rank: { kind: "rank" }, dense: { kind: "denseRank" } },
  });
  const ordered = await duckdb.groupBy(ranked, {
    by: ["points", "rank", "dense"],
    aggregates: { rows: { kind: "rows" } },
    orderBy: ["rank"],
  });
  expect(rowsOf(await collect(ordered))).toEqual([
    { points: 9, rank: 1n, dense: 1n, rows: 2n },
    { points: 5, rank: 3n, dense: 2n, rows: 1n },
    { points: 1, rank: 4n, dense: 3n, rows: 1n },
    { points: null, rank: 5n, dense: 4n, rows: 1n },
  ]);
});

test("DQ-14: a join is a dataset like any other: joined again, ordered, projected, digested, walked twice, and read when it is walked", async () => {
  await using duckdb = await openDuckDb();
  let walks = 0;
  const cities = batchOf({ city: ["Ulm", "Bonn", "Graz"], land: ["de", "de", "at"] });
  const counted: Dataset = {
    ...datasetOf([cities]),
    batches: (options) => ((walks += 1), datasetOf([cities]).batches(options)),
  };
  const trips = await duckdb.asDataset(
    "SELECT * FROM (VALUES ('Ulm', 3), ('Graz', 4), ('Ulm', 5), (NULL, 6)) AS t(city, km) WHERE km > $low",
    { params: { low: 2 } },
  );
  const lands = await duckdb.asDataset("SELECT ? AS land, ? AS name", { params: ["de", "Germany"] });
  const joined = await duckdb.join(trips, counted, { on: ["city"], how: "left" });
  const named = await duckdb.join(joined, lands, {
    on: ["land"],
    how: "left",
    orderBy: [{ column: "km", descending: true }],
  });
  expect(walks).toBe(0);
  for (let walk = 1; walk <= 2; walk += 1) {
    expect(await columnsOf(named.batches({ columns: ["name", "km"], batchRows: 3 }))).toEqual({
      name: [null, "Germany", null, "Germany"],
      km: [6, 5, 4, 3],
    });
    expect(walks).toBe(walk);
  }
  expect(await named.digest()).toBe(await named.digest());
  const byLand = await duckdb.groupBy(named, { by: ["land"], aggregates: { km: { kind: "sum", column: "km" } } });
  expect(rowsOf(await collect(byLand))).toEqual([
    { land: "at", km: 4n },
    { land: "de", km: 8n },
    { land: null, km: 6n },
  ]);
  // What was copied for a walk is gone after it, also where it was left early.
  for await (const _ of named.batches({ batchRows: 1 })) break;
  expect(await columnsOf(duckdb.query("SELECT count(*) AS tables FROM duckdb_tables()"))).toEqual({ tables: [0n] });
});

test("DQ-14: what names no column, or two columns alike, is refused before anything runs", async () => {
  await using duckdb = await openDuckDb();
  const table = datasetOf([batchOf({ id: [1], name: ["x"] })]);
  const other = datasetOf([batchOf({ id: [1], name: ["y"], name_right: ["z"] })]);
  const invalid = (message: string) => ({
    code: "DUCKDB_RELATION_INVALID",
    message: expect.stringContaining(message) as string,
  });
  const injected = `id"; DROP TABLE x; --`;
  const cases: readonly (readonly [() => Promise<unknown>, string])[] = [
    [() => duckdb.join(table, other, { on: [] }), "`on` names no column"],
    [() => duckdb.join(table, other, { on: [injected] }), "is no column"],
    [() => duckdb.join(table, other, { on: [["id", "none"]] }), 'on, right: "none"'],
    [() => duckdb.join(table, other, { on: ["id"] }), 'two columns would be named "name_right"'],
    [() => duckdb.join(table, other, { on: ["id"], how: "cross" as never }), '"cross" is unknown'],
    [() => duckdb.join(table, other, { on: ["id"], how: "semi", orderBy: ["name_right"] }), "orderBy:"],
    [() => duckdb.groupBy(table, { by: [], aggregates: {} }), "`by` names no column"],
    [
      () => duckdb.groupBy(table, { by: ["id"], aggregates: { ID: { kind: "rows" } } }),
      'two columns would be named "ID"',
    ],
    [
      () => duckdb.groupBy(table, { by: ["id"], aggregates: { a: { kind: injected as never, column: "id" } } }),
      "is unknown",
    ],
    [() => duckdb.groupBy(table, { by: ["id"], aggregates: { a: { kind: "sum", column: injected } } }), "sum:"],
    [() => duckdb.window(table, { orderBy: [], columns: { a: { kind: "rank" } } }), "`orderBy` names no column"],
    [() => duckdb.window(table, { orderBy: ["id"], columns: {} }), "`columns` names no column"],
    [
      () =>
        duckdb.window(table, {
          orderBy: [{ column: "id", nulls: injected as never }],
          columns: { a: { kind: "rank" } },
        }),
      "is unknown",
    ],
    [
      () =>
        duckdb.window(table, {
          orderBy: ["id"],
          columns: { a: { kind: "lag", column: "id", offset: "1) --" as never } },
        }),
      "`offset`",
    ],
    [() => duckdb.window(table, { orderBy: ["id"], columns: { a: { kind: "rows", preceding: -1 } } }), "`preceding`"],
  ];
  for (const [call, message] of cases) await expect(call(), message).rejects.toMatchObject(invalid(message));
  const reason = new Error("stopped");
  const signal = AbortSignal.abort(reason);
  await expect(duckdb.join(table, other, { on: ["id"], how: "anti", signal })).rejects.toBe(reason);
  const keys: readonly SortKey[] = ["id"];
  const joined = await duckdb.join(table, other, { on: ["id"], how: "semi", orderBy: keys });
  await expect(collect(joined, { signal })).rejects.toBe(reason);
});
