import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock, createRandom, type Batch } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, expectTypeOf, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  hours,
  mean,
  openFeatureStore,
  type FeatureService,
} from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const profile = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  createdTime: "seen",
  features: { plan: "utf8", credit: "int64" },
  ttlMs: 10 * HOUR,
});
const clicks = defineFeatureView({
  name: "clicks",
  entity: user,
  eventTime: "at",
  inputs: { ms: "float64" },
  aggregates: { clicks_3h: count(hours(3)), ms_mean_1d: mean("ms", days(1)) },
});
const calendar = defineOnDemandFeatures({
  name: "calendar",
  inputs: { at: "timestamp", amount: "float64" },
  features: { hour: "int32", sine: "float64", big: "bool" },
  compute: ({ at, amount }) => {
    const hour = at === null ? null : new Date(at).getUTCHours();
    return { hour, sine: at === null ? null : Math.sin(at / 1e7), big: amount === null ? null : amount > 10 };
  },
});
const service = defineFeatureService({ name: "score", views: [profile, clicks], onDemand: [calendar] });

const times = (hoursOf: readonly (number | null)[]) =>
  column(
    "timestamp",
    hoursOf.map((hour) => (hour === null ? null : new Date(hour * HOUR))),
  );
const users = (...names: (string | null)[]): Batch => batchOf({ user: column("utf8", names) });

test("a service names its features, keys and inputs, in types too", () => {
  expect(service.features).toEqual([
    { name: "profile__plan", type: "utf8" },
    { name: "profile__credit", type: "int64" },
    { name: "clicks__clicks_3h", type: "int32" },
    { name: "clicks__ms_mean_1d", type: "float64" },
    { name: "hour", type: "int32" },
    { name: "sine", type: "float64" },
    { name: "big", type: "bool" },
  ]);
  expect(service.entityKeys).toEqual([{ name: "user", type: "utf8" }]);
  expect(service.requestInputs).toEqual([
    { name: "at", type: "timestamp" },
    { name: "amount", type: "float64" },
  ]);
  expectTypeOf(service).toEqualTypeOf<
    FeatureService<
      "profile__plan" | "profile__credit" | "clicks__clicks_3h" | "clicks__ms_mean_1d" | "hour" | "sine" | "big"
    >
  >();
  // @ts-expect-error: an aggregate is of an input of the view
  expect(() =>
    defineFeatureView({
      name: "v",
      entity: user,
      eventTime: "at",
      inputs: { ms: "float64" },
      aggregates: { x: mean("other", 1) },
    }),
  ).toThrow("Declare it under `inputs`");
});

test("the digest of a service changes with anything that changes its features, and with nothing else", () => {
  const digests = new Set([
    service.digest,
    defineFeatureService({ name: "score", views: [profile, clicks] }).digest,
    defineFeatureService({ name: "score", views: [clicks, profile], onDemand: [calendar] }).digest,
    defineFeatureService({
      name: "score",
      views: [
        profile,
        defineFeatureView({
          name: "clicks",
          entity: user,
          eventTime: "at",
          inputs: { ms: "float64" },
          aggregates: { clicks_3h: count(hours(4)), ms_mean_1d: mean("ms", days(1)) },
        }),
      ],
      onDemand: [calendar],
    }).digest,
    defineFeatureService({
      name: "score",
      views: [profile, clicks],
      onDemand: [
        defineOnDemandFeatures({
          ...calendar,
          inputs: { at: "timestamp", amount: "float64" },
          features: { hour: "int32", sine: "float64", big: "bool" },
          compute: () => ({}),
        }),
      ],
    }).digest,
  ]);
  expect(digests.size).toBe(5);
  expect(defineFeatureService({ name: "renamed", views: [profile, clicks], onDemand: [calendar] }).digest).toBe(
    service.digest,
  );
});

