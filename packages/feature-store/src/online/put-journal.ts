import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Batch, type CallOptions, type Schema, hasCode } from "@millwright/contracts";
import { concatBatches } from "@millwright/data";
import { lockDirectory } from "./directory-lock.ts";
import { writeFailure } from "../errors.ts";
import { type IngestTarget, ingestRows } from "../ingestion/ingest.ts";
import { type LogFile, openLogFile } from "./log-file.ts";
import type { OnlineMark } from "./online-store.ts";
import { decodeRows, encodeRows, longestTtl, type PutRows, systemSchema, withSystemColumns } from "./put-rows.ts";
import { FAILED_RULES } from "../definition/system-columns.ts";

/**
 * Rows of a view that were put one by one, on their way into the history: kept in a log first, where they survive a crash, and written as a batch
 * once they are many.
 */
export interface PutJournal {
  /** Rows that are in the log and not in the history yet. */
  readonly rows: number;
  /** Resolves when the disk has the rows. @returns what says online that these are they. */
  append(rows: PutRows): Promise<OnlineMark>;
  /** Writes what is in the log to the history, once. */
  flush(options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

/** The folder below a view's that holds a folder a journal. */
export const PUTS_FOLDER = "_puts";
export const LOG = "rows.log";

interface OpenLog {
  readonly id: string;
  readonly directory: string;
  readonly file: LogFile;
  readonly unlock: () => Promise<void>;
  /** Calls that appended so far. */
  calls: number;
}

/** The id of the batch that a journal's rows become. */
export const batchOf = (id: string): string => `puts/${id}`;
const markOf = (id: string, call: number): OnlineMark => ({ markedBatch: batchOf(id), calls: [[call, call]] });

/**
 * Opens a view's journal, and brings what processes that died left in theirs into the history.
 * @param recover Called with the rows of each that was left, before they go into the history.
 */
export async function openPutJournal(
  target: IngestTarget,
  {
    newId,
    recover,
  }: { readonly newId: () => string; readonly recover: (rows: PutRows, mark: OnlineMark) => Promise<void> },
): Promise<PutJournal> {
  await recoverJournals(target, recover);
  return createJournal(target, join(target.log.directory, PUTS_FOLDER), newId);
}

/** Brings what processes that died left in the journals of a view into the history. @param recover As in `openPutJournal`. */
export async function recoverJournals(
  target: IngestTarget,
  recover: (rows: PutRows, mark: OnlineMark) => Promise<void>,
): Promise<void> {
  const root = join(target.log.directory, PUTS_FOLDER);
  for (const id of await readdir(root).catch(() => [])) {
    const left = await openLeft(root, id);
    if (left === undefined) continue;
    for await (const payload of left.file.read()) {
      const { call, ...rows } = decodeRows(target.view, payload);
      if (rows.isOffline !== true) await recover(rows, markOf(id, call));
    }
    await writeOut(target, left);
  }
}

function createJournal(target: IngestTarget, root: string, newId: () => string): PutJournal {
  let current: Promise<OpenLog> | undefined;
  /** Logs that take no more rows, oldest first. */
  let full: Promise<OpenLog>[] = [];
  let rows = 0;
  let flushing: Promise<void> = Promise.resolve();

  const flush = async (signal: AbortSignal | undefined): Promise<void> => {
    if (current !== undefined) full.push(current);
    current = undefined;
    rows = 0;
    while (full.length > 0) {
      signal?.throwIfAborted();
      // One that could not be written stays first in line for the next time.
      await writeOut(target, await full[0]!, signal);
      full = full.slice(1);
    }
  };
  return {
    get rows() {
      return rows;
    },
    async append(given) {
      current ??= openNew(root, newId());
      const opening = current;
      rows += given.batch.length;
      const log = await opening.catch((error: unknown) => {
        if (current === opening) current = undefined;
        throw error;
      });
      const call = log.calls++;
      await log.file.append(encodeRows(target.view, given, call));
      return markOf(log.id, call);
    },
    flush({ signal } = {}) {
      const turn = flushing.then(() => flush(signal));
      flushing = turn.catch(() => {});
      return turn;
    },
    async close() {
      await flushing;
      for (const each of [...full, ...(current === undefined ? [] : [current])]) {
        const log = await each;
        await log.file.close();
        await log.unlock();
      }
    },
  };
}

async function openNew(root: string, id: string): Promise<OpenLog> {
  const directory = join(root, id);
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const unlock = await lockDirectory(directory);
  return { id, directory, unlock, calls: 0, file: await openLogFile(join(directory, LOG), { toDisk: true }) };
}

/** @returns undefined where another process is at work with it, or is just bringing it into the history. */
async function openLeft(root: string, id: string): Promise<OpenLog | undefined> {
  // A folder without a log is one that its process is just making, and has claimed before there is a log.
  if (!existsSync(join(root, id, LOG))) return undefined;
  try {
    return await openNew(root, id);
  } catch (error) {
    if (hasCode(error, "FEATURE_STORE_LOG_LOCKED")) return undefined;
    // Its process has just written it out.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Brings a log into the history and deletes it. Its name is the batch's id, so that a crash in between brings it in once. */
async function writeOut(target: IngestTarget, log: OpenLog, signal?: AbortSignal): Promise<void> {
  await log.file.settle();
  const rows: PutRows[] = [];
  for await (const payload of log.file.read()) rows.push(decodeRows(target.view, payload));
  const online = rows.filter(({ isOffline, batch }) => isOffline !== true && batch.length > 0);
  const offline = rows.filter(({ isOffline }) => isOffline === true);
  // Apart from each other, because those that did not go online are still to come there.
  await ingestPuts(target, online, batchOf(log.id), signal);
  await ingestPuts(target, offline, `${batchOf(log.id)}/history`, signal);
  await log.file.close();
  // Another process may look into it at this moment.
  await rm(log.directory, { recursive: true, force: true, maxRetries: 5 });
  await log.unlock();
}

async function ingestPuts(
  target: IngestTarget,
  rows: readonly PutRows[],
  batchId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (rows.length === 0) return;
  const longestTtlMs = Math.max(0, ...rows.map((each) => longestTtl(target.view, each)));
  const isGated = rows.some(({ failedRules }) => failedRules !== undefined);
  const system: Schema = isGated ? [...systemSchema, { name: FAILED_RULES, type: "utf8" }] : systemSchema;
  const source = { rows: batchesOf(rows, isGated), origin: "put" as const, system, longestTtlMs };
  await ingestRows(target, source, { batchId, signal });
}

/** Puts many small batches together, each with the columns that the history adds. */
async function* batchesOf(rows: readonly PutRows[], isGated: boolean): AsyncGenerator<Batch> {
  for (let at = 0; at < rows.length; at += 4096) {
    yield concatBatches(rows.slice(at, at + 4096).map((each) => withSystemColumns(each, isGated)));
  }
}
