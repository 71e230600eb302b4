import type { Batch, BytesColumn, Column } from "@millwright/contracts";
import { asFloat64, column, columnOf, toArray } from "@millwright/data";
import { firstSection, SECOND_SECTION_AT, type Section, SECTION_LENGTH_AT, withSection } from "./entity-blob.ts";
import { DELETED, encodeSection, HAS_NULLS, NO_ROWS, SECTION_BYTES, TEXT_BYTES_AT } from "./row-section.ts";
import type { RowColumns } from "../online/online-rows.ts";
import { ROW_BYTES, type RowLayout } from "../online/row-layout.ts";

/** Rows that are written column after column before the next ones: their entries fit in the processor's cache together. */
const BLOCK_ROWS = 512;

/** A feature's values, and where they go. */
interface Slot {
  readonly column: Column;
  /** Where the value stands in an entry. */
  readonly at: number;
  /** Which bit of the null mask is its own. */
  readonly bit: number;
  readonly width: number;
}

/** What all entries say of the history. */
export interface PlainHead {
  readonly floorUs: number;
  readonly generation: number;
  /** What stands behind the row in each. */
  readonly progress: Section | undefined;
}

/**
 * Entries of a view without windows as `withSection` of one row each, and then of its progress, makes them, straight from columns. They lie side by side in
 * one memory of their own.
 * @returns one a row, in order.
 */
export function plainEntries(layout: RowLayout, batch: Batch, columns: RowColumns, head: PlainHead): Uint8Array[] {
  const tail = head.progress?.bytes ?? NO_BYTES;
  const sectionAt = firstSection(head.progress === undefined ? 1 : 2);
  const rowAt = sectionAt + SECTION_BYTES;
  const slots = slotsOf(layout, batch, rowAt);
  const texts = slots.filter(({ column: { type } }) => type === "utf8");
  const fixed = rowAt + layout.shape.stride;
  const starts = startsOf(fixed + tail.length, texts, batch.length);
  const bytes = new Uint8Array(starts[batch.length]!);
  const view = new DataView(bytes.buffer);
  const template = templateOf(layout, head).subarray(0, rowAt);
  const times = timesOf(columns);
  for (let from = 0; from < batch.length; from += BLOCK_ROWS) {
    const block = { bytes, view, starts, sectionAt, tail, from, to: Math.min(from + BLOCK_ROWS, batch.length) };
    for (let row = block.from; row < block.to; row++) {
      bytes.set(template, starts[row]);
      times(view, starts[row]! + rowAt, row);
      bytes.set(tail, starts[row + 1]! - tail.length);
    }
    for (const slot of slots) writeSlot(block, slot);
    if (texts.length > 0) writeTexts(block, texts, fixed);
    for (const slot of slots) if (slot.column.validity !== undefined) markNulls(block, slot);
  }
  return Array.from({ length: batch.length }, (_, row) => bytes.subarray(starts[row], starts[row + 1]));
}

const NO_BYTES = new Uint8Array(0);

interface Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where each row's entry starts, and then where they end. */
  readonly starts: Uint32Array;
  /** Where in each the section of its row begins. */
  readonly sectionAt: number;
  readonly tail: Uint8Array;
  readonly from: number;
  readonly to: number;
}

function slotsOf({ view, offsets, shape }: RowLayout, batch: Batch, rowAt: number): Slot[] {
  return Object.keys(view.features).map((name, index) => {
    const found = columnOf(batch, name);
    return {
      column: found.type === "dictionary" ? column("utf8", toArray(found)) : found,
      at: rowAt + shape.valuesAt + offsets[index]!,
      bit: shape.inputs + index,
      width: offsets[index + 1]! - offsets[index]!,
    };
  });
}

function startsOf(fixedBytes: number, texts: readonly Slot[], rows: number): Uint32Array {
  const starts = new Uint32Array(rows + 1);
  for (let row = 0; row < rows; row++) {
    let length = fixedBytes;
    for (const { column: text } of texts) length += lengthAt(text as BytesColumn, row);
    starts[row + 1] = starts[row]! + length;
  }
  return starts;
}

const isNullAt = ({ validity }: Column, row: number): boolean =>
  validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0;

const lengthAt = (text: BytesColumn, row: number): number =>
  isNullAt(text, row) ? 0 : text.offsets[row + 1]! - text.offsets[row]!;

