import assert from "node:assert/strict";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./adapter-refusals.ts";
import { batchOf, column } from "@millwright/data";
import { ADAPTER_NOW_MS, adapterServices, at, kindRow, MINUTE } from "./adapter-features.ts";
import type { FeatureAdapterCase } from "./adapter-fixture.ts";
import { adapterCase, entitiesOf, readAt, statusesOf, valuesOf } from "./adapter-reads.ts";
import { valueCases } from "./adapter-value-cases.ts";

const descriptions: readonly FeatureAdapterCase[] = adapterServices.map(({ name, digest, entityKeys, features }) =>
  adapterCase(`the service ${name} is described as it is defined`, [], async ({ source }) => {
    const described = await source.describe(name);
    assert.deepEqual(
      { name: described.name, digest: described.digest, keys: described.entityKeys, features: described.features },
      { name, digest, keys: entityKeys, features },
    );
    assert.deepEqual(described.requestInputs, []);
  }),
);

const joins: readonly FeatureAdapterCase[] = [
  adapterCase("a service of two views gives the features of both, each with its status", [], async (adapter) => {
    const read = await readAt(adapter, "joined", { name: ["in both", "kinds alone", "lives alone", "nobody"] });
    assert.deepEqual(statusesOf(read, "lives"), ["present", "missing", "present", "missing"]);
    assert.deepEqual(statusesOf(read, "kinds"), ["present", "present", "missing", "missing"]);
    assert.deepEqual(valuesOf(read, "lives__state"), ["lives", null, "alone", null]);
    assert.deepEqual(valuesOf(read, "kinds__int64"), [7n, 8n, null, null]);
  }),
  adapterCase("the columns are those described, in their order", [], async (adapter) => {
    const read = await readAt(adapter, "joined", { name: ["in both"] });
    const { features } = await adapter.source.describe("joined");
    assert.deepEqual(
      Object.entries(read.features.columns).map(([name, { type }]) => [name, type]),
      features.map(({ name, type }) => [name, type]),
    );
  }),
  adapterCase("one view may have expired while the other is present", [], async (adapter) => {
    const read = await readAt(adapter, "joined", { name: ["in both"] }, ADAPTER_NOW_MS + 3_600_000);
    assert.deepEqual([statusesOf(read, "lives"), statusesOf(read, "kinds")], [["expired"], ["present"]]);
  }),
  adapterCase("an entity without a key is missing, and the others are not", [], async (adapter) => {
    const read = await readAt(adapter, "joined", { name: [null, "in both", null] });
    assert.deepEqual(statusesOf(read, "kinds"), ["missing", "present", "missing"]);
    assert.deepEqual(valuesOf(read, "kinds__utf8"), [null, "kinds", null]);
  }),
  adapterCase("entities that all lack their keys are all missing", [], async (adapter) => {
    const read = await readAt(adapter, "joined", { name: [null, null] });
    assert.deepEqual(statusesOf(read, "lives"), ["missing", "missing"]);
    assert.equal(read.features.length, 2);
  }),
];

const refusals: readonly FeatureAdapterCase[] = [
  adapterCase("a service nobody defined is not described", [], async ({ source }) =>
    rejectsWithCode(source.describe("nobody"), "PORT_FEATURE_SERVICE_UNKNOWN"),
  ),
  adapterCase("a service nobody defined is not read", [], async (adapter) =>
    rejectsWithCode(readAt(adapter, "nobody", { name: ["a"] }), "PORT_FEATURE_SERVICE_UNKNOWN"),
  ),
  adapterCase("entities without a column of keys are refused", [], async (adapter) =>
    rejectsWithCode(readAt(adapter, "all_kinds", { title: ["a"] }), "FEATURE_STORE_COLUMN_MISSING"),
  ),
  adapterCase("entities without one of two columns of keys are refused", ["compositeKeys"], async (adapter) =>
    rejectsWithCode(readAt(adapter, "all_pairs", { id: [1n] }), "FEATURE_STORE_COLUMN_MISSING"),
  ),
  adapterCase("keys of another type are refused", [], async ({ source }) => {
    const entities = batchOf({ id: column("utf8", ["1"]) });
    await rejectsWithCode(source.read("all_numbers", { entities }), "FEATURE_STORE_COLUMN_TYPE");
  }),
  adapterCase("columns beside the keys are left alone", [], async (adapter) => {
    const read = await readAt(adapter, "all_numbers", { id: [3n], color: ["red"] });
    assert.deepEqual(valuesOf(read, "numbered__value"), [3 / 8]);
    assert.deepEqual(Object.keys(read.features.columns), ["numbered__value"]);
  }),
  adapterCase("an aborted description rejects with the signal's reason", [], async ({ source }) => {
    const { signal, reason } = abortedSignal();
    await rejectsWithReason(source.describe("all_kinds", { signal }), reason);
  }),
  adapterCase("an aborted reading rejects with the signal's reason", [], async ({ source }) => {
    const { signal, reason } = abortedSignal();
    await rejectsWithReason(source.read("all_numbers", { entities: entitiesOf({ id: [1n] }), signal }), reason);
  }),
  adapterCase("a reading that is aborted under way gives the whole answer or the reason", [], async ({ source }) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = source.read("all_numbers", { entities: entitiesOf({ id: [1n] }), signal: controller.signal });
    controller.abort(reason);
    const outcome = await reading.catch((error: unknown) => error);
    if (outcome !== reason) assert.equal((outcome as { features: { length: number } }).features.length, 1);
  }),
];

