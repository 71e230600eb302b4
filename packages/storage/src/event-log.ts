import type { Clock, EventLog, EventReadOptions, LoggedEvent } from "@millwright/contracts";
import type { Database } from "./database.ts";
import { loggedEvent } from "./event-row.ts";
import { type ChainBreak, type ChainHead, chainStart, checkLink } from "./hash-chain.ts";

export interface EventLogOptions {
  /** How often a follower looks for events of other processes; those of this process wake it at once. Default: 200. */
  readonly pollMs?: number | undefined;
}

export interface ChainReport {
  /** How many records were checked, up to the break if there is one. */
  readonly records: number;
  /** The last good record. Kept elsewhere, it lets a later `verify` notice a log that was cut short and written on. */
  readonly head: ChainHead;
  /** The first record that does not belong; `undefined` of a whole log. */
  readonly broken: ChainBreak | undefined;
}

/** A log whose history can be checked. */
export interface VerifiableEventLog extends EventLog {
  /** Walks the hash chain from the first record to the last. */
  verify(options?: { readonly signal?: AbortSignal | undefined }): Promise<ChainReport>;
}

interface LogTables {
  millwright_events: { cursor: number; id: string; type: string; body: string; hash: string };
  // SQLite keeps it by itself for a table with `autoincrement`.
  sqlite_sequence: { name: string; seq: number };
  // What PostgreSQL has in its place.
  millwright_sequence: { name: string; seq: number };
}

const pageRows = 256;

/** The event log of a database: the one that `emit` and `writeBatch` append to. */
export function openEventLog<Tables>(
  database: Database<Tables>,
  { pollMs = 200 }: EventLogOptions = {},
): VerifiableEventLog {
  const typed = database.typed<LogTables>();
  return {
    async append(events, { signal } = {}) {
      signal?.throwIfAborted();
      if (events.length === 0) return [];
      return (await database.writeBatch([], { events, signal })).events;
    },
    read: (options = {}) => readLog(typed, options, pollMs),
    verify: ({ signal } = {}) => verifyLog(typed, signal),
  };
}

async function* readLog(
  database: Database<LogTables>,
  { after = 0, types, follow = false, signal }: EventReadOptions,
  pollMs: number,
): AsyncGenerator<LoggedEvent, void, undefined> {
  let cursor = after;
  const wake = createWake();
  const stopListening = follow ? database.onCommit(wake.ring) : () => {};
  try {
    for (;;) {
      if (isAborted(signal)) break;
      wake.reset();
      const rows = await readPage(database, cursor, types);
      for (const row of rows) {
        if (isAborted(signal)) break;
        cursor = row.cursor;
        yield loggedEvent(row.cursor, { row });
      }
      if (rows.length === pageRows) continue;
      if (!follow) break;
      await wake.wait(database.clock, pollMs, signal);
    }
  } finally {
    stopListening();
  }
  if (!follow) signal?.throwIfAborted();
}

/** Asked anew each time: it changes while we wait. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function readPage(
  database: Database<LogTables>,
  cursor: number,
  types: readonly string[] | undefined,
): Promise<{ cursor: number; body: string }[]> {
  let query = database.read
    .selectFrom("millwright_events")
    .select(["cursor", "body"])
    .where("cursor", ">", cursor)
    .orderBy("cursor")
    .limit(pageRows);
  if (types !== undefined) {
    query = query.where((where) =>
      where.or(
        types.map((type) => {
          if (!type.endsWith(".*")) return where("type", "=", type);
          const family = type.slice(0, -1);
          // "/" is the character after "."; so this is every type that starts with the family and a dot.
          return where.and([where("type", ">=", family), where("type", "<", `${family.slice(0, -1)}/`)]);
        }),
      ),
    );
  }
  return query.execute();
}

/** Lets a follower sleep until something was committed here, or until it is time to look for what others wrote. */
function createWake(): {
  readonly ring: () => void;
  readonly reset: () => void;
  readonly wait: (clock: Clock, pollMs: number, signal: AbortSignal | undefined) => Promise<void>;
} {
  let rung = false;
  let listener: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      listener?.();
    },
    reset: () => {
      rung = false;
    },
    wait: async (clock, pollMs, signal) => {
      if (rung || isAborted(signal)) return;
      const nap = new AbortController();
      const stop = (): void => nap.abort();
      listener = stop;
      signal?.addEventListener("abort", stop, { once: true });
      try {
        await clock.sleep(pollMs, { signal: nap.signal });
      } catch (error) {
        if (!nap.signal.aborted) throw error;
      } finally {
        listener = undefined;
        signal?.removeEventListener("abort", stop);
      }
    },
  };
}

/** Walks the chain in one snapshot. @param visit Told every good record's hash, in order. */
export async function verifyLog<Tables>(
  untyped: Database<Tables>,
  signal: AbortSignal | undefined,
  visit: (head: ChainHead) => void = () => {},
): Promise<ChainReport> {
  signal?.throwIfAborted();
  const database = untyped.typed<LogTables>();
  // One snapshot for the records and the counter.
  return database.read.transaction().execute(async (sql) => {
    let head: ChainHead = { cursor: 0, hash: chainStart };
    let records = 0;
    for (;;) {
      signal?.throwIfAborted();
      const page = await sql
        .selectFrom("millwright_events")
        .select(["cursor", "hash", "body"])
        .where("cursor", ">", head.cursor)
        .orderBy("cursor")
        .limit(pageRows)
        .execute();
      for (const record of page) {
        const broken = checkLink(head, record);
        if (broken !== undefined) return { records, head, broken };
        head = { cursor: record.cursor, hash: record.hash };
        records += 1;
        visit(head);
      }
      if (page.length < pageRows) break;
    }
    // The greatest cursor ever given: records cut off the end are missed by it.
    const counter = await sql
      .selectFrom(database.dialect === "sqlite" ? "sqlite_sequence" : "millwright_sequence")
      .select("seq")
      .where("name", "=", "millwright_events")
      .executeTakeFirst();
    const broken =
      (counter?.seq ?? 0) > head.cursor ? { cursor: head.cursor + 1, problem: "missing" as const } : undefined;
    return { records, head, broken };
  });
}
