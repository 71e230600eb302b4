import assert from "node:assert/strict";
import type { ContractCase } from "@millwright/contracts/testing";
import type { KeyedEntry, KeyedOnlineStore } from "../keyed/keyed-store.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

const put = (store: KeyedOnlineStore, group: string, entries: Readonly<Record<string, string>>): Promise<void> =>
  store.update(group, Object.keys(entries), (index) => text(Object.values(entries)[index]!));

async function texts(
  store: KeyedOnlineStore,
  group: string,
  keys: readonly string[],
): Promise<readonly (string | undefined)[]> {
  return (await store.read(group, keys)).map(textOf);
}

async function all(store: KeyedOnlineStore, group: string): Promise<Record<string, string | undefined>> {
  const found: KeyedEntry[] = [];
  for await (const page of store.scan(group)) found.push(...page);
  assert.equal(new Set(found.map(({ key }) => key)).size, found.length, "an entry came twice");
  return Object.fromEntries(found.map(({ key, bytes }) => [key, textOf(bytes)] as const));
}

/** Adds one to a number that stands there as text. */
const addOne = (_: number, current: Uint8Array | undefined): Uint8Array =>
  text(String(Number(textOf(current) ?? 0) + 1));

const readings: readonly ContractCase<KeyedOnlineStore>[] = [
  {
    name: "read keeps the order of keys, marks the absent, and answers a key that stands twice twice",
    run: async (store) => {
      await put(store, "a", { x: "1", y: "2" });
      await put(store, "b", { x: "other group" });
      assert.deepEqual(await texts(store, "a", ["y", "missing", "x", "y"]), ["2", undefined, "1", "2"]);
      assert.deepEqual(await texts(store, "nobody", ["x"]), [undefined]);
      assert.deepEqual(await texts(store, "a", []), []);
    },
  },
  {
    name: "groups whose names begin alike, or hold what separates names elsewhere, are apart",
    run: async (store) => {
      const groups = ["a", "ab", "a:b", "a\u0000b", "a}b", "{a}", "a/b", "", "🐎"];
      for (const group of groups) await put(store, group, { "b:x": group, x: `${group}!` });
      for (const group of groups) {
        assert.deepEqual(await all(store, group), { "b:x": group, x: `${group}!` });
      }
    },
  },
  {
    name: "of many keys in order, those that are there are seen, at either end, between, and nowhere",
    run: async (store) => {
      const keys = Array.from({ length: 300 }, (_, index) => `key ${String(index).padStart(3, "0")}`);
      for (const [group, there] of [
        ["none", []],
        ["before and after", ["key", "key 0", "key 299 and more", "l"]],
        ["first", ["key 000"]],
        ["last", ["key 299"]],
        ["between", ["key 150", "key 150a"]],
        ["others between", ["key 150a"]],
      ] as const) {
        await store.update(group, there, () => text("5"));
        const seen: string[] = [];
        await store.update(group, keys, (index, current) => {
          if (current !== undefined && !seen.includes(keys[index]!)) seen.push(keys[index]!);
          return addOne(index, current);
        });
        const known = new Set<string>(there);
        assert.deepEqual(
          seen,
          keys.filter((key) => known.has(key)),
        );
        const found = await all(store, group);
        for (const key of keys) assert.equal(found[key], seen.includes(key) ? "6" : "1");
        assert.equal(Object.keys(found).length, new Set([...keys, ...there]).size);
      }
    },
  },
  {
    name: "bytes of any value and length come back as they were, empty ones too",
    run: async (store) => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
      const values = [new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 255, 0, 10, 13, 0), bytes];
      const keys = values.map((_, index) => `key ${index}`);
      await store.update("a", keys, (index) => values[index]!);
      const found = await store.read("a", keys);
      assert.deepEqual(
        found.map((each) => each && Array.from(each)),
        values.map((each) => Array.from(each)),
      );
    },
  },
  {
    name: "keys of any length and any characters are told apart",
    run: async (store) => {
      const long = "k".repeat(5000);
      const keys = [
        "",
        " ",
        "\u0000",
        "a\u0000",
        "a",
        "\u0000a",
        "žluťoučký 🐎",
        "1:a2:bc",
        long,
        `${long}1`,
        `${long}2`,
      ];
      keys.push("x".repeat(300), "x".repeat(510), "x".repeat(511), "x".repeat(512), "é".repeat(256), "#", "\uffff");
      await store.update("a", keys, (index) => text(String(index)));
      assert.deepEqual(
        await texts(store, "a", keys),
        keys.map((_, index) => String(index)),
      );
      assert.deepEqual(await all(store, "a"), Object.fromEntries(keys.map((key, index) => [key, String(index)])));
      assert.deepEqual(await texts(store, "a", [`${long}3`, "b", "a\u0000\u0000"]), [undefined, undefined, undefined]);
    },
  },
  {
    name: "what is read without waiting is what is read",
    appliesTo: ({ capabilities }) => capabilities.synchronous,
    run: async (store) => {
      const long = "k".repeat(2000);
      await put(store, "a", { x: "long enough to leave something behind", y: "2", [long]: "3" });
      assert.equal(textOf(store.readNow("a", "x")), "long enough to leave something behind");
      assert.equal(textOf(store.readNow("a", "y")), "2");
      assert.equal(textOf(store.readNow("a", long)), "3");
      assert.equal(store.readNow("a", "missing"), undefined);
      assert.equal(store.readNow("nobody", "x"), undefined);
      await put(store, "a", { y: "newer" });
      assert.equal(textOf(store.readNow("a", "y")), "newer");
    },
  },
  {
    name: "reading without waiting is refused where it cannot be done",
    appliesTo: ({ capabilities }) => !capabilities.synchronous,
    run: async (store) => assert.throws(() => store.readNow("a", "x"), { code: "PORT_UNSUPPORTED" }),
  },
  {
    name: "scan gives every entry of a group once, and none of another",
    run: async (store) => {
      const keys = Array.from({ length: 2500 }, (_, index) => `key ${index}`);
      await store.update("many", keys, (index) => text(String(index)));
      await put(store, "other", { x: "1" });
      const expected = Object.fromEntries(keys.map((key, index) => [key, String(index)]));
      assert.deepEqual(await all(store, "many"), expected);
      assert.deepEqual(await all(store, "nobody"), {});
      for await (const page of store.scan("many")) {
        assert.ok(page.length > 0);
        break;
      }
    },
  },
];

