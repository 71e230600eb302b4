import { moduleCorrupt } from "./edge-error.ts";

/** Types of the arrays that a module holds, little-endian, one after another. */
export type NumbersType = "f32" | "f64" | "i8" | "i16" | "i32" | "u8";

export interface StoredNumbers {
  readonly name: string;
  readonly type: NumbersType;
  readonly length: number;
}

export type Numbers = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array;

export const numberBytes: Readonly<Record<NumbersType, number>> = { f32: 4, f64: 8, i8: 1, i16: 2, i32: 4, u8: 1 };

/** Reads the arrays by name. */
export function readNumbers(stored: readonly StoredNumbers[], bytes: Uint8Array): Readonly<Record<string, Numbers>> {
  const wanted = stored.reduce((sum, { type, length }) => sum + numberBytes[type] * length, 0);
  if (bytes.length !== wanted) throw moduleCorrupt(`its weights have ${bytes.length} bytes, and take ${wanted}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const all: Record<string, Numbers> = {};
  for (const { name, type, length } of stored) {
    all[name] = numbersAt(view, at, type, length);
    at += numberBytes[type] * length;
  }
  return all;
}

function numbersAt(view: DataView, at: number, type: NumbersType, length: number): Numbers {
  const each = { length };
  switch (type) {
    case "f32":
      return Float32Array.from(each, (_, index) => view.getFloat32(at + index * 4, true));
    case "f64":
      return Float64Array.from(each, (_, index) => view.getFloat64(at + index * 8, true));
    case "i16":
      return Int16Array.from(each, (_, index) => view.getInt16(at + index * 2, true));
    case "i32":
      return Int32Array.from(each, (_, index) => view.getInt32(at + index * 4, true));
    case "i8":
      return Int8Array.from(each, (_, index) => view.getInt8(at + index));
    case "u8":
      return Uint8Array.from(each, (_, index) => view.getUint8(at + index));
  }
}
