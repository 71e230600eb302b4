import type { FindEnds } from "./record-blocks.ts";

/** Before each part of a record (dmlc-core, `recordio.h`): this mark and a word of 3 bits of how it goes on and 29 of its length, little-endian. */
const mark = 0xced7230a;
const headerBytes = 8;
const markBytes = Buffer.from([0x0a, 0x23, 0xd7, 0xce]);

interface Part {
  /** 0: a whole record; 1: the first part of one; 2: one between; 3: the last. */
  readonly kind: number;
  readonly start: number;
  readonly end: number;
  /** After the zeros that fill up to a multiple of 4. */
  readonly next: number;
}

/** `undefined` where the part is not all there. */
function partAt(bytes: Buffer, at: number): Part | undefined | "unmarked" {
  if (bytes.length - at < headerBytes) return undefined;
  if (bytes.readUInt32LE(at) !== mark) return "unmarked";
  const word = bytes.readUInt32LE(at + 4);
  const start = at + headerBytes;
  const end = start + (word & 0x1fffffff);
  const next = start + Math.ceil((end - start) / 4) * 4;
  return next > bytes.length ? undefined : { kind: word >>> 29, start, end, next };
}

/** Records in the framing of MXNet's RecordIO, those in several parts (whose content holds the mark) as one. */
export const recordIoEnds: FindEnds = (bytes, last) => {
  const ends: number[] = [];
  let at = 0;
  let open = false;
  while (at < bytes.length) {
    const part = partAt(bytes, at);
    if (part === "unmarked") return { ends, problem: "it does not begin with the mark of RecordIO" };
    if (part === undefined) return last ? { ends, problem: "it is cut off" } : { ends };
    const goesOn = part.kind === 2 || part.kind === 3;
    if (part.kind > 3 || goesOn !== open) return { ends, problem: `its part of the kind ${part.kind} is out of place` };
    open = part.kind === 1 || part.kind === 2;
    at = part.next;
    if (!open) ends.push(at);
  }
  return last && open ? { ends, problem: "it is cut off" } : { ends };
};

/** The content of one framed record; its parts are joined by the mark, which is what was taken out between them. */
export function recordIoContent(record: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < record.length;) {
    const part = partAt(record, at);
    if (part === undefined || part === "unmarked") break;
    if (parts.length > 0) parts.push(markBytes);
    parts.push(record.subarray(part.start, part.end));
    at = part.next;
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}
