import { createHash } from "node:crypto";
import { link, mkdir, open, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Digest, type Schema, systemClock } from "@millwright/contracts";
import { isAlive } from "./directory-lock.ts";
import { formatTooNew, historyCorrupt, writeFailure } from "./errors.ts";

/** A Parquet file of the history. */
export interface HistoryPart {
  /** Relative to the view's folder, with `/`. */
  readonly path: string;
  /** The day its rows fall on by event time, `2024-01-31`, UTC. */
  readonly ds: string;
  readonly rows: number;
  readonly sizeBytes: number;
}

/** A batch of rows that was ingested, or parts put in the place of others. */
export interface HistoryBatch {
  /** 1: its files lack the columns that say when and how a row was written. */
  readonly formatVersion: 1 | 2;
  readonly id: string;
  /** Content digest of the rows as they came. */
  readonly digest: Digest;
  /** Grows from batch to batch: decides between rows of equal times. */
  readonly number: number;
  readonly schema: Schema;
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
  readonly parts: readonly HistoryPart[];
  /** How the rows came. Absent in version 1. */
  readonly origin?: "ingest" | "put" | "compaction" | undefined;
  /** UTC milliseconds from which on the rows can be read: never before they were written. Absent in version 1: always. */
  readonly availableMs?: number | undefined;
  /** Whether rows may be deletes or have a time to live of their own. */
  readonly hasMarks?: boolean | undefined;
  /** The longest time to live that a row has of its own. */
  readonly longestTtlMs?: number | undefined;
  /** Of a compaction: the paths of the parts that its own stand for. */
  readonly replaces?: readonly string[] | undefined;
}

/** A batch as it is to be committed. */
export type HistoryDraft = Omit<HistoryBatch, "formatVersion" | "availableMs">;

/** A part that counts, and the batch whose entry names it. */
export interface CountedPart {
  readonly part: HistoryPart;
  readonly batch: HistoryBatch;
}

/** The parts that hold the rows of these batches: those that a compaction stands for are left out. */
export function countedParts(batches: readonly HistoryBatch[]): CountedPart[] {
  const replaced = new Set(batches.flatMap(({ replaces = [] }) => replaces));
  return batches.flatMap((batch) =>
    batch.parts.filter(({ path }) => !replaced.has(path)).map((part) => ({ part, batch })),
  );
}

/**
 * Which files of a view's folder count. A batch is there when its entry is, and an entry is made by one atomic link after all its files
 * are on disk: whatever a crash leaves behind is not looked at.
 */
export interface HistoryLog {
  readonly directory: string;
  /** All batches, by number. Throws `FEATURE_STORE_HISTORY_CORRUPT`, `FEATURE_STORE_FORMAT_TOO_NEW`. */
  batches(): Promise<readonly HistoryBatch[]>;
  find(id: string): Promise<HistoryBatch | undefined>;
  /** Takes the next number for a batch to come. Numbers of batches that never come stay unused. */
  claim(): Promise<number>;
  /** @returns false when a batch of this id is there already. */
  commit(batch: HistoryDraft): Promise<boolean>;
}

const ENTRIES = "_batches";
const CLAIMS = "_claims";
const FORMAT_VERSION = 2;
/** What an ingest writes into until its files are whole: its process, its batch number. */
const INCOMING = /^_incoming-(\d+)-\d+$/;
/** A folder is a leftover only after this: its process may be one of another machine, whose numbers say nothing here. */
const LEFTOVER_MS = 24 * 3_600_000;

export async function openHistoryLog(
  root: string,
  view: string,
  { clock = systemClock }: { readonly clock?: Clock | undefined } = {},
): Promise<HistoryLog> {
  const directory = join(root, view);
  const entries = join(directory, ENTRIES);
  const claims = join(directory, CLAIMS);
  for (const folder of [entries, claims]) {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw writeFailure(folder, error);
    });
  }
  await deleteLeftovers(directory, clock.nowMs());
  const cache = new Map<string, HistoryBatch>();

  const readEntry = async (name: string): Promise<HistoryBatch> => {
    const known = cache.get(name);
    if (known !== undefined) return known;
    const path = join(entries, name);
    const batch = parseEntry(view, path, await readFile(path, "utf8"));
    cache.set(name, batch);
    return batch;
  };
  const batches = async (): Promise<HistoryBatch[]> => {
    const names = (await readdir(entries)).filter((name) => name.endsWith(".json"));
    return (await Promise.all(names.map(readEntry))).sort((a, b) => a.number - b.number);
  };
  return {
    directory,
    batches,
    find: async (id) => ((await exists(join(entries, entryName(id)))) ? await readEntry(entryName(id)) : undefined),
    claim: async () => await claimNumber(claims, (await batches()).at(-1)?.number ?? 0),
    async commit(draft) {
      const path = join(entries, entryName(draft.id));
      const temporary = `${path}.${process.pid}-${draft.number}.tmp`;
      const batch: HistoryBatch = { formatVersion: FORMAT_VERSION, ...draft, availableMs: clock.nowMs() };
      try {
        await writeDurably(temporary, JSON.stringify(batch));
        await link(temporary, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        throw writeFailure(path, error);
      } finally {
        await rm(temporary, { force: true });
      }
      await flushDirectory(entries);
      return true;
    },
  };
}

/** Takes the next number that nobody has taken: making a folder succeeds once. */
async function claimNumber(claims: string, committed: number): Promise<number> {
  const taken = (await readdir(claims)).map(Number);
  for (let number = Math.max(committed, ...taken) + 1; ; number++) {
    try {
      await mkdir(join(claims, String(number)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw error;
    }
    // Claims below one that stands are of no use any more.
    for (const old of taken) if (old < number) await rm(join(claims, String(old)), { recursive: true, force: true });
    return number;
  }
}

/** A name for any id, whatever characters it has. */
const entryName = (id: string): string => `${createHash("sha256").update(id).digest("hex").slice(0, 40)}.json`;

function parseEntry(view: string, path: string, text: string): HistoryBatch {
  const value = parseJson(view, path, text);
  const { formatVersion, parts, number } = (value ?? {}) as Partial<Record<keyof HistoryBatch, unknown>>;
  if (typeof formatVersion === "number" && formatVersion > FORMAT_VERSION) {
    throw formatTooNew(path, formatVersion, FORMAT_VERSION);
  }
  if ((formatVersion === 1 || formatVersion === 2) && Array.isArray(parts) && typeof number === "number") {
    return value as HistoryBatch;
  }
  throw historyCorrupt(view, path, `is not an entry of format version 1 to ${FORMAT_VERSION}`);
}

function parseJson(view: string, path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw historyCorrupt(view, path, "is not JSON", cause);
  }
}

/** Deletes what ingests that died long ago were writing into. */
async function deleteLeftovers(directory: string, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = INCOMING.exec(name)?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    const changedMs = (await stat(join(directory, name)).catch(() => undefined))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    // A folder with this process's number is of an earlier process, unless it was made since this one began.
    const beganMs = nowMs - process.uptime() * 1_000;
    if (changedMs > Math.min(beganMs, nowMs - LEFTOVER_MS)) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, "w");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes new names in a directory last. Windows has no such thing, and needs none. */
export async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
