import type { FeatureType } from "../definition/definition.ts";
import { definitionChanged } from "../errors.ts";
import type { OnlineFloor, OnlineRecord, OnlineRow, OnlineValue } from "../online/online-store.ts";
import { ROW_BYTES, type RowLayout, type RowShape } from "../online/row-layout.ts";

/*
 * What is kept of one entity in one view. All numbers little-endian, times in microseconds.
 *
 *   0  u32  hash of the columns      24  f64  floor: rows before it were left out
 *   4  u16  inputs of a row          32  f64  which load from the history it went through
 *   6  u16  features of a row        40  rows, all of one length:
 *   8  u32  rows                             f64 event time, f64 created time, f64 expiry, u8 flags, null mask, inputs, features
 *  12  u32  bytes of texts               texts, in UTF-8
 *  16  u32  bytes of JSON                JSON: records that are no rows
 */
export const SECTION_BYTES = 40;
/** Where the number of the texts' bytes stands in a section. */
export const TEXT_BYTES_AT = 12;
export const DELETED = 1;
export const HAS_NULLS = 2;

/** What is kept of one entity in one view. */
export interface EntityRows {
  /** In the order in which they are to be added again. */
  readonly rows: readonly OnlineRow[];
  /** Rows before it were left out, but for the newest. */
  readonly floorUs: number;
  /** Records that are neither rows nor a mere floor, without their key. */
  readonly others: readonly OnlineRecord[];
  /** Which load from the history it went through last; 0 for none. */
  readonly generation: number;
}

export const NO_ROWS: EntityRows = { rows: [], floorUs: Number.NEGATIVE_INFINITY, others: [], generation: 0 };

/** A section's numbers before its rows. */
export interface SectionHead {
  readonly shape: RowShape;
  readonly rows: number;
  readonly rowsAt: number;
  readonly textsAt: number;
}

/** Throws `FEATURE_STORE_DEFINITION_CHANGED` where the rows have other columns than the view, or in another order. */
export function readHead(layout: RowLayout, view: DataView, at: number): SectionHead {
  const inputs = view.getUint16(at + 4, true);
  const values = view.getUint16(at + 6, true);
  const shape =
    inputs === layout.shape.inputs && values === layout.shape.values ? layout.shape : layout.shapeOf(inputs, values);
  if (shape === undefined || view.getUint32(at, true) !== shape.hash) throw definitionChanged(layout.view.name);
  const rows = view.getUint32(at + 8, true);
  const rowsAt = at + SECTION_BYTES;
  return { shape, rows, rowsAt, textsAt: rowsAt + rows * shape.stride };
}

/** Whether nothing but rows is kept. */
export const isMereRows = (view: DataView, at: number): boolean => view.getUint32(at + 16, true) === 0;

export const floorAt = (view: DataView, at: number): number => view.getFloat64(at + 24, true);
export const generationAt = (view: DataView, at: number): number => view.getFloat64(at + 32, true);

/** Whether column `index` of the null mask is set: inputs first, then features, then which inputs are texts. */
export const isMasked = (view: DataView, row: number, index: number): boolean =>
  ((view.getUint8(row + ROW_BYTES + (index >> 3)) >> (index & 7)) & 1) === 1;

export const isDeleteAt = (view: DataView, row: number): boolean => (view.getUint8(row + 24) & DELETED) !== 0;
export const hasNullsAt = (view: DataView, row: number): boolean => (view.getUint8(row + 24) & HAS_NULLS) !== 0;

const decoder = new TextDecoder();

/** The text whose slot is at a place. */
export function textAt(view: DataView<ArrayBufferLike>, slot: number, textsAt: number): string {
  const start = textsAt + view.getUint32(slot, true);
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + start, view.getUint32(slot + 4, true)));
}

