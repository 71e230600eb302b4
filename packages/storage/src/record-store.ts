import { type JsonValue, type RecordStore, type StoredRecord, versionConflict } from "@millwright/contracts";
import type { Database } from "./database.ts";
import { checkKey, recordText } from "./record-text.ts";

interface RecordTables {
  // A deleted record keeps its row without a value: its version goes on counting.
  millwright_records: { key: string; value: string | null; version: number };
}

const writeSql = `insert into millwright_records (key, value, version) values (?1, ?2, 1)
on conflict (key) do update set value = excluded.value, version = millwright_records.version + 1 returning version`;
const writeAbsentSql = `insert into millwright_records (key, value, version) values (?1, ?2, 1)
on conflict (key) do update set value = excluded.value, version = millwright_records.version + 1
where millwright_records.value is null returning version`;
const writeAtSql = `update millwright_records set value = ?2, version = version + 1
where key = ?1 and value is not null and version = ?3 returning version`;
const deleteSql = "update millwright_records set value = null where key = ?1 and value is not null returning version";
const deleteAtSql = `update millwright_records set value = null
where key = ?1 and value is not null and version = ?2 returning version`;
const versionSql = "select version from millwright_records where key = ?1 and value is not null";

const pageRows = 256;

/** Small JSON records in a database, with compare-and-swap among all processes that open it. */
export function openRecordStore<Tables>(database: Database<Tables>): RecordStore {
  const typed = database.typed<RecordTables>();
  const change = async (
    key: string,
    sql: string,
    parameters: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<{ readonly changed: number | undefined; readonly current: number }> => {
    const statements = [
      { sql, parameters },
      { sql: versionSql, parameters: [key] },
    ];
    const { results } = await database.writeBatch(statements, { signal });
    const [changed, current] = results.map(({ rows }) => rows[0]?.["version"] as number | undefined);
    return { changed, current: current ?? 0 };
  };
  return {
    async read(key, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await typed.read
        .selectFrom("millwright_records")
        .selectAll()
        .where("key", "=", key)
        .executeTakeFirst();
      return row === undefined ? undefined : storedRecord(row);
    },
    async write(key, value, { ifVersion, signal } = {}) {
      checkKey(key);
      const text = recordText(value);
      const sql = ifVersion === undefined ? writeSql : ifVersion === 0 ? writeAbsentSql : writeAtSql;
      const parameters = sql === writeAtSql ? [key, text, ifVersion] : [key, text];
      const { changed, current } = await change(key, sql, parameters, signal);
      if (changed === undefined) throw versionConflict(key, ifVersion ?? 0, current);
      return changed;
    },
    async delete(key, { ifVersion, signal } = {}) {
      if (ifVersion === 0) {
        const present = await this.read(key, { signal });
        if (present !== undefined) throw versionConflict(key, 0, present.version);
        return;
      }
      const sql = ifVersion === undefined ? deleteSql : deleteAtSql;
      const parameters = ifVersion === undefined ? [key] : [key, ifVersion];
      const { changed, current } = await change(key, sql, parameters, signal);
      if (changed === undefined && ifVersion !== undefined) throw versionConflict(key, ifVersion, current);
    },
    list: (prefix, { signal } = {}) => listRecords(typed, prefix, signal),
  };
}

async function* listRecords(
  database: Database<RecordTables>,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredRecord, void, undefined> {
  let after: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const page = await database.read
      .selectFrom("millwright_records")
      .selectAll()
      .where("key", after === undefined ? ">=" : ">", after ?? prefix)
      .where("value", "is not", null)
      .orderBy("key")
      .limit(pageRows)
      .execute();
    for (const row of page) {
      // Keys with one prefix stand together.
      if (!row.key.startsWith(prefix)) return;
      const record = storedRecord(row);
      if (record !== undefined) yield record;
    }
    if (page.length < pageRows) return;
    after = page.at(-1)?.key;
  }
}

function storedRecord(row: RecordTables["millwright_records"]): StoredRecord | undefined {
  if (row.value === null) return undefined;
  return { key: row.key, value: JSON.parse(row.value) as JsonValue, version: row.version };
}
