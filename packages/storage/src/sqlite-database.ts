import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import {
  type CallOptions,
  type Clock,
  closed,
  createIdSource,
  type IdSource,
  systemClock,
} from "@millwright/contracts";
import type { Kysely } from "kysely";
import { CommitListeners } from "./commit-listeners.ts";
import type {
  AnyTables,
  BatchOptions,
  BatchResult,
  Database,
  Migration,
  RevertOptions,
  Statement,
  WriteScope,
} from "./database.ts";
import { fileRemote, fileUnreachable } from "./errors.ts";
import { createEventStamper, type EventStamper, loggedEvent } from "./event-row.ts";
import { kyselyResult, openKysely, sqliteDialect } from "./kysely-dialect.ts";
import { applyMigrations, revertMigrations } from "./migrations.ts";
import { networkFileSystem } from "./network-file-system.ts";
import { openReadDriver } from "./read-driver.ts";
import { SqliteThread } from "./sqlite-thread.ts";
import { type CurrentWrite, OpenWrite, refuseInsideWrite, type WriteChannel } from "./write-scope.ts";
import { checkDurability } from "./durability.ts";
import { WriteQueue } from "./write-queue.ts";
import type { SqliteThreadData } from "./sqlite-messages.ts";

export interface SqliteOptions extends CallOptions {
  /** How long a write waits while another process writes. Default: 10000. */
  readonly busyTimeoutMs?: number | undefined;
  /**
   * `full`: an acknowledged write survives a power failure; `normal`: it survives a crash of the process, and a power failure may undo the
   * last ones. Default: `full`.
   */
  readonly durability?: "full" | "normal" | undefined;
  /** Most bytes the file may grow to; beyond it writes fail with `STORAGE_DISK_FULL`. Default: what the disk has. */
  readonly maxSizeBytes?: number | undefined;
  /** Threads for reading, each started when first needed. Default: 1. */
  readonly readerThreads?: number | undefined;
  /** Gives events their time. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Gives events their ids. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

type ThreadOptions = Omit<SqliteThreadData, "gate">;

const pageBytes = 4096;

/**
 * Opens a SQLite database, and makes the file if it is not there.
 * Throws `STORAGE_FILE_UNREACHABLE`, `STORAGE_FILE_CORRUPT`, `STORAGE_FILE_FOREIGN`, `STORAGE_FILE_REMOTE`, `STORAGE_FORMAT_NEWER`,
 * `STORAGE_DATABASE_BUSY`.
 * @param path A file on a disk of this machine, in a folder that exists. Several processes may open it.
 */
export async function openSqlite(path: string, options: SqliteOptions = {}): Promise<Database> {
  const { busyTimeoutMs = 10_000, durability = "full", maxSizeBytes, readerThreads = 1, signal } = options;
  if (path === "" || path === ":memory:" || path.startsWith("file:")) {
    throw new RangeError(`"${path}" does not name a file: pass a path, such as one in a temporary folder.`);
  }
  if (!Number.isInteger(readerThreads) || readerThreads < 1) throw new RangeError("readerThreads must be 1 or more.");
  if (!(busyTimeoutMs >= 0)) throw new RangeError("busyTimeoutMs must be 0 or more.");
  signal?.throwIfAborted();
  const file = resolve(path);
  await checkFolder(file);
  const maxPages = maxSizeBytes === undefined ? undefined : Math.max(1, Math.floor(maxSizeBytes / pageBytes));
  const data: ThreadOptions = { path: file, mode: "writer", busyTimeoutMs, durability, maxPages };
  const writer = new SqliteThread(data);
  await writer.opened;
  const clock = options.clock ?? systemClock;
  const database = new SqliteDatabase(data, writer, readerThreads, clock, options.ids ?? createIdSource(clock));
  if (signal?.aborted === true) {
    await database[Symbol.asyncDispose]();
    throw signal.reason;
  }
  return database;
}

async function checkFolder(file: string): Promise<void> {
  try {
    const type = process.platform === "linux" ? (await statfs(dirname(file))).type : 0;
    const network = networkFileSystem(Number(type));
    if (network !== undefined) throw fileRemote(file, network);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw fileUnreachable(file, "its folder does not exist", error);
    }
    throw error;
  }
}

