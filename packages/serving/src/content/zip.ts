import { crc32, inflateRawSync } from "node:zlib";
import { bodyInvalid, bodyTooLarge } from "../errors.ts";

const endSize = 22;
const entrySize = 46;
const headSize = 30;

const broken = (problem: string, cause?: unknown): Error => bodyInvalid(`its zip ${problem}`, undefined, cause);

/** The files of a zip as NumPy writes it: stored or deflated, none beyond 4 GiB. Throws `SERVING_BODY_INVALID`, `SERVING_BODY_TOO_LARGE`. */
export function readZip(bytes: Uint8Array, maxBytes: number): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOf(view);
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  let left = maxBytes;
  const files = new Map<string, Uint8Array>();
  for (let index = 0; index < count; index += 1) {
    if (at + entrySize > end || view.getUint32(at, true) !== 0x02014b50)
      throw broken("has no entry where one should be");
    const [nameSize, extraSize, noteSize] = [28, 30, 32].map((from) => view.getUint16(at + from, true)) as [
      number,
      number,
      number,
    ];
    const name = Buffer.from(bytes.subarray(at + entrySize, at + entrySize + nameSize)).toString("utf8");
    if (files.has(name)) throw broken(`has "${name.slice(0, 80)}" twice`);
    const file = readEntry(bytes, view, at, left);
    left -= file.length;
    files.set(name, file);
    at += entrySize + nameSize + extraSize + noteSize;
  }
  return files;
}

/** Where the record at the end stands: behind it there is nothing but a comment. */
function endOf(view: DataView): number {
  const first = Math.max(0, view.byteLength - endSize - 0xffff);
  for (let at = view.byteLength - endSize; at >= first; at -= 1) if (view.getUint32(at, true) === 0x06054b50) return at;
  throw broken("has no end");
}

function readEntry(bytes: Uint8Array, view: DataView, at: number, left: number): Uint8Array {
  const method = view.getUint16(at + 10, true);
  const packed = view.getUint32(at + 20, true);
  const size = view.getUint32(at + 24, true);
  const head = view.getUint32(at + 42, true);
  if (size > left) throw bodyTooLarge(left);
  if (head + headSize > bytes.length || view.getUint32(head, true) !== 0x04034b50)
    throw broken("has no file where it says");
  const start = head + headSize + view.getUint16(head + 26, true) + view.getUint16(head + 28, true);
  if (start + packed > bytes.length) throw broken("is cut short");
  const held = bytes.subarray(start, start + packed);
  const file = method === 0 ? held : method === 8 ? inflated(held, size) : undefined;
  if (file === undefined) throw broken(`is compressed by the method ${method}`);
  if (file.length !== size || crc32(file) !== view.getUint32(at + 16, true)) throw broken("has a damaged file");
  return file;
}

function inflated(held: Uint8Array, size: number): Uint8Array {
  try {
    return inflateRawSync(held, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw broken("has a damaged file", error);
  }
}

/** Files as a zip, stored as they are, with no time. */
export function writeZip(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let at = 0;
  for (const [name, file] of files) {
    const title = Buffer.from(name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x0800, 2);
    shared.writeUInt32LE(0x0021_0000, 6);
    shared.writeUInt32LE(crc32(file), 10);
    shared.writeUInt32LE(file.length, 14);
    shared.writeUInt32LE(file.length, 18);
    shared.writeUInt16LE(title.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    parts.push(Buffer.from([0x50, 0x4b, 3, 4]), shared, title, file);
    entries.push(Buffer.from([0x50, 0x4b, 1, 2, 20, 0]), shared, tail, title);
    at += headSize + title.length + file.length;
  }
  const size = entries.reduce((sum, { length }) => sum + length, 0);
  const end = Buffer.alloc(endSize);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...entries, end]);
}
