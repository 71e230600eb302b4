import assert from "node:assert/strict";
import type { Batch } from "../column.ts";
import type { FeatureSource } from "../feature-source.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import { rowsOf } from "./column-values.ts";
import type { ContractCase } from "./contract-case.ts";

/** A source with one feature service, and entities to ask for. */
export interface FeatureSourceFixture {
  readonly source: FeatureSource;
  /** A service over at least one view, each with at least one stored feature. */
  readonly service: string;
  /**
   * Rows of keys, in this order. Entities 0, 1 and 2 are present in every view and differ in at least one feature; entity −1 has no row in
   * any view.
   */
  entities(numbers: readonly number[]): Batch;
  /** Request inputs row by row, the same for the same number. Absent where the service takes none. */
  readonly request?: ((numbers: readonly number[]) => Batch) | undefined;
}

async function read(fixture: FeatureSourceFixture, numbers: readonly number[]): ReturnType<FeatureSource["read"]> {
  const { source, service, entities, request } = fixture;
  return source.read(service, { entities: entities(numbers), request: request?.(numbers) });
}

/** What each feature source promises. */
export const featureSourceContract: readonly ContractCase<FeatureSourceFixture>[] = [
  {
    name: "describe tells keys and features, and the same digest each time",
    run: async ({ source, service, entities }) => {
      const description = await source.describe(service);
      assert.equal(description.name, service);
      assert.match(description.digest, /^sha256:[0-9a-f]{64}$/);
      assert.ok(description.features.length > 0);
      const keys = description.entityKeys.map(({ name }) => name).toSorted();
      assert.deepEqual(keys, Object.keys(entities([0]).columns).toSorted());
      assert.equal((await source.describe(service)).digest, description.digest);
    },
  },
  {
    name: "a service nobody defined rejects with PORT_FEATURE_SERVICE_UNKNOWN",
    run: async ({ source, entities }) => {
      await rejectsWithCode(source.describe("nobody defined it"), "PORT_FEATURE_SERVICE_UNKNOWN");
      await rejectsWithCode(
        source.read("nobody defined it", { entities: entities([0]) }),
        "PORT_FEATURE_SERVICE_UNKNOWN",
      );
    },
  },
  {
    name: "read gives the described features, one row per entity",
    run: async (fixture) => {
      const { features: schema } = await fixture.source.describe(fixture.service);
      const { features, views } = await read(fixture, [0, 1, 2]);
      assert.equal(features.length, 3);
      assert.deepEqual(
        Object.entries(features.columns).map(([name, { type }]) => ({ name, type })),
        schema.map(({ name, type }) => ({ name, type })),
      );
      assert.ok(Object.keys(views).length > 0);
      for (const { status, ageMs } of Object.values(views)) {
        assert.deepEqual([...status], ["present", "present", "present"]);
        assert.equal(ageMs.length, 3);
        for (const age of ageMs) assert.ok(Number.isFinite(age));
      }
    },
  },
  {
    name: "rows keep the order asked, and may repeat",
    run: async (fixture) => {
      const [zero, one, two] = rowsOf((await read(fixture, [0, 1, 2])).features);
      assert.notDeepEqual(zero, one);
      assert.notDeepEqual(one, two);
      assert.deepEqual(rowsOf((await read(fixture, [2, 0, 1, 0])).features), [two, zero, one, zero]);
    },
  },
  {
    name: "an entity without a row is marked missing, in its place, and its age is NaN",
    run: async (fixture) => {
      const [zero, one] = rowsOf((await read(fixture, [0, 1])).features);
      const { features, views } = await read(fixture, [0, -1, 1]);
      const rows = rowsOf(features);
      assert.deepEqual([rows[0], rows[2]], [zero, one]);
      for (const { status, ageMs } of Object.values(views)) {
        assert.deepEqual([...status], ["present", "missing", "present"]);
        assert.ok(Number.isNaN(ageMs[1]));
      }
    },
  },
  {
    name: "no entities give no rows",
    run: async (fixture) => assert.equal((await read(fixture, [])).features.length, 0),
  },
  {
    name: "what is read is the caller's own: changing it changes nothing that is read later",
    run: async (fixture) => {
      const first = await read(fixture, [0, 1, 2]);
      const before = rowsOf(first.features);
      for (const column of Object.values(first.features.columns)) {
        if (ArrayBuffer.isView(column.values)) new Uint8Array(column.values.buffer).fill(0);
      }
      assert.deepEqual(rowsOf((await read(fixture, [0, 1, 2])).features), before);
    },
  },
  {
    name: "readers at the same time get each their own rows",
    run: async (fixture) => {
      const [zero, one, two] = rowsOf((await read(fixture, [0, 1, 2])).features);
      const expected = [zero, one, two];
      const reads = await Promise.all(Array.from({ length: 30 }, (_, index) => read(fixture, [index % 3])));
      for (const [index, { features }] of reads.entries()) assert.deepEqual(rowsOf(features), [expected[index % 3]]);
    },
  },
  {
    name: "an aborted signal rejects with its reason",
    run: async ({ source, service, entities }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(source.describe(service, { signal }), reason);
      await rejectsWithReason(source.read(service, { entities: entities([0]), signal }), reason);
    },
  },
];
