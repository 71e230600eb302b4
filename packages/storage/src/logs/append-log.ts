import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { type CallOptions, closed } from "@millwright/contracts";
import { logCorrupt, logLocked } from "../errors.ts";
import { errorOfFile } from "../file-failure.ts";
import { type FileLock, tryLockFile } from "../file-lock.ts";
import { flushDirectory } from "../flush-directory.ts";
import { encodeRecord, fileHeader, type LogEnd, type LogRecord, wholeRecords } from "./log-format.ts";
import { createLogWriter, type LogDurability, type LogWriter, writeFully } from "./log-writer.ts";

export interface AppendLogOptions extends CallOptions {
  /**
   * What is done about a record that was changed after it was written, which no crash does: `refuse` throws `STORAGE_LOG_CORRUPT`; `setAside` copies
   * the file from there on to `<path>.damaged-<offset>` and goes on with the records before. Default: `refuse`.
   */
  readonly onDamage?: "refuse" | "setAside" | undefined;
}

export interface LogAppendOptions extends CallOptions {
  /**
   * When `append` resolves. `fire`: at once, unless 8 MiB wait to be written; a failure is thrown by the next `flush`. `buffered`: when the system
   * has the records, which then survive the end of this process by any signal. `fsync`: when the disk has them, which then survive a power
   * failure. Appends that wait at the same time share a flush. Default: `fsync`.
   */
  readonly durability?: LogDurability | undefined;
}

export interface LogReadOptions extends CallOptions {
  /** Begins at the record there: the `nextOffset` of one that was read. Default: at the first. */
  readonly from?: number | undefined;
}

/** Records one after another in a file, each with a checksum; one process at a time writes it, and any may read it. */
export interface AppendLog extends AsyncDisposable {
  readonly path: string;
  /** Of the file, with all that was written. */
  readonly sizeBytes: number;
  /** How many bytes at the end were unfinished or damaged when it was opened, and were cut off. */
  readonly cutBytes: number;
  /** Adds the records, in this order and next to each other; a text is its UTF-8 bytes. Throws `STORAGE_DISK_FULL` and its like; nothing of the call is kept then. */
  append(records: readonly (Uint8Array | string)[], options?: LogAppendOptions): Promise<void>;
  /** Waits until the disk has all that was appended. Throws what happened to records that were fired. */
  flush(options?: CallOptions): Promise<void>;
  /** The records that are there now, those included that wait to be written. */
  read(options?: LogReadOptions): AsyncIterable<LogRecord>;
  /** Takes out all records, so that the file does not grow for ever. */
  clear(options?: CallOptions): Promise<void>;
}

/**
 * Opens a log, or makes it, and cuts off what a crash left unfinished at its end: at any moment a writer is killed, reopening gives every record
 * it had acknowledged. The file beside it, `<path>.lock`, stays there; the lock on it goes with the process.
 * Throws `STORAGE_LOG_LOCKED` while another process, or another caller of this one, has it open, `STORAGE_LOG_CORRUPT`, `STORAGE_FORMAT_NEWER`.
 */
export async function openAppendLog(
  path: string,
  { onDamage = "refuse", signal }: AppendLogOptions = {},
): Promise<AppendLog> {
  signal?.throwIfAborted();
  const lock = tryLockFile(`${path}.lock`);
  if (lock === undefined) throw logLocked(path);
  let handle: FileHandle | undefined;
  try {
    handle = await openFile(path);
    const { size } = await handle.stat();
    const end = await endOf(handle, path, size, signal);
    if (end.rest === "damaged") {
      if (onDamage === "refuse") throw logCorrupt(path, end.soundBytes, "a record was changed after it was written");
      await setAside(handle, path, end.soundBytes, size);
    }
    const sizeBytes = await makeSound(handle, end, size);
    return appendLog(path, handle, lock, sizeBytes, size - end.soundBytes);
  } catch (error) {
    await handle?.close();
    lock.release();
    throw errorOfFile(path, error);
  }
}