test("online reads give status, age, the newest row, and what is computed from the request", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const clock = createManualClock(5 * HOUR);
  await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
  const rows = batchOf({
    user: column("utf8", ["ann", "ann", "ann", "bob", null]),
    at: times([4, 2, 4, 1, 3]),
    seen: times([5, 9, 4, null, 3]),
    plan: column("utf8", ["right", "older", "created before", "free", "nobody's"]),
    credit: column("int64", [2n ** 60n, 1n, 2n, null, 3n]),
  });
  expect(await store.push(profile, rows)).toEqual({ rows: 4, skippedRows: 1 });
  await store.push(
    "clicks",
    batchOf({ user: column("utf8", ["ann", "ann"]), at: times([4.5, 1]), ms: column("float64", [0.1, 0.2]) }),
  );
  const request = batchOf({ at: times([5, null, 7]), amount: column("float64", [12, 3, null]) });
  const { features, views } = await store.read("score", { entities: users("bob", "ann", "eve"), request });
  expect(columnsOf(features)).toEqual({
    profile__plan: ["free", "right", null],
    profile__credit: [null, 2n ** 60n, null],
    clicks__clicks_3h: [null, 1, null],
    clicks__ms_mean_1d: [null, 0.15, null],
    hour: [5, null, 7],
    sine: [Math.sin(1.8), null, Math.sin(2.52)],
    big: [true, false, null],
  });
  expect(views["profile"]).toEqual({
    status: ["present", "present", "missing"],
    ageMs: Float64Array.of(4 * HOUR, HOUR, NaN),
  });
  expect(views["clicks"]).toEqual({
    status: ["missing", "present", "missing"],
    ageMs: Float64Array.of(NaN, HOUR / 2, NaN),
  });
  // At ten hours a row of profile expires, to the millisecond.
  const statusAt = async (timeMs: number) =>
    (await store.read("score", { entities: users("ann"), request, timeMs })).views["profile"]!.status;
  await expect(statusAt(14 * HOUR - 1)).resolves.toEqual(["present"]);
  await expect(statusAt(14 * HOUR)).resolves.toEqual(["expired"]);
  await expect(statusAt(4 * HOUR)).resolves.toEqual(["present"]);
});

test("a window starts and ends where it says: from time − window on, and before time", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const only = defineFeatureService({ name: "only", views: [clicks] });
  await using store = await openFeatureStore({ history: directory.path, services: [only], online });
  await store.push(clicks, batchOf({ user: column("utf8", ["ann"]), at: times([10]), ms: column("float64", [1]) }));
  const countAt = async (timeMs: number) =>
    columnsOf((await store.read("only", { entities: users("ann"), timeMs })).features)["clicks__clicks_3h"];
  expect(await countAt(10 * HOUR)).toEqual([null]);
  expect(await countAt(10 * HOUR + 1)).toEqual([1]);
  expect(await countAt(13 * HOUR)).toEqual([1]);
  expect(await countAt(13 * HOUR + 1)).toEqual([0]);
});

test("the same function of the request gives the same features in training and in serving", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online });
  const random = createRandom(3);
  const at = Array.from({ length: 100 }, () => new Date(Math.floor(random.next() * 2e12)));
  const amount = Array.from({ length: 100 }, () => random.normal() * 20);
  const labels = batchOf({
    user: column(
      "utf8",
      at.map(() => "ann"),
    ),
    at: column("timestamp", at),
    amount: column("float64", amount),
  });
  const offline = await columnsOfDataset(
    await store.history("score", { labels: datasetOf([labels]), labelTime: "at" }),
  );
  const { features } = await store.read("score", {
    entities: users(...at.map(() => "ann")),
    request: batchOf({ at: column("timestamp", at), amount: column("float64", amount) }),
    timeMs: 0,
  });
  for (const name of calendar.featureNames) expect(columnsOf(features)[name]).toEqual(offline[name]);
});

