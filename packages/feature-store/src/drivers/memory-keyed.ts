import { closed } from "@millwright/contracts";
import { changesOf, copyOf, type KeyedEntry, type KeyedOnlineStore } from "../keyed/keyed-store.ts";

/** Entries of a page of a scan. */
const PAGE_ENTRIES = 1000;

/** Keeps entries in this process: for tests, and for services that can be materialized again after a restart. */
export function openMemoryKeyedOnlineStore(): KeyedOnlineStore {
  const groups = new Map<string, Map<string, Uint8Array>>();
  let isClosed = false;
  const check = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  return {
    capabilities: { durable: false, shared: false, synchronous: true },
    async read(group, keys, { signal } = {}) {
      check(signal);
      const entries = groups.get(group);
      return keys.map((key) => copyOfEntry(entries, key));
    },
    readNow(group, key) {
      check();
      return copyOfEntry(groups.get(group), key);
    },
    async update(group, keys, change, { signal } = {}) {
      check(signal);
      let entries = groups.get(group);
      if (entries === undefined) groups.set(group, (entries = new Map()));
      for (const [key, bytes] of changesOf(keys, change, (each) => copyOfEntry(entries, each))) {
        if (bytes === null) entries.delete(key);
        else entries.set(key, copyOf(bytes));
      }
    },
    async *scan(group, { signal } = {}) {
      check(signal);
      let page: KeyedEntry[] = [];
      // A list of its own: what is added meanwhile would otherwise come along without end.
      const entries = Array.from(groups.get(group) ?? []);
      for (const [key, bytes] of entries) {
        page.push({ key, bytes: copyOf(bytes) });
        if (page.length < PAGE_ENTRIES) continue;
        yield page;
        check(signal);
        page = [];
      }
      if (page.length > 0) yield page;
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      groups.clear();
    },
  };
}

function copyOfEntry(entries: ReadonlyMap<string, Uint8Array> | undefined, key: string): Uint8Array | undefined {
  const bytes = entries?.get(key);
  return bytes === undefined ? undefined : copyOf(bytes);
}
