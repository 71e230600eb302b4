import { type ColumnType, createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column, type ValueInput } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type FeatureType,
  openFeatureStore,
} from "../src/index.ts";
import { withSection, withSectionsOf } from "../src/keyed/entity-blob.ts";
import { encodeProgress, NO_PROGRESS } from "../src/keyed/entity-progress.ts";
import { plainEntries } from "../src/keyed/plain-entries.ts";
import { encodeSection, NO_ROWS } from "../src/keyed/row-section.ts";
import { onlineRows } from "../src/online/online-rows.ts";
import { layoutOf, markOf } from "../src/online/row-layout.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const NOW = 2_000 * HOUR;
const random = createRandom(41);
const TEXTS = ["", "a", "späť", "🐎 and more than a few bytes of it"];
const MAKERS: Readonly<Record<FeatureType, () => ValueInput>> = {
  int8: () => random.integer(256) - 128,
  int16: () => random.integer(65_536) - 32_768,
  int32: () => random.integer(2 ** 32) - 2 ** 31,
  int64: () => BigInt(random.integer(2 ** 32)) * 2_000_000_011n - 2n ** 62n,
  uint8: () => random.integer(256),
  uint16: () => random.integer(65_536),
  uint32: () => random.integer(2 ** 32),
  uint64: () => BigInt(random.integer(2 ** 32)) * 4_000_000_007n,
  float32: () => [Math.fround(random.normal()), Number.NaN, -0, Infinity][random.integer(4)]!,
  float64: () => [random.normal(), Number.NaN, -0, -Infinity][random.integer(4)]!,
  date: () => random.integer(40_000) - 20_000,
  timestamp: () => BigInt(random.integer(2 ** 32)) * 1_000_003n - 10n ** 15n,
  bool: () => random.integer(2) === 1,
  utf8: () => TEXTS[random.integer(TEXTS.length)]!,
};
const columnOfType = column as (type: ColumnType, values: readonly ValueInput[]) => ReturnType<typeof column>;

test("entries made from columns are, byte for byte, those made row by row: of every type, with nulls and without", () => {
  const entity = defineEntity({ name: "user", keys: { user: "utf8" } });
  // Twice, so that texts stand between other columns, and masks are of more than one byte.
  const features = Object.fromEntries(
    [0, 1].flatMap((again) => Object.keys(MAKERS).map((type) => [`${type}_${again}`, type as FeatureType])),
  );
  const view = defineFeatureView({ name: "wide", entity, eventTime: "at", createdTime: "made", features });
  const layout = layoutOf(view);
  const said = { floorUs: -12.5, generation: 77 };
  const mark = markOf("progress");
  const progresses = [
    undefined,
    { mark, bytes: encodeProgress({ ...NO_PROGRESS, seenBatches: [[0, 41]], loadedUs: 12 })! },
  ];
  for (const nullShare of [0, 0.3, 1]) {
    const rows = 1_300;
    const some = (make: () => ValueInput): ValueInput[] =>
      Array.from({ length: rows }, () => (random.next() < nullShare ? null : make()));
    const batch = batchOf({
      user: column(
        "utf8",
        Array.from({ length: rows }, (_, index) => `user ${index}`),
      ),
      ...Object.fromEntries(
        Object.entries(features).map(([name, type]) => [name, columnOfType(type, some(MAKERS[type]))]),
      ),
    });
    const columns = {
      time: columnOfType("timestamp", Array.from({ length: rows }, MAKERS.timestamp)),
      created: columnOfType("timestamp", some(MAKERS.timestamp)),
      expires: columnOfType("timestamp", some(MAKERS.timestamp)),
      deleted: columnOfType("bool", some(MAKERS.bool)),
    };
    const sections = onlineRows(view, batch, columns).map((row) =>
      encodeSection(layout, { ...NO_ROWS, ...said, rows: [row] }),
    );
    const elsewhere = withSection(undefined, markOf("other"), new Uint8Array([1, 2, 3]))!;
    const before = withSection(withSection(undefined, layout.mark, sections[0]!)!, markOf("other"), new Uint8Array(9))!;
    for (const progress of progresses) {
      const withBoth = (current: Uint8Array | undefined, section: Uint8Array | null): Uint8Array => {
        const bytes = withSection(current, layout.mark, section)!;
        return progress === undefined ? bytes : withSection(bytes, progress.mark, progress.bytes)!;
      };
      const entries = plainEntries(layout, batch, columns, { ...said, progress });
      expect(entries).toHaveLength(rows);
      for (const [index, entry] of entries.entries()) {
        expect(Buffer.from(entry).equals(withBoth(undefined, sections[index]!))).toBe(true);
        for (const current of [elsewhere, before]) {
          const whole = withSectionsOf(current, entry);
          expect(Buffer.from(whole).equals(withBoth(current, sections[index]!))).toBe(true);
        }
      }
    }
  }
});

