import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { logCorrupt, writeFailure } from "../errors.ts";
import { flushDirectory } from "../history/history-log.ts";
import { checkFormat, formatRecord } from "../records/record-text.ts";

/** Each record: length of the payload and CRC-32 of length and payload, 4 bytes little-endian each; then the payload. */
const HEADER_BYTES = 8;
const READ_BYTES = 1 << 20;

/** An append-only file of checksummed records. */
export interface LogFile {
  readonly path: string;
  /** Resolves when the record is kept. Records appended while others are being written go to disk together with each other. */
  append(payload: Uint8Array): Promise<void>;
  /** The records there now, in order. */
  read(): AsyncIterable<Uint8Array>;
  /** Waits for the appends under way. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface LogFileOptions {
  readonly toDisk: boolean;
  /** Makes the file anew with these records, whole or not at all. Default: opens what is there. */
  readonly initial?: Iterable<Uint8Array> | undefined;
}

/**
 * Opens the file and cuts off what a crash left unfinished at its end. The first record of a new file says the version of its format.
 * Throws `FEATURE_STORE_LOG_CORRUPT`, `FEATURE_STORE_FORMAT_TOO_NEW`, `FEATURE_STORE_WRITE_FAILED`.
 */
export async function openLogFile(path: string, options: LogFileOptions): Promise<LogFile> {
  try {
    return await openOrMake(path, options);
  } catch (error) {
    throw writeFailure(path, error);
  }
}

async function openOrMake(path: string, { toDisk, initial }: LogFileOptions): Promise<LogFile> {
  if (initial !== undefined) await writeWhole(path, initial);
  const existed = await stat(path).then(
    () => true,
    () => false,
  );
  const handle = await open(path, "a+");
  try {
    let size = await soundBytes(handle, path);
    await handle.truncate(size);
    if (size === 0) size = await writeAll(handle, bytesOf(formatRecord));
    if (!existed) await flushDirectory(dirname(path));
    return createLogFile(path, handle, size, toDisk);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function createLogFile(path: string, handle: FileHandle, start: number, toDisk: boolean): LogFile {
  let size = start;
  let waiting: { readonly bytes: Uint8Array; settle: (error?: unknown) => void }[] = [];
  let writing: Promise<void> | undefined;
  let failed: unknown;

  const writeWaiting = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        if (failed !== undefined) throw failed;
        const written = await writeAll(handle, Buffer.concat(group.map((each) => each.bytes)));
        if (toDisk) await handle.datasync();
        size += written;
        for (const each of group) each.settle();
      } catch (error) {
        // Nobody knows what the file ends with now: where that can be cut off, the log goes on.
        failed ??= await handle.truncate(size).then(
          () => undefined,
          () => writeFailure(path, error),
        );
        for (const each of group) each.settle(writeFailure(path, error));
      }
    }
    writing = undefined;
  };
  const settle = async (): Promise<void> => {
    while (writing !== undefined) await writing;
  };
  return {
    path,
    append: (payload) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({
          bytes: bytesOf(payload),
          settle: (error) => (error === undefined ? resolve() : reject(error as Error)),
        });
        writing ??= Promise.resolve().then(writeWaiting);
      }),
    async *read() {
      await settle();
      for await (const { payload } of records(handle, path, size)) yield payload;
    },
    settle,
    async close() {
      await settle();
      await handle.close();
    },
  };
}

/**
 * The whole records of a file from a place on, without waiting, while another process may append to it. What ends the file half written is left out.
 * @returns the payloads, and where the next record will begin; undefined where there is no file.
 */
export function readRecordsNow(
  path: string,
  from: number,
): { readonly payloads: readonly Uint8Array[]; readonly end: number } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - from));
    let filled = 0;
    for (let read = 1; read > 0 && filled < bytes.length; filled += read) {
      read = readSync(descriptor, bytes, filled, bytes.length - filled, from + filled);
    }
    return wholeRecords(bytes.subarray(0, filled), from);
  } finally {
    closeSync(descriptor);
  }
}

function wholeRecords(bytes: Buffer, from: number): { readonly payloads: readonly Uint8Array[]; readonly end: number } {
  const payloads: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const end = at + HEADER_BYTES + bytes.readUInt32LE(at);
    const payload = bytes.subarray(at + HEADER_BYTES, end);
    if (end > bytes.length || headerOf(payload).readUInt32LE(4) !== bytes.readUInt32LE(at + 4)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, end: from + at };
}

function headerOf(payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(crc32(payload, crc32(header.subarray(0, 4))), 4);
  return header;
}

const bytesOf = (payload: Uint8Array): Buffer => Buffer.concat([headerOf(payload), payload]);

/** Writes at the end of the file. A disk that fills up may take a part before it refuses. @returns how many bytes that were. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
  return bytes.length;
}

async function writeWhole(path: string, payloads: Iterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await writeAll(handle, bytesOf(formatRecord));
      for (const payload of payloads) await writeAll(handle, bytesOf(payload));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await flushDirectory(dirname(path));
}

/** How many bytes from the start are whole records. A bad record that reaches the end of the file was being written; any other is damage. */
async function soundBytes(handle: FileHandle, path: string): Promise<number> {
  const { size } = await handle.stat();
  let end = 0;
  for await (const record of records(handle, path, size, { allowTorn: true })) {
    if (end === 0) checkFormat(path, record.payload);
    end = record.end;
  }
  return end;
}

async function* records(
  handle: FileHandle,
  path: string,
  size: number,
  { allowTorn = false }: { readonly allowTorn?: boolean } = {},
): AsyncGenerator<{ readonly payload: Uint8Array; readonly end: number }> {
  let position = 0;
  let buffer = Buffer.alloc(0);
  let bufferStart = 0;
  const bytesAt = async (at: number, length: number): Promise<Buffer> => {
    if (at < bufferStart || at + length > bufferStart + buffer.length) {
      buffer = Buffer.alloc(Math.min(Math.max(READ_BYTES, length), size - at));
      bufferStart = at;
      for (let filled = 0; filled < buffer.length;) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at + filled);
        if (bytesRead === 0) throw logCorrupt(path, at + filled);
        filled += bytesRead;
      }
    }
    return buffer.subarray(at - bufferStart, at - bufferStart + length);
  };
  while (position < size) {
    const header = size - position < HEADER_BYTES ? undefined : await bytesAt(position, HEADER_BYTES);
    const end = position + HEADER_BYTES + (header?.readUInt32LE(0) ?? 0);
    const checksum = header?.readUInt32LE(4);
    const isWhole = header !== undefined && end <= size;
    const payload = isWhole ? await bytesAt(position + HEADER_BYTES, end - position - HEADER_BYTES) : undefined;
    if (payload === undefined || headerOf(payload).readUInt32LE(4) !== checksum) {
      const isTorn = end >= size || (await isZero(bytesAt, position, size));
      if (allowTorn && isTorn) return;
      throw logCorrupt(path, position);
    }
    yield { payload, end };
    position = end;
  }
}

/** A power failure can leave a file longer than what was written, with zeros at its end. */
async function isZero(
  bytesAt: (at: number, length: number) => Promise<Buffer>,
  from: number,
  to: number,
): Promise<boolean> {
  for (let at = from; at < to; at += READ_BYTES) {
    if ((await bytesAt(at, Math.min(READ_BYTES, to - at))).some((byte) => byte !== 0)) return false;
  }
  return true;
}
