import { readFile } from "node:fs/promises";
import { createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type FeatureView,
  type KeyedOnlineStore,
  mean,
  openFeatureStore,
} from "../src/index.ts";
import { createKeyedView } from "../src/keyed/keyed-view.ts";
import type { OnlineRow } from "../src/online/online-store.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const everyType = {
  a: "int8",
  b: "int16",
  c: "int32",
  d: "int64",
  e: "uint8",
  f: "uint16",
  g: "uint32",
  h: "uint64",
  i: "float32",
  j: "float64",
  k: "date",
  l: "timestamp",
  m: "bool",
  n: "utf8",
} as const;
const wide = defineFeatureView({ name: "wide", entity: user, eventTime: "at", features: everyType });
const row: OnlineRow = {
  key: "ann",
  timeUs: 1_700_000_000_000_001,
  createdUs: -7,
  inputs: [],
  values: [
    -128,
    32_767,
    -(2 ** 31),
    -(2n ** 63n),
    255,
    65_535,
    2 ** 32 - 1,
    2n ** 64n - 1n,
    Math.fround(0.1),
    -0,
    -719_528,
    2n ** 62n,
    true,
    'žluťoučký 🐎 \u0000 "',
  ],
  expiresUs: 1_800_000_000_000_000,
  isDeleted: true,
};

test("every value of a row comes back from its bytes as it was, to the bit, nulls too, and beside other views'", () => {
  const keyed = createKeyedView(wide, 1000);
  const other = createKeyedView(
    defineFeatureView({
      name: "clicks",
      entity: user,
      eventTime: "at",
      inputs: { ms: "float64" },
      features: { n: "utf8" },
      aggregates: { rows: count(1e6), mean: mean("ms", 1e6) },
    }),
    1000,
  );
  const rows = [row, { ...row, timeUs: row.timeUs + 1, createdUs: null, values: row.values.map(() => null) }];
  const nan = {
    ...row,
    timeUs: row.timeUs + 2,
    values: row.values.with(8, Number.NaN).with(9, Number.NEGATIVE_INFINITY),
  };
  const kept = keyed.adding(keyed.rowsOf("ann", undefined), [...rows, nan]);
  let bytes = keyed.withRows(undefined, kept)!;
  const click = { key: "ann", timeUs: 5, createdUs: null, inputs: [2 ** 53 - 1], values: ["x"] };
  const clicks = other.adding(other.rowsOf("ann", bytes), [click, { ...click, timeUs: 7, inputs: [null] }]);
  bytes = other.withRows(bytes, clicks)!;
  expect(keyed.rowsOf("ann", bytes).rows).toEqual([...rows, nan]);
  expect(Object.is(keyed.rowsOf("ann", bytes).rows[0]!.values[9], -0)).toBe(true);
  expect(other.rowsOf("ann", bytes)).toEqual(clicks);
  expect(clicks.rows).toHaveLength(2);
  const without = keyed.withRows(bytes, { ...kept, rows: [] })!;
  expect(keyed.rowsOf("ann", without).rows).toEqual([]);
  expect(other.rowsOf("ann", without)).toEqual(clicks);
  expect(other.withRows(without, { ...clicks, rows: [] })).toBeNull();
});

interface Opened extends AsyncDisposable {
  readonly store: FeatureStore;
}

