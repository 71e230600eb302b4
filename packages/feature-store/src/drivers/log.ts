import { mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { closed, type CallOptions } from "@millwright/contracts";
import { lockDirectory } from "../online/directory-lock.ts";
import { writeFailure } from "../errors.ts";
import { openLogFile, type LogFile } from "../online/log-file.ts";
import type { OnlineRecord, OnlineStore } from "../online/online-store.ts";
import { decodeRecords, encodeRecords } from "../records/record-text.ts";

export interface LogOnlineStoreOptions extends CallOptions {
  /**
   * When rows count as kept: `"disk"`, when the disk has them, so that they outlast a power failure; `"system"`, when the operating system has
   * them, so that they outlast this process. Default: `"disk"`.
   */
  readonly flush?: "disk" | "system" | undefined;
}

/** `flights.12.log`: the twelfth file of the view `flights`; the highest number counts. */
const FILE_NAME = /^(.+)\.(\d+)\.log$/;
/** What names a file in the directory itself, and none beside it. */
// oxlint-disable-next-line no-control-regex -- control characters are what is refused.
const VIEW = /^[^/\\:\u0000-\u001f]{1,200}$/;
const shown = (view: string): string => JSON.stringify(view.slice(0, 80));

/**
 * Keeps rows in one append-only file a view, every record with its checksum. What a crash left half written at the end is cut off on open;
 * damage anywhere else throws `FEATURE_STORE_LOG_CORRUPT`. One process at a time: others get `FEATURE_STORE_LOG_LOCKED`. Where the disk is
 * full, calls throw `FEATURE_STORE_WRITE_FAILED`, what was kept stays, and once there is room the store goes on.
 */
export async function openLogOnlineStore(directory: string, options: LogOnlineStoreOptions = {}): Promise<OnlineStore> {
  const { flush = "disk", signal } = options;
  signal?.throwIfAborted();
  const root = resolve(directory);
  await mkdir(root, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(root, error);
  });
  const unlock = await lockDirectory(root);
  try {
    const generations = await cleanDirectory(root);
    signal?.throwIfAborted();
    return createStore(root, generations, flush === "disk", unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Deletes what a crash during a replacement left: half-written files, and files that were replaced. @returns each view's file number. */
async function cleanDirectory(root: string): Promise<Map<string, number>> {
  const generations = new Map<string, number>();
  const names = await readdir(root);
  for (const name of names) {
    const [, view, generation] = FILE_NAME.exec(name) ?? [];
    if (view !== undefined) generations.set(view, Math.max(generations.get(view) ?? 0, Number(generation)));
  }
  for (const name of names) {
    const [, view, generation] = FILE_NAME.exec(name) ?? [];
    const isOld = view !== undefined && Number(generation) < generations.get(view)!;
    if (isOld || name.endsWith(".tmp")) await rm(join(root, name), { force: true });
  }
  return generations;
}

/** The file of each view that counts, opened when it is first asked for. */
interface ViewFiles {
  current(view: string): Promise<LogFile>;
  /** Puts a new file in the place of the view's, and deletes the old one. */
  replace(view: string, initial: Iterable<Uint8Array>): Promise<void>;
  close(): Promise<void>;
}

function createViewFiles(root: string, generations: Map<string, number>, toDisk: boolean): ViewFiles {
  const files = new Map<string, Promise<LogFile>>();
  const pathOf = (view: string, generation: number): string => {
    if (!VIEW.test(view))
      throw new RangeError(`A view needs a name of 1 to 200 characters that is fit for a file, not ${shown(view)}.`);
    return join(root, `${view}.${generation}.log`);
  };
  const current = (view: string): Promise<LogFile> => {
    let file = files.get(view);
    if (file === undefined) {
      const generation = generations.get(view) ?? 1;
      generations.set(view, generation);
      files.set(view, (file = openLogFile(pathOf(view, generation), { toDisk })));
      // What could not be opened is tried again when it is next asked for.
      file.catch(() => files.delete(view));
    }
    return file;
  };
  return {
    current,
    async replace(view, initial) {
      const old = await current(view);
      await old.settle();
      const generation = generations.get(view)! + 1;
      const path = pathOf(view, generation);
      const file = await openLogFile(path, { toDisk, initial }).catch(async (error: unknown) => {
        // Left there, it would count in place of the old one, which goes on.
        await rm(path, { force: true });
        throw error;
      });
      generations.set(view, generation);
      files.set(view, Promise.resolve(file));
      await old.close();
      await rm(old.path, { force: true });
    },
    async close() {
      for (const opened of await Promise.allSettled(files.values())) {
        if (opened.status === "fulfilled") await opened.value.close();
      }
    },
  };
}

function createStore(
  root: string,
  generations: Map<string, number>,
  toDisk: boolean,
  unlock: () => Promise<void>,
): OnlineStore {
  const files = createViewFiles(root, generations, toDisk);
  const { inTurn, settle } = createQueues();
  let isClosed = false;
  const check = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  return {
    capabilities: { durable: true },
    async append(view, records, { signal } = {}) {
      check(signal);
      if (records.length === 0) return;
      const payload = encodeRecords(records);
      // Only joining the queue takes its turn; appends then go to disk together.
      const queued = await inTurn(view, async () => ({ written: (await files.current(view)).append(payload) }));
      await queued.written;
    },
    async *read(view, { signal } = {}) {
      check(signal);
      const file = await inTurn(view, () => files.current(view));
      for await (const payload of file.read()) {
        signal?.throwIfAborted();
        yield* decodeRecords(payload);
      }
    },
    async replace(view, records, { signal } = {}) {
      check(signal);
      await inTurn(view, () => files.replace(view, payloads(records)));
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      await settle();
      await files.close();
      await unlock();
    },
  };
}

/** Calls on a view take turns, so that they take effect in the order they were made. */
function createQueues(): {
  inTurn<Result>(view: string, work: () => Promise<Result>): Promise<Result>;
  settle(): Promise<void>;
} {
  const turns = new Map<string, Promise<unknown>>();
  return {
    inTurn(view, work) {
      const turn = (turns.get(view) ?? Promise.resolve()).then(work, work);
      turns.set(view, turn);
      return turn;
    },
    async settle() {
      await Promise.allSettled(turns.values());
    },
  };
}

/** Records in pieces that are neither tiny nor huge. */
function* payloads(records: Iterable<OnlineRecord>): Generator<Uint8Array> {
  let piece: OnlineRecord[] = [];
  for (const record of records) {
    piece.push(record);
    if (piece.length < 1000) continue;
    yield encodeRecords(piece);
    piece = [];
  }
  if (piece.length > 0) yield encodeRecords(piece);
}
