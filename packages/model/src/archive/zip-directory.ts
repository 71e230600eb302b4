import { archiveInvalid, archiveTooLarge, archiveUnsafe } from "../trust-errors.ts";
import type { RandomBytes } from "../random-bytes.ts";

/** What the directory of a zip says of an entry. */
export interface DirectoryRecord {
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** Unix's mode in the upper half, DOS's attributes in the lower. */
  readonly attributes: number;
  /** Where its own header is. */
  readonly offset: number;
}

interface Directory {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

const endMark = 0x06054b50;
const mostDirectoryBytes = 1 << 28;

/** Reads the directory, which must lie right before the end. Throws `MODEL_ARCHIVE_TOO_LARGE`, `MODEL_ARCHIVE_INVALID`, `MODEL_ARCHIVE_UNSAFE`. */
export async function readDirectory(
  bytes: RandomBytes,
  mostEntries: number,
): Promise<{ readonly records: readonly DirectoryRecord[]; readonly start: number }> {
  const { start, end, count } = await findDirectory(bytes);
  if (count > mostEntries) throw archiveTooLarge(`it has more than ${mostEntries} entries`, "entries");
  if (start > end) throw archiveInvalid("its directory lies behind its end");
  if (end - start > mostDirectoryBytes) throw archiveTooLarge(`its directory has ${end - start} bytes`, "entries");
  const directory = await bytes.at(start, end - start);
  const records: DirectoryRecord[] = [];
  let at = 0;
  while (at < directory.length) {
    const { record, length } = recordAt(directory, at);
    if (records.push(record) > count) break;
    at += length;
  }
  if (records.length !== count) throw archiveInvalid(`its directory does not have the ${count} entries that were said`);
  return { records, start };
}

async function findDirectory(bytes: RandomBytes): Promise<Directory> {
  const at = await endOfZip(bytes);
  const end = await bytes.at(at, 22);
  const count = end.readUInt16LE(10);
  if (end.readUInt16LE(4) !== end.readUInt16LE(6) || end.readUInt16LE(8) !== count)
    throw archiveUnsafe(undefined, "it is one of several parts");
  const sizeBytes = end.readUInt32LE(12);
  const start = end.readUInt32LE(16);
  const large = await largeDirectory(bytes, at);
  if (large !== undefined) {
    const fits = (said: number, most: number, really: number): boolean => said === most || said === really;
    const same =
      fits(count, 0xffff, large.count) &&
      fits(start, 0xffffffff, large.start) &&
      fits(sizeBytes, 0xffffffff, large.end - large.start);
    if (!same) throw archiveUnsafe(undefined, "it has two ends that differ");
    return large;
  }
  if (start + sizeBytes !== at) throw archiveUnsafe(undefined, "its directory does not lie right before its end");
  return { start, end: at, count };
}

/** The last record of a zip: its comment reaches to the last byte of the file. */
async function endOfZip(bytes: RandomBytes): Promise<number> {
  const from = Math.max(0, bytes.sizeBytes - 22 - 0xffff);
  const tail = await bytes.at(from, bytes.sizeBytes - from);
  for (let at = tail.length - 22; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== endMark) continue;
    if (at + 22 + tail.readUInt16LE(at + 20) === tail.length) return from + at;
    throw archiveUnsafe(undefined, "something follows its end");
  }
  throw archiveInvalid("it has no end: it was cut off, or is no zip");
}

/** Zip64's end, where there is one: its locator lies right before the other. */
async function largeDirectory(bytes: RandomBytes, endAt: number): Promise<Directory | undefined> {
  if (endAt < 20) return undefined;
  const locator = await bytes.at(endAt - 20, 20);
  if (locator.readUInt32LE(0) !== 0x07064b50) return undefined;
  const at = integer(locator, 8);
  if (at + 56 !== endAt - 20) throw archiveUnsafe(undefined, "its second end does not lie right before the first");
  const record = await bytes.at(at, 56);
  if (record.readUInt32LE(0) !== 0x06064b50) throw archiveInvalid("its second end is none");
  const start = integer(record, 48);
  if (start + integer(record, 40) !== at)
    throw archiveUnsafe(undefined, "its directory does not lie right before its end");
  return { start, end: at, count: integer(record, 32) };
}

function recordAt(directory: Buffer, at: number): { readonly record: DirectoryRecord; readonly length: number } {
  if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
    throw archiveInvalid("its directory cannot be read");
  const nameLength = directory.readUInt16LE(at + 28);
  const extraLength = directory.readUInt16LE(at + 30);
  const length = 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  if (at + length > directory.length) throw archiveInvalid("its directory cannot be read");
  const nameBytes = directory.subarray(at + 46, at + 46 + nameLength);
  const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
  const sizes = largeSizes(extra, {
    sizeBytes: directory.readUInt32LE(at + 24),
    compressedBytes: directory.readUInt32LE(at + 20),
    offset: directory.readUInt32LE(at + 42),
  });
  const record = {
    name: textOf(nameBytes),
    nameBytes,
    flags: directory.readUInt16LE(at + 8),
    method: directory.readUInt16LE(at + 10),
    crc: directory.readUInt32LE(at + 16),
    attributes: directory.readUInt32LE(at + 38),
    ...sizes,
  };
  return { record, length };
}

type Sizes = Pick<DirectoryRecord, "sizeBytes" | "compressedBytes" | "offset">;

/** Zip64's extra field has, in this order, those of the sizes that do not fit into 32 bits. */
function largeSizes(extra: Buffer, sizes: Sizes): Sizes {
  const wanted = (["sizeBytes", "compressedBytes", "offset"] as const).filter((key) => sizes[key] === 0xffffffff);
  if (wanted.length === 0) return sizes;
  for (let at = 0; at + 4 <= extra.length;) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && length >= 8 * wanted.length && at + 4 + length <= extra.length)
      return { ...sizes, ...Object.fromEntries(wanted.map((key, index) => [key, integer(extra, at + 4 + 8 * index)])) };
    at += 4 + length;
  }
  return sizes;
}

function integer(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw archiveInvalid("a size in it is no number that files can have");
  return Number(value);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw archiveInvalid("a name in it is not UTF-8", error);
  }
}