/**
 * The whole records of a log, while another process may be writing it: what is unfinished at its end is left out. Keep the `nextOffset` of the last
 * one to go on from there later. Throws `STORAGE_FILE_UNREACHABLE` where there is none, `STORAGE_LOG_CORRUPT` where a record was changed.
 */
export async function* readAppendLog(
  path: string,
  { from = 0, signal }: LogReadOptions = {},
): AsyncGenerator<LogRecord, void, undefined> {
  signal?.throwIfAborted();
  checkFrom(from);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const { size } = await handle.stat();
    yield* checkedRecords(handle, path, size, from, signal);
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : errorOfFile(path, error);
  } finally {
    await handle?.close();
  }
}

function appendLog(path: string, handle: FileHandle, lock: FileLock, start: number, cutBytes: number): AppendLog {
  const writer: LogWriter = createLogWriter(path, handle, start);
  let ended: Promise<void> | undefined;
  const checkOpen = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (ended !== undefined) throw closed(`The log "${path}"`);
  };
  return {
    path,
    get sizeBytes() {
      return writer.sizeBytes();
    },
    cutBytes,
    async append(records, { durability = "fsync", signal } = {}) {
      checkOpen(signal);
      if (!["fire", "buffered", "fsync"].includes(durability))
        throw new RangeError(`durability is fire, buffered or fsync, not ${String(durability)}.`);
      if (records.length === 0) return;
      await writer.add(Buffer.concat(records.map((record) => encodeRecord(record))), durability);
    },
    async flush({ signal } = {}) {
      checkOpen(signal);
      await writer.flush();
    },
    async *read({ from = 0, signal } = {}) {
      checkOpen(signal);
      checkFrom(from);
      await writer.written();
      yield* checkedRecords(handle, path, writer.sizeBytes(), from, signal);
    },
    async clear({ signal } = {}) {
      checkOpen(signal);
      await writer.clear(fileHeader.length);
    },
    [Symbol.asyncDispose]: () =>
      (ended ??= writer.flush().finally(async () => {
        await handle.close();
        lock.release();
      })),
  };
}

function checkFrom(from: number): void {
  if (!(Number.isSafeInteger(from) && from >= 0))
    throw new RangeError(`from must be the nextOffset of a record, not ${from}.`);
}

/** For reading and writing, made where it is not there. Not `a+`: where a write goes is said each time. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const handle = await open(path, "wx+");
  try {
    await flushDirectory(dirname(path));
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function endOf(handle: FileHandle, path: string, size: number, signal: AbortSignal | undefined): Promise<LogEnd> {
  const records = wholeRecords(handle, path, size, 0);
  for (;;) {
    signal?.throwIfAborted();
    const next = await records.next();
    if (next.done === true) return next.value;
  }
}

async function makeSound(handle: FileHandle, end: LogEnd, size: number): Promise<number> {
  if (end.soundBytes >= fileHeader.length && end.soundBytes === size) return size;
  await handle.truncate(end.soundBytes);
  if (end.soundBytes === 0) await writeFully(handle, fileHeader, 0);
  await handle.datasync();
  return Math.max(end.soundBytes, fileHeader.length);
}

async function setAside(handle: FileHandle, path: string, from: number, size: number): Promise<void> {
  const copy = await open(`${path}.damaged-${from}`, "w");
  try {
    const buffer = Buffer.allocUnsafe(1 << 18);
    for (let at = from; at < size;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) break;
      await writeFully(copy, buffer.subarray(0, bytesRead), at - from);
      at += bytesRead;
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
  await flushDirectory(dirname(path));
}

async function* checkedRecords(
  handle: FileHandle,
  path: string,
  size: number,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogRecord, void, undefined> {
  const records = wholeRecords(handle, path, size, from);
  for (;;) {
    signal?.throwIfAborted();
    const next = await records.next();
    if (next.done === true) {
      if (next.value.rest === "damaged")
        throw logCorrupt(path, next.value.soundBytes, "a record was changed after it was written");
      return;
    }
    yield next.value;
  }
}
