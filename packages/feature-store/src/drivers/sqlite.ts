import { closed } from "@millwright/contracts";
import { onlineFailure } from "../keyed/keyed-errors.ts";
import {
  changesOf,
  spanOf,
  type KeyedChange,
  type KeyedEntry,
  type KeyedOnlineStore,
  type Unpurged,
} from "../keyed/keyed-store.ts";

/** What is used of a prepared statement. */
export interface SqliteStatement {
  get(...values: (string | Uint8Array)[]): unknown;
  all(...values: (string | Uint8Array)[]): unknown[];
  run(...values: (string | Uint8Array)[]): unknown;
}

/** What is used of a connection: `DatabaseSync` of `@photostructure/sqlite` or `node:sqlite`. */
export interface SqliteConnection {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
}

export interface SqliteOnlineStoreOptions {
  /** The table the entries stand in, made where it is missing. Default: `"millwright_online"`. */
  readonly table?: string | undefined;
  /**
   * When a write counts as kept: `"disk"`, when the disk has it, so that it outlasts a power failure; `"system"`, when the operating system
   * has it, so that it outlasts this process. Default: `"disk"`.
   */
  readonly flush?: "disk" | "system" | undefined;
  /** How long a write waits for another process's, in milliseconds; then it throws `FEATURE_STORE_ONLINE_BUSY`. Default: 5000. */
  readonly busyTimeoutMs?: number | undefined;
}

const PAGE_ENTRIES = 1000;
/** Entries put by one statement where there are many. */
const PUT_TOGETHER = 32;
/** Updates made at once are committed together, up to so many keys. */
const LARGEST_COMMIT = 20_000;

interface Waiting {
  readonly group: string;
  readonly keys: readonly string[];
  readonly change: KeyedChange;
  /** Tells the caller that it is kept, or why not. */
  settle(failure?: { readonly error: unknown }): void;
}

/**
 * Keeps entries in a table of a SQLite file, shared by any number of processes of one machine, of which one writes at a time while all read.
 * The caller opens the connection, for this store alone, and closes it: `openSqliteOnlineStore(new DatabaseSync("features.db"))`.
 *
 * The connection works on the event loop: a write waits there for the disk, and for other processes' writes.
 * Throws `FEATURE_STORE_ONLINE_BUSY`; where the disk is full, calls throw `FEATURE_STORE_WRITE_FAILED`.
 */
export function openSqliteOnlineStore(
  connection: SqliteConnection,
  options: SqliteOnlineStoreOptions = {},
): KeyedOnlineStore {
  const { table = "millwright_online", flush = "disk", busyTimeoutMs = 5000 } = options;
  if (typeof (connection as Partial<SqliteConnection> | undefined)?.prepare !== "function") {
    throw new TypeError(
      'openSqliteOnlineStore takes a connection: `new DatabaseSync("features.db")` of node:sqlite or @photostructure/sqlite.',
    );
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) throw new TypeError(`"${table}" is no name for a table.`);
  if (!(busyTimeoutMs >= 0)) throw new RangeError(`busyTimeoutMs is ${busyTimeoutMs}, and must be 0 or more.`);
  try {
    connection.exec(`PRAGMA busy_timeout = ${Math.ceil(busyTimeoutMs)}`);
    connection.exec("PRAGMA journal_mode = WAL");
    // What is deleted or replaced is overwritten with zeros.
    connection.exec("PRAGMA secure_delete = ON");
    connection.exec(`PRAGMA synchronous = ${flush === "disk" ? "FULL" : "NORMAL"}`);
    // Texts are kept as bytes, so that they may hold any character.
    connection.exec(`CREATE TABLE IF NOT EXISTS ${table} (
      entity_group BLOB NOT NULL, key BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (entity_group, key)) WITHOUT ROWID`);
    return createStore(connection, table);
  } catch (error) {
    throw onlineFailure(`the SQLite table "${table}"`, error);
  }
}

function createStore(connection: SqliteConnection, table: string): KeyedOnlineStore {
  const rows = prepareRows(connection, table);
  const commits = createCommits(connection, rows, table);
  let isClosed = false;
  const check = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  return {
    capabilities: { durable: true, shared: true, synchronous: true },
    async read(group, keys, { signal } = {}) {
      check(signal);
      return keys.map((key) => rows.read(group, key));
    },
    readNow(group, key) {
      check();
      return rows.read(group, key);
    },
    async update(group, keys, change, { signal } = {}) {
      check(signal);
      if (keys.length > 0) await commits.add(group, keys, change);
    },
    async *scan(group, { signal } = {}) {
      for (let after: Uint8Array | undefined; ;) {
        check(signal);
        const page = rows.page(group, after);
        if (page.entries.length > 0) yield page.entries;
        if (page.entries.length < PAGE_ENTRIES) return;
        after = page.last;
      }
    },
    async purge(_group, _key, { signal } = {}) {
      check(signal);
      await commits.settle();
      return emptyLog(connection, table);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await commits.settle();
    },
  };
}

/** Moves the write-ahead log, which has pages from before deletes, into the file, where they are overwritten. */
function emptyLog(connection: SqliteConnection, table: string): Unpurged[] {
  const found = connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { readonly busy: number } | undefined;
  if (found?.busy === 0) return [];
  return [
    {
      path: `the write-ahead log of the SQLite table "${table}"`,
      reason: "another connection reads or writes, so the log could not be emptied",
      remedy: "Forget the entity again, or close the connections that have the file open: the last one empties it.",
    },
  ];
}