test("a training set is a file: it can be referred to, and made again it has the same digest", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  await store.ingest(
    clicks,
    batches(batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float64", [3]) })),
  );
  const labels = batchOf({
    user: column("utf8", ["ann", "ann"]),
    at: times([2, 1]),
    amount: column("float64", [1, 2]),
  });
  const first = await store.history("score", { labels, labelTime: "at" });
  const ref = await first.ref();
  expect(await duckdb.openRef(ref).digest()).toBe(ref.digest);
  const second = await store.history("score", { labels, labelTime: "at" });
  expect(await second.ref()).toEqual(ref);
  const path = join(directory.path, "mine.parquet");
  expect((await (await store.history("score", { labels, labelTime: "at", path })).ref()).digest).toBe(ref.digest);
});

test("the same batch is ingested once; another one under its id is refused; no rows are fine", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  const batch = (value: number): Batch =>
    batchOf({
      user: column("utf8", ["ann", null]),
      at: times([1, 2]),
      ms: column("float64", [value, 0]),
      extra: column("int8", [1, 1]),
    });
  const [one, two] = await Promise.all([
    store.ingest(clicks, batches(batch(1))),
    store.ingest(clicks, batches(batch(1))),
  ]);
  expect([one.added, two.added].sort()).toEqual([false, true]);
  expect(one).toMatchObject({ batchId: one.digest, rows: 1, skippedRows: 1 });
  expect(await store.ingest(clicks, batches(batch(1)), { batchId: "monday" })).toMatchObject({ added: true });
  await expect(store.ingest(clicks, batches(batch(2)), { batchId: "monday" })).rejects.toMatchObject({
    code: "FEATURE_STORE_BATCH_CONFLICT",
  });
  expect(await store.ingest(clicks, batches(), { batchId: "nothing" })).toMatchObject({ added: true, rows: 0 });
  await using again = await openFeatureStore({ history: directory.path, services: [service] });
  expect(await again.ingest(clicks, batches(batch(1)), { batchId: "monday" })).toMatchObject({ added: false });
  const changed = defineFeatureView({
    name: "clicks",
    entity: user,
    eventTime: "at",
    inputs: { ms: "float32" },
    aggregates: { n: count(1) },
  });
  await using other = await openFeatureStore({
    history: directory.path,
    services: [defineFeatureService({ name: "other", views: [changed] })],
  });
  await expect(other.ingest(changed, batches())).rejects.toMatchObject({ code: "FEATURE_STORE_DEFINITION_CHANGED" });
});

test("damaged, cut and missing history files are named", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  await store.ingest(
    clicks,
    batches(
      batchOf({
        user: column("utf8", Array<string>(500).fill("ann")),
        at: times(Array<number>(500).fill(1)),
        ms: column(
          "float64",
          Array.from({ length: 500 }, (_, row) => row),
        ),
      }),
    ),
  );
  const folder = join(directory.path, "clicks", "ds=1970-01-01");
  const [name] = await readdir(folder);
  const path = join(folder, name!);
  const whole = await readFile(path);
  const read = () =>
    store.history("score", {
      labels: batchOf({ user: column("utf8", ["ann"]), at: times([2]), amount: column("float64", [0]) }),
      labelTime: "at",
    });
  await read();
  await truncate(path, whole.length - 30);
  await expect(read()).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
    category: "data",
    message: expect.stringContaining(path),
  });
  const footer = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
  await writeFile(path, Buffer.from(whole).fill(0xff, footer, footer + 40));
  await expect(read()).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
    message: expect.stringContaining(path),
  });
  await truncate(path, 0);
  await expect(store.materialize(clicks, { upToMs: 3 * HOUR })).rejects.toThrow();
});