async function openWith(online: KeyedOnlineStore, ...views: readonly FeatureView[]): Promise<Opened> {
  const directory = await temporaryDirectory();
  const store = await openFeatureStore({
    history: directory.path,
    services: [defineFeatureService({ name: "all", views })],
    online,
    clock: createManualClock(1000),
  });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const define = (features: Parameters<typeof defineFeatureView>[0]["features"]): FeatureView =>
  defineFeatureView({ name: "profile", entity: user, eventTime: "at", features });
const ann = batchOf({ user: column("utf8", ["ann"]) });

test("a feature added at the end reads as null of rows from before; features in another order, or fewer, are refused by name", async () => {
  await using online = openMemoryKeyedOnlineStore();
  {
    await using opened = await openWith(online, define({ plan: "utf8", score: "float64" }));
    await opened.store.push("profile", [{ user: "ann", at: new Date(1), plan: "free", score: 1.5 }]);
  }
  await using wider = await openWith(online, define({ plan: "utf8", score: "float64", visits: "int32" }));
  expect(columnsOf((await wider.store.read("all", { entities: ann })).features)).toEqual({
    profile__plan: ["free"],
    profile__score: [1.5],
    profile__visits: [null],
  });
  for (const features of [
    { score: "float64", plan: "utf8" },
    { plan: "utf8" },
    { plan: "utf8", score: "float32" },
  ] as const) {
    await using changed = await openWith(online, define(features));
    const refusal = { code: "FEATURE_STORE_DEFINITION_CHANGED", message: expect.stringContaining('"profile"') };
    await expect(changed.store.read("all", { entities: ann })).rejects.toMatchObject(refusal);
    const another = { user: "ann", at: new Date(2), plan: "paid", score: 2 };
    await expect(changed.store.push("profile", [another])).rejects.toMatchObject(refusal);
  }
  expect(columnsOf((await wider.store.read("all", { entities: ann })).features)["profile__plan"]).toEqual(["free"]);
});

test("entries of a newer format, and damaged ones, are told with their key, and are never read as something else", async () => {
  await using online = openMemoryKeyedOnlineStore();
  await using opened = await openWith(online, wide);
  const { store } = opened;
  const values = Object.fromEntries(Object.keys(everyType).map((name, index) => [name, row.values[index]!]));
  await store.push("wide", [{ user: "ann", at: new Date(1), ...values }]);
  const [whole] = await online.read("user", ["ann"]);
  const put = (bytes: Uint8Array): Promise<void> => online.update("user", ["ann"], () => bytes);
  await put(whole!.with(0, 2));
  await expect(store.read("all", { entities: ann })).rejects.toMatchObject({
    code: "FEATURE_STORE_FORMAT_TOO_NEW",
    message: expect.stringContaining('"ann" of "user"'),
  });
  for (let length = 1; length < whole!.length; length++) {
    await put(whole!.slice(0, length));
    const reading = store.read("all", { entities: ann });
    // Too short to name a section is too short to have one; any other cut is damage.
    await expect(reading, `cut at ${length}`).rejects.toMatchObject({ code: "FEATURE_STORE_ONLINE_CORRUPT" });
  }
  await put(whole!);
  expect((await store.read("all", { entities: ann })).views["wide"]!.status).toEqual(["present"]);
});

test("random rows read alike where they are resident and where they are keyed, at every time within the lateness", async () => {
  const random = createRandom(11);
  const keyed = createKeyedView(
    defineFeatureView({ ...wide, name: "r", features: { n: "int32" }, createdTime: "seen" }),
    50,
  );
  for (let round = 0; round < 200; round++) {
    const rows = Array.from({ length: 12 }, (_, index): OnlineRow => ({
      key: "ann",
      timeUs: Math.floor(random.next() * 200) * 1000,
      createdUs: random.next() < 0.3 ? null : Math.floor(random.next() * 3),
      inputs: [],
      values: [index],
      ...(random.next() < 0.2 ? { isDeleted: true as const } : {}),
    }));
    let bytes: Uint8Array | undefined;
    for (const each of rows) bytes = keyed.withRows(bytes, keyed.adding(keyed.rowsOf("ann", bytes), [each]))!;
    const kept = keyed.rowsOf("ann", bytes);
    const all = { ...kept, rows, floorUs: Number.NEGATIVE_INFINITY };
    const newestUs = Math.max(...rows.map(({ timeUs }) => timeUs));
    const none = keyed.aggregates.createResults();
    for (let timeUs = newestUs - 50_000; timeUs <= newestUs + 1000; timeUs += 1000) {
      expect(keyed.read("ann", kept, timeUs, none)).toEqual(keyed.read("ann", all, timeUs, none));
    }
    expect(kept.rows.filter(({ timeUs }) => timeUs < newestUs - 50_000).length).toBeLessThanOrEqual(1);
  }
});

test("an entity's bytes of format version 1 are read for ever", async () => {
  const golden = new URL("./golden/online-entity-1.bin", import.meta.url);
  const keyed = createKeyedView(wide, 1000);
  expect(keyed.rowsOf("ann", await readFile(golden))).toEqual({
    rows: [row],
    floorUs: Number.NEGATIVE_INFINITY,
    others: [],
    generation: 0,
  });
});
