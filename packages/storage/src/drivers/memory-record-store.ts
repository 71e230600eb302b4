import { type JsonValue, type RecordStore, versionConflict } from "@millwright/contracts";
import { checkKey, recordText } from "../record-text.ts";

/** Keeps records in this process: for tests, examples and what need not outlive it. */
export function openMemoryRecordStore(): RecordStore {
  // A deleted record keeps its entry without a text: its version goes on counting.
  const records = new Map<string, { readonly text: string | undefined; readonly version: number }>();
  const currentVersion = (key: string): number => {
    const record = records.get(key);
    return record?.text === undefined ? 0 : record.version;
  };
  const check = (key: string, ifVersion: number | undefined): void => {
    const current = currentVersion(key);
    if (ifVersion !== undefined && ifVersion !== current) throw versionConflict(key, ifVersion, current);
  };
  return {
    async read(key, { signal } = {}) {
      signal?.throwIfAborted();
      const record = records.get(key);
      if (record?.text === undefined) return undefined;
      return { key, value: JSON.parse(record.text) as JsonValue, version: record.version };
    },
    async write(key, value, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      checkKey(key);
      const text = recordText(value);
      check(key, ifVersion);
      const version = (records.get(key)?.version ?? 0) + 1;
      records.set(key, { text, version });
      return version;
    },
    async delete(key, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      check(key, ifVersion);
      const record = records.get(key);
      if (record !== undefined) records.set(key, { text: undefined, version: record.version });
    },
    async *list(prefix, { signal } = {}) {
      signal?.throwIfAborted();
      const keys = [...records.keys()].filter((key) => key.startsWith(prefix));
      for (const key of keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
        const record = records.get(key);
        if (record?.text === undefined) continue;
        yield { key, value: JSON.parse(record.text) as JsonValue, version: record.version };
      }
    },
  };
}
