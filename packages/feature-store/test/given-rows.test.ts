import { batchOf, column, collect, datasetOf, toRows } from "@millwright/data";
import { expect, expectTypeOf, test } from "vitest";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  type FeatureStore,
  openFeatureStore,
  type RowFor,
  type SourceRow,
  sum,
} from "../src/index.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { createManualClock } from "@millwright/contracts";
import { temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const at = (hour: number): Date => new Date(hour * HOUR);

const card = defineEntity({ name: "card", keys: { card: "utf8", country: "int32" } });
const spending = defineFeatureView({
  name: "spending",
  entity: card,
  eventTime: "at",
  createdTime: "seen",
  inputs: { amount: "float64" },
  aggregates: { count_1d: count(days(1)), sum_1d: sum("amount", days(1)) },
});
const ratio = defineOnDemandFeatures({
  name: "ratio",
  inputs: { wanted: "float64" },
  stored: { spending__sum_1d: "float64" },
  features: { ratio: "float64" },
  compute: ({ wanted, spending__sum_1d: spent }) => ({
    ratio: wanted === null || spent === null ? null : wanted / spent,
  }),
});
const service = defineFeatureService({ name: "fraud", views: [spending], onDemand: [ratio] });
const rows = [
  { card: "a", country: 1, at: at(1), seen: at(1), amount: 10 },
  { card: "a", country: 1, at: at(2), seen: null, amount: 30 },
  { card: "a", country: 2, at: at(2), seen: undefined, amount: 5 },
];

async function openStore(folder: string): Promise<FeatureStore> {
  const clock = createManualClock(10 * HOUR);
  return await openFeatureStore({ history: folder, services: [service], online: openMemoryOnlineStore(), clock });
}

test("plain rows, batches and datasets are ingested alike, labels and reads may be plain rows, and a view defined twice is one", async () => {
  await using folder = await temporaryDirectory();
  await using plain = await openStore(`${folder.path}/plain`);
  await using columns = await openStore(`${folder.path}/columns`);
  const batch = batchOf({
    card: ["a", "a", "a"],
    country: column("int32", [1, 1, 2]),
    at: column("timestamp", [at(1), at(2), at(2)]),
    seen: column("timestamp", [at(1), null, null]),
    amount: column("float64", [10, 30, 5]),
  });
  const first = await plain.ingest(spending, rows);
  expect(first).toMatchObject({ rows: 3, added: true });
  expect(await columns.ingest("spending", batch)).toEqual(first);
  expect(await columns.ingest("spending", datasetOf([batch]))).toEqual({ ...first, added: false });
  expect(await plain.ingest({ ...spending }, rows)).toMatchObject({ added: false });

  const labels = [
    { card: "a", country: 1, when: at(3), wanted: 80, fraud: true },
    { card: "a", country: 2, when: at(2), wanted: null },
  ];
  const set = await plain.history(service, { labels, labelTime: "when" });
  expect(toRows(await collect(set))).toEqual([
    {
      card: "a",
      country: 1,
      when: BigInt(3 * HOUR) * 1000n,
      wanted: 80,
      fraud: true,
      spending__count_1d: 2,
      spending__sum_1d: 40,
      ratio: 2,
    },
    {
      card: "a",
      country: 2,
      when: BigInt(2 * HOUR) * 1000n,
      wanted: null,
      fraud: null,
      spending__count_1d: null,
      spending__sum_1d: null,
      ratio: null,
    },
  ]);

  await plain.materialize(spending);
  const asked = {
    entities: [
      { card: "a", country: 1 },
      { card: "a", country: 2 },
    ],
    request: [{ wanted: 80 }, { wanted: 1 }],
  };
  const early = plain.read(service, { ...asked, timeMs: 3 * HOUR });
  await expect(early).rejects.toThrow(
    "(1970-01-01T03:00:00.000Z), and its rows are kept for times from 32400000 (1970",
  );
  const { features } = await plain.read(service, asked);
  expect(toRows(features)).toEqual([
    { spending__count_1d: 2, spending__sum_1d: 40, ratio: 2 },
    { spending__count_1d: 1, spending__sum_1d: 5, ratio: 0.2 },
  ]);
  expect(toRows(features, ["ratio"])).toEqual([{ ratio: 2 }, { ratio: 0.2 }]);
});

test("what is no rows is refused with what to do instead, and so is a key or an input that is missing", async () => {
  await using folder = await temporaryDirectory();
  await using store = await openStore(folder.path);
  const ingest = (given: unknown) => store.ingest("spending", given as never);
  await expect(ingest("rows.csv")).rejects.toThrow("Open a file with `scan`");
  await expect(ingest(Promise.resolve(rows))).rejects.toThrow("Await it first");
  await expect(ingest(rows[0])).rejects.toThrow("Put a single row in a list");
  await expect(ingest([1])).rejects.toThrow("a list with a number in it");
  const each = (async function* () {
    yield* rows;
  })();
  await expect(ingest(each)).rejects.toThrow("hand single records to `consume`");
  await expect(store.backfill(spending, rows as never)).rejects.toThrow("takes a Dataset");
  await expect(store.history(service, { labelTime: "at" } as never)).rejects.toThrow("The labels are undefined");
  await expect(store.history(service, { labels: [{ card: "a", country: 1 }], labelTime: "at" })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  await expect(store.history(service, { labels: [], labelTime: "at", asKnown: "creatd" as never })).rejects.toThrow(
    '"available" or "created"',
  );
  await expect(store.read("fraud", { card: "a" } as never)).rejects.toThrow("A read names entities");
  await expect(store.read("fraud", { entities: [{ card: "a" }], request: [{ wanted: 1 }] })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
    message: expect.stringContaining('"country"'),
  });
  await expect(
    store.read("fraud", { entities: [{ card: "a", country: 1 }], request: [{ wanted: 1 }, { wanted: 2 }] }),
  ).rejects.toThrow("There are 1 entities and 2 rows of request inputs");
  await expect(store.read(undefined as never, { entities: [] })).rejects.toThrow("Give a feature service");
  await expect(store.materialize(undefined as never)).rejects.toThrow("Give a feature view");
  const other = defineFeatureView({ name: "spending", entity: card, eventTime: "at", features: { plan: "utf8" } });
  await expect(store.push(other, [])).rejects.toMatchObject({
    code: "FEATURE_STORE_VIEW_UNKNOWN",
    message: expect.stringContaining("is defined otherwise"),
  });
  await expect(store.get(spending, { card: "a", country: 1 }, { features: ["plan"] })).rejects.toThrow(RangeError);
});

test("a time that is a bare number or text is refused with the ways to write it", async () => {
  await using folder = await temporaryDirectory();
  await using store = await openStore(folder.path);
  const push = (when: unknown) => store.push("spending", [{ ...rows[0], at: when as Date }]);
  await expect(push(1_700_000_000)).rejects.toThrow("a bare number does not tell its unit");
  await expect(push("2024-01-01")).rejects.toThrow("new Date(");
  await expect(push(new Date("never"))).rejects.toThrow("It is an invalid Date");
});

test("the compiler knows the rows of a view", () => {
  type Row = RowFor<typeof spending>;
  expectTypeOf<Row["card"]>().toEqualTypeOf<string>();
  expectTypeOf<Row["at"]>().toEqualTypeOf<Date | bigint>();
  expectTypeOf<Row["amount"]>().toEqualTypeOf<number | null | undefined>();
  expectTypeOf<RowFor<"spending">>().toEqualTypeOf<SourceRow>();
  const wide: Record<string, "utf8"> = { plan: "utf8" };
  const loose = defineFeatureView({ name: "loose", entity: card, eventTime: "at", features: wide });
  expectTypeOf<RowFor<typeof loose>>().toEqualTypeOf<SourceRow>();
  const calls = (store: FeatureStore) => [
    store.push(spending, [{ card: "a", country: 1, at: 1n, seen: null, amount: 1 }]),
    // @ts-expect-error A column that the view has not.
    store.push(spending, [{ card: "a", country: 1, at: 1n, seen: null, amount: 1, amuont: 1 }]),
    // @ts-expect-error A key is null.
    store.put(spending, [{ card: null, country: 1, at: 1n, seen: null, amount: 1 }]),
    // @ts-expect-error Milliseconds in place of a Date.
    store.ingest(spending, [{ card: "a", country: 1, at: Date.now(), seen: null, amount: 1 }]),
    // @ts-expect-error No event time.
    store.push(spending, [{ card: "a", country: 1, seen: null, amount: 1 }]),
  ];
  expect(calls).toBeTypeOf("function");
});
