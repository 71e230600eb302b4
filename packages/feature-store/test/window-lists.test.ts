import { setImmediate } from "node:timers/promises";
import { createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column, fromIpc, toIpc } from "@millwright/data";
import fastify from "fastify";
import { expect, expectTypeOf, test } from "vitest";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { featureStoreRoutes } from "../src/fastify.ts";
import {
  checkParity,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  first,
  firstValue,
  hours,
  type InputType,
  last,
  lastValue,
  max,
  openFeatureStore,
  reportSkew,
  restrictStore,
  sampleServed,
  type ServedSample,
  sliding,
  sum,
} from "../src/index.ts";
import { arrow } from "./face-app.ts";
import { columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const NOON = Date.UTC(2026, 10, 25, 12);
const tiles = sliding(days(1), { slideMs: hours(1) });
const view = defineFeatureView({
  name: "v",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  inputs: { page: "utf8", paid: "bool", order: "int64", seen: "timestamp", small: "int8", share: "float32" },
  aggregates: {
    pages: last("page", 3, days(1)),
    paid: first("paid", 2, tiles),
    orders: last("order", 2, tiles),
    seen: last("seen", 2, days(1)),
    smalls: first("small", 9, days(1)),
    shares: last("share", 2, days(1)),
    page: firstValue("page", tiles),
    was_paid: lastValue("paid", days(1)),
    order: lastValue("order", days(1)),
    last_seen: lastValue("seen", tiles),
    latest: max("seen", tiles),
    small: lastValue("small", days(1)),
    share: lastValue("share", days(1)),
  },
  columns: { pages: { sensitivity: "pii" } },
});
const services = [defineFeatureService({ name: "s", views: [view] })];

const types: Readonly<Record<string, readonly [type: string, items?: string]>> = {
  pages: ["list", "utf8"],
  paid: ["list", "bool"],
  orders: ["list", "int64"],
  seen: ["list", "timestamp"],
  smalls: ["list", "int8"],
  shares: ["list", "float32"],
  page: ["utf8"],
  was_paid: ["bool"],
  order: ["int64"],
  last_seen: ["timestamp"],
  latest: ["timestamp"],
  small: ["int8"],
  share: ["float32"],
};

const row = (hour: number, page: string | null, paid: boolean | null, order: number) => ({
  user: "ann",
  at: new Date(NOON - hours(20 - hour)),
  page,
  paid,
  order: BigInt(order),
  seen: BigInt(NOON) * 1000n + BigInt(order % 1000),
  small: hour - 10,
  share: 0.1 * hour,
});
const rows = [row(1, "a", true, 9), row(2, null, null, 2 ** 53 - 1), row(3, 'ü"€😀', false, -4), row(4, "", true, 1)];
const times = rows.map(({ seen }) => seen);
const f32 = (hour: number) => Math.fround(0.1 * hour);
const ann: Readonly<Record<string, unknown>> = {
  pages: ["a", 'ü"€😀', ""],
  paid: [true, false],
  orders: [-4n, 1n],
  seen: [times[2], times[3]],
  smalls: [-9, -8, -7, -6],
  shares: [f32(3), f32(4)],
  page: "a",
  was_paid: true,
  order: 1n,
  last_seen: times[3],
  latest: times[1],
  small: -6,
  share: f32(4),
};

test("FS-22: the oldest and newest values have the type of their input, online, in training sets and over HTTP, in JSON and in Arrow", async () => {
  expectTypeOf<"timestamp">().toExtend<InputType>();
  expect(services[0]!.features).toEqual(
    Object.entries(types).map(([name, [type, items]]) => ({
      name: `v__${name}`,
      type,
      ...(items === undefined ? {} : { items }),
    })),
  );
  for (const open of [openMemoryOnlineStore, openMemoryKeyedOnlineStore]) {
    await using directory = await temporaryDirectory();
    await using store = await openFeatureStore({ history: directory.path, services, online: open() });
    await store.put(view, rows);
    const wanted = Object.fromEntries(Object.entries(ann).map(([name, value]) => [`v__${name}`, [value, null]]));
    const entities = batchOf({ user: ["ann", "eve"] });
    const { features } = await store.read("s", { entities, timeMs: NOON });
    expect(columnsOf(features)).toEqual(wanted);
    for (const { name, type, items } of services[0]!.features) {
      const found = features.columns[name]!;
      expect([found.type, found.type === "list" ? found.values.type : undefined]).toEqual([type, items]);
    }
    const labels = batchOf({ user: ["ann", "eve"], t: column("timestamp", [new Date(NOON), new Date(NOON)]) });
    const dataset = await store.history("s", { labels, labelTime: "t" });
    expect(dataset.schema.slice(2)).toEqual(services[0]!.features);
    const { user: _, t: __, ...offline } = await columnsOfDataset(dataset);
    expect(offline).toEqual(wanted);

    const app = fastify();
    await app.register(featureStoreRoutes(store, { services }));
    const payload = { entities: { user: ["ann", "eve"] }, timeMs: NOON };
    const answer = await app.inject({ method: "POST", url: "/services/s/read", payload });
    expect(answer.json()).toMatchObject({
      features: {
        v__pages: [["a", 'ü"€😀', ""], null],
        v__paid: [[true, false], null],
        v__orders: [["-4", "1"], null],
        v__seen: [["2026-11-25T11:59:59.999996Z", "2026-11-25T12:00:00.000001Z"], null],
        v__shares: [[f32(3), f32(4)], null],
        v__was_paid: [true, null],
        v__order: ["1", null],
        v__last_seen: ["2026-11-25T12:00:00.000001Z", null],
      },
    });
    const packed = await app.inject({
      method: "POST",
      url: `/services/s/read?timeMs=${NOON}`,
      payload: Buffer.from(toIpc(entities)),
      headers: { ...arrow, accept: "application/vnd.apache.arrow.stream" },
    });
    const [batch] = fromIpc(packed.rawPayload);
    expect(Object.keys(columnsOf(batch!))).toEqual(expect.arrayContaining(Object.keys(wanted)));
    for (const { name, type } of services[0]!.features) expect(batch!.columns[name]!.type).toBe(type);
    await app.close();
  }
});

test("lists that somebody may not see are null, and what a type has no sum of is refused", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services, online: openMemoryOnlineStore() });
  await store.put(view, rows);
  const restricted = restrictStore(store, {
    services,
    principal: "guest",
    authorizer: { decide: async ({ action }) => ({ allowed: action !== "features:read-pii", reason: "no" }) },
  });
  const { features } = await restricted.read("s", { entities: batchOf({ user: ["ann"] }), timeMs: NOON });
  expect(columnsOf(features)["v__pages"]).toEqual([null]);
  const { name, entity, eventTime, inputs } = view;
  expect(() => defineFeatureView({ name, entity, eventTime, inputs, aggregates: { x: sum("seen", days(1)) } })).toThrow(
    expect.objectContaining({ code: "FEATURE_STORE_DEFINITION_INVALID" }),
  );
  // Whole numbers that a double cannot hold are refused, never rounded.
  await expect(store.put(view, [{ ...rows[0]!, order: 2n ** 60n }])).rejects.toMatchObject({
    code: "FEATURE_STORE_VALUE_RANGE",
  });
});

