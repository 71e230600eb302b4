import { archiveInvalid, archiveUnsafe } from "../trust-errors.ts";
import { type ByteReader, createByteReader } from "./byte-reader.ts";
import type { ArchiveEntry } from "./entry-policy.ts";

export interface OpenedEntry extends ArchiveEntry {
  /** To be read through before the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

const block = 512;
/** Longest name, or list of attributes, that is read into memory. */
const mostHeaderBytes = 1 << 20;

/** What the types of entries that are never extracted are (POSIX.1-2001, pax; GNU tar's own letters). */
const refused: Readonly<Record<string, string>> = {
  "1": "is a hard link",
  "2": "is a symbolic link",
  "3": "is a character device",
  "4": "is a block device",
  "6": "is a pipe",
  D: "is a list of a folder's contents",
  M: "goes on in another volume",
  S: "is a sparse file",
  V: "is a volume's label",
};

interface Attributes {
  readonly path?: string | undefined;
  readonly size?: number | undefined;
}

/**
 * Entries of a tar in ustar, pax or GNU's form. Checksums must hold, the end must be marked, and nothing may follow it. Links, devices and whatever else is neither a file nor a
 * folder are refused. Throws `MODEL_ARCHIVE_INVALID`, `MODEL_ARCHIVE_UNSAFE`.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<OpenedEntry, void, undefined> {
  const bytes = createByteReader(source);
  let next: Attributes = {};
  for (;;) {
    const header = await bytes.take(block);
    if (header === undefined) throw archiveInvalid("it ends without the mark of its end");
    if (header.every((byte) => byte === 0)) return checkEnd(bytes);
    checkSum(header);
    const type = String.fromCharCode(header[156] || 0x30);
    const sizeBytes = next.size ?? numberIn(header, 124, 12);
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      const content = await headerContent(bytes, numberIn(header, 124, 12));
      if (type === "x" || type === "g") next = { ...next, ...paxAttributes(content, type) };
      else if (type === "L") next = { ...next, path: textOf(content.subarray(0, endOf(content))) };
      continue;
    }
    const name = next.path ?? nameIn(header);
    next = {};
    if (refused[type] !== undefined) throw archiveUnsafe(name, refused[type]);
    if (type === "5") {
      if (sizeBytes !== 0) throw archiveInvalid(`the folder "${name}" has bytes of its own`);
      yield { name, kind: "folder", sizeBytes: 0, body: bytes.pieces(0) };
      continue;
    }
    if (type !== "0" && type !== "7") throw archiveUnsafe(name, `is of the unknown type ${JSON.stringify(type)}`);
    // Releases before POSIX wrote folders as files whose name ends so.
    if (name.endsWith("/")) throw archiveUnsafe(name, "is a file with the name of a folder");
    let left = sizeBytes;
    yield { name, kind: "file", sizeBytes, body: counted(bytes.pieces(sizeBytes), (length) => (left -= length)) };
    for await (const _ of bytes.pieces(left)) continue;
    await bytes.take(padding(sizeBytes));
  }
}

async function* counted(pieces: AsyncIterable<Buffer>, count: (length: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    count(piece.length);
    yield piece;
  }
}

/** A second empty block, and after it nothing but zeros. */
async function checkEnd(bytes: ByteReader): Promise<void> {
  let blocks = 1;
  for (;;) {
    const rest = await bytes.take(block);
    if (rest === undefined) break;
    if (rest.some((byte) => byte !== 0)) throw archiveUnsafe(undefined, "something follows its end");
    blocks += 1;
  }
  if (blocks < 2) throw archiveInvalid("it ends within the mark of its end");
}

const padding = (sizeBytes: number): number => (block - (sizeBytes % block)) % block;

function checkSum(header: Buffer): void {
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (numberIn(header, 148, 8) !== sum) throw archiveInvalid("the checksum of an entry's header does not hold");
}

/** Octal digits, or GNU's base 256 for what is larger. */
function numberIn(header: Buffer, offset: number, length: number): number {
  const field = header.subarray(offset, offset + length);
  if ((field[0] ?? 0) & 0x80) {
    let value = BigInt((field[0] ?? 0) & 0x7f);
    for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw archiveInvalid("the size of an entry is no number that files can have");
    return Number(value);
  }
  const digits = field
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw archiveInvalid("a number in an entry's header is not octal");
  return Number.parseInt(digits, 8);
}

function nameIn(header: Buffer): string {
  const name = header.subarray(0, endOf(header.subarray(0, 100)));
  const isUstar = header.subarray(257, 263).toString("latin1") === "ustar\0";
  if (!isUstar) return textOf(name);
  const prefix = header.subarray(345, 345 + endOf(header.subarray(345, 500)));
  return prefix.length === 0 ? textOf(name) : `${textOf(prefix)}/${textOf(name)}`;
}

function endOf(field: Buffer): number {
  const end = field.indexOf(0);
  return end === -1 ? field.length : end;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw archiveInvalid("a name in it is not UTF-8", error);
  }
}

async function headerContent(bytes: ByteReader, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes > mostHeaderBytes) throw archiveInvalid(`an entry's attributes have ${sizeBytes} bytes`);
  const content = sizeBytes === 0 ? Buffer.alloc(0) : await bytes.take(sizeBytes);
  if (content === undefined) throw archiveInvalid("it ends in the middle of an entry");
  const copy = Buffer.from(content);
  await bytes.take(padding(sizeBytes));
  return copy;
}

/** Records `length key=value\n`; the length counts itself. */
function paxAttributes(content: Buffer, type: string): Attributes {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const digits = space === -1 ? "" : content.subarray(at, space).toString("latin1");
    const length = /^[0-9]{1,7}$/.test(digits) ? Number(digits) : 0;
    if (length <= digits.length + 1 || at + length > content.length || content[at + length - 1] !== 0x0a)
      throw archiveInvalid("an entry's attributes cannot be read");
    const record = textOf(content.subarray(space + 1, at + length - 1));
    const [key = ""] = record.split("=", 1);
    const value = record.slice(key.length + 1);
    if (key === "path" || key === "linkpath" || key === "size" || key.startsWith("GNU.sparse")) {
      // For all entries at once: nobody writes that, and readers do not agree on what it means.
      if (type === "g") throw archiveUnsafe(undefined, `it sets "${key}" for all of its entries`);
      if (key.startsWith("GNU.sparse")) throw archiveUnsafe(undefined, "an entry is a sparse file");
      if (key === "path") found.path = value;
      if (key === "size") found.size = sizeIn(value);
    }
    at += length;
  }
  return found;
}

function sizeIn(value: string): number {
  const size = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size))
    throw archiveInvalid(`the size "${value}" of an entry is no number that files can have`);
  return size;
}
