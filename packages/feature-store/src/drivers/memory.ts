import { closed } from "@millwright/contracts";
import type { OnlineRecord, OnlineStore } from "../online/online-store.ts";

/** Keeps rows in this process: for tests, replays and services that can be materialized again after a restart. */
export function openMemoryOnlineStore(): OnlineStore {
  const views = new Map<string, OnlineRecord[]>();
  let isClosed = false;
  const check = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  return {
    capabilities: { durable: false },
    async append(view, records, { signal } = {}) {
      check(signal);
      let kept = views.get(view);
      if (kept === undefined) views.set(view, (kept = []));
      for (const record of records) kept.push(structuredCopy(record));
    },
    async *read(view, { signal } = {}) {
      check(signal);
      yield* [...(views.get(view) ?? [])].map(structuredCopy);
    },
    async replace(view, records, { signal } = {}) {
      check(signal);
      views.set(view, Array.from(records, structuredCopy));
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      views.clear();
    },
  };
}

/** A record nobody else can change. Throws a TypeError for what cannot be copied, as a function in a record. */
function structuredCopy(record: OnlineRecord): OnlineRecord {
  if (!("timeUs" in record)) {
    try {
      return structuredClone(record);
    } catch (cause) {
      throw new TypeError("A record holds what cannot be copied. Give records of plain values alone.", { cause });
    }
  }
  return { ...record, inputs: [...record.inputs], values: [...record.values] };
}
