import type { Column, NumericType } from "@millwright/contracts";
import { boolColumn, column, numericArray, numericColumn } from "@millwright/data";
import type { FeatureType } from "./definition.ts";
import type { OnlineValue } from "./online-store.ts";
import type { RowLayout } from "./row-layout.ts";
import { hasNullsAt, isMasked, textAt, type SectionHead } from "./row-section.ts";

/** Columns of a view's features, filled row by row straight from where the rows are kept. */
export interface PlainColumns {
  /** Copies a kept row's features. */
  copy(row: number, view: DataView<ArrayBufferLike>, head: SectionHead, at: number): void;
  /** Puts other values in a row: one a feature. */
  set(row: number, values: readonly OnlineValue[]): void;
  /** The columns, in the order of the features. */
  columns(): Column[];
}

type Values = Float64Array | BigInt64Array | OnlineValue[];

interface Filled {
  readonly type: FeatureType;
  readonly values: Values;
  validity: Uint8Array | undefined;
}

/** Features of one type that stand side by side. */
interface Run {
  readonly type: FeatureType;
  readonly from: number;
  readonly to: number;
}

export function createPlainColumns({ types, offsets }: RowLayout, rows: number): PlainColumns {
  const filled = types.map((type): Filled => ({ type, values: valuesOf(type, rows), validity: undefined }));
  const runs = runsOf(types);
  const setNull = (column: number, row: number): void => {
    const each = filled[column]!;
    each.validity ??= new Uint8Array((rows + 7) >> 3).fill(255);
    each.validity[row >> 3]! &= ~(1 << (row & 7));
  };
  const copyRun = (run: Run, row: number, view: DataView, { shape, textsAt }: SectionHead, at: number): void => {
    const start = at + shape.valuesAt;
    const to = Math.min(run.to, shape.values);
    copyValues(run.type, filled, { from: run.from, to, row, start, offsets, textsAt }, view);
  };
  return {
    copy(row, view, head, at) {
      for (const run of runs) copyRun(run, row, view, head, at);
      const { inputs, values } = head.shape;
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
        else filled[index]!.values[row] = (typeof value === "boolean" ? Number(value) : value) as never;
      }
    },
    columns: () => filled.map((each) => columnOf(each, rows)),
  };
}

function runsOf(types: readonly FeatureType[]): Run[] {
  const runs: { type: FeatureType; from: number; to: number }[] = [];
  types.forEach((type, index) => {
    const last = runs.at(-1);
    if (last?.type === type) last.to++;
    else runs.push({ type, from: index, to: index + 1 });
  });
  return runs;
}

function valuesOf(type: FeatureType, rows: number): Values {
  if (type === "utf8") return Array<OnlineValue>(rows).fill(null);
  if (type === "bool") return new Uint8Array(rows) as unknown as Values;
  return numericArray(type, rows) as unknown as Values;
}

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
function copyValues(type: FeatureType, filled: readonly Filled[], copy: Copy, view: DataView<ArrayBufferLike>): void {
  const { from, to, row, start, offsets, textsAt } = copy;
  switch (type) {
    case "float32":
      for (let i = from; i < to; i++)
        (filled[i]!.values as Float64Array)[row] = view.getFloat32(start + offsets[i]!, true);
      break;
    case "float64":
      for (let i = from; i < to; i++)
        (filled[i]!.values as Float64Array)[row] = view.getFloat64(start + offsets[i]!, true);
      break;
    case "int32":
    case "date":
      for (let i = from; i < to; i++)
        (filled[i]!.values as Float64Array)[row] = view.getInt32(start + offsets[i]!, true);
      break;
    case "int64":
    case "timestamp":
      for (let i = from; i < to; i++)
        (filled[i]!.values as BigInt64Array)[row] = view.getBigInt64(start + offsets[i]!, true);
      break;
    case "uint64":
      for (let i = from; i < to; i++)
        (filled[i]!.values as BigInt64Array)[row] = view.getBigUint64(start + offsets[i]!, true);
      break;
    case "utf8":
      for (let i = from; i < to; i++)
        (filled[i]!.values as OnlineValue[])[row] = textAt(view, start + offsets[i]!, textsAt);
      break;
    default:
      for (let i = from; i < to; i++)
        (filled[i]!.values as Float64Array)[row] = smallAt(type, view, start + offsets[i]!);
  }
}

function smallAt(type: FeatureType, view: DataView, at: number): number {
  if (type === "int8") return view.getInt8(at);
  if (type === "int16") return view.getInt16(at, true);
  if (type === "uint16") return view.getUint16(at, true);
  if (type === "uint32") return view.getUint32(at, true);
  return view.getUint8(at);
}

function columnOf({ type, values, validity }: Filled, rows: number): Column {
  if (type === "utf8") {
    const texts = values as OnlineValue[];
    return column(
      "utf8",
      validity === undefined ? texts : texts.map((text, row) => ((validity[row >> 3]! >> (row & 7)) & 1 ? text : null)),
    );
  }
  if (type !== "bool") return numericColumn(type as NumericType, values as never, { validity });
  const bits = new Uint8Array((rows + 7) >> 3);
  for (let row = 0; row < rows; row++) if (values[row] === 1) bits[row >> 3]! |= 1 << (row & 7);
  return boolColumn(bits, rows, validity);
}
