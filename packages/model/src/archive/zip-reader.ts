import { pipeline } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { archiveInvalid, archiveUnsafe } from "../trust-errors.ts";
import type { RandomBytes } from "../random-bytes.ts";
import type { OpenedEntry } from "./tar-reader.ts";
import { type DirectoryRecord, readDirectory } from "./zip-directory.ts";

/** Where an entry's bytes lie: from its own header to the end of its compressed bytes. */
interface Span {
  readonly record: DirectoryRecord;
  readonly start: number;
  readonly dataStart: number;
  readonly end: number;
}

/**
 * Entries of a zip, in the order of its directory (PKWARE's APPNOTE 6.3.10). Strict where readers differ, which is what malicious archives live on: each entry's own header must say what the directory says, entries may not
 * overlap, and nothing may lie before, between or behind them. Stored and deflated entries alone; checksums and sizes must hold. Throws `MODEL_ARCHIVE_INVALID`, `MODEL_ARCHIVE_UNSAFE`.
 */
export async function* readZip(bytes: RandomBytes, mostEntries: number): AsyncGenerator<OpenedEntry, void, undefined> {
  const { records, start } = await readDirectory(bytes, mostEntries);
  for (const record of records) checkRecord(record);
  const spans: Span[] = [];
  for (const record of records) spans.push(await spanOf(bytes, record));
  checkLayout(spans, start);
  for (const span of spans) {
    const { record } = span;
    const isFolder = record.name.endsWith("/");
    if (isFolder && record.sizeBytes !== 0) throw archiveInvalid(`the folder "${record.name}" has bytes of its own`);
    yield {
      name: record.name,
      kind: isFolder ? "folder" : "file",
      sizeBytes: record.sizeBytes,
      body: contentOf(bytes, span),
    };
  }
}

const fileTypes: Readonly<Record<number, string>> = {
  0o120000: "is a symbolic link",
  0o020000: "is a character device",
  0o060000: "is a block device",
  0o010000: "is a pipe",
  0o140000: "is a socket",
};

function checkRecord({ name, flags, method, attributes }: DirectoryRecord): void {
  if ((flags & 0x2041) !== 0 || method === 99) throw archiveUnsafe(name, "is encrypted");
  if ((flags & 0x20) !== 0) throw archiveUnsafe(name, "is a patch of another file");
  if (method !== 0 && method !== 8)
    throw archiveUnsafe(name, `is compressed by the method ${method}, and only stored and deflated entries are read`);
  const type = (attributes >>> 16) & 0o170000;
  if (fileTypes[type] !== undefined) throw archiveUnsafe(name, fileTypes[type]);
  if (![0, 0o100000, 0o040000].includes(type)) throw archiveUnsafe(name, `is of the unknown type 0${type.toString(8)}`);
  if ((attributes & 0x400) !== 0) throw archiveUnsafe(name, "is a link of Windows");
  const isFolder = name.endsWith("/");
  if (isFolder !== (type === 0o040000) && type !== 0)
    throw archiveUnsafe(name, "is a file by its name or its attributes, and a folder by the other");
}

async function spanOf(bytes: RandomBytes, record: DirectoryRecord): Promise<Span> {
  const start = record.offset;
  const header = await bytes.at(start, 30);
  if (header.readUInt32LE(0) !== 0x04034b50)
    throw archiveInvalid(`there is no entry where the directory says "${record.name}" is`);
  const nameLength = header.readUInt16LE(26);
  const dataStart = start + 30 + nameLength + header.readUInt16LE(28);
  const name = await bytes.at(start + 30, nameLength);
  const differs = (what: string): never => {
    throw archiveUnsafe(record.name, `has another ${what} in its own header than in the directory`);
  };
  if (!name.equals(record.nameBytes)) differs("name");
  if (header.readUInt16LE(8) !== record.method) differs("method");
  if (((header.readUInt16LE(6) ^ record.flags) & 0x0809) !== 0) differs("set of flags");
  const isLater = (record.flags & 0x08) !== 0;
  const unset = (value: number): boolean => value === 0xffffffff || (isLater && value === 0);
  if (!unset(header.readUInt32LE(18)) && header.readUInt32LE(18) !== record.compressedBytes) differs("size");
  if (!unset(header.readUInt32LE(22)) && header.readUInt32LE(22) !== record.sizeBytes) differs("size");
  if (!(isLater && header.readUInt32LE(14) === 0) && header.readUInt32LE(14) !== record.crc) differs("checksum");
  return { record, start, dataStart, end: dataStart + record.compressedBytes };
}

/** One behind the other from the first byte to the directory: what overlaps is a bomb, what lies between is hidden. */
function checkLayout(spans: readonly Span[], directoryStart: number): void {
  const starts = new Set([...spans.map(({ start }) => start), directoryStart]);
  let at = 0;
  for (const { record, start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    if (start < at) throw archiveUnsafe(record.name, "overlaps another entry");
    if (start > at) throw archiveUnsafe(record.name, `has ${start - at} bytes before it that are of no entry`);
    at = end + descriptorBytes(record, starts, end);
  }
  if (at !== directoryStart)
    throw archiveUnsafe(undefined, "before its directory lie bytes that are of no entry, or entries overlap it");
}

/** The sizes behind an entry whose header could not say them yet: with or without a mark, of 4 or 8 bytes each. */
function descriptorBytes({ flags }: DirectoryRecord, starts: ReadonlySet<number>, end: number): number {
  if ((flags & 0x08) === 0) return 0;
  return [12, 16, 20, 24].find((length) => starts.has(end + length)) ?? 0;
}

async function* contentOf(bytes: RandomBytes, { record, dataStart, end }: Span): AsyncGenerator<Uint8Array> {
  const { name, method, sizeBytes } = record;
  let sum = 0;
  let count = 0;
  for await (const piece of method === 0 ? bytes.stream(dataStart, end) : inflated(bytes, name, dataStart, end)) {
    count += piece.length;
    if (count > sizeBytes) throw archiveUnsafe(name, `has more bytes than the ${sizeBytes} it says`);
    sum = crc32(piece, sum);
    yield piece;
  }
  if (count !== sizeBytes) throw archiveInvalid(`"${name}" has ${count} bytes, where ${sizeBytes} were said`);
  if (sum !== record.crc) throw archiveInvalid(`the checksum of "${name}" does not hold`);
}

async function* inflated(bytes: RandomBytes, name: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw();
  // Errors reach us through the iteration.
  pipeline(bytes.stream(start, end), inflate, () => {});
  try {
    for await (const piece of inflate) yield piece as Buffer;
  } catch (error) {
    throw archiveInvalid(`"${name}" cannot be decompressed: ${(error as Error).message}`, error);
  } finally {
    inflate.destroy();
  }
}
