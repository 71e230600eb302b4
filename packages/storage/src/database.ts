import type { CallOptions, Clock, EventDraft, LoggedEvent } from "@millwright/contracts";
import type { Kysely } from "kysely";
import type { SqliteRow, SqliteStatement } from "./sqlite-messages.ts";

/** Tables nobody has described: any table, any column, values of any type. */
export type AnyTables = Record<string, Record<string, unknown>>;

/** What a write may use, until its callback settles. */
export interface WriteScope<Tables = AnyTables> {
  /** Queries inside the transaction. It sees its own changes. `transaction()` is refused: the write is one. */
  readonly sql: Kysely<Tables>;
  /** Appends an event to the log in the same transaction: it is there if and only if the write is. */
  emit(event: EventDraft): Promise<LoggedEvent>;
}

/** A prepared statement and what to bind: `parameters` for one run, `rows` for many. Kysely's `compile()` makes one. */
export type Statement = SqliteStatement;

export interface StatementResult {
  /** Rows that were inserted, updated or deleted, over all runs. */
  readonly changes: number;
  /** What a `select` or `returning` gave, over all runs. */
  readonly rows: readonly SqliteRow[];
}

export interface BatchOptions extends CallOptions {
  /** Appended to the log in the same transaction. Default: none. */
  readonly events?: readonly EventDraft[] | undefined;
  /**
   * What the batch survives once it is acknowledged. `full`: a power failure; `normal`: the end of this process by any signal, and a power failure
   * after the next `sync`. Default: `full`, or what the database was opened with.
   */
  readonly durability?: "full" | "normal" | undefined;
}

export interface BatchResult {
  /** One per statement, in order. */
  readonly results: readonly StatementResult[];
  /** The events as logged, in order. */
  readonly events: readonly LoggedEvent[];
}

/** A step of a package's schema. Steps run in the order given; a released one is never changed. */
export interface Migration {
  /** Unique in its namespace, such as `001-runs`. */
  readonly name: string;
  up(sql: Kysely<AnyTables>): Promise<void>;
  /** Undoes `up`. */
  down(sql: Kysely<AnyTables>): Promise<void>;
}

export interface RevertOptions extends CallOptions {
  /** The last migration to keep. Default: none is kept. */
  readonly to?: string | undefined;
}

/**
 * A SQL database with one writer and concurrent readers, that several processes may open.
 *
 * Integers come back as `number`, and as `bigint` beyond ±(2^53 − 1); booleans are stored as 0 and 1; bytes come back as `Uint8Array`.
 * NaN is refused with `STORAGE_VALUE_UNSUPPORTED`, because SQLite would store it as null.
 */
export interface Database<Tables = AnyTables> extends AsyncDisposable {
  /** Where it is: a file, or `postgres:` with a database and a schema. */
  readonly path: string;
  /** Which SQL it speaks: Kysely's queries and the statements of this package are the same on both, raw SQL may have to look here. */
  readonly dialect: "sqlite" | "postgres";
  /** What it tells time by, and followers of its log wait by. */
  readonly clock: Clock;
  /** For reading; sees every acknowledged write. Streams and transactions hold one snapshot each. Writing through it is refused. */
  readonly read: Kysely<Tables>;
  /**
   * Runs `work` in a transaction: what it did is kept if it resolves, and undone if it throws. Acknowledged only after the commit.
   * Writes run one after another and are committed in groups, so keep `work` short and wait in it for nothing but `sql` and `emit`.
   * After a statement that failed let the write fail: on PostgreSQL it can do nothing more, and fails even where `work` catches the error.
   * Starting another write inside `work` throws a `TypeError`: it would wait for itself.
   * On abort what was done is undone, and the call rejects with `signal.reason`.
   */
  write<Result>(work: (scope: WriteScope<Tables>) => Promise<Result>, options?: CallOptions): Promise<Result>;
  /**
   * Runs statements in a transaction without coming back to the caller in between: the fast way to write many rows. All or none. Parameters are `?` or
   * `?1` on every engine. On PostgreSQL a batch without events does not wait for writes of other processes: each of its statements must be right by itself.
   */
  writeBatch(statements: readonly Statement[], options?: BatchOptions): Promise<BatchResult>;
  /** Waits until everything acknowledged before survives a power failure, batches of `durability: "normal"` too. */
  sync(options?: CallOptions): Promise<void>;
  /**
   * Applies those of `migrations` the database does not have, in one transaction. @returns the names applied.
   * Throws `STORAGE_MIGRATION_UNKNOWN` where the database has others, `STORAGE_MIGRATION_FAILED`.
   */
  migrate(namespace: string, migrations: readonly Migration[], options?: CallOptions): Promise<readonly string[]>;
  /** Undoes migrations from the newest back to, and without, `to`, in one transaction. @returns the names undone, newest first. */
  revert(namespace: string, migrations: readonly Migration[], options?: RevertOptions): Promise<readonly string[]>;
  /**
   * Calls `listener` after each commit of this process. What it throws becomes a warning of the process, and it is not called again: the writes have
   * been committed, and the next must not wait for ever. Throws TypeError for what is no function. @returns what stops it.
   */
  onCommit(listener: () => void): () => void;
  /** The same database, with the types of its tables. */
  typed<Other>(): Database<Other>;
  /** Finishes the writes already asked for, then closes. A pool that was passed in stays its owner's. Later calls throw `PORT_CLOSED`. */
  [Symbol.asyncDispose](): Promise<void>;
}
