import { createManualClock, type Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, expectTypeOf, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  defineAwaitedFeatures,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  hours,
  lastValue,
  openFeatureStore,
  type FeatureService,
} from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = hours(1);
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const profile = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  features: { credit: "int64", since: "timestamp" },
});
const clicks = defineFeatureView({
  name: "clicks",
  entity: user,
  eventTime: "at",
  inputs: { page: "utf8" },
  aggregates: { clicks_3h: count(hours(3)), page: lastValue("page", hours(3)) },
});
const times = (...at: number[]) =>
  column(
    "timestamp",
    at.map((hour) => new Date(hour * HOUR)),
  );
const users = (...names: string[]): Batch => batchOf({ user: column("utf8", names) });
const amounts = (...of: (number | null)[]): Batch => batchOf({ amount: column("float64", of) });

async function open(history: string, services: readonly FeatureService[], clock = createManualClock(9 * HOUR)) {
  const store = await openFeatureStore({
    history,
    services,
    online: openMemoryOnlineStore(),
    clock,
    latenessMs: 9 * HOUR,
  });
  const ofProfile = batchOf({
    user: column("utf8", ["ann", "bob", "ann"]),
    at: times(1, 2, 8),
    credit: column("int64", [100n, 2n ** 60n, 40n]),
    since: times(0.5, 1.5, 0.25),
  });
  const ofClicks = batchOf({
    user: column("utf8", ["ann", "ann", "bob"]),
    at: times(7, 8, 3),
    page: column("utf8", ["home", "cart", "home"]),
  });
  for (const view of services[0]!.views) {
    const rows = view.name === "profile" ? ofProfile : ofClicks;
    await store.ingest(view, batches(rows));
    await store.push(view, rows);
  }
  return store;
}

test("FS-21: two services in one request share one evaluation; other inputs, and other requests, get one of their own", async () => {
  await using directory = await temporaryDirectory();
  let calls = 0;
  const doubled = defineOnDemandFeatures({
    name: "doubled",
    inputs: { amount: "float64" },
    features: { twice: "float64" },
    compute: ({ amount }) => {
      calls++;
      return { twice: amount === null ? null : amount * 2 };
    },
  });
  let waits = 0;
  const rated = defineAwaitedFeatures({
    name: "rated",
    inputs: { amount: "float64" },
    stored: { clicks__clicks_3h: "int32" },
    features: { rate: "float64" },
    timeoutMs: 100,
    defaults: { rate: -1 },
    compute: async ({ amount, clicks__clicks_3h }) => {
      waits++;
      await Promise.resolve();
      return { rate: (amount ?? 0) * (clicks__clicks_3h ?? 0) };
    },
  });
  const onDemand = [doubled, rated] as const;
  const first = defineFeatureService({ name: "first", views: [clicks], onDemand });
  const second = defineFeatureService({ name: "second", views: [clicks], onDemand });
  await using store = await open(directory.path, [first, second]);
  const values = { twice: [6, null], rate: [6, 0] };
  const request = { entities: users("ann", "bob"), request: amounts(3, null) };
  const answers = await Promise.all([store.read("first", request), store.read("second", request)]);
  for (const { features } of answers) expect(columnsOf(features)).toMatchObject(values);
  expect([calls, waits]).toEqual([2, 2]);
  // A request may be named by any object, however its batches are made.
  const scope = {};
  for (const service of ["first", "second"]) {
    const { features } = await store.read(service, { entities: users("ann", "bob"), request: amounts(3, null), scope });
    expect(columnsOf(features)).toMatchObject(values);
  }
  expect([calls, waits]).toEqual([4, 4]);
  const others = await store.read("first", { entities: users("ann"), request: amounts(5), scope });
  expect(columnsOf(others.features)).toMatchObject({ twice: [10], rate: [10] });
  expect([calls, waits]).toEqual([5, 5]);
  // The same numbers in another request are another request's.
  await store.read("first", { entities: users("ann", "bob"), request: amounts(3, null) });
  expect([calls, waits]).toEqual([7, 7]);
  // A stored feature that has changed meanwhile is another input; what depends on the request alone stays.
  await store.push(clicks, batchOf({ user: column("utf8", ["ann"]), at: times(8.5), page: column("utf8", ["pay"]) }));
  const later = await store.read("second", request);
  expect(columnsOf(later.features)).toMatchObject({ twice: [6, null], rate: [9, 0] });
  expect([calls, waits]).toEqual([7, 9]);
});

test("FS-21: features that do not come in time are their defaults, with a flag; those that came stay", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(9 * HOUR);
  const signals: (AbortSignal | undefined)[] = [];
  const scored = defineAwaitedFeatures({
    name: "scored",
    inputs: { amount: "float64" },
    features: { score: "float64", big: "int64", note: "utf8" },
    timeoutMs: 250,
    defaults: { score: 0.5, big: 2n ** 62n },
    compute: async ({ amount }, { signal }) => {
      signals.push(signal);
      if (amount === 2) await new Promise(() => {});
      return { score: amount, big: 7n, note: "came" };
    },
  });
  const service = defineFeatureService({ name: "s", views: [profile], onDemand: [scored] });
  await using store = await open(directory.path, [service], clock);
  const reading = store.read("s", { entities: users("ann", "bob", "ann"), request: amounts(1, 2, 3) });
  let isOver = false;
  void reading.then(() => (isOver = true));
  await clock.advance(249);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isOver).toBe(false);
  await clock.advance(1);
  const { features, onDemand } = await reading;
  expect(columnsOf(features)).toMatchObject({
    score: [1, 0.5, 3],
    big: [7n, 2n ** 62n, 7n],
    note: ["came", null, "came"],
  });
  expect(onDemand).toEqual({ scored: ["computed", "timedOut", "computed"] });
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true]);
  const inTime = await store.read("s", { entities: users("ann"), request: amounts(4) });
  expect(inTime.onDemand).toEqual({ scored: ["computed"] });
  // A reader that goes away does not wait.
  const leaving = new AbortController();
  const left = store.read("s", { entities: users("bob"), request: amounts(2), signal: leaving.signal });
  await Promise.resolve();
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
});

