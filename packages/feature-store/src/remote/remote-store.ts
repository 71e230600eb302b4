import { closed } from "@millwright/contracts";
import { type KeyedEntry, type KeyedOnlineStore, notSynchronous, type Unpurged } from "../keyed/keyed-store.ts";

/** What a store on a server does; whether it is closed and what is underway is seen to here. */
export interface RemoteStore extends Pick<KeyedOnlineStore, "read" | "update"> {
  readonly durable: boolean;
  /** What of a deleted entry the server keeps, whatever is asked of it. */
  readonly rest: Unpurged;
  /** As the store's `scan`; a page may be empty. */
  scan(group: string, signal: AbortSignal | undefined): AsyncIterable<readonly KeyedEntry[]>;
}

/** A store that other machines share and that is waited for. Disposing it waits for the updates underway. */
export function createRemoteStore({ durable, rest, read, update, scan }: RemoteStore): KeyedOnlineStore {
  const underway = new Set<Promise<unknown>>();
  let isClosed = false;
  const check = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  return {
    capabilities: { durable, shared: true, synchronous: false },
    async read(group, keys, options = {}) {
      check(options.signal);
      return await read(group, keys, options);
    },
    readNow() {
      throw notSynchronous();
    },
    async update(group, keys, change, options = {}) {
      check(options.signal);
      const updating = update(group, keys, change, options);
      underway.add(updating);
      try {
        await updating;
      } finally {
        underway.delete(updating);
      }
    },
    async *scan(group, { signal } = {}) {
      check(signal);
      for await (const page of scan(group, signal)) {
        check(signal);
        if (page.length > 0) yield page;
      }
      check(signal);
    },
    async purge(_group, _key, { signal } = {}) {
      check(signal);
      return [rest];
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.allSettled(underway);
    },
  };
}
