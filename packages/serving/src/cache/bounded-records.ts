import { type JsonValue, type RecordStore, type StoredRecord, versionConflict } from "@millwright/contracts";

/** Records in this process, of which the newest `limit` keys are kept. What was deleted leaves nothing behind. */
export function boundedRecords(limit: number): RecordStore {
  const records = new Map<string, { readonly value: JsonValue; readonly version: number }>();
  let versions = 0;
  const check = (key: string, ifVersion: number | undefined): void => {
    const current = records.get(key)?.version ?? 0;
    if (ifVersion !== undefined && ifVersion !== current) throw versionConflict(key, ifVersion, current);
  };
  const recordOf = (key: string): StoredRecord | undefined => {
    const found = records.get(key);
    return found === undefined ? undefined : { key, ...found };
  };
  return {
    async read(key, { signal } = {}) {
      signal?.throwIfAborted();
      return recordOf(key);
    },
    async write(key, value, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      check(key, ifVersion);
      versions += 1;
      records.delete(key);
      records.set(key, { value, version: versions });
      const [oldest] = records.keys();
      if (records.size > limit && oldest !== undefined) records.delete(oldest);
      return versions;
    },
    async delete(key, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      check(key, ifVersion);
      records.delete(key);
    },
    async *list(prefix, { signal } = {}) {
      signal?.throwIfAborted();
      for (const key of [...records.keys()].filter((each) => each.startsWith(prefix)).toSorted()) {
        const record = recordOf(key);
        if (record !== undefined) yield record;
      }
    },
  };
}
