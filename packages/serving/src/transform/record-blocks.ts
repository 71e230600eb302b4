import { recordInvalid } from "./errors.ts";
import { csvEnds, lineEnds } from "./line-ends.ts";
import { recordIoEnds } from "./record-io.ts";

/** How an object falls into records. `Line` heeds the quotes of CSV where the content is CSV. */
export type SplitType = "None" | "Line" | "RecordIO";

/** Whole records, one after another. */
export interface RecordBlock {
  readonly bytes: Buffer;
  /** Where each record ends in `bytes`, its line end or padding with it; the first begins at 0. */
  readonly ends: readonly number[];
}

/** What finds the ends of the records that are whole in `bytes`. At the end of the object what is left is a record, or an error in words. */
export type FindEnds = (
  bytes: Buffer,
  last: boolean,
) => { readonly ends: readonly number[]; readonly problem?: string };

const finders = { Line: lineEnds, CSV: csvEnds, RecordIO: recordIoEnds } as const;

export interface SplitOptions {
  readonly key: string;
  readonly splitType: Exclude<SplitType, "None">;
  /** Whether line ends within quotes belong to the record (RFC 4180). */
  readonly csv: boolean;
  /** A record that grows beyond it without an end fails the object. */
  readonly longestRecordBytes: number;
}

/** Cuts bytes into blocks of whole records. Throws `SERVING_TRANSFORM_RECORD_INVALID` for framing that cannot be read. */
export async function* recordBlocks(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: SplitOptions,
): AsyncGenerator<RecordBlock, void, undefined> {
  const { key, splitType, csv, longestRecordBytes } = options;
  const find = finders[splitType === "Line" && csv ? "CSV" : splitType];
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted = 0;
  let offset = 0;
  let record = 0;
  const cut = (last: boolean): RecordBlock | undefined => {
    const whole = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held, heldBytes);
    const { ends, problem } = find(whole, last);
    if (problem !== undefined)
      throw recordInvalid({ key, record: record + ends.length, offset: offset + (ends.at(-1) ?? 0) }, problem);
    const end = ends.at(-1) ?? 0;
    if (whole.length - end > longestRecordBytes)
      throw recordInvalid(
        { key, record: record + ends.length, offset: offset + end },
        `it has no end within ${longestRecordBytes} bytes`,
      );
    held = end === whole.length ? [] : [whole.subarray(end)];
    heldBytes = whole.length - end;
    // What has no end yet is not looked at again at each piece, but when it has doubled: else a long record would cost its square.
    wanted = ends.length === 0 ? heldBytes * 2 : 0;
    offset += end;
    record += ends.length;
    return ends.length === 0 ? undefined : { bytes: whole.subarray(0, end), ends };
  };
  for await (const piece of source) {
    held.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    heldBytes += piece.byteLength;
    if (heldBytes < wanted) continue;
    const block = cut(false);
    if (block !== undefined) yield block;
  }
  if (heldBytes === 0) return;
  const block = cut(true);
  if (block !== undefined) yield block;
}
