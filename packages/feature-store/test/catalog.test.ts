import { createManualClock, openInferenceTensors, rowJsonSchema } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  type FeatureService,
  type FeatureStore,
  openFeatureStore,
} from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const DAY = 86_400_000;
const user = defineEntity({ name: "user", keys: { user: "utf8" }, tags: { domain: "people" } });
const profile = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  features: { plan: "utf8", credit: "float64" },
  owner: "accounts",
  tags: { tier: "gold" },
  columns: {
    plan: { description: "What the user pays for.", values: ["free", "paid"] },
    credit: { unit: "EUR", minimum: 0, sensitivity: "pii" },
  },
});
const visits = defineFeatureView({
  name: "visits",
  entity: user,
  eventTime: "at",
  features: { visits: "int32" },
  owner: "web",
});
const scaled = (version: number, factor: number) =>
  defineFeatureService({
    name: "score",
    version,
    views: [profile],
    onDemand: [
      defineOnDemandFeatures({
        name: "amounts",
        inputs: { amount: "float64" },
        features: { scaled: "float64" },
        compute:
          factor === 1 ? ({ amount }) => ({ scaled: amount }) : ({ amount }) => ({ scaled: (amount ?? 0) * 100 }),
      }),
    ],
  });

interface Setting extends AsyncDisposable {
  open(services: readonly FeatureService[], options?: { force?: boolean }): Promise<FeatureStore>;
  readonly clock: ReturnType<typeof createManualClock>;
}