const readers: readonly FeatureAdapterCase[] = [
  adapterCase("readers at the same time get each their own rows", [], async (adapter) => {
    const ids = Array.from({ length: 40 }, (_, index) => index % 6);
    const reads = await Promise.all(ids.map((id) => readAt(adapter, "all_numbers", { id: [BigInt(id)] })));
    assert.deepEqual(
      reads.map((read) => valuesOf(read, "numbered__value")),
      ids.map((id) => [id / 8]),
    );
  }),
  adapterCase("what is read is the caller's own", [], async (adapter) => {
    const first = await readAt(adapter, "all_numbers", { id: [1n, 2n] });
    (first.features.columns["numbered__value"]!.values as Float64Array).fill(99);
    const second = await readAt(adapter, "all_numbers", { id: [1n, 2n] });
    assert.deepEqual(valuesOf(second, "numbered__value"), [1 / 8, 2 / 8]);
  }),
  adapterCase("the entities that are asked for are not changed", [], async ({ source }) => {
    const entities = entitiesOf({ id: [2n, 1n, 2n] });
    await source.read("all_numbers", { entities });
    assert.deepEqual(entities, entitiesOf({ id: [2n, 1n, 2n] }));
  }),
];

const live = (
  name: string,
  ageMs: number,
  state: string | null,
): Record<string, string | bigint | Date | boolean | null> => ({
  name,
  at: at(ageMs),
  gone: false,
  state,
  level: 1n,
});

const stateOf = async (adapter: Parameters<FeatureAdapterCase["run"]>[0], name: string): Promise<unknown> => {
  const read = await readAt(adapter, "all_lives", { name: [name] });
  return [statusesOf(read, "lives")[0], valuesOf(read, "lives__state")[0]];
};

let names = 0;
/** A name that nobody had: a case may be run again on the same adapter. */
const fresh = (what: string): string => `${what} ${(names += 1)}`;