test("FS-21: a function of the request and of stored features gives the same in training and in serving, typed", async () => {
  await using directory = await temporaryDirectory();
  const joined = defineOnDemandFeatures({
    name: "joined",
    inputs: { amount: "float64" },
    stored: { profile__credit: "int64", profile__since: "timestamp", clicks__clicks_3h: "int32", clicks__page: "utf8" },
    features: { left: "float64", page_length: "int32", since: "timestamp" },
    compute: (row) => {
      expectTypeOf(row).toEqualTypeOf<{
        readonly amount: number | null;
        readonly profile__credit: bigint | null;
        readonly profile__since: number | null;
        readonly clicks__clicks_3h: number | null;
        readonly clicks__page: string | null;
      }>();
      return {
        left: Number(row.profile__credit ?? 0n) / 3 - (row.amount ?? 0) + (row.clicks__clicks_3h ?? -1),
        page_length: row.clicks__page?.length,
        since: row.profile__since === null ? null : row.profile__since + 1,
      };
    },
  });
  const delayed = defineAwaitedFeatures({
    name: "delayed",
    inputs: {},
    stored: { clicks__page: "utf8" },
    features: { upper: "utf8" },
    timeoutMs: 1000,
    defaults: {},
    compute: async ({ clicks__page }) => {
      await Promise.resolve();
      return { upper: clicks__page?.toUpperCase() };
    },
  });
  const service = defineFeatureService({ name: "s", views: [profile, clicks], onDemand: [joined, delayed] });
  expect(service.requestInputs).toEqual([{ name: "amount", type: "float64" }]);
  await using store = await open(directory.path, [service]);
  const names = ["ann", "bob", "eve"];
  const { features } = await store.read("s", { entities: users(...names), request: amounts(1.5, null, 2) });
  const online = columnsOf(features);
  expect(online).toMatchObject({ page_length: [4, null, null], upper: ["CART", null, null] });
  expect(online["left"]).toEqual([40 / 3 - 1.5 + 2, 2 ** 60 / 3 + 0, -3]);
  const labels = batchOf({
    user: column("utf8", names),
    amount: column("float64", [1.5, null, 2]),
    time: times(9, 9, 9),
  });
  const offline = await columnsOfDataset(await store.history("s", { labels, labelTime: "time" }));
  for (const { name } of service.features) expect(online[name], name).toEqual(offline[name]);
});

test("what cannot be defined is refused; what cannot be computed names its features, online and offline", async () => {
  const parts = { name: "x", inputs: { amount: "float64" }, features: { y: "float64" } } as const;
  const compute = () => ({});
  const failing = {
    ...parts,
    timeoutMs: 10,
    defaults: {},
    compute: () => Promise.reject(new Error("the other service is down")),
  };
  expect(() => defineAwaitedFeatures({ ...failing, timeoutMs: 0 })).toThrow("timeoutMs is 0");
  // @ts-expect-error: a default is of a feature
  expect(() => defineAwaitedFeatures({ ...failing, defaults: { z: 1 } })).toThrow('"z" has a default');
  expect(() => defineOnDemandFeatures({ ...parts, stored: { amount: "float64" }, compute })).toThrow(
    '"amount" is an input of the request and a stored feature',
  );
  const serviceOf = (stored: Readonly<Record<string, "int32" | "float64">>) => () =>
    defineFeatureService({
      name: "s",
      views: [clicks],
      onDemand: [defineOnDemandFeatures({ ...parts, stored, compute })],
    });
  expect(serviceOf({ clicks__other: "int32" })).toThrow('"x" takes "clicks__other", which its views do not have');
  expect(serviceOf({ clicks__clicks_3h: "float64" })).toThrow('"clicks__clicks_3h" as float64, and it is int32');
  expect(serviceOf({ clicks__clicks_3h: "int32" })().digest).not.toBe(serviceOf({})().digest);
  const withDefault = (y: number) =>
    defineFeatureService({
      name: "s",
      views: [clicks],
      onDemand: [defineAwaitedFeatures({ ...failing, defaults: { y } })],
    });
  expect(withDefault(1).digest).not.toBe(withDefault(2).digest);
  await using directory = await temporaryDirectory();
  await using store = await open(directory.path, [withDefault(1)]);
  const refusal = {
    code: "FEATURE_STORE_ON_DEMAND_FAILED",
    retryable: true,
    message: expect.stringContaining('"x" could not be computed: the other service is down') as string,
  };
  await expect(store.read("s", { entities: users("ann"), request: amounts(1) })).rejects.toMatchObject(refusal);
  const labels = batchOf({ user: column("utf8", ["ann"]), amount: column("float64", [1]), time: times(9) });
  await expect(store.history("s", { labels, labelTime: "time" })).rejects.toMatchObject(refusal);
});
