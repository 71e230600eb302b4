import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineGate,
  defineOnDemandFeatures,
  hours,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import { temporaryDirectory } from "./rows.ts";

const card = defineEntity({ name: "card", keys: { card: "utf8" } });
const view = {
  name: "v",
  entity: card,
  eventTime: "at",
  inputs: { amount: "float64" },
  aggregates: { n: count(hours(1)) },
};
const onDemand = { name: "o", inputs: { a: "float64" }, features: { b: "float64" }, compute: () => ({ b: 1 }) };

/** As plain JavaScript may call it. */
const entity = (given: object) => defineEntity({ name: "card", keys: { card: "utf8" }, ...given } as never);
const feature = (given: object) => defineFeatureView({ ...view, ...given } as never);
const service = (given: object) => defineFeatureService({ name: "s", views: [], ...given } as never);
const computed = (given: object) => defineOnDemandFeatures({ ...onDemand, ...given } as never);

test.each<[string, () => unknown, string]>([
  ["a type by another name", () => entity({ keys: { card: "string" } }), 'It is called "utf8" here'],
  ["keys in a list", () => entity({ keys: ["card"] }), "`keys` is no object"],
  ["a key of floats", () => entity({ keys: { card: "float64" } }), 'of the type "float64"'],
  ["an option of an entity", () => entity({ joinKey: "card" }), "there is no option `joinKey`"],
  ["a name for an entity", () => feature({ entity: "card" }), "Give what `defineEntity` returns"],
  ["no event time", () => feature({ eventTime: undefined }), "`eventTime` is undefined"],
  ["a created time that is none", () => feature({ createdTime: 5 }), "`createdTime` is 5"],
  ["an input of a type that is none", () => feature({ inputs: { amount: "double" } }), 'It is called "float64" here'],
  ["a feature of a type that is none", () => feature({ features: { a: "blob" } }), "Types are bool, utf8"],
  ["an option of a view", () => feature({ ttl: 5 }), "there is no option `ttl`"],
  ["ties", () => feature({ ties: "newest" }), `Choose "first", "last"`],
  ["what to do when stale", () => feature({ freshness: { maxAgeMs: 1, onStale: "drop" } }), 'Choose "serve"'],
  ["tags in a list", () => feature({ tags: ["a"] }), "Write `tags:"],
  [
    "a default of another type",
    () => feature({ features: { r: "float64" }, defaults: { r: "x" } }),
    "the default of \"r\" is 'x'",
  ],
  ["a window in words", () => feature({ aggregates: { n: sum("amount", "1h" as never) } }), 'the window of "n" is 1h'],
  ["no window", () => feature({ aggregates: { n: count(undefined as never) } }), "`count(hours(1))`"],
  ["views by name", () => service({ views: ["v"] }), "not their names"],
  ["a view that is not in a list", () => service({ views: feature({}) }), "`views` is no list"],
  ["an option of a service", () => service({ onDemands: [] }), "there is no option `onDemands`"],
  ["no function", () => computed({ compute: undefined }), "`compute` is no function"],
  ["a function that is waited for", () => computed({ compute: async () => ({ b: 1 }) }), "Use `defineAwaitedFeatures`"],
  [
    "a rule that is none",
    () => defineGate({ rules: [{ rule: "ranges", column: "a" } as never] }),
    "`rule` is 'ranges'",
  ],
  [
    "an action that is none",
    () => defineGate({ action: "drop" as never, rules: [{ rule: "notInFuture" }] }),
    "`action` is 'drop'",
  ],
])("%s is refused when it is defined, with the mend", (_, define, message) => {
  expect(define).toThrow(
    expect.objectContaining({ code: "FEATURE_STORE_DEFINITION_INVALID", message: expect.stringContaining(message) }),
  );
});

test("a view may be defined from another one", () => {
  const first = defineFeatureView({ name: "v", entity: card, eventTime: "at", features: { plan: "utf8" } });
  expect(defineFeatureView({ ...first, version: 2 }).id).toBe("v@v2");
});

test("what opens a store or an online store says what it wants", async () => {
  await using folder = await temporaryDirectory();
  const history = folder.path;
  const open = (given: object) => openFeatureStore(given as never);
  await expect(open({ services: [] })).rejects.toThrow("`history` is undefined");
  await expect(open({ history, services: service({}) })).rejects.toThrow("in a list: [service]");
  await expect(open({ history, services: [], online: Promise.resolve() })).rejects.toThrow("`online` is a Promise");
  expect(() => openLmdbOnlineStore("features.lmdb" as never)).toThrow("npm install lmdb");
  expect(() => openSqliteOnlineStore("features.db" as never)).toThrow("new DatabaseSync(");
  await using store = await openFeatureStore({
    history,
    services: [defineFeatureService({ name: "s", views: [defineFeatureView(view as never)] })],
  });
  await expect(store.catalog.promote("s", 2)).rejects.toThrow('No service "s@v2" is published. Published are s.');
});