/** An entry without texts, of which all but the row holds for each. */
function templateOf(layout: RowLayout, { floorUs, generation, progress }: PlainHead): Uint8Array {
  const row = { key: "", timeUs: 0, createdUs: null, inputs: [], values: [] };
  const section = encodeSection(layout, { ...NO_ROWS, floorUs, generation, rows: [row] });
  const entry = withSection(undefined, layout.mark, section)!;
  return progress === undefined ? entry : withSection(entry, progress.mark, progress.bytes)!;
}

/** What stands in a row before its features. */
function timesOf({ time, created, expires, deleted }: RowColumns): (view: DataView, at: number, row: number) => void {
  const eventUs = asFloat64(time);
  const createdUs = created === undefined ? undefined : asFloat64(created);
  const expiresUs = expires === undefined ? undefined : asFloat64(expires);
  const isDeleted = deleted === undefined ? undefined : toArray(deleted);
  return (view, at, row) => {
    view.setFloat64(at, eventUs[row]!, true);
    view.setFloat64(at + 8, numberOr(createdUs?.[row], Number.NEGATIVE_INFINITY), true);
    view.setFloat64(at + 16, numberOr(expiresUs?.[row], Number.POSITIVE_INFINITY), true);
    view.setUint8(at + 24, isDeleted?.[row] === true ? DELETED : 0);
  };
}

const numberOr = (value: number | undefined, other: number): number =>
  value === undefined || Number.isNaN(value) ? other : value;

/** Copies values as they lie in memory, which is how entries hold them. */
function writeSlot({ view, starts, from, to }: Block, { column: { type, values }, at, width }: Slot): void {
  if (type === "utf8") return;
  const { buffer, byteOffset, byteLength } = values as Uint8Array;
  if (type === "bool") {
    const bits = values as Uint8Array;
    for (let row = from; row < to; row++) view.setUint8(starts[row]! + at, (bits[row >> 3]! >> (row & 7)) & 1);
  } else if (width === 4) {
    const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
    for (let row = from; row < to; row++) view.setUint32(starts[row]! + at, words[row]!, true);
  } else if (width === 8) {
    const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
    for (let row = from; row < to; row++) {
      view.setUint32(starts[row]! + at, words[row * 2]!, true);
      view.setUint32(starts[row]! + at + 4, words[row * 2 + 1]!, true);
    }
  } else if (width === 2) {
    const words = new Uint16Array(buffer, byteOffset, byteLength / 2);
    for (let row = from; row < to; row++) view.setUint16(starts[row]! + at, words[row]!, true);
  } else {
    const words = new Uint8Array(buffer, byteOffset, byteLength);
    for (let row = from; row < to; row++) view.setUint8(starts[row]! + at, words[row]!);
  }
}

/** Puts the texts behind each row, and says where. */
function writeTexts(
  { bytes, view, starts, sectionAt, tail, from, to }: Block,
  texts: readonly Slot[],
  textsAt: number,
): void {
  for (let row = from; row < to; row++) {
    const start = starts[row]!;
    let length = 0;
    for (const { column: text, at } of texts) {
      const size = lengthAt(text as BytesColumn, row);
      const { values, offsets } = text as BytesColumn;
      view.setUint32(start + at, length, true);
      view.setUint32(start + at + 4, size, true);
      bytes.set(values.subarray(offsets[row], offsets[row]! + size), start + textsAt + length);
      length += size;
    }
    const end = textsAt + length;
    view.setUint32(start + SECTION_LENGTH_AT, end - sectionAt, true);
    view.setUint32(start + sectionAt + TEXT_BYTES_AT, length, true);
    if (tail.length > 0) view.setUint32(start + SECOND_SECTION_AT, end, true);
  }
}

/** What lies under a null is no value. */
function markNulls({ bytes, view, starts, sectionAt, from, to }: Block, slot: Slot): void {
  const { column: nullable, at, bit, width } = slot;
  const rowAt = sectionAt + SECTION_BYTES;
  const mask = rowAt + ROW_BYTES + (bit >> 3);
  for (let row = from; row < to; row++) {
    if (!isNullAt(nullable, row)) continue;
    const start = starts[row]!;
    bytes.fill(0, start + at, start + at + width);
    view.setUint8(start + mask, view.getUint8(start + mask) | (1 << (bit & 7)));
    view.setUint8(start + rowAt + 24, view.getUint8(start + rowAt + 24) | HAS_NULLS);
  }
}
