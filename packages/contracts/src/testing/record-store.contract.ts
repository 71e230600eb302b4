import assert from "node:assert/strict";
import { hasCode } from "../error.ts";
import type { RecordStore } from "../record-store.ts";
import { abortedSignal, collect, rejectsWithCode, rejectsWithReason, take } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

const keysOf = async (store: RecordStore, prefix: string): Promise<string[]> =>
  (await collect(store.list(prefix))).map(({ key }) => key);

/** Adds one to the number under the key, trying again on a conflict. */
async function increment(store: RecordStore, key: string): Promise<void> {
  for (;;) {
    const record = await store.read(key);
    const next = record === undefined ? 1 : Number(record.value) + 1;
    try {
      await store.write(key, next, { ifVersion: record?.version ?? 0 });
      return;
    } catch (error) {
      if (!hasCode(error, "PORT_VERSION_CONFLICT")) throw error;
    }
  }
}

/** What each record store promises. Every case takes an empty store of its own. */
export const recordStoreContract: readonly ContractCase<RecordStore>[] = [
  {
    name: "what was never written reads as undefined",
    run: async (store) => assert.equal(await store.read("nothing"), undefined),
  },
  {
    name: "read gives the value as it was written, with its key and version",
    run: async (store) => {
      const value = { text: "Ærø ✈ 😀", list: [1, -0.5, null, true, { deep: [] }], empty: {}, none: null };
      assert.equal(await store.write("k", value), 1);
      assert.deepEqual(await store.read("k"), { key: "k", value, version: 1 });
    },
  },
  {
    name: "bare values are values: null, false, zero, the empty string",
    run: async (store) => {
      for (const value of [null, false, 0, "", []]) {
        await store.write("bare", value);
        assert.deepEqual((await store.read("bare"))?.value, value);
      }
    },
  },
  {
    name: "each write raises the version by one, whatever other keys do",
    run: async (store) => {
      assert.equal(await store.write("a", "first"), 1);
      assert.equal(await store.write("b", "first"), 1);
      assert.equal(await store.write("a", "second"), 2);
      assert.equal(await store.write("a", "second"), 3);
      assert.deepEqual(await store.read("a"), { key: "a", value: "second", version: 3 });
    },
  },
  {
    name: "a write at the expected version goes through, at any other it changes nothing and rejects with PORT_VERSION_CONFLICT",
    run: async (store) => {
      await store.write("k", "one");
      assert.equal(await store.write("k", "two", { ifVersion: 1 }), 2);
      await rejectsWithCode(store.write("k", "three", { ifVersion: 1 }), "PORT_VERSION_CONFLICT");
      await rejectsWithCode(store.write("k", "three", { ifVersion: 9 }), "PORT_VERSION_CONFLICT");
      await rejectsWithCode(store.write("absent", "x", { ifVersion: 1 }), "PORT_VERSION_CONFLICT");
      assert.deepEqual(await store.read("k"), { key: "k", value: "two", version: 2 });
      assert.equal(await store.read("absent"), undefined);
    },
  },
  {
    name: "ifVersion 0 writes only what is absent",
    run: async (store) => {
      assert.equal(await store.write("k", "one", { ifVersion: 0 }), 1);
      await rejectsWithCode(store.write("k", "two", { ifVersion: 0 }), "PORT_VERSION_CONFLICT");
      assert.equal((await store.read("k"))?.value, "one");
    },
  },
  {
    name: "delete removes the record, and deleting what is not there does nothing",
    run: async (store) => {
      await store.write("k", "one");
      await store.delete("k");
      await store.delete("k");
      await store.delete("never");
      assert.equal(await store.read("k"), undefined);
      assert.deepEqual(await keysOf(store, ""), []);
    },
  },
  {
    name: "a conditional delete holds to its version",
    run: async (store) => {
      await store.write("k", "one");
      await store.write("k", "two");
      await rejectsWithCode(store.delete("k", { ifVersion: 1 }), "PORT_VERSION_CONFLICT");
      assert.equal((await store.read("k"))?.version, 2);
      await store.delete("k", { ifVersion: 2 });
      assert.equal(await store.read("k"), undefined);
      await rejectsWithCode(store.delete("k", { ifVersion: 2 }), "PORT_VERSION_CONFLICT");
      await store.delete("k", { ifVersion: 0 });
    },
  },
  {
    name: "a key written again after a delete goes on counting, so that no old version ever fits again",
    run: async (store) => {
      await store.write("k", "one");
      await store.write("k", "two");
      await store.delete("k");
      const version = await store.write("k", "three", { ifVersion: 0 });
      assert.ok(version > 2, `the version went back to ${version}`);
      await rejectsWithCode(store.write("k", "four", { ifVersion: 2 }), "PORT_VERSION_CONFLICT");
    },
  },
  {
    name: "list gives the keys that start with the prefix, in the order of their UTF-8 bytes",
    run: async (store) => {
      const keys = ["run/2", "run/10", "run/1", "run/é", "run/Z", "run/a", "run/😀", "run/\uFFFD", "runs", "ru", "x"];
      for (const key of keys) await store.write(key, key);
      const expected = ["run/1", "run/10", "run/2", "run/Z", "run/a", "run/é", "run/\uFFFD", "run/😀"];
      assert.deepEqual(await keysOf(store, "run/"), expected);
      assert.equal((await keysOf(store, "")).length, keys.length);
      assert.deepEqual(await keysOf(store, "nothing"), []);
    },
  },
  {
    name: "no character of a prefix has a meaning of its own",
    run: async (store) => {
      for (const key of ["a%c", "abc", "a_c", "a*c", "a\\c", "A%C", "a'c", "a[b]c"]) await store.write(key, 1);
      assert.deepEqual(await keysOf(store, "a%"), ["a%c"]);
      assert.deepEqual(await keysOf(store, "a_"), ["a_c"]);
      assert.deepEqual(await keysOf(store, "a*"), ["a*c"]);
      assert.deepEqual(await keysOf(store, "a\\"), ["a\\c"]);
      assert.deepEqual(await keysOf(store, "a'"), ["a'c"]);
      assert.deepEqual(await keysOf(store, "a["), ["a[b]c"]);
    },
  },
  {
    name: "leaving a list early frees it: writes go on",
    run: async (store) => {
      for (let index = 0; index < 50; index += 1) await store.write(`k${index}`, index);
      assert.equal((await take(store.list("k"), 3)).length, 3);
      assert.equal(await store.write("k0", "again"), 2);
    },
  },
  {
    name: "the store keeps a copy: neither the value that was written nor the one that is read is its own",
    run: async (store) => {
      const value = { list: [1, 2, 3] };
      await store.write("k", value);
      value.list.push(4);
      const read = await store.read("k");
      assert.ok(read !== undefined);
      (read.value as unknown as typeof value).list.push(5);
      assert.deepEqual((await store.read("k"))?.value, { list: [1, 2, 3] });
      for (const record of await collect(store.list(""))) (record.value as unknown as typeof value).list.push(6);
      assert.deepEqual((await store.read("k"))?.value, { list: [1, 2, 3] });
    },
  },
  {
    name: "of many writers at once that want the key to be absent one wins",
    run: async (store) => {
      const writes = Array.from({ length: 16 }, (_, index) => store.write("k", index, { ifVersion: 0 }));
      const settled = await Promise.allSettled(writes);
      assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
      for (const result of settled) {
        if (result.status === "rejected") assert.ok(hasCode(result.reason, "PORT_VERSION_CONFLICT"));
      }
      const winner = settled.findIndex(({ status }) => status === "fulfilled");
      assert.deepEqual(await store.read("k"), { key: "k", value: winner, version: 1 });
    },
  },
  {
    name: "compare-and-swap loses no increment of callers at the same time",
    run: async (store) => {
      const count = async (): Promise<void> => {
        for (let turn = 0; turn < 10; turn += 1) await increment(store, "total");
      };
      await Promise.all(Array.from({ length: 8 }, count));
      assert.deepEqual(await store.read("total"), { key: "total", value: 80, version: 80 });
    },
  },
  {
    name: "an aborted signal rejects with its reason before anything is done",
    run: async (store) => {
      const { signal, reason } = abortedSignal();
      await store.write("k", "kept");
      await rejectsWithReason(store.read("k", { signal }), reason);
      await rejectsWithReason(store.write("k", "lost", { signal }), reason);
      await rejectsWithReason(store.delete("k", { signal }), reason);
      await rejectsWithReason(store.list("", { signal }), reason);
      assert.deepEqual(await store.read("k"), { key: "k", value: "kept", version: 1 });
    },
  },
];
