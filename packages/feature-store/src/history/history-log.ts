import { createHash } from "node:crypto";
import { link, mkdir, open, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Digest, type Schema, systemClock } from "@millwright/contracts";
import { formatTooNew, historyCorrupt, writeFailure } from "../errors.ts";
import { decodeFold, encodeFold, foldId, type HistoryFold, unfolded } from "./history-fold.ts";
import { deleteLeftovers } from "./history-leftovers.ts";

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
  /** Rows left out because their entity had been forgotten after they happened. */
  readonly forgottenRows?: number | undefined;
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
  /** Of rows that came from a stream: which of its records, with those that were refused. */
  readonly stream?: StreamRange | undefined;
  /** Whether its files have the column `failed_rules`. */
  readonly hasFailedRules?: boolean | undefined;
  /** What the view's gate found. Absent where there was none. */
  readonly validity?: BatchValidity | undefined;
  /** The file of the rows that the gate put aside, with its reasons. Its `ds` is empty. */
  readonly quarantine?: HistoryPart | undefined;
}

/** Records of a stream, by their offsets, both ends included. */
export interface StreamRange {
  readonly source: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** What a gate found in the rows of a batch. */
export interface BatchValidity {
  /** Rows that were looked at. */
  readonly checkedRows: number;
  /** Rows that are stored although a rule says no: their column `failed_rules` names the rules. */
  readonly warnedRows: number;
  readonly quarantinedRows: number;
  /** By rule: how many rows it says no to; of a rule about whole batches, all or none. */
  readonly failures: Readonly<Record<string, number>>;
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
  /** As `batches`, with how often the view was compacted and which files say so. */
  snapshot(): Promise<HistorySnapshot>;
  find(id: string): Promise<HistoryBatch | undefined>;
  /** Takes the next number for a batch to come. Numbers of batches that never come stay unused. */
  claim(): Promise<number>;
  /** @returns false when a batch of this id is there already. */
  commit(batch: HistoryDraft): Promise<boolean>;
  /** Deletes what writers that died left. */
  deleteLeftovers(): Promise<void>;
  /** Puts one entry in the place of all of a snapshot's. @returns false when another one came between. */
  fold(snapshot: HistorySnapshot, batches: readonly HistoryBatch[]): Promise<boolean>;
}

export interface HistorySnapshot extends HistoryFold {
  /** The names of the files that it was read from. */
  readonly names: readonly string[];
}

const ENTRIES = "_batches";
const READ_AT_ONCE = 256;
/** Entries in files of their own, before they are put into one. */
const LOOSE_ENTRIES = 512;
const CLAIMS = "_claims";
/** What is written for a batch; version 3 holds many of them. */
const BATCH_VERSION = 2;
const FORMAT_VERSION = 3;

/** Tells apart those that calls in this process write at once. */
let temporaryFiles = 0;

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
  const snapshot = createSnapshots(view, entries);
  const commit = async (id: string, { number, text, counts }: Commit): Promise<boolean> => {
    const path = join(entries, entryName(id));
    if (!(await linkWhole(path, `${path}.${process.pid}-${number}-${temporaryFiles++}.tmp`, text))) return false;
    await flushDirectory(entries);
    if (counts(await snapshot())) return true;
    // The same one was committed long ago, and stands in a fold.
    await rm(path, { force: true });
    return false;
  };
  const fold: HistoryLog["fold"] = async ({ folds, compactions, names }, batches) => {
    const own = folds + 1;
    const text = encodeFold({ folds: own, compactions, batches });
    const counts = (now: HistorySnapshot): boolean => now.folds === own;
    if (!(await commit(foldId(own), { number: 0, text, counts }))) return false;
    // Whoever lists the folder meanwhile and misses them sees the new one.
    for (const name of names) await rm(join(entries, name), { force: true });
    return true;
  };
  const clean = (): Promise<void> => deleteLeftovers(directory, clock.nowMs(), async () => (await snapshot()).batches);
  await clean();
  return {
    directory,
    deleteLeftovers: clean,
    snapshot,
    batches: async () => (await snapshot()).batches,
    find: async (id) => (await snapshot()).batches.find((batch) => batch.id === id),
    claim: async () => await claimNumber(claims, (await snapshot()).batches.at(-1)?.number ?? 0),
    async commit(draft) {
      const batch: HistoryBatch = { formatVersion: BATCH_VERSION, ...draft, availableMs: clock.nowMs() };
      const counts = ({ batches }: HistorySnapshot): boolean =>
        batches.some(({ id, number }) => id === draft.id && number === draft.number);
      if (!(await commit(draft.id, { number: draft.number, text: JSON.stringify(batch), counts }))) return false;
      const now = await snapshot();
      // Every call lists the entries: their number must not grow with that of the batches.
      if (now.names.length > LOOSE_ENTRIES) await fold(now, now.batches).catch(() => false);
      return true;
    },
    fold,
  };
}

