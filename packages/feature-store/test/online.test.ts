import { createManualClock, createRandom, type Batch } from "@millwright/contracts";
import { batchOf, column, datasetOf, takeRows } from "@millwright/data";
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
  minutes,
  openFeatureStore,
  sum,
  type FeatureService,
} from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

import { calendar, clicks, HOUR, profile, service, times, user, users } from "./score-service.ts";

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
  expect(() =>
    defineFeatureView({
      name: "v",
      entity: user,
      eventTime: "at",
      inputs: { ms: "float64" },
      // @ts-expect-error: an aggregate is of an input of the view
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
  expect(await store.push(profile, rows)).toEqual({
    rows: 4,
    skippedRows: 1,
    lateRows: 0,
    watermarkMs: 10_800_000,
  });
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
  const first = takeRows(request, Int32Array.of(0));
  const statusAt = async (timeMs: number) =>
    (await store.read("score", { entities: users("ann"), request: first, timeMs })).views["profile"]!.status;
  await expect(store.read("score", { entities: users("ann"), request })).rejects.toThrow(
    "There are 1 entities and 3 rows of request inputs",
  );
  await expect(statusAt(14 * HOUR - 1)).resolves.toEqual(["present"]);
  await expect(statusAt(14 * HOUR)).resolves.toEqual(["expired"]);
  await expect(statusAt(4 * HOUR)).resolves.toEqual(["present"]);
});

test("a delete is the last word until a newer row, online as offline", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const plans = defineFeatureView({
    name: "plans",
    entity: user,
    eventTime: "at",
    deleted: "gone",
    features: { plan: "utf8" },
  });
  const only = defineFeatureService({ name: "only", views: [plans] });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [only],
    online,
    latenessMs: 2 * HOUR,
  });
  const rows = batchOf({
    user: column("utf8", ["ann", "ann", "ann"]),
    at: times([1, 2, 3]),
    plan: column("utf8", ["old", "left in the row", "new"]),
    gone: column("bool", [null, true, false]),
  });
  await store.ingest(plans, batches(rows));
  await store.materialize(plans, { upToMs: 2.5 * HOUR });
  await store.push(plans, takeRows(rows, Int32Array.of(2)));
  const found: unknown[] = [];
  for (const hour of [1, 2, 3]) {
    const { features, views } = await store.read("only", { entities: users("ann"), timeMs: hour * HOUR });
    found.push([views["plans"]!.status[0], views["plans"]!.ageMs[0], columnsOf(features)["plans__plan"]![0]]);
  }
  expect(found).toEqual([
    ["present", 0, "old"],
    ["deleted", 0, null],
    ["present", 0, "new"],
  ]);
  const labels = batchOf({ user: column("utf8", ["ann", "ann", "ann"]), at: times([1, 2, 3]) });
  const offline = await columnsOfDataset(await store.history("only", { labels, labelTime: "at" }));
  expect(offline["plans__plan"]).toEqual(["old", null, "new"]);
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

test("rows are dropped once no read can need them, and older reads are refused rather than wrong", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const only = defineFeatureService({ name: "only", views: [clicks] });
  await using store = await openFeatureStore({ history: directory.path, services: [only], online, latenessMs: HOUR });
  const meanAt = async (timeMs: number): Promise<unknown> =>
    columnsOf((await store.read("only", { entities: users("ann"), timeMs })).features)["clicks__ms_mean_1d"]![0];
  for (let hour = 0; hour < 400; hour++) {
    const half = [hour - 0.5, hour];
    await store.push(
      clicks,
      batchOf({ user: column("utf8", ["ann", "ann"]), at: times(half), ms: column("float64", half) }),
    );
    // A row every half hour that says when it was: the mean over a day is the middle between its first and its last.
    expect(await meanAt(hour * HOUR + 1)).toBe((Math.max(-0.5, hour - 23.5) + hour) / 2);
    // As late as promised, nothing is missing yet.
    if (hour > 0) expect(await meanAt((hour - 1) * HOUR)).toBe((Math.max(-0.5, hour - 25) + hour - 1.5) / 2 + 0);
  }
  await expect(store.read("only", { entities: users("ann"), timeMs: 100 * HOUR })).rejects.toMatchObject({
    code: "FEATURE_STORE_TIME_TOO_OLD",
  });
  // The history ends long before what was dropped: materializing does not bring it back, and does not hide that it is gone.
  await store.materialize(clicks, { upToMs: 10 * HOUR });
  await expect(store.read("only", { entities: users("ann"), timeMs: 100 * HOUR })).rejects.toMatchObject({
    code: "FEATURE_STORE_TIME_TOO_OLD",
  });
  expect(await meanAt(398 * HOUR)).toBe((398 - 24 + 397.5) / 2);
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
  expect(result).toMatchObject({ rows: 10, keptRows: 60 });
  const { features } = await store.read("only", { entities: users("ann"), timeMs: 3.1 * HOUR });
  expect(columnsOf(features)["clicks__clicks_3h"]).toEqual([69]);
});

test("definitions of before keep their digests", () => {
  const visitor = defineEntity({ name: "user", keys: { user: "utf8", site: "int64" } });
  const stored = defineFeatureView({
    name: "profile",
    entity: visitor,
    eventTime: "at",
    createdTime: "seen",
    deleted: "gone",
    features: { plan: "utf8", credit: "int64" },
    ttlMs: days(30),
  });
  const windowed = defineFeatureView({
    name: "clicks",
    entity: visitor,
    eventTime: "at",
    inputs: { ms: "float64", late: "bool" },
    decimals: 3,
    aggregates: { clicks_3h: count(hours(3)), ms_mean: mean("ms", days(1)), late_sum: sum("late", minutes(5)) },
  });
  const clock = defineOnDemandFeatures({
    name: "clock",
    inputs: { at: "timestamp" },
    features: { hour: "int32" },
    // A function whose text no compiler touches.
    // oxlint-disable-next-line typescript/no-implied-eval -- the digest is of the source text, which a build may write anew
    compute: new Function("row", "return { hour: 1 }") as () => { hour: number },
  });
  // Computed when there were count, sum and mean over sliding windows alone: models and training sets carry such digests.
  expect(defineFeatureService({ name: "pinned", views: [stored, windowed] }).digest).toBe(
    "sha256:289a5ea364780026b4c633e036b4c18b410af7af3e517bb0c5748e546c099a30",
  );
  expect(defineFeatureService({ name: "pinned", views: [stored, windowed], onDemand: [clock] }).digest).toBe(
    "sha256:0adb00077f91f39316319aa4a2d05b2ea88b49a000cea5e846f2afe76e82012b",
  );
});
