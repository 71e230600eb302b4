import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { formatNewer, logCorrupt } from "../errors.ts";

/** A file begins with these bytes; the last is the version of the format. */
const formatVersion = 1;
const mark = Buffer.from("mwlog\n\0");
export const fileHeader: Buffer = Buffer.concat([mark, Buffer.of(formatVersion)]);

/** Before each record: length of its bytes, and the CRC-32 of that length and the bytes, 4 bytes little-endian each. */
const recordHeaderBytes = 8;
export const longestRecordBytes: number = 256 * 1024 * 1024;
const readBytes = 1 << 18;

/** A record of a log. */
export interface LogRecord {
  readonly bytes: Uint8Array;
  /** Where in the file it begins. */
  readonly offset: number;
  /** Where the next one begins. */
  readonly nextOffset: number;
}

export function encodeRecord(record: Uint8Array | string): Buffer {
  const bytes = typeof record === "string" ? Buffer.from(record, "utf8") : record;
  if (bytes.length > longestRecordBytes)
    throw new RangeError(`A record may have ${longestRecordBytes} bytes, not ${bytes.length}.`);
  const encoded = Buffer.allocUnsafe(recordHeaderBytes + bytes.length);
  encoded.writeUInt32LE(bytes.length, 0);
  encoded.set(bytes, recordHeaderBytes);
  encoded.writeUInt32LE(checksum(encoded.subarray(0, 4), encoded.subarray(recordHeaderBytes)), 4);
  return encoded;
}

const checksum = (length: Uint8Array, bytes: Uint8Array): number => crc32(bytes, crc32(length));

/** How a file ends. */
export interface LogEnd {
  /** Bytes from the start that are whole records; 0 where not even the file's header is whole. */
  readonly soundBytes: number;
  /**
   * What follows them: nothing, what a writer left unfinished, or a record that was changed after it was written, since another whole one follows
   * where it says that it ends.
   */
  readonly rest: "none" | "torn" | "damaged";
}

/** Throws `STORAGE_LOG_CORRUPT` for what is no log, `STORAGE_FORMAT_NEWER`. @returns whether the header is whole. */
async function checkHeader(file: WindowedFile, path: string): Promise<boolean> {
  const found = await file.bytesAt(0, Math.min(file.size, fileHeader.length));
  const known = Math.min(found.length, mark.length);
  // A power failure may leave a new file's length, but nothing in it.
  const empty = file.size <= fileHeader.length && found.every((byte) => byte === 0);
  if (!empty && !found.subarray(0, known).equals(mark.subarray(0, known)))
    throw logCorrupt(path, 0, "it does not begin as a log does");
  if (empty || found.length < fileHeader.length) return false;
  const version = found[mark.length] as number;
  if (version > formatVersion) throw formatNewer(path, version, formatVersion);
  return true;
}

/** Walks the whole records from an offset on, up to a size; what cannot be read as one ends it. */
export async function* wholeRecords(
  handle: FileHandle,
  path: string,
  size: number,
  from: number,
): AsyncGenerator<LogRecord, LogEnd, undefined> {
  const file = windowed(handle, size);
  if (!(await checkHeader(file, path))) return { soundBytes: 0, rest: size === 0 ? "none" : "torn" };
  let offset = Math.max(from, fileHeader.length);
  while (offset < size) {
    const record = await recordAt(file, offset);
    if (record.bytes === undefined) {
      const damaged = record.nextOffset < size && (await recordAt(file, record.nextOffset)).bytes !== undefined;
      return { soundBytes: offset, rest: damaged ? "damaged" : "torn" };
    }
    yield { bytes: record.bytes, offset, nextOffset: record.nextOffset };
    offset = record.nextOffset;
  }
  return { soundBytes: offset, rest: "none" };
}

async function recordAt(
  file: WindowedFile,
  offset: number,
): Promise<{ readonly bytes: Uint8Array | undefined; readonly nextOffset: number }> {
  const start = offset + recordHeaderBytes;
  if (start > file.size) return { bytes: undefined, nextOffset: file.size };
  const header = await file.bytesAt(offset, recordHeaderBytes);
  const [length, expected] = [header.readUInt32LE(0), header.readUInt32LE(4)];
  const nextOffset = start + length;
  if (nextOffset > file.size || length > longestRecordBytes) return { bytes: undefined, nextOffset: file.size };
  const lengthBytes = Buffer.from(header.subarray(0, 4));
  const bytes = await file.bytesAt(start, length);
  if (bytes.length < length || checksum(lengthBytes, bytes) !== expected) return { bytes: undefined, nextOffset };
  // A copy: the window is read into again.
  return { bytes: new Uint8Array(bytes), nextOffset };
}

interface WindowedFile {
  readonly size: number;
  /** Fewer where the file was cut meanwhile. Good until the next call. */
  bytesAt(offset: number, length: number): Promise<Buffer>;
}

function windowed(handle: FileHandle, size: number): WindowedFile {
  let window = Buffer.alloc(0);
  let start = 0;
  return {
    size,
    async bytesAt(offset, length) {
      if (offset < start || offset + length > start + window.length) {
        const wanted = Math.min(Math.max(readBytes, length), size - offset);
        const next = Buffer.allocUnsafe(wanted);
        let filled = 0;
        for (let read = 1; read > 0 && filled < wanted; filled += read)
          ({ bytesRead: read } = await handle.read(next, filled, wanted - filled, offset + filled));
        window = next.subarray(0, filled);
        start = offset;
      }
      return window.subarray(offset - start, offset - start + length);
    },
  };
}
