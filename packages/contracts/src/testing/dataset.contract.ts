import assert from "node:assert/strict";
import type { Batch } from "../column.ts";
import type { BatchesOptions, Dataset } from "../dataset.ts";
import { abortedSignal, collect, rejectsWithReason } from "./assertions.ts";
import { rowsOf } from "./column-values.ts";
import type { ContractCase } from "./contract-case.ts";

/** Two datasets over the same rows: at least 10 of them, and at least two columns. */
export interface DatasetFixture {
  readonly dataset: Dataset;
  /** The same rows in the same order, held in batches of other sizes. */
  readonly recut: Dataset;
}

const rows = async (dataset: Dataset, options?: BatchesOptions): Promise<Record<string, unknown>[]> =>
  (await collect(dataset.batches(options))).flatMap(rowsOf);

const namesOf = (batch: Batch): string[] => Object.keys(batch.columns);

/** What each dataset promises. Every case takes a fixture of its own. */
export const datasetContract: readonly ContractCase<DatasetFixture>[] = [
  {
    name: "batches have the schema's columns in its order, with its types and the batch's length",
    run: async ({ dataset }) => {
      for await (const batch of dataset.batches()) {
        assert.deepEqual(
          Object.entries(batch.columns).map(([name, column]) => [name, column.type]),
          dataset.schema.map(({ name, type }) => [name, type]),
        );
        for (const column of Object.values(batch.columns)) assert.equal(column.length, batch.length);
      }
    },
  },
  {
    name: "walked again, also side by side, it gives the same rows, as many as it says",
    run: async ({ dataset }) => {
      const first = await rows(dataset);
      assert.ok(first.length >= 10, "the fixture has too few rows");
      const [second, third] = await Promise.all([rows(dataset), rows(dataset)]);
      assert.deepEqual(second, first);
      assert.deepEqual(third, first);
      if (dataset.rows !== undefined) assert.equal(dataset.rows, first.length);
    },
  },
  {
    name: "columns are those that were asked for, in that order, with their values",
    run: async ({ dataset }) => {
      const columns = dataset.schema.map(({ name }) => name).toReversed();
      for (const asked of [columns, columns.slice(0, 1)]) {
        for await (const batch of dataset.batches({ columns: asked })) assert.deepEqual(namesOf(batch), asked);
        const expected = (await rows(dataset)).map((row) => Object.fromEntries(asked.map((name) => [name, row[name]])));
        assert.deepEqual(await rows(dataset, { columns: asked }), expected);
      }
      await assert.rejects(async () => collect(dataset.batches({ columns: ["no such column"] })));
    },
  },
  {
    name: "no batch has more rows than asked, and none is lost at a cut",
    run: async ({ dataset }) => {
      const expected = await rows(dataset);
      for (const batchRows of [1, 3, 1_000_000]) {
        const batches = await collect(dataset.batches({ batchRows }));
        assert.ok(batches.every(({ length }) => length <= batchRows));
        assert.deepEqual(batches.flatMap(rowsOf), expected);
      }
    },
  },
  {
    name: "slices, where there are some, have the rows between their ends, clamped, and their digest",
    appliesTo: ({ dataset }) => dataset.slice !== undefined,
    run: async ({ dataset, recut }) => {
      const expected = await rows(dataset);
      const columns = dataset.schema.map(({ name }) => name).toReversed();
      for (const [start, end] of [
        [0, 4],
        [3, 8],
        [7, 7],
        [5, 1_000_000],
        [1_000_000, 1_000_001],
      ] as const) {
        const slice = dataset.slice?.(start, end) as Dataset;
        assert.deepEqual(slice.schema, dataset.schema);
        assert.deepEqual(await rows(slice), expected.slice(start, end));
        assert.deepEqual(
          await rows(slice, { columns: columns.slice(0, 1), batchRows: 2 }),
          (await rows(dataset, { columns: columns.slice(0, 1) })).slice(start, end),
        );
        if (slice.rows !== undefined) assert.equal(slice.rows, expected.slice(start, end).length);
        const again = slice.slice?.(1, 3);
        if (again !== undefined) assert.deepEqual(await rows(again), expected.slice(start, end).slice(1, 3));
        if (recut.slice !== undefined) assert.equal(await recut.slice(start, end).digest(), await slice.digest());
      }
      assert.equal(await dataset.slice?.(0, 1_000_000).digest(), await dataset.digest());
    },
  },
  {
    name: "the digest stays, and is that of the rows however they are cut",
    run: async ({ dataset, recut }) => {
      assert.deepEqual(await rows(recut), await rows(dataset));
      const digest = await dataset.digest();
      assert.match(digest, /^sha256:[0-9a-f]{64}$/);
      assert.equal(await dataset.digest(), digest);
      assert.equal(await recut.digest(), digest);
    },
  },
  {
    name: "leaving the loop early frees what was held: the next walks, many of them, are whole",
    run: async ({ dataset }) => {
      const expected = await rows(dataset);
      for (let time = 0; time < 20; time += 1) {
        let seen = 0;
        for await (const batch of dataset.batches({ batchRows: 1 })) {
          seen += batch.length;
          break;
        }
        assert.equal(seen, 1);
      }
      assert.deepEqual(await rows(dataset), expected);
    },
  },
  {
    name: "an aborted signal rejects with its reason before the first batch, and on the way",
    run: async ({ dataset }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(dataset.batches({ signal }), reason);
      const controller = new AbortController();
      const late = new Error("enough");
      let batches = 0;
      const walk = async (): Promise<void> => {
        for await (const _batch of dataset.batches({ batchRows: 1, signal: controller.signal })) {
          batches += 1;
          controller.abort(late);
        }
      };
      await rejectsWithReason(walk(), late);
      assert.equal(batches, 1);
      assert.ok((await rows(dataset)).length >= 10);
    },
  },
];
