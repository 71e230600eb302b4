import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { createHash } from "node:crypto";
import {
  type CallOptions,
  type Clock,
  closed,
  createIdSource,
  type IdSource,
  systemClock,
} from "@millwright/contracts";
import type { Kysely } from "kysely";
import { CommitListeners } from "../commit-listeners.ts";
import type {
  AnyTables,
  BatchOptions,
  BatchResult,
  Database,
  Migration,
  RevertOptions,
  Statement,
  WriteScope,
} from "../database.ts";
import { createEventStamper, type EventStamper, loggedEvent, type StampedEvent } from "../event-row.ts";
import { openKysely } from "../kysely-dialect.ts";
import { applyMigrations, revertMigrations } from "../migrations.ts";
import { type CurrentWrite, OpenWrite, refuseInsideWrite } from "../write-scope.ts";
import { checkDurability } from "../durability.ts";
import { applyBatch, prepareBatch } from "./postgres-batch.ts";
import { postgresDialect } from "./postgres-compiler.ts";
import { outliveConnections, type PostgresPool } from "./postgres-connection.ts";
import { serverUnsupported } from "./postgres-errors.ts";
import { openPostgresReadDriver } from "./postgres-read-driver.ts";
import { prepareSchema, readServer } from "./postgres-schema.ts";
import type { PostgresTransaction, TransactionSource } from "./postgres-transaction.ts";
import { PostgresWriter } from "./postgres-writer.ts";

