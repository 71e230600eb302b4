import type { Tensor, Tensors } from "@millwright/contracts";
import { sizeOf } from "../engine/tensor-rows.ts";

/** One row of an answer: the value of each output, or the list of its values where a row has several. */
export type OutputRow = Readonly<Record<string, OutputValue | readonly OutputValue[]>>;
export type OutputValue = number | bigint | string | boolean;

/** What a row comes to: a class, an amount, a yes. */
export type Decide = (row: OutputRow) => string | number | boolean;

export interface CompareOptions {
  /** Rows agree where they come to the same. Default: where all outputs are equal, floating-point numbers within `tolerance`. */
  readonly decide?: Decide | undefined;
  readonly tolerance: number;
}

export interface RowDifference {
  readonly agrees: boolean;
  /** Shadow minus primary of each floating-point output, the largest in size of a row's values; outputs that one of the two lacks are not there. */
  readonly differences: Readonly<Record<string, number>>;
}

/** Two answers to one request, row by row; `undefined` where they have different numbers of rows. */
export function compareOutputs(
  primary: Tensors,
  shadow: Tensors,
  options: CompareOptions,
): readonly RowDifference[] | undefined {
  const rows = rowsOf(primary);
  if (rows !== rowsOf(shadow)) return undefined;
  return Array.from({ length: rows }, (_, row) => compareRow(primary, shadow, row, options));
}

const rowsOf = (tensors: Tensors): number => Object.values(tensors)[0]?.shape[0] ?? 0;

function compareRow(
  primary: Tensors,
  shadow: Tensors,
  row: number,
  { decide, tolerance }: CompareOptions,
): RowDifference {
  const differences: Record<string, number> = {};
  let equal = Object.keys(primary).length === Object.keys(shadow).length;
  for (const [name, tensor] of Object.entries(primary)) {
    const other = Object.hasOwn(shadow, name) ? shadow[name] : undefined;
    if (other === undefined || other.shape.join() !== tensor.shape.join()) {
      equal = false;
      continue;
    }
    const difference = largestDifference(tensor, other, row);
    if (difference === undefined) {
      if (!sameValues(tensor, other, row)) equal = false;
      continue;
    }
    differences[name] = difference;
    if (!(Math.abs(difference) <= tolerance)) equal = false;
  }
  if (decide === undefined) return { agrees: equal, differences };
  return { agrees: decide(outputRow(primary, row)) === decide(outputRow(shadow, row)), differences };
}

/** Of the row's values; `undefined` where they are no floating-point numbers. Two that are not numbers do not differ. */
function largestDifference(tensor: Tensor, other: Tensor, row: number): number | undefined {
  if (!isFloat(tensor) || !isFloat(other)) return undefined;
  const width = sizeOf(tensor.shape.slice(1));
  let largest = 0;
  for (let at = row * width; at < (row + 1) * width; at += 1) {
    const [before, after] = [tensor.data[at] as number, other.data[at] as number];
    if (Object.is(before, after) || (Number.isNaN(before) && Number.isNaN(after))) continue;
    const difference = after - before;
    if (!(Math.abs(difference) <= Math.abs(largest))) largest = difference;
  }
  return largest;
}

const isFloat = ({ dtype }: Tensor): boolean => dtype === "float32" || dtype === "float64";

function sameValues(tensor: Tensor, other: Tensor, row: number): boolean {
  const width = sizeOf(tensor.shape.slice(1));
  for (let at = row * width; at < (row + 1) * width; at += 1) if (tensor.data[at] !== other.data[at]) return false;
  return true;
}

/** A row as people read it. */
export function outputRow(outputs: Tensors, row: number): OutputRow {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dtype, shape, data }]) => {
      const width = sizeOf(shape.slice(1));
      const values = Array.from({ length: width }, (_, at): OutputValue => {
        const value = data[row * width + at] as OutputValue;
        return dtype === "bool" ? value !== 0 : value;
      });
      return [name, shape.length === 1 || width === 1 ? (values[0] ?? 0) : values];
    }),
  );
}