async function setUp(): Promise<Setting> {
  const directory = await temporaryDirectory();
  const clock = createManualClock(100 * DAY);
  const opened: FeatureStore[] = [];
  return {
    clock,
    async open(services, options) {
      const store = await openFeatureStore({
        history: directory.path,
        services,
        online: openMemoryOnlineStore(),
        clock,
        ...options,
      });
      opened.push(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test("FS-18: a version that is not promoted is read only by its name; a pinned model keeps its version", async () => {
  await using setting = await setUp();
  const first = scaled(1, 1);
  const second = scaled(2, 100);
  const before = await setting.open([first]);
  await before.catalog.pin("churn/3", "score");
  const store = await setting.open([first, second]);
  await store.put(profile, [{ user: "ann", at: new Date(setting.clock.nowMs()), plan: "paid", credit: 5 }]);
  const read = async (service: string) => {
    const { features } = await store.read(service, {
      entities: batchOf({ user: ["ann"] }),
      request: batchOf({ amount: [3] }),
    });
    return columnsOf(features)["scaled"]![0];
  };
  expect([await read("score"), await read("score@v1"), await read("score@v2")]).toEqual([3, 3, 300]);
  await store.catalog.promote("score", 2);
  const [pin] = await store.catalog.pins();
  expect(pin).toEqual({ model: "churn/3", service: "score", digest: first.digest });
  expect([await read("score"), await read(`score@${pin!.digest}`), await read("score@v1")]).toEqual([300, 3, 3]);
  expect((await store.describe("score")).digest).toBe(second.digest);
  // Another store of the folder knows of it too, and so does the next one.
  const next = await setting.open([second, first]);
  expect((await next.describe("score")).digest).toBe(second.digest);
  await expect(store.catalog.promote("score", 3)).rejects.toMatchObject({ code: "FEATURE_STORE_DEFINITION_UNKNOWN" });
  await expect(store.describe("score@v7")).rejects.toMatchObject({ code: "PORT_FEATURE_SERVICE_UNKNOWN" });
});

test("FS-18: versions of a view have a history and online rows of their own", async () => {
  await using setting = await setUp();
  const later = defineFeatureView({ ...visits, version: 2, features: { visits: "float64" } });
  const store = await setting.open([
    defineFeatureService({ name: "v", views: [visits] }),
    defineFeatureService({ name: "v", version: 2, views: [later] }),
  ]);
  const at = new Date(setting.clock.nowMs());
  await store.put(visits, [{ user: "ann", at, visits: 3 }]);
  await store.put("visits@v2", [{ user: "ann", at, visits: 0.5 }]);
  const read = async (service: string) =>
    columnsOf((await store.read(service, { entities: batchOf({ user: ["ann"] }) })).features)["visits__visits"];
  expect([await read("v"), await read("v@v2")]).toEqual([[3], [0.5]]);
});

test("FS-29: features are found by tag, owner, entity and words; those nobody reads, and who reads the others, are known", async () => {
  await using setting = await setUp();
  const store = await setting.open([
    defineFeatureService({ name: "both", views: [profile, visits] }),
    defineFeatureService({ name: "plans", views: [profile] }),
  ]);
  const names = async (search: Parameters<FeatureStore["catalog"]["search"]>[0]) =>
    (await store.catalog.search(search)).map(({ name }) => name);
  expect(await names({})).toEqual(["profile__credit", "profile__plan", "visits__visits"]);
  expect(await names({ tag: { tier: "gold" } })).toEqual(["profile__credit", "profile__plan"]);
  expect(await names({ tag: "domain" })).toHaveLength(3);
  expect(await names({ tag: { tier: "silver" } })).toEqual([]);
  expect(await names({ owner: "web" })).toEqual(["visits__visits"]);
  expect(await names({ entity: "user", text: "PAYS for" })).toEqual(["profile__plan"]);
  expect(await names({ sensitivity: "pii" })).toEqual(["profile__credit"]);
  await store.catalog.pin("churn/1", "plans");
  await store.catalog.pin("value/7", "both");
  const consumers = Object.fromEntries(
    (await store.catalog.search()).map(({ name, services, models }) => [name, { services, models }]),
  );
  expect(consumers["profile__plan"]).toEqual({ services: ["both", "plans"], models: ["churn/1", "value/7"] });
  expect(consumers["visits__visits"]).toEqual({ services: ["both"], models: ["value/7"] });
  // Just published: that nobody has read them says nothing yet.
  expect(await store.catalog.findUnused({ days: 30 })).toEqual([]);
  await setting.clock.advance(40 * DAY);
  await store.read("plans", { entities: batchOf({ user: ["ann"] }) });
  const unused = await store.catalog.findUnused({ days: 30 });
  expect(unused.map(({ name, lastReadMs }) => ({ name, lastReadMs }))).toEqual([
    { name: "visits__visits", lastReadMs: undefined },
  ]);
  await setting.clock.advance(31 * DAY);
  await store[Symbol.asyncDispose]();
  const next = await setting.open([defineFeatureService({ name: "both", views: [profile, visits] })]);
  const all = await next.catalog.findUnused({ days: 30 });
  expect(all.map(({ name, lastReadMs }) => ({ name, lastReadMs }))).toEqual([
    { name: "profile__credit", lastReadMs: 140 * DAY },
    { name: "profile__plan", lastReadMs: 140 * DAY },
    { name: "visits__visits", lastReadMs: undefined },
  ]);
});

test("FS-30: a feature that a model reads is neither changed nor deleted, unless forced; the impact is told before", async () => {
  await using setting = await setUp();
  const both = defineFeatureService({ name: "both", views: [profile, visits] });
  const store = await setting.open([both]);
  await store.catalog.pin("value/7", "both");
  const changed = defineFeatureView({ ...profile, features: { plan: "utf8" }, columns: {}, ttlMs: DAY });
  const altered = defineFeatureService({ name: "both", views: [changed, visits] });
  expect(await store.catalog.impact([altered])).toEqual([
    { feature: "profile__plan", view: "profile", change: "changed", models: ["value/7"] },
    { feature: "profile__credit", view: "profile", change: "removed", models: ["value/7"] },
  ]);
  expect(await store.catalog.impact([both])).toEqual([]);
  const inUse = {
    code: "FEATURE_STORE_DEFINITION_IN_USE",
    message: expect.stringMatching(/profile__plan, profile__credit .*value\/7/) as string,
  };
  await expect(setting.open([altered])).rejects.toMatchObject(inUse);
  await expect(store.catalog.delete({ view: "profile" })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_IN_USE",
    message: expect.stringContaining("value/7") as string,
  });
  // A change that no model feels is fine: another feature beside.
  const wider = defineFeatureView({ ...visits, features: { visits: "int32", pages: "int32" } });
  await setting.open([defineFeatureService({ name: "wider", views: [wider] })]);
  await store.catalog.delete({ view: "profile" }, { force: true });
  expect((await store.catalog.search()).map(({ view }) => view)).toEqual(["visits", "visits"]);
  await setting.open([altered], { force: true });
  await store.catalog.unpin("value/7");
  await setting.open([altered]);
  await expect(store.catalog.delete({ service: "nobody's" })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_UNKNOWN",
  });
});

test("a view's columns are one schema: rows are validated by it, and it projects to JSON Schema and tensors", () => {
  const row = { user: "ann", at: "2024-05-01T12:00:00Z", plan: "paid", credit: 3 };
  expect(profile.schema["~standard"].validate(row)).toMatchObject({ value: { plan: "paid", credit: 3 } });
  expect(profile.schema["~standard"].validate({ ...row, credit: -1, plan: "gold", user: null })).toMatchObject({
    issues: [{ path: ["user"] }, { path: ["plan"] }, { path: ["credit"] }],
  });
  expect(rowJsonSchema(profile.schema)).toMatchObject({
    required: ["user", "at"],
    properties: { plan: { description: "What the user pays for." } },
  });
  const service = defineFeatureService({ name: "both", views: [profile, visits] });
  expect(openInferenceTensors(service.schema)).toEqual([
    { name: "profile__plan", datatype: "BYTES", shape: [-1] },
    { name: "profile__credit", datatype: "FP64", shape: [-1] },
    { name: "visits__visits", datatype: "INT32", shape: [-1] },
  ]);
});