const writes: readonly FeatureAdapterCase[] = [
  adapterCase("a row that is written is read at once", ["write"], async (adapter) => {
    const name = fresh("written");
    assert.deepEqual(await stateOf(adapter, name), ["missing", null]);
    await adapter.put("lives", [live(name, MINUTE, "here")]);
    assert.deepEqual(await stateOf(adapter, name), ["present", "here"]);
  }),
  adapterCase("a later row takes the place of an earlier one", ["write"], async (adapter) => {
    await adapter.put("lives", [live("later", 3 * MINUTE, "old")]);
    await adapter.put("lives", [live("later", 2 * MINUTE, "new")]);
    assert.deepEqual(await stateOf(adapter, "later"), ["present", "new"]);
  }),
  adapterCase("an earlier row that comes later does not count", ["write"], async (adapter) => {
    await adapter.put("lives", [live("earlier", 2 * MINUTE, "new")]);
    await adapter.put("lives", [live("earlier", 3 * MINUTE, "old")]);
    assert.deepEqual(await stateOf(adapter, "earlier"), ["present", "new"]);
  }),
  adapterCase("of several rows in one call the latest counts", ["write"], async (adapter) => {
    const rows = [3, 1, 2].map((minutes) => live("several", minutes * MINUTE, `${minutes} minutes`));
    await adapter.put("lives", rows);
    assert.deepEqual(await stateOf(adapter, "several"), ["present", "1 minutes"]);
  }),
  adapterCase("a later row without a value takes the value away", ["write"], async (adapter) => {
    await adapter.put("lives", [live("emptied", 2 * MINUTE, "something")]);
    await adapter.put("lives", [live("emptied", MINUTE, null)]);
    assert.deepEqual(await stateOf(adapter, "emptied"), ["present", null]);
  }),
  adapterCase("an expired entity comes back with a new row", ["write"], async (adapter) => {
    const name = fresh("written");
    await adapter.put("lives", [live(name, 100 * MINUTE, "old")]);
    assert.deepEqual(await stateOf(adapter, name), ["expired", null]);
    await adapter.put("lives", [live(name, MINUTE, "new")]);
    assert.deepEqual(await stateOf(adapter, name), ["present", "new"]);
  }),
  adapterCase("a row of one view leaves the entity's other views alone", ["write"], async (adapter) => {
    await adapter.put("kinds", [kindRow("apart", { int64: 5n })]);
    const read = await readAt(adapter, "joined", { name: ["apart"] });
    assert.deepEqual([statusesOf(read, "lives"), statusesOf(read, "kinds")], [["missing"], ["present"]]);
  }),
  adapterCase("writers at the same time lose nothing, each entity its own", ["write"], async (adapter) => {
    const names = Array.from({ length: 20 }, (_, index) => `together ${index}`);
    await Promise.all(names.map((name) => adapter.put("lives", [live(name, MINUTE, name)])));
    const read = await readAt(adapter, "all_lives", { name: names });
    assert.deepEqual(valuesOf(read, "lives__state"), names);
  }),
  adapterCase("of rows of one entity written at the same time the latest counts", ["write"], async (adapter) => {
    const minutes = [4, 2, 9, 1, 7, 3];
    await Promise.all(minutes.map((each) => adapter.put("lives", [live("raced", each * MINUTE, String(each))])));
    assert.deepEqual(await stateOf(adapter, "raced"), ["present", "1"]);
  }),
  adapterCase("three hundred rows in one call are all there", ["write"], async (adapter) => {
    const ids = Array.from({ length: 300 }, (_, index) => 50_000n + BigInt(index));
    await adapter.put(
      "numbered",
      ids.map((id) => ({ id, at: at(MINUTE), value: Number(id) })),
    );
    const read = await readAt(adapter, "all_numbers", { id: ids });
    assert.deepEqual(valuesOf(read, "numbered__value"), ids.map(Number));
  }),
];

const gone = (name: string, ageMs: number): ReturnType<typeof live> => ({ ...live(name, ageMs, null), gone: true });

const deletes: readonly FeatureAdapterCase[] = [
  adapterCase("an entity that is deleted reads as deleted", ["write", "delete"], async (adapter) => {
    await adapter.put("lives", [live("deleted", 2 * MINUTE, "there")]);
    await adapter.put("lives", [gone("deleted", MINUTE)]);
    assert.deepEqual(await stateOf(adapter, "deleted"), ["deleted", null]);
  }),
  adapterCase("a delete that is earlier than the row does not count", ["write", "delete"], async (adapter) => {
    await adapter.put("lives", [live("kept", 2 * MINUTE, "there")]);
    await adapter.put("lives", [gone("kept", 3 * MINUTE)]);
    assert.deepEqual(await stateOf(adapter, "kept"), ["present", "there"]);
  }),
  adapterCase("a deleted entity comes back with a later row", ["write", "delete"], async (adapter) => {
    await adapter.put("lives", [live("again", 3 * MINUTE, "there"), gone("again", 2 * MINUTE)]);
    await adapter.put("lives", [live("again", MINUTE, "again")]);
    assert.deepEqual(await stateOf(adapter, "again"), ["present", "again"]);
  }),
];

/** What every adapter does that gives features: the same cases for each, by what it can. */
export const featureAdapterContract: readonly FeatureAdapterCase[] = [
  ...descriptions,
  ...valueCases,
  ...joins,
  ...refusals,
  ...readers,
  ...writes,
  ...deletes,
];