test("FS-20: lists are compared value by value, for parity and for skew", async () => {
  await using directory = await temporaryDirectory();
  const open = defineFeatureView({
    name: "open",
    entity: view.entity,
    eventTime: view.eventTime,
    inputs: { page: "utf8", seen: "timestamp" },
    aggregates: { pages: last("page", 3, days(1)), seen: last("seen", 2, days(1)) },
  });
  const service = defineFeatureService({ name: "open", views: [open] });
  const clock = createManualClock(NOON);
  const parts = { history: directory.path, services: [service], online: openMemoryOnlineStore(), clock };
  await using store = await openFeatureStore(parts);
  await store.put(open, [...rows, { ...rows[0]!, user: "n", page: "n" }, { ...rows[1]!, user: "n", page: "5" }]);
  const labels = batchOf({ user: ["ann", "n", "eve"], t: column("timestamp", Array<Date>(3).fill(new Date(NOON))) });
  expect(await checkParity(store, service, { labels, labelTime: "t" })).toMatchObject({ mismatches: 0, values: 6 });
  const samples: ServedSample[] = [];
  const options = { services: [service], rate: 1, random: createRandom(1), nowMs: () => NOON };
  const sampled = sampleServed(store, { ...options, sink: (given) => void samples.push(...given) });
  await sampled.read("open", { entities: batchOf({ user: ["ann", "n"] }), timeMs: NOON });
  await setImmediate();
  const kept = JSON.parse(JSON.stringify(samples)) as ServedSample[];
  expect(kept).toHaveLength(2);
  const worst = (await reportSkew(store, service, { samples: kept })).features;
  expect(worst.map(({ mismatches }) => mismatches)).toEqual([0, 0]);
  const wrong = kept.map((sample) => ({ ...sample, features: { ...sample.features, open__pages: { list: ["x"] } } }));
  const found = (await reportSkew(store, service, { samples: wrong })).features[0]!;
  expect([found.feature, found.mismatches]).toEqual(["open__pages", 2]);
});