interface Rows {
  read(group: string, key: string): Uint8Array | undefined;
  /** Whether nothing stands from one key to another, both included. */
  lacks(group: string, first: string, last: string): boolean;
  write(group: string, entries: ReadonlyMap<string, Uint8Array | null>): void;
  page(
    group: string,
    after: Uint8Array | undefined,
  ): { readonly entries: readonly KeyedEntry[]; readonly last: Uint8Array | undefined };
}

function prepareRows(connection: SqliteConnection, table: string): Rows {
  const find = connection.prepare(`SELECT bytes FROM ${table} WHERE entity_group = ? AND key = ?`);
  const [putOne, putMany] = [1, PUT_TOGETHER].map((count) =>
    connection.prepare(`INSERT INTO ${table} VALUES ${Array<string>(count).fill("(?, ?, ?)").join(", ")}
      ON CONFLICT (entity_group, key) DO UPDATE SET bytes = excluded.bytes`),
  ) as [SqliteStatement, SqliteStatement];
  const any = connection.prepare(`SELECT 1 FROM ${table} WHERE entity_group = ? AND key BETWEEN ? AND ? LIMIT 1`);
  const remove = connection.prepare(`DELETE FROM ${table} WHERE entity_group = ? AND key = ?`);
  const pages = [">=", ">"].map((after) =>
    connection.prepare(
      `SELECT key, bytes FROM ${table} WHERE entity_group = ? AND key ${after} ? ORDER BY key LIMIT ${PAGE_ENTRIES}`,
    ),
  );
  return {
    read(group, key) {
      const row = find.get(Buffer.from(group), Buffer.from(key)) as { readonly bytes: Uint8Array } | undefined;
      return row?.bytes;
    },
    lacks: (group, first, last) => any.get(Buffer.from(group), Buffer.from(first), Buffer.from(last)) === undefined,
    write(group, entries) {
      const name = Buffer.from(group);
      let values: Uint8Array[] = [];
      for (const [key, bytes] of entries) {
        if (bytes === null) remove.run(name, Buffer.from(key));
        else values.push(name, Buffer.from(key), bytes);
        if (values.length < PUT_TOGETHER * 3) continue;
        putMany.run(...values);
        values = [];
      }
      for (let at = 0; at < values.length; at += 3) putOne.run(...values.slice(at, at + 3));
    },
    page(group, after) {
      const start = after ?? new Uint8Array(0);
      const found = pages[after === undefined ? 0 : 1]!.all(Buffer.from(group), start) as {
        readonly key: Uint8Array;
        readonly bytes: Uint8Array;
      }[];
      const entries = found.map(({ key, bytes }) => ({ key: Buffer.from(key).toString("utf8"), bytes }));
      return { entries, last: found.at(-1)?.key };
    },
  };
}

/** Updates that come while others wait are committed in one transaction, each of them whole or not at all. */
function createCommits(
  connection: SqliteConnection,
  rows: Rows,
  table: string,
): {
  add(group: string, keys: readonly string[], change: KeyedChange): Promise<void>;
  settle(): Promise<void>;
} {
  let waiting: Waiting[] = [];
  let committing: Promise<void> | undefined;
  const commit = (updates: readonly Waiting[]): void => {
    const done: (() => void)[] = [];
    try {
      connection.exec("BEGIN IMMEDIATE");
      for (const update of updates) done.push(applyUpdate(rows, update));
      connection.exec("COMMIT");
    } catch (error) {
      const failure = onlineFailure(`the SQLite table "${table}"`, error);
      rollBack(connection);
      for (const { settle } of updates) settle({ error: failure });
      return;
    }
    for (const settle of done) settle();
  };
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      // What is called in this turn of the event loop comes along.
      await new Promise<void>((resolve) => setImmediate(resolve));
      let keys = 0;
      let count = 0;
      while (count < waiting.length && keys < LARGEST_COMMIT) keys += waiting[count++]!.keys.length;
      const updates = waiting.slice(0, count);
      waiting = waiting.slice(count);
      commit(updates);
    }
    committing = undefined;
  };
  return {
    add: (group, keys, change) =>
      new Promise<void>((resolve, reject) => {
        const settle: Waiting["settle"] = (failure) =>
          failure === undefined ? resolve() : reject(failure.error as Error);
        waiting.push({ group, keys, change, settle });
        committing ??= run();
      }),
    async settle() {
      await committing;
    },
  };
}

/** Writes an update's changes. @returns what tells the caller, once they are committed. */
function applyUpdate(rows: Rows, { group, keys, change, settle }: Waiting): () => void {
  let changed: ReadonlyMap<string, Uint8Array | null>;
  try {
    const span = spanOf(keys);
    const isNew = span !== undefined && rows.lacks(group, span.first, span.last);
    changed = changesOf(keys, change, (key) => (isNew ? undefined : rows.read(group, key)));
  } catch (error) {
    return () => settle({ error });
  }
  rows.write(group, changed);
  return () => settle();
}

/** After some failures SQLite has rolled back by itself. */
function rollBack(connection: SqliteConnection): void {
  try {
    connection.exec("ROLLBACK");
  } catch {
    // There was no transaction any more.
  }
}