export interface PostgresOptions extends CallOptions {
  /**
   * A pool of the package `pg`, with two connections or more; it stays the caller's, who ends it. With `pipeline: true` it sends what need not wait
   * for an answer at once.
   */
  readonly pool: PostgresPool;
  /**
   * The schema that the tables stand in, made where it is missing. Connections of the pool keep it as their `search_path`, so give a pool of its own.
   * Default: the first schema that the connections of the pool look into.
   */
  readonly schema?: string | undefined;
  /** How long a write waits while another one holds the lock, in this or another process. Default: 10000. */
  readonly busyTimeoutMs?: number | undefined;
  /**
   * How long a write may ask nothing of the server until that undoes it: a process that hangs, or whose machine is cut off, must not keep all others
   * from writing. 0 is for ever. Default: 60000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** Gives events their time. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Gives events their ids. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

/** Writes something to the log of the server, and changes nothing. */
const logMessage = "select pg_logical_emit_message(true, 'millwright', '')";

/** "Mill" in ASCII: the first half of the key of the advisory lock. */
const lockSpace = 0x4d696c6c;

/**
 * Opens a database in a schema of PostgreSQL 12 or newer, and makes its tables where they are not. Any number of processes may open it.
 * Throws `STORAGE_DATABASE_UNREACHABLE`, `STORAGE_SERVER_UNSUPPORTED`, `STORAGE_FORMAT_NEWER`.
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { pool, schema, busyTimeoutMs = 10_000, idleTimeoutMs = 60_000, signal } = options;
  checkOptions(options, busyTimeoutMs, idleTimeoutMs);
  signal?.throwIfAborted();
  const forgetPool = outliveConnections(pool);
  try {
    const server = await readServer(pool);
    const name = schema ?? server.schema;
    const path = `postgres:${server.database}/${name ?? ""}`;
    if (name === undefined) throw serverUnsupported(path, "its connections look into no schema that is there");
    const lockKey = [lockSpace, createHash("sha256").update(name).digest().readInt32BE(0)] as const;
    const source: TransactionSource = { pool, path, schema, lockKey, busyTimeoutMs, idleTimeoutMs };
    await prepareSchema(source, name);
    signal?.throwIfAborted();
    const clock = options.clock ?? systemClock;
    return new PostgresDatabase(source, clock, options.ids ?? createIdSource(clock), forgetPool);
  } catch (error) {
    forgetPool();
    throw error;
  }
}

function checkOptions({ pool, schema }: PostgresOptions, busyTimeoutMs: number, idleTimeoutMs: number): void {
  if (typeof pool?.connect !== "function" || typeof pool.on !== "function" || typeof pool.off !== "function") {
    throw new TypeError("The pool is none of `pg`: it has no `connect`, `on` and `off`.");
  }
  if (pool.options?.max === 1)
    throw new RangeError("The pool needs two connections: a write holds one, reads take another.");
  if (
    schema !== undefined &&
    (typeof schema !== "string" || schema === "" || /\0/.test(schema) || Buffer.byteLength(schema) > 63)
  ) {
    throw new RangeError(`"${String(schema)}" is no name of a schema: give one of 1 to 63 bytes.`);
  }
  if (!(busyTimeoutMs >= 0 && busyTimeoutMs < 2 ** 31)) throw new RangeError("busyTimeoutMs must be 0 or more.");
  if (!(idleTimeoutMs >= 0 && idleTimeoutMs < 2 ** 31)) throw new RangeError("idleTimeoutMs must be 0 or more.");
}

class PostgresDatabase implements Database {
  readonly path: string;
  readonly dialect = "postgres";
  readonly clock: Clock;
  readonly read: Kysely<AnyTables>;
  readonly #writer: PostgresWriter;
  readonly #stamp: EventStamper;
  readonly #commitListeners: CommitListeners;
  readonly #currentWrite: CurrentWrite = new AsyncLocalStorage();
  readonly #forgetPool: () => void;
  #closing: Promise<void> | undefined;

  constructor(source: TransactionSource, clock: Clock, ids: IdSource, forgetPool: () => void) {
    this.path = source.path;
    this.clock = clock;
    this.#stamp = createEventStamper(clock, ids);
    this.#commitListeners = new CommitListeners(source.path);
    this.#writer = new PostgresWriter(source, clock, () => this.#commitListeners.tell());
    this.#forgetPool = forgetPool;
    this.read = openKysely(
      postgresDialect,
      openPostgresReadDriver(source, () => this.#checkOpen()),
    );
  }

  async write<Result>(work: (scope: WriteScope) => Promise<Result>, { signal }: CallOptions = {}): Promise<Result> {
    this.#check(signal);
    // The queue runs it later, from wherever it is draining: the callback keeps the asynchronous context of its own caller.
    const inContext = AsyncResource.bind((open: OpenWrite) => open.run(work));
    return this.#writer.submit({
      run: (transaction) => inContext(new OpenWrite(this.#currentWrite, transaction, this.#stamp, signal)),
      repeatable: false,
      locked: true,
      relaxed: false,
      signal,
    }) as Promise<Result>;
  }

  async writeBatch(
    statements: readonly Statement[],
    { events = [], durability, signal }: BatchOptions = {},
  ): Promise<BatchResult> {
    this.#check(signal);
    checkDurability(durability);
    const batch = prepareBatch(statements);
    let stamped: readonly StampedEvent[] | undefined;
    return this.#writer.submit({
      run: async (transaction): Promise<BatchResult> => {
        // Run again, it logs the same events.
        stamped ??= events.map((draft) => this.#stamp(draft));
        const results = await applyBatch(transaction, batch);
        const cursors = await transaction.append(stamped.map(({ row }) => row));
        return { results, events: stamped.map((event, index) => loggedEvent(cursors[index] as number, event)) };
      },
      repeatable: true,
      locked: events.length > 0,
      relaxed: durability === "normal",
      signal,
    }) as Promise<BatchResult>;
  }

  async sync({ signal }: CallOptions = {}): Promise<void> {
    this.#check(signal);
    // A commit that waits for the disk waits for everything committed before it; one that wrote nothing to the server's log would not wait at all.
    const run = (transaction: PostgresTransaction): Promise<unknown> => transaction.run(logMessage, []);
    await this.#writer.submit({ run, repeatable: true, locked: false, relaxed: false, signal });
  }

  async migrate(
    namespace: string,
    migrations: readonly Migration[],
    options?: CallOptions,
  ): Promise<readonly string[]> {
    return this.write(({ sql }) => applyMigrations(sql, namespace, migrations), options);
  }

  async revert(
    namespace: string,
    migrations: readonly Migration[],
    options?: RevertOptions,
  ): Promise<readonly string[]> {
    return this.write(({ sql }) => revertMigrations(sql, namespace, migrations, options?.to), options);
  }

  typed<Other>(): Database<Other> {
    // Types only: the handle is the same.
    return this as unknown as Database<Other>;
  }

  onCommit(listener: () => void): () => void {
    return this.#commitListeners.add(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writer.idle();
    this.#forgetPool();
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    this.#checkOpen();
    refuseInsideWrite(this.#currentWrite);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closed(`The database "${this.path}"`);
  }
}
