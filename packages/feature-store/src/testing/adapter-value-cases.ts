import assert from "node:assert/strict";
import { featureName } from "../definition/definition.ts";
import {
  ADAPTER_NOW_MS,
  ages,
  edgeKey,
  edges,
  hasNumber,
  keyNumbers,
  keyTexts,
  kindNames,
  kinds,
  NUMBERS,
  pairRows,
} from "./adapter-features.ts";
import type { FeatureAdapterCase } from "./adapter-fixture.ts";
import { adapterCase, assertSame, entitiesOf, readAt, statusesOf, valuesOf } from "./adapter-reads.ts";

const column = (type: string): string => featureName(kinds, type);

/** Each type at its edges, one entity a value. */
const values: readonly FeatureAdapterCase[] = edges.map((edge) =>
  adapterCase(`a feature of type ${edge.type}, ${edge.name}, comes back as it was`, edge.needs, async (adapter) => {
    const read = await readAt(adapter, "all_kinds", { name: [edgeKey(edge)] });
    assert.deepEqual(statusesOf(read, "kinds"), ["present"]);
    assert.equal(read.features.columns[column(edge.type)]?.type, edge.type);
    assertSame(valuesOf(read, column(edge.type))[0], edge.value);
    // Nothing of it is in another feature.
    for (const type of kindNames) if (type !== edge.type) assertSame(valuesOf(read, column(type))[0], null);
  }),
);

const texts: readonly FeatureAdapterCase[] = keyTexts.map(([name, key, needs]) =>
  adapterCase(`an entity whose key has ${name} is found, and none like it`, needs, async (adapter) => {
    const read = await readAt(adapter, "all_kinds", { name: [`${key}~`, key, `~${key}`] });
    assert.deepEqual(statusesOf(read, "kinds"), ["missing", "present", "missing"]);
    assert.deepEqual(valuesOf(read, column("utf8")), [null, name, null]);
  }),
);

const numbers: readonly FeatureAdapterCase[] = keyNumbers.map((id, index) =>
  adapterCase(`an entity whose key is ${id} is found`, [], async (adapter) => {
    const read = await readAt(adapter, "all_numbers", { id: [id] });
    assert.deepEqual(valuesOf(read, "numbered__value"), [1000 + index]);
  }),
);

const pairs: readonly FeatureAdapterCase[] = [
  ...pairRows.map(([region, id, label]) =>
    adapterCase(`an entity of two keys is found: ${label}`, ["compositeKeys"], async (adapter) => {
      const read = await readAt(adapter, "all_pairs", { region: [region], id: [id] });
      assert.deepEqual(valuesOf(read, "pairs__label"), [label]);
    }),
  ),
  adapterCase("keys of two columns may be given in any order", ["compositeKeys"], async (adapter) => {
    const read = await readAt(adapter, "all_pairs", { id: [1n, 2n], region: ["b", "a"] });
    assert.deepEqual(valuesOf(read, "pairs__label"), ["b and 1", "a and 2"]);
  }),
  adapterCase("keys that are one by one those of others are nobody's together", ["compositeKeys"], async (adapter) => {
    const read = await readAt(adapter, "all_pairs", { region: ["b", "a", "1"], id: [2n, 12n, 1n] });
    assert.deepEqual(statusesOf(read, "pairs"), ["missing", "missing", "missing"]);
  }),
  adapterCase("an entity that lacks one of its keys is missing, in its place", ["compositeKeys"], async (adapter) => {
    const read = await readAt(adapter, "all_pairs", { region: ["a", null, "b"], id: [null, 1n, 1n] });
    assert.deepEqual(statusesOf(read, "pairs"), ["missing", "missing", "present"]);
    assert.deepEqual(valuesOf(read, "pairs__label"), [null, null, "b and 1"]);
  }),
];

/** Batches around the sizes at which stores and services split them. */
const sizes: readonly FeatureAdapterCase[] = [0, 1, 2, 3, 16, 99, 100, 101, 200, 201, 500, 1000, 1001].map((size) =>
  adapterCase(
    `${size} entities come in their order, with repetitions and those that are missing`,
    [],
    async (adapter) => {
      // A step that has no factor in common with the numbers walks through all of them, out of order.
      const ids = Array.from({ length: size }, (_, index) => (index * 37) % (NUMBERS + 5));
      const read = await readAt(adapter, "all_numbers", { id: ids.map(BigInt) });
      assert.equal(read.features.length, size);
      assert.deepEqual(
        valuesOf(read, "numbered__value"),
        ids.map((id) => (hasNumber(id) ? id / 8 : null)),
      );
      assert.deepEqual(
        statusesOf(read, "numbered"),
        ids.map((id) => (hasNumber(id) ? "present" : "missing")),
      );
    },
  ),
);

const times: readonly FeatureAdapterCase[] = [
  ...ages.map(([name, , isPresent, needs]) =>
    adapterCase(
      `a row with an hour to live, ${name} old, is ${isPresent ? "present" : "expired"}`,
      needs,
      async (adapter) => {
        const read = await readAt(adapter, "all_lives", { name: [name] });
        assert.deepEqual(statusesOf(read, "lives"), [isPresent ? "present" : "expired"]);
        assert.deepEqual(valuesOf(read, "lives__state"), [isPresent ? `${name} old` : null]);
        assert.deepEqual(valuesOf(read, "lives__level"), [isPresent ? 1n : null]);
      },
    ),
  ),
  adapterCase("the age of a row is the time between its event and the reading", [], async (adapter) => {
    const ids = [0n, 5n, 10n];
    const { views } = await readAt(adapter, "all_numbers", { id: ids }, ADAPTER_NOW_MS + 5000);
    assert.deepEqual(
      [...views["numbered"]!.ageMs],
      ids.map((id) => (Number(id) + 1) * 60_000 + 5000),
    );
  }),
  adapterCase("the age of what is missing is no number", [], async (adapter) => {
    const { views } = await readAt(adapter, "all_numbers", { id: [-5n, 0n] });
    assert.deepEqual([...views["numbered"]!.ageMs].map(Number.isNaN), [true, false]);
  }),
  adapterCase("the same row expires as the time of the reading goes on", [], async (adapter) => {
    for (const [laterMs, status] of [
      [0, "present"],
      [1_000_000, "present"],
      [1_800_000, "expired"],
    ] as const) {
      const read = await readAt(adapter, "all_lives", { name: ["half its time"] }, ADAPTER_NOW_MS + laterMs);
      assert.deepEqual(statusesOf(read, "lives"), [status]);
    }
  }),
  adapterCase("without a time the clock's is taken", [], async ({ source }) => {
    const { views } = await source.read("all_numbers", { entities: entitiesOf({ id: [0n] }) });
    assert.deepEqual([...views["numbered"]!.ageMs], [60_000]);
  }),
];

export const valueCases: readonly FeatureAdapterCase[] = [
  ...values,
  ...texts,
  ...numbers,
  ...pairs,
  ...sizes,
  ...times,
];
