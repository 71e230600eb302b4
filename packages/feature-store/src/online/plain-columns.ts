import type { Column } from "@millwright/contracts";
import { boolColumn, column } from "@millwright/data";
import type { FeatureType } from "../definition/definition.ts";
import type { OnlineValue } from "./online-store.ts";
import type { RowLayout } from "./row-layout.ts";
import { hasNullsAt, isMasked, textAt, type SectionHead } from "../keyed/row-section.ts";

/** Columns of a view's features, filled row by row straight from where the rows are kept. */
export interface PlainColumns {
  /** Copies a kept row's features. */
  copy(row: number, view: DataView<ArrayBufferLike>, head: SectionHead, at: number): void;
  /** Puts other values in a row: one a feature. */
  set(row: number, values: readonly OnlineValue[]): void;
  /** Puts the columns into a batch's, under one name a feature. */
  addTo(target: Record<string, Column>, names: readonly string[]): void;
}

type Values = Float64Array | BigInt64Array | OnlineValue[];

export function createPlainColumns(
  { types, offsets, runs }: Pick<RowLayout, "types" | "offsets" | "runs">,
  rows: number,
): PlainColumns {
  const filled = valuesOf(types, rows);
  let validity: (Uint8Array | undefined)[] | undefined;
  const setNull = (column: number, row: number): void => {
    validity ??= Array<undefined>(types.length).fill(undefined);
    const bits = (validity[column] ??= new Uint8Array((rows + 7) >> 3).fill(255));
    bits[row >> 3]! &= ~(1 << (row & 7));
  };
  return {
    copy(row, view, { shape, textsAt }, at) {
      const start = at + shape.valuesAt;
      const { inputs, values } = shape;
      for (const { type, from, to } of runs) {
        copyValues(type, filled, { from, to: Math.min(to, values), row, start, offsets, textsAt }, view);
      }
      if (hasNullsAt(view, at)) {
        for (let index = 0; index < values; index++) if (isMasked(view, at, inputs + index)) setNull(index, row);
      }
      // Rows from before the view had the later features.
      for (let index = values; index < types.length; index++) setNull(index, row);
    },
    set(row, values) {
      for (let index = 0; index < filled.length; index++) {
        const value = values[index] ?? null;
        if (value === null) setNull(index, row);
        else filled[index]![row] = (typeof value === "boolean" ? Number(value) : value) as never;
      }
    },
    addTo(target, names) {
      for (let index = 0; index < names.length; index++) {
        target[names[index]!] = columnOf(types[index]!, filled[index]!, validity?.[index], rows);
      }
    },
  };
}

/** How each type's values are kept while they are filled; bools as numbers, until they are bits. */
const ARRAYS = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  date: Int32Array,
  timestamp: BigInt64Array,
  bool: Uint8Array,
} as const;

/** Up to so many bytes an array is an object like any other, and takes no memory of its own. */
const SMALL_BYTES = 64;

/** One piece of memory for all columns of numbers: asking for one a column costs more than filling them, unless they are tiny. */
function valuesOf(types: readonly FeatureType[], rows: number): Values[] {
  if (rows * 8 <= SMALL_BYTES) return types.map((type) => tinyValues(type, rows));
  let bytes = 0;
  for (const type of types) if (type !== "utf8") bytes += bytesOf(type, rows);
  const memory = new ArrayBuffer(bytes);
  let at = 0;
  const filled: Values[] = [];
  for (const type of types) {
    if (type === "utf8") filled.push(Array<OnlineValue>(rows).fill(null));
    else {
      filled.push(new ARRAYS[type](memory, at, rows) as unknown as Values);
      at += bytesOf(type, rows);
    }
  }
  return filled;
}

function tinyValues(type: FeatureType, rows: number): Values {
  // The commonest first, without looking anything up.
  if (type === "float32") return new Float32Array(rows) as unknown as Values;
  if (type === "float64") return new Float64Array(rows);
  return type === "utf8" ? Array<OnlineValue>(rows).fill(null) : (new ARRAYS[type](rows) as unknown as Values);
}

/** Rounded up, so that what comes next may be of 8 bytes. */
const bytesOf = (type: Exclude<FeatureType, "utf8">, rows: number): number =>
  (rows * ARRAYS[type].BYTES_PER_ELEMENT + 7) & ~7;

interface Copy {
  readonly from: number;
  readonly to: number;
  readonly row: number;
  /** Where the row's values start, and where each stands from there. */
  readonly start: number;
  readonly offsets: readonly number[];
  readonly textsAt: number;
}

/** One loop a type, so that each writes to arrays of one kind. */
function copyValues(type: FeatureType, filled: readonly Values[], copy: Copy, view: DataView<ArrayBufferLike>): void {
  const { from, to, row, start, offsets, textsAt } = copy;
  switch (type) {
    case "float32":
      for (let i = from; i < to; i++) (filled[i]! as Float64Array)[row] = view.getFloat32(start + offsets[i]!, true);
      break;
    case "float64":
      for (let i = from; i < to; i++) (filled[i]! as Float64Array)[row] = view.getFloat64(start + offsets[i]!, true);
      break;
    case "int32":
    case "date":
      for (let i = from; i < to; i++) (filled[i]! as Float64Array)[row] = view.getInt32(start + offsets[i]!, true);
      break;
    case "int64":
    case "timestamp":
      for (let i = from; i < to; i++) (filled[i]! as BigInt64Array)[row] = view.getBigInt64(start + offsets[i]!, true);
      break;
    case "uint64":
      for (let i = from; i < to; i++) (filled[i]! as BigInt64Array)[row] = view.getBigUint64(start + offsets[i]!, true);
      break;
    case "utf8":
      for (let i = from; i < to; i++) (filled[i]! as OnlineValue[])[row] = textAt(view, start + offsets[i]!, textsAt);
      break;
    default:
      for (let i = from; i < to; i++) (filled[i]! as Float64Array)[row] = smallAt(type, view, start + offsets[i]!);
  }
}

function smallAt(type: FeatureType, view: DataView, at: number): number {
  if (type === "int8") return view.getInt8(at);
  if (type === "int16") return view.getInt16(at, true);
  if (type === "uint16") return view.getUint16(at, true);
  if (type === "uint32") return view.getUint32(at, true);
  return view.getUint8(at);
}

function columnOf(type: FeatureType, values: Values, validity: Uint8Array | undefined, rows: number): Column {
  if (type === "utf8") return column("utf8", textsOf(values as OnlineValue[], validity));
  if (type === "bool") return boolColumn(bitsOf(values as Float64Array), rows, validity);
  const whole = { type, length: rows, values } as unknown as Column;
  return validity === undefined ? whole : ({ ...whole, validity } as Column);
}

const textsOf = (texts: readonly OnlineValue[], validity: Uint8Array | undefined): readonly OnlineValue[] =>
  validity === undefined ? texts : texts.map((text, row) => ((validity[row >> 3]! >> (row & 7)) & 1 ? text : null));

function bitsOf(flags: Float64Array): Uint8Array {
  const bits = new Uint8Array((flags.length + 7) >> 3);
  for (let row = 0; row < flags.length; row++) if (flags[row] === 1) bits[row >> 3]! |= 1 << (row & 7);
  return bits;
}