class SqliteDatabase implements Database {
  readonly path: string;
  readonly dialect = "sqlite";
  readonly clock: Clock;
  readonly read: Kysely<AnyTables>;
  readonly #data: ThreadOptions;
  readonly #writer: SqliteThread;
  readonly #readers: SqliteThread[] = [];
  readonly #readerThreads: number;
  readonly #queue: WriteQueue;
  readonly #stamp: EventStamper;
  readonly #channel: WriteChannel;
  readonly #currentWrite: CurrentWrite = new AsyncLocalStorage();
  readonly #commitListeners: CommitListeners;
  #nextReader = 0;
  #closing: Promise<void> | undefined;

  constructor(data: ThreadOptions, writer: SqliteThread, readerThreads: number, clock: Clock, ids: IdSource) {
    this.path = data.path;
    this.clock = clock;
    this.#data = data;
    this.#writer = writer;
    this.#channel = channelOf(writer);
    this.#commitListeners = new CommitListeners(data.path);
    this.#readerThreads = readerThreads;
    this.#stamp = createEventStamper(clock, ids);
    this.#queue = new WriteQueue(writer, clock, () => this.#commitListeners.tell());
    this.read = openKysely(
      sqliteDialect,
      openReadDriver(() => this.#reader()),
    );
  }

  async write<Result>(work: (scope: WriteScope) => Promise<Result>, { signal }: CallOptions = {}): Promise<Result> {
    this.#check(signal);
    // The queue runs it later, from wherever it is draining: the callback keeps the asynchronous context of its own caller.
    const run = AsyncResource.bind(() => this.#runWrite(work, signal));
    return this.#queue.submit({ pipelined: false }, run);
  }

  async writeBatch(
    statements: readonly Statement[],
    { events = [], durability, signal }: BatchOptions = {},
  ): Promise<BatchResult> {
    this.#check(signal);
    checkDurability(durability);
    const plain = statements.map(({ sql, parameters, rows }) => ({ sql, parameters, rows }));
    return this.#queue.submit({ pipelined: true, relaxed: durability === "normal" }, async () => {
      signal?.throwIfAborted();
      const stamped = events.map((draft) => this.#stamp(draft));
      const { results, cursors } = await this.#writer.request({
        op: "apply",
        statements: plain,
        events: stamped.map(({ row }) => row),
      });
      return { results, events: stamped.map((event, index) => loggedEvent(cursors[index] as number, event)) };
    });
  }

  async sync({ signal }: CallOptions = {}): Promise<void> {
    this.#check(signal);
    await this.#writer.request({ op: "sync" });
  }

  migrate(namespace: string, migrations: readonly Migration[], options?: CallOptions): Promise<readonly string[]> {
    return this.write(({ sql }) => applyMigrations(sql, namespace, migrations), options);
  }

  revert(namespace: string, migrations: readonly Migration[], options?: RevertOptions): Promise<readonly string[]> {
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
    await this.#queue.idle();
    await Promise.all(this.#readers.map((reader) => reader.close()));
    await this.#writer.close();
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closed(`The database "${this.path}"`);
    refuseInsideWrite(this.#currentWrite);
  }

  #reader(): SqliteThread {
    if (this.#closing !== undefined) throw closed(`The database "${this.path}"`);
    const index = this.#nextReader % this.#readerThreads;
    this.#nextReader += 1;
    return (this.#readers[index] ??= new SqliteThread({ ...this.#data, mode: "reader" }));
  }

  async #runWrite<Result>(
    work: (scope: WriteScope) => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const open = new OpenWrite(this.#currentWrite, this.#channel, this.#stamp, signal);
    // Not waited for: the requests that follow it fail if it does.
    this.#writer.request({ op: "savepoint" }).catch(() => {});
    try {
      const result = await open.run(work);
      // Not waited for either: the commit fails if it does.
      this.#writer.request({ op: "release" }).catch(() => {});
      return result;
    } catch (error) {
      // A group that is lost is undone as a whole already.
      await this.#writer.request({ op: "undo" }).catch(() => {});
      throw error;
    }
  }
}

/** The writer's connection. */
const writerConnection = 0;

function channelOf(thread: SqliteThread): WriteChannel {
  return {
    dialect: sqliteDialect,
    query: async ({ sql, parameters }) =>
      kyselyResult(await thread.request({ op: "query", connection: writerConnection, sql, parameters })),
    append: (events) => thread.request({ op: "append", events }),
  };
}