/** @param at Where the section starts in the view. Throws `FEATURE_STORE_DEFINITION_CHANGED`. */
export function decodeSection(layout: RowLayout, key: string, view: DataView<ArrayBufferLike>, at: number): EntityRows {
  const head = readHead(layout, view, at);
  const rows = Array.from({ length: head.rows }, (_, index) =>
    decodeRow(layout, key, view, head, head.rowsAt + index * head.shape.stride),
  );
  const jsonBytes = view.getUint32(at + 16, true);
  const jsonAt = head.textsAt + view.getUint32(at + TEXT_BYTES_AT, true);
  const others =
    jsonBytes === 0
      ? []
      : (JSON.parse(
          decoder.decode(new Uint8Array(view.buffer, view.byteOffset + jsonAt, jsonBytes)),
        ) as OnlineRecord[]);
  return {
    rows,
    floorUs: floorAt(view, at),
    others: others.map((each) => ("key" in each ? { ...each, key } : each)),
    generation: generationAt(view, at),
  };
}

export function decodeRow(
  layout: RowLayout,
  key: string,
  view: DataView<ArrayBufferLike>,
  { shape, textsAt }: Pick<SectionHead, "shape" | "textsAt">,
  row: number,
): OnlineRow {
  const createdUs = view.getFloat64(row + 8, true);
  const expiresUs = view.getFloat64(row + 16, true);
  const inputs: (number | string | null)[] = [];
  for (let index = 0; index < shape.inputs; index++) {
    const slot = row + shape.inputsAt + index * 8;
    if (isMasked(view, row, index)) inputs.push(null);
    else if (!isMasked(view, row, shape.inputs + shape.values + index)) inputs.push(view.getFloat64(slot, true));
    else inputs.push(textAt(view, slot, textsAt));
  }
  const values: OnlineValue[] = [];
  for (let index = 0; index < shape.values; index++) {
    const slot = row + shape.valuesAt + layout.offsets[index]!;
    values.push(isMasked(view, row, shape.inputs + index) ? null : valueAt(layout.types[index]!, view, slot, textsAt));
  }
  return {
    key,
    timeUs: view.getFloat64(row, true),
    createdUs: createdUs === Number.NEGATIVE_INFINITY ? null : createdUs,
    inputs,
    values,
    ...(expiresUs === Number.POSITIVE_INFINITY ? {} : { expiresUs }),
    ...(isDeleteAt(view, row) ? { isDeleted: true } : {}),
  };
}

/** A feature's value that is not null. */
export function valueAt(type: FeatureType, view: DataView, slot: number, textsAt: number): OnlineValue {
  switch (type) {
    case "int8":
      return view.getInt8(slot);
    case "int16":
      return view.getInt16(slot, true);
    case "int32":
    case "date":
      return view.getInt32(slot, true);
    case "int64":
    case "timestamp":
      return view.getBigInt64(slot, true);
    case "uint8":
      return view.getUint8(slot);
    case "uint16":
      return view.getUint16(slot, true);
    case "uint32":
      return view.getUint32(slot, true);
    case "uint64":
      return view.getBigUint64(slot, true);
    case "float32":
      return view.getFloat32(slot, true);
    case "float64":
      return view.getFloat64(slot, true);
    case "bool":
      return view.getUint8(slot) === 1;
    case "utf8":
      return textAt(view, slot, textsAt);
  }
}

/** @returns null where nothing is kept that a reader must know. */
export function encodeSection(layout: RowLayout, { rows, floorUs, others, generation }: EntityRows): Uint8Array | null {
  if (rows.length === 0 && others.length === 0) return null;
  const { shape } = layout;
  const texts = createTexts();
  const rowBytes = new Uint8Array(rows.length * shape.stride);
  const view = new DataView(rowBytes.buffer);
  rows.forEach((row, index) => encodeRow(layout, row, view, index * shape.stride, texts));
  const withoutKeys = others.map((each) => ("key" in each ? { ...each, key: "" } : each));
  const json = others.length === 0 ? new Uint8Array(0) : Buffer.from(JSON.stringify(withoutKeys));
  const bytes = new Uint8Array(SECTION_BYTES + rowBytes.length + texts.length + json.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, shape.hash, true);
  head.setUint16(4, shape.inputs, true);
  head.setUint16(6, shape.values, true);
  head.setUint32(8, rows.length, true);
  head.setUint32(TEXT_BYTES_AT, texts.length, true);
  head.setUint32(16, json.length, true);
  head.setFloat64(24, floorUs, true);
  head.setFloat64(32, generation, true);
  bytes.set(rowBytes, SECTION_BYTES);
  let at = SECTION_BYTES + rowBytes.length;
  for (const text of texts.all) {
    bytes.set(text, at);
    at += text.length;
  }
  bytes.set(json, at);
  return bytes;
}

