import type { ColumnType } from "@millwright/contracts";
import type { RowRun } from "./row-order.ts";
import { columnOver, type Section, type SegmentHeader } from "./segment-format.ts";
import type { SegmentPiece } from "./segment.ts";

/** Fills a target with the bytes of a section. @param from The first byte. Default: 0. */
export type Read = (section: Section, target: Uint8Array, from?: number) => Promise<void>;

export async function bytesIn(read: Read, section: Section): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(section.sizeBytes);
  await read(section, new Uint8Array(buffer));
  return buffer;
}

/** Room for a piece. */
interface Slot {
  values: ArrayBuffer;
  offsets: ArrayBuffer;
  validity: ArrayBuffer;
}

/** Pieces one after another; while one is used the next is read. */
export async function* readPieces(
  read: Read,
  { types, header }: { readonly types: ReadonlyMap<string, ColumnType>; readonly header: SegmentHeader },
  names: readonly string[],
  runs: readonly RowRun[],
): AsyncGenerator<SegmentPiece> {
  const slotOf = (): Slot => ({ values: nothing, offsets: nothing, validity: nothing });
  const slots = [slotOf(), slotOf()];
  const count = names.length * runs.length;
  const begin = (at: number): Promise<SegmentPiece> | undefined => {
    if (at >= count) return undefined;
    const name = names[Math.floor(at / runs.length)]!;
    const run = runs[at % runs.length]!;
    const reading = readPiece(read, header, { name, type: types.get(name)!, run, slot: slots[at % 2]! });
    // Where the walk is left early, nobody waits for it.
    reading.catch(() => {});
    return reading;
  };
  let next = begin(0);
  try {
    for (let at = 0; at < count; at++) {
      const piece = await next!;
      next = begin(at + 1);
      yield piece;
    }
  } finally {
    // The file is closed after this.
    await next?.catch(() => {});
  }
}

const nothing = new ArrayBuffer(0);

interface WantedPiece {
  readonly name: string;
  readonly type: ColumnType;
  readonly run: RowRun;
  readonly slot: Slot;
}

async function readPiece(
  read: Read,
  { rows, sections }: SegmentHeader,
  { name, type, run, slot }: WantedPiece,
): Promise<SegmentPiece> {
  const { first, end } = run;
  const length = end - first;
  const section = (part: string): Section | undefined => sections[`${name}${part}`];
  /** Reads bytes of a section into the slot, which grows as needed. */
  const readIn = async (
    part: "values" | "offsets" | "validity",
    from: Section,
    start: number,
    stop: number,
  ): Promise<void> => {
    if (slot[part].byteLength < stop - start) slot[part] = new ArrayBuffer(Math.ceil((stop - start) / 4096) * 4096);
    await read(from, new Uint8Array(slot[part], 0, stop - start), start);
  };
  const [values, offsets, validity] = [section("")!, section("/offsets"), section("/validity")];
  const [firstByte, endByte] = [first >> 3, (end + 7) >> 3];
  if (validity !== undefined) await readIn("validity", validity, firstByte, endByte);
  if (offsets !== undefined) {
    await readIn("offsets", offsets, first * 4, (end + 1) * 4);
    const places = new Int32Array(slot.offsets, 0, length + 1);
    const start = places[0]!;
    await readIn("values", values, start, places[length]!);
    if (start > 0) for (let at = 0; at <= length; at++) places[at]! -= start;
  } else if (type === "bool") {
    await readIn("values", values, firstByte, endByte);
  } else {
    const width = values.sizeBytes / rows;
    await readIn("values", values, first * width, end * width);
  }
  const column = columnOver(type, length, {
    values: slot.values,
    offsets: slot.offsets,
    validity: validity === undefined ? undefined : slot.validity,
  });
  return { name, column, run };
}