const thing = defineEntity({ name: "thing", keys: { kind: "utf8", id: "int32" } });
const newest = defineFeatureView({
  name: "newest",
  entity: thing,
  eventTime: "at",
  features: { value: "float64", label: "utf8" },
});
const other = defineFeatureView({ name: "other", entity: thing, eventTime: "at", features: { value: "float64" } });
const services = [defineFeatureService({ name: "all", views: [newest, other] })];
const THINGS = 6_000;

async function answers(store: FeatureStore, timeMs: number): Promise<Record<string, unknown[]>> {
  const ids = Array.from({ length: THINGS + 10 }, (_, id) => id);
  const entities = batchOf({
    kind: column(
      "utf8",
      ids.map((id) => `kind ${id % 3}`),
    ),
    id: column("int32", ids),
  });
  return columnsOf((await store.read("all", { entities, timeMs })).features);
}

const rowsSql = (rows: number, salt: number, reachMs: number): string =>
  `SELECT 'kind ' || (id % 3) AS kind, id, make_timestamp(CAST(${NOW * 1000} - 1 - hash(i, ${salt}) % ${reachMs * 1000} AS BIGINT)) AS at,
    CAST(hash(i, ${salt}, 1) % 1000 AS DOUBLE) AS value, 'label ' || (i % 7) AS label
    FROM (SELECT i, CAST(hash(i, ${salt}, 2) % ${THINGS} AS INTEGER) AS id FROM range(${rows}) AS r(i))`;

test("FS-24: many entities, of which some have several rows that reads may still ask for, are loaded by column as they are by row", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const parts = { history: directory.path, services, duckdb, clock: createManualClock(NOW) };
  await using resident = openMemoryOnlineStore();
  await using keyed = openMemoryKeyedOnlineStore();
  await using byRow = await openFeatureStore({ ...parts, online: resident });
  await using byColumn = await openFeatureStore({ ...parts, online: keyed });
  const both = [byRow, byColumn];
  const same = async (): Promise<void> => {
    for (const ago of [0, 1, 20, 59]) {
      const timeMs = NOW - ago * 60_000;
      expect(await answers(byColumn, timeMs)).toEqual(await answers(byRow, timeMs));
    }
  };
  // Two thirds of the rows are of the last hour: pieces of 8,192 rows end among the rows of an entity.
  await byRow.ingest(newest, await duckdb.asDataset(rowsSql(20_000, 1, HOUR)));
  await byRow.ingest(newest, await duckdb.asDataset(rowsSql(10_000, 2, 900 * HOUR)));
  await byRow.ingest(other, await duckdb.asDataset(rowsSql(9_000, 3, 900 * HOUR)));
  for (const store of both) {
    for (const view of [newest, other]) await store.materialize(view, { upToMs: NOW });
  }
  await same();
  const present = (await answers(byColumn, NOW))["newest__value"]!.filter((value) => value !== null);
  expect(present.length).toBeGreaterThan(5_500);
  // What was pushed later stays, over rows that are loaded anew, and entities that the history lacks lose what they had before.
  const pushed = [
    { kind: "kind 1", id: 1, at: new Date(NOW - 1), value: -1, label: "late" },
    { kind: "kind 2", id: 2, at: new Date(NOW - 2 * HOUR), value: -2, label: "early" },
    { kind: "kind 0", id: THINGS + 5, at: new Date(NOW - 3 * HOUR), value: -3, label: "unknown" },
  ];
  await byRow.ingest(newest, await duckdb.asDataset(rowsSql(3_000, 4, 40 * HOUR)));
  for (const store of both) {
    await store.push(newest, pushed);
    const { keptRows, rows } = await store.materialize(newest, { upToMs: NOW - 1 });
    expect(keptRows).toBeGreaterThan(0);
    expect(rows).toBeGreaterThan(10_000);
  }
  await same();
  const after = await answers(byColumn, NOW);
  expect(after["newest__value"]![1]).toBe(-1);
  expect(after["newest__value"]![THINGS + 5]).toBeNull();
}, 600_000);

test("FS-24: batches are caught up with by column as by row, new entities and known ones, with several rows and one, beside other views", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const parts = { history: directory.path, services, duckdb, clock: createManualClock(NOW) };
  await using resident = openMemoryOnlineStore();
  await using keyed = openMemoryKeyedOnlineStore();
  await using byRow = await openFeatureStore({ ...parts, online: resident });
  await using byColumn = await openFeatureStore({ ...parts, online: keyed });
  for (const [salt, rows, hours] of [
    [1, 5_000, 900],
    [2, 9_000, 1],
    [3, 400, 30],
  ] as const) {
    for (const view of [newest, other]) {
      await byRow.ingest(view, await duckdb.asDataset(rowsSql(rows, salt, hours * HOUR)));
      const [one, two] = [await byRow.materialize(view), await byColumn.materialize(view)];
      expect([two.rows, two.batches]).toEqual([one.rows, 1]);
      expect(two.rows).toBeGreaterThan(rows / 4);
    }
    for (const ago of [0, 1, 30]) {
      const timeMs = NOW - ago * 60_000;
      expect(await answers(byColumn, timeMs)).toEqual(await answers(byRow, timeMs));
    }
  }
}, 600_000);