const changes: readonly ContractCase<KeyedOnlineStore>[] = [
  {
    name: "a change sees what is there, and puts, deletes or leaves",
    run: async (store) => {
      await put(store, "a", { x: "1", y: "2", z: "3" });
      const seen: (string | undefined)[] = [];
      await store.update("a", ["x", "y", "z", "new"], (index, current) => {
        seen[index] = textOf(current);
        return [text("changed"), null, undefined, undefined][index];
      });
      assert.deepEqual(seen, ["1", "2", "3", undefined]);
      assert.deepEqual(await all(store, "a"), { x: "changed", z: "3" });
    },
  },
  {
    name: "a key that stands twice in one update is changed twice, each on top of the other",
    run: async (store) => {
      await store.update("a", ["x", "y", "x", "x"], addOne);
      assert.deepEqual(await texts(store, "a", ["x", "y"]), ["3", "1"]);
      await store.update("a", ["x", "x"], (index, current) => (index === 0 ? null : text(`after ${textOf(current)}`)));
      assert.deepEqual(await texts(store, "a", ["x"]), ["after undefined"]);
    },
  },
  {
    name: "updates made at once lose nothing",
    run: async (store) => {
      const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`);
      await Promise.all(Array.from({ length: 40 }, () => store.update("a", [...keys, "key 3"], addOne)));
      assert.deepEqual(
        await texts(store, "a", keys),
        keys.map((key) => (key === "key 3" ? "80" : "40")),
      );
    },
  },
  {
    name: "a change that throws changes nothing, and the store goes on",
    run: async (store) => {
      await put(store, "a", { x: "1" });
      const failure = new Error("no");
      const failing = store.update("a", ["x", "y", "z"], (index) => {
        if (index === 2) throw failure;
        return text("half");
      });
      const beside = store.update("a", ["beside"], () => text("kept"));
      await assert.rejects(failing, failure);
      await beside;
      assert.deepEqual(await all(store, "a"), { x: "1", beside: "kept" });
    },
  },
  {
    name: "what is kept and what is read are copies: changing them changes nothing",
    run: async (store) => {
      const given = text("old");
      await store.update("a", ["x"], () => given);
      given[0] = 0;
      const [first] = await store.read("a", ["x"]);
      assert.equal(textOf(first), "old");
      first![0] = 0;
      assert.deepEqual(await texts(store, "a", ["x"]), ["old"]);
      await put(store, "a", { y: "new" });
      const [kept] = await store.read("a", ["x"]);
      await texts(store, "a", ["y"]);
      assert.equal(textOf(kept), "old");
    },
  },
  {
    name: "an aborted call rejects with the signal's reason and changes nothing",
    run: async (store) => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(store.update("a", ["x"], addOne, { signal }), reason);
      await assert.rejects(store.read("a", ["x"], { signal }), reason);
      await assert.rejects(async () => {
        for await (const page of store.scan("a", { signal })) assert.fail(`gave ${page.length} entries`);
      }, reason);
      assert.deepEqual(await texts(store, "a", ["x"]), [undefined]);
    },
  },
  {
    name: "a closed store says so, closing again does nothing, and updates under way are kept or told",
    run: async (store) => {
      const underway = store.update("a", ["x"], addOne);
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await underway;
      await assert.rejects(store.read("a", ["x"]), { code: "PORT_CLOSED" });
      await assert.rejects(store.update("a", ["x"], addOne), { code: "PORT_CLOSED" });
    },
  },
];

/** What every keyed online store promises. */
export const keyedOnlineStoreContract: readonly ContractCase<KeyedOnlineStore>[] = [...readings, ...changes];