test("unknown names and wrong columns are told with what there is", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online });
  const labels = batchOf({ user: column("utf8", ["ann"]), at: times([1]), amount: column("float64", [1]) });
  await expect(store.read("scores", { entities: users("ann") })).rejects.toMatchObject({
    code: "PORT_FEATURE_SERVICE_UNKNOWN",
    message: expect.stringContaining("Known services: score"),
  });
  await expect(store.history("scores", { labels, labelTime: "at" })).rejects.toMatchObject({
    code: "PORT_FEATURE_SERVICE_UNKNOWN",
  });
  await expect(store.push("click", labels)).rejects.toMatchObject({
    code: "FEATURE_STORE_VIEW_UNKNOWN",
    message: expect.stringContaining("Known views: profile, clicks"),
  });
  await expect(store.push("clicks", labels)).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
    message: expect.stringContaining('"ms"'),
  });
  const wrong = batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float32", [1]) });
  await expect(store.ingest("clicks", batches(wrong))).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_TYPE",
    message: expect.stringContaining("float32"),
  });
  await expect(
    store.history("score", { labels: batchOf({ ...labels.columns, user: column("int32", [1]) }), labelTime: "at" }),
  ).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  await expect(store.history("score", { labels, labelTime: "when" })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  await expect(
    store.history("score", { labels: batchOf({ ...labels.columns, hour: column("int32", [1]) }), labelTime: "at" }),
  ).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  await expect(store.read("score", { entities: users("ann") })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  const huge = batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float64", [1e12]) });
  await expect(store.push("clicks", huge)).rejects.toMatchObject({ code: "FEATURE_STORE_VALUE_RANGE" });
  await expect(
    store.read("score", { entities: users("ann"), signal: AbortSignal.abort(new Error("enough")) }),
  ).rejects.toThrow("enough");
  await expect(openFeatureStore({ history: directory.path, services: [service, service] })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_INVALID",
  });
  await using offlineOnly = await openFeatureStore({ history: directory.path, services: [service] });
  await expect(offlineOnly.read("score", { entities: users("ann"), request: labels })).rejects.toMatchObject({
    code: "PORT_UNSUPPORTED",
  });
});

test("rows are dropped once no read can need them, and older reads are refused rather than wrong", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const only = defineFeatureService({ name: "only", views: [clicks] });
  await using store = await openFeatureStore({ history: directory.path, services: [only], online, latenessMs: HOUR });
  for (let hour = 0; hour < 400; hour++) {
    await store.push(
      clicks,
      batchOf({ user: column("utf8", ["ann"]), at: times([hour]), ms: column("float64", [hour]) }),
    );
    const { features } = await store.read("only", { entities: users("ann"), timeMs: hour * HOUR + 1 });
    // A mean over the day so far: the last 24 rows, this one counted.
    const first = Math.max(0, hour - 23);
    expect(columnsOf(features)["clicks__ms_mean_1d"]).toEqual([(first + hour) / 2]);
  }
  await expect(store.read("only", { entities: users("ann"), timeMs: 100 * HOUR })).rejects.toMatchObject({
    code: "FEATURE_STORE_TIME_TOO_OLD",
  });
});

test("materializing again changes nothing, and no row pushed meanwhile is lost or counted twice", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const only = defineFeatureService({ name: "only", views: [clicks] });
  await using store = await openFeatureStore({ history: directory.path, services: [only], online });
  const at = (hour: number): Batch =>
    batchOf({ user: column("utf8", ["ann"]), at: times([hour]), ms: column("float64", [1]) });
  await store.ingest(clicks, batches(...Array.from({ length: 10 }, (_, index) => at(index / 4))));
  const work: Promise<unknown>[] = [];
  for (let index = 0; index < 60; index++) {
    work.push(store.push(clicks, at(3 + index / 1000)));
    if (index % 15 === 0) work.push(store.materialize(clicks, { upToMs: 3 * HOUR }));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await Promise.all(work);
  const result = await store.materialize(clicks, { upToMs: 3 * HOUR });
  expect(result).toEqual({ rows: 10, keptRows: 60 });
  const { features } = await store.read("only", { entities: users("ann"), timeMs: 3.1 * HOUR });
  expect(columnsOf(features)["clicks__clicks_3h"]).toEqual([69]);
});
