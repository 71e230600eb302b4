import assert from "node:assert/strict";
import type { ContractCase } from "@millwright/contracts/testing";
import type { OnlineRecord, OnlineRow, OnlineStore } from "../online/online-store.ts";

const row = (key: string, timeUs: number): OnlineRow => ({
  key,
  timeUs,
  createdUs: null,
  inputs: [timeUs],
  values: [],
});

async function all(store: OnlineStore, view: string): Promise<OnlineRecord[]> {
  const records: OnlineRecord[] = [];
  for await (const record of store.read(view)) records.push(record);
  return records;
}

/** What every online store promises. */
export const onlineStoreContract: readonly ContractCase<OnlineStore>[] = [
  {
    name: "a view never written has no records",
    run: async (store) => assert.deepEqual(await all(store, "nobody"), []),
  },
  {
    name: "records come back in the order they were appended, duplicates too, view by view",
    run: async (store) => {
      await store.append("a", [row("x", 3), row("x", 1)]);
      await store.append("b", [row("y", 9)]);
      await store.append("a", [row("x", 1)]);
      assert.deepEqual(await all(store, "a"), [row("x", 3), row("x", 1), row("x", 1)]);
      assert.deepEqual(await all(store, "b"), [row("y", 9)]);
    },
  },
  {
    name: "appends made at once keep the order of the calls",
    run: async (store) => {
      await Promise.all(Array.from({ length: 200 }, (_, index) => store.append("a", [row("x", index)])));
      assert.deepEqual(
        await all(store, "a"),
        Array.from({ length: 200 }, (_, index) => row("x", index)),
      );
    },
  },
  {
    name: "every value comes back as it was, to the bit",
    run: async (store) => {
      const values = [
        null,
        true,
        false,
        "",
        'žluťoučký 🐎 \u0000 "',
        0,
        -0,
        NaN,
        Infinity,
        -Infinity,
        5e-324,
        2 ** 53,
        -(2n ** 63n),
        0n,
      ];
      const record: OnlineRow = {
        key: '1:a"\u0000',
        timeUs: 2 ** 52 + 1,
        createdUs: -7,
        inputs: [null, -3, 2 ** 53 - 1],
        values,
      };
      await store.append("a", [record]);
      assert.deepEqual(await all(store, "a"), [record]);
    },
  },
  {
    name: "replace puts other records in the place of all, and appends go on after them",
    run: async (store) => {
      await store.append("a", [row("x", 1), row("x", 2)]);
      await store.append("b", [row("y", 1)]);
      await store.replace("a", [{ floorUs: 5 }, row("x", 7)]);
      await store.append("a", [row("x", 8)]);
      assert.deepEqual(await all(store, "a"), [{ floorUs: 5 }, row("x", 7), row("x", 8)]);
      assert.deepEqual(await all(store, "b"), [row("y", 1)]);
      await store.replace("a", []);
      assert.deepEqual(await all(store, "a"), []);
    },
  },
  {
    name: "what is said beside the rows is kept with them, in its place",
    run: async (store) => {
      const said: readonly OnlineRecord[] = [
        { floorUs: 3 },
        row("x", 4),
        {
          seenBatches: [
            [1, 5],
            [7, 7],
          ],
          partway: { batch: 8, row: 99 },
          doneMarks: ["puts/a"],
        },
        { removedKey: "x" },
        { markedBatch: "puts/b", calls: [[0, 3]] },
        { markedBatch: "stream/c" },
      ];
      await store.append("a", said);
      assert.deepEqual(await all(store, "a"), said);
      await store.replace("a", said.slice(2));
      assert.deepEqual(await all(store, "a"), said.slice(2));
    },
  },
  {
    name: "calls take effect in the order they were made, whatever they are",
    run: async (store) => {
      await Promise.all([
        store.append("a", [row("x", 1)]),
        store.replace("a", [row("x", 2)]),
        store.append("a", [row("x", 3)]),
      ]);
      assert.deepEqual(await all(store, "a"), [row("x", 2), row("x", 3)]);
    },
  },
  {
    name: "what is kept is a copy: changing what was given changes nothing",
    run: async (store) => {
      const given = { key: "x", timeUs: 1, createdUs: null, inputs: [1], values: ["old"] };
      await store.append("a", [given]);
      given.values[0] = "new";
      given.inputs[0] = 2;
      const [first] = await all(store, "a");
      assert.deepEqual(first, { key: "x", timeUs: 1, createdUs: null, inputs: [1], values: ["old"] });
    },
  },
  {
    name: "an aborted call rejects with the signal's reason and keeps nothing",
    run: async (store) => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(store.append("a", [row("x", 1)], { signal }), reason);
      await assert.rejects(store.replace("a", [row("x", 1)], { signal }), reason);
      assert.deepEqual(await all(store, "a"), []);
    },
  },
  {
    name: "a closed store says so, and closing again does nothing",
    run: async (store) => {
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await assert.rejects(store.append("a", [row("x", 1)]), { code: "PORT_CLOSED" });
    },
  },
];
