import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { chainHash, chainStart } from "./hash-chain.ts";
import type {
  EventRow,
  SqliteApplyResult,
  SqliteQueryResult,
  SqliteRequest,
  SqliteStatement,
  SqliteThreadData,
} from "./sqlite-messages.ts";
import { applicationId, formatVersion, initialSchema } from "./sqlite-schema.ts";
import { resultCodeOf, SilentFailure, SqliteSession, ThreadProblem } from "./sqlite-session.ts";

/** Opens the writing connection of a file, and makes the file if it is not there. */
export function openWriter(data: SqliteThreadData, enter: () => void): (request: SqliteRequest) => unknown {
  const session = new SqliteSession(data.path, { readOnly: false, timeout: data.busyTimeoutMs }, enter);
  try {
    prepareFile(session, data);
  } catch (error) {
    session.close();
    throw error;
  }
  const writer = new SqliteWriter(session, data);
  return (request) => writer.handle(request);
}

function prepareFile(session: SqliteSession, data: SqliteThreadData): void {
  untilNotBusy(data.busyTimeoutMs, () => checkIdentity(session));
  untilNotBusy(data.busyTimeoutMs, () => {
    const mode = session.scalar("pragma journal_mode = wal");
    // A file system without shared memory keeps the old mode without an error.
    if (mode !== "wal") throw new SilentFailure(`write-ahead logging is refused, mode is ${mode}`, 10);
  });
  session.exec(`pragma synchronous = ${data.durability}`);
  if (data.maxPages !== undefined) session.scalar(`pragma max_page_count = ${data.maxPages}`);
  if (session.scalar("pragma application_id") === applicationId) return;
  session.exec("begin immediate");
  try {
    // Another process may have been first.
    if (session.scalar("pragma application_id") !== applicationId) {
      session.exec(initialSchema);
      session.exec(`pragma application_id = ${applicationId}`);
      session.exec(`pragma user_version = ${formatVersion}`);
    }
    session.exec("commit");
  } catch (error) {
    if (session.inTransaction) session.exec("rollback");
    throw error;
  }
}

/** Refuses a file of somebody else or of a later format before anything is written to it. */
function checkIdentity(session: SqliteSession): void {
  // In one transaction: another process may be making the file, and half of its answers would be from before and half from after.
  session.exec("begin");
  try {
    const id = session.scalar("pragma application_id");
    const version = Number(session.scalar("pragma user_version"));
    const tables = Number(session.scalar("select count(*) from sqlite_schema"));
    if (id === applicationId) {
      if (version > formatVersion) throw new ThreadProblem("newer", `formatVersion ${version}`, version);
    } else if (id !== 0 || version !== 0 || tables > 0) {
      throw new ThreadProblem("foreign", "a database of another application");
    }
  } finally {
    session.exec("rollback");
  }
}

/** Switching the journal mode does not wait on a lock by itself. */
function untilNotBusy(timeoutMs: number, attempt: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; ; waitedMs += 10) {
    try {
      attempt();
      return;
    } catch (error) {
      if (((resultCodeOf(error) ?? 0) & 0xff) !== 5 || waitedMs >= timeoutMs) throw error;
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}

/** Runs one group of writes at a time: `begin`, then per write `savepoint` … `release` or `undo`, then `commit`. */
class SqliteWriter {
  readonly #session: SqliteSession;
  /** Why the group is lost. What follows in it fails the same way, so that nothing ever runs outside a transaction. */
  #lost: unknown = undefined;

  readonly #data: SqliteThreadData;
  /** What the connection waits for at a commit. */
  #synchronous: SqliteThreadData["durability"];
  /** The write-ahead log, once it was asked to be on the disk. */
  #log: number | undefined;

  constructor(session: SqliteSession, data: SqliteThreadData) {
    this.#session = session;
    this.#data = data;
    this.#synchronous = data.durability;
  }

  handle(request: SqliteRequest): unknown {
    switch (request.op) {
      case "begin":
        this.#lost = undefined;
        this.#setSynchronous(request.relaxed ? "normal" : this.#data.durability);
        return this.#guard(() => this.#session.exec("begin immediate"));
      case "savepoint":
        return this.#inGroup(() => this.#session.exec("savepoint write"));
      case "release":
        return this.#inGroup(() => this.#session.exec("release write"));
      case "undo":
        return this.#inGroup(() => this.#session.exec("rollback to write; release write"));
      case "query":
        return this.#inGroup(() => this.#session.query(request.sql, request.parameters));
      case "append":
        return this.#inGroup(() => this.#append(request.events));
      case "apply":
        return this.#inGroup(() => this.#apply(request.statements, request.events));
      case "commit":
        return this.#commit();
      case "sync":
        return this.#sync();
      case "close":
        if (this.#log !== undefined) closeSync(this.#log);
        this.#session.close();
        return undefined;
      default:
        throw new TypeError(`A writer does not ${request.op}.`);
    }
  }

  #setSynchronous(wanted: SqliteThreadData["durability"]): void {
    if (wanted === this.#synchronous) return;
    this.#session.exec(`pragma synchronous = ${wanted}`);
    this.#synchronous = wanted;
  }

  /** What a commit wrote without waiting is in the log alone, until a checkpoint, which waits itself. SQLite puts no lock on that file. */
  #sync(): void {
    this.#log ??= openSync(`${this.#data.path}-wal`, "r+");
    fdatasyncSync(this.#log);
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      // SQLite ends the transaction by itself on some failures, such as a full disk.
      if (!this.#session.inTransaction) this.#lost = error;
      throw error;
    }
  }

  #inGroup<Result>(work: () => Result): Result {
    if (this.#lost !== undefined) throw this.#lost;
    if (!this.#session.inTransaction) throw new TypeError("There is no transaction.");
    return this.#guard(work);
  }

  #commit(): void {
    try {
      this.#inGroup(() => this.#session.exec("commit"));
    } catch (error) {
      if (this.#session.inTransaction) this.#session.exec("rollback");
      throw error;
    }
  }

  #apply(statements: readonly SqliteStatement[], events: readonly EventRow[]): SqliteApplyResult {
    this.#session.exec("savepoint write");
    try {
      const results: SqliteQueryResult[] = [];
      for (const { sql, parameters, rows } of statements) {
        results.push(this.#session.runMany(sql, rows ?? [parameters ?? []]));
      }
      const cursors = this.#append(events);
      this.#session.exec("release write");
      return { results, cursors };
    } catch (error) {
      if (this.#session.inTransaction) this.#session.exec("rollback to write; release write");
      throw error;
    }
  }

  #append(events: readonly EventRow[]): number[] {
    if (events.length === 0) return [];
    const [last] = this.#session.query(
      "select cursor, hash from millwright_events order by cursor desc limit 1",
      [],
    ).rows;
    let cursor = Number(last?.["cursor"] ?? 0);
    let hash = (last?.["hash"] as string | undefined) ?? chainStart;
    const rows = events.map(({ id, type, body }) => {
      cursor += 1;
      hash = chainHash(cursor, hash, body);
      return [cursor, id, type, body, hash];
    });
    this.#session.runMany("insert into millwright_events (cursor, id, type, body, hash) values (?, ?, ?, ?, ?)", rows);
    return rows.map((row) => Number(row[0]));
  }
}