interface Commit {
  readonly number: number;
  readonly text: string;
  /** Whether what was linked is the one that counts. */
  readonly counts: (snapshot: HistorySnapshot) => boolean;
}

/** Reads a folder's entries, each once. */
function createSnapshots(view: string, entries: string): () => Promise<HistorySnapshot> {
  let cache = new Map<string, HistoryBatch | HistoryFold>();
  let last: HistorySnapshot | undefined;
  /** @returns undefined where an entry went while they were read: a fold has it. */
  const read = async (names: readonly string[]): Promise<HistorySnapshot | undefined> => {
    if (last !== undefined && names.length === last.names.length && last.names.every((name, at) => name === names[at]))
      return last;
    const found = new Map<string, HistoryBatch | HistoryFold>();
    for (let at = 0; at < names.length; at += READ_AT_ONCE) {
      const group = names.slice(at, at + READ_AT_ONCE);
      const read = await Promise.all(
        group.map(async (name) => cache.get(name) ?? (await readEntry(view, join(entries, name)))),
      );
      for (const [index, entry] of read.entries()) {
        if (entry === undefined) return undefined;
        found.set(group[index]!, entry);
      }
    }
    cache = found;
    return { ...unfolded([...found.values()]), names };
  };
  return async () => {
    for (;;) {
      const snapshot = await read((await readdir(entries)).filter((name) => name.endsWith(".json")));
      // Entries go only after the fold that holds them came: where there is a later one, some may have been missed.
      if (snapshot === undefined || (await exists(join(entries, entryName(foldId(snapshot.folds + 1)))))) continue;
      return (last = snapshot);
    }
  };
}

/** Makes a file by one atomic link. @returns false where there is one of that name. */
async function linkWhole(path: string, temporary: string, text: string): Promise<boolean> {
  try {
    await writeDurably(temporary, text);
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writeFailure(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
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

async function readEntry(view: string, path: string): Promise<HistoryBatch | HistoryFold | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseEntry(view, path, text);
}

function parseEntry(view: string, path: string, text: string): HistoryBatch | HistoryFold {
  const value = parseJson(view, path, text);
  const { formatVersion, parts, number } = (value ?? {}) as Partial<Record<keyof HistoryBatch, unknown>>;
  if (typeof formatVersion === "number" && formatVersion > FORMAT_VERSION) {
    throw formatTooNew(path, formatVersion, FORMAT_VERSION);
  }
  if ((formatVersion === 1 || formatVersion === 2) && Array.isArray(parts) && typeof number === "number") {
    return value as HistoryBatch;
  }
  const fold = formatVersion === 3 ? decodeFold(value) : undefined;
  if (fold === undefined) throw historyCorrupt(view, path, `is not an entry of format version 1 to ${FORMAT_VERSION}`);
  return fold;
}

function parseJson(view: string, path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw historyCorrupt(view, path, "is not JSON", cause);
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