/** Texts of rows, one behind the other. */
interface Texts {
  readonly all: readonly Uint8Array[];
  readonly length: number;
  /** Writes where the text will be, and its length, to a slot. */
  add(text: string, view: DataView, slot: number): void;
}

function createTexts(): Texts {
  const all: Uint8Array[] = [];
  const texts = {
    all,
    length: 0,
    add(text: string, view: DataView, slot: number) {
      const bytes = Buffer.from(text);
      view.setUint32(slot, texts.length, true);
      view.setUint32(slot + 4, bytes.length, true);
      texts.length += bytes.length;
      all.push(bytes);
    },
  };
  return texts;
}

function encodeRow(layout: RowLayout, row: OnlineRow, view: DataView, at: number, texts: Texts): void {
  const { shape, types, offsets } = layout;
  view.setFloat64(at, row.timeUs, true);
  view.setFloat64(at + 8, row.createdUs ?? Number.NEGATIVE_INFINITY, true);
  view.setFloat64(at + 16, row.expiresUs ?? Number.POSITIVE_INFINITY, true);
  let flags = row.isDeleted === true ? DELETED : 0;
  const mask = (index: number): void => {
    const byte = at + ROW_BYTES + (index >> 3);
    view.setUint8(byte, view.getUint8(byte) | (1 << (index & 7)));
  };
  for (let index = 0; index < shape.inputs; index++) {
    const value = row.inputs[index];
    const slot = at + shape.inputsAt + index * 8;
    if (value === null || value === undefined) mask(index);
    else if (typeof value === "number") view.setFloat64(slot, value, true);
    else {
      mask(shape.inputs + shape.values + index);
      texts.add(value, view, slot);
    }
  }
  for (let index = 0; index < shape.values; index++) {
    const value = row.values[index] ?? null;
    if (value !== null) encodeValue(types[index]!, value, view, at + shape.valuesAt + offsets[index]!, texts);
    else {
      flags |= HAS_NULLS;
      mask(shape.inputs + index);
    }
  }
  view.setUint8(at + 24, flags);
}

function encodeValue(type: FeatureType, value: OnlineValue, view: DataView, slot: number, texts: Texts): void {
  switch (type) {
    case "int8":
    case "uint8":
      return view.setUint8(slot, Number(value));
    case "int16":
    case "uint16":
      return view.setUint16(slot, Number(value), true);
    case "int32":
    case "uint32":
    case "date":
      return view.setUint32(slot, Number(value), true);
    case "int64":
    case "uint64":
    case "timestamp":
      return view.setBigInt64(slot, value as bigint, true);
    case "float32":
      return view.setFloat32(slot, value as number, true);
    case "float64":
      return view.setFloat64(slot, value as number, true);
    case "bool":
      return view.setUint8(slot, value === true ? 1 : 0);
    case "utf8":
      return texts.add(value as string, view, slot);
  }
}

/** What an online view gives back to be kept, sorted by what it is. */
export function entityRowsOf(layout: RowLayout, records: Iterable<OnlineRecord>, generation: number): EntityRows {
  const rows: OnlineRow[] = [];
  const others: OnlineRecord[] = [];
  let floorUs = Number.NEGATIVE_INFINITY;
  for (const record of records) {
    if ("timeUs" in record && record.values.length <= layout.types.length) rows.push(record);
    else if (isMereFloor(record)) floorUs = record.floorUs;
    else others.push(record);
  }
  return { rows, floorUs, others, generation };
}

/** What is to be added to an online view to have what was kept. */
export function* recordsOf({ rows, floorUs, others }: EntityRows): Generator<OnlineRecord> {
  if (floorUs > Number.NEGATIVE_INFINITY) yield { floorUs };
  yield* others;
  yield* rows;
}

const isMereFloor = (record: OnlineRecord): record is OnlineFloor =>
  "floorUs" in record && Object.keys(record).length === 1;
