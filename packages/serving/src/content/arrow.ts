import {
  type Batch,
  type Column,
  type Tensor,
  type TensorType,
  type Tensors,
  isMillwrightError,
} from "@millwright/contracts";
import { column, concatBatches, fromIpc, isNumericType, numericColumn, toIpc, toRows } from "@millwright/data";
import { bodyInvalid } from "../errors.ts";
import { checkArrowStream } from "./arrow-check.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";
import type { Row } from "../engine/rows.ts";

/** An Arrow IPC stream: its columns as tensors where they are all numbers, texts or lists of one length, none of them null; else its rows. */
export type ArrowContent = { readonly tensors: Tensors } | { readonly rows: readonly Row[] };

/** Throws `SERVING_BODY_INVALID`. */
export function readArrow(bytes: Uint8Array): ArrowContent {
  checkArrowStream(bytes);
  try {
    const batch = concatBatches(fromIpc(bytes));
    if (batch.length === 0) throw bodyInvalid("its Arrow stream has no rows");
    const tensors = Object.entries(batch.columns).map(([name, each]) => [name, tensorOf(each)] as const);
    if (tensors.length > 0 && tensors.every(([, tensor]) => tensor !== undefined))
      return { tensors: Object.fromEntries(tensors) as Tensors };
    return { rows: toRows(batch) as readonly Row[] };
  } catch (error) {
    if (isMillwrightError(error) && error.code.startsWith("SERVING_")) throw error;
    throw bodyInvalid("it is no Arrow stream that is read here", "Send an Arrow IPC stream, uncompressed.", error);
  }
}

function tensorOf(given: Column): Tensor | undefined {
  const { type, length } = given;
  if (given.validity !== undefined) return undefined;
  if (type === "list") {
    const { offsets, values } = given;
    const width = (offsets[1] ?? 0) - (offsets[0] ?? 0);
    for (let row = 0; row < length; row += 1)
      if ((offsets[row + 1] ?? 0) - (offsets[row] ?? 0) !== width) return undefined;
    const items = tensorOf(values);
    if (items === undefined || items.dtype === "string" || items.shape.length !== 1) return undefined;
    const [from = 0] = offsets;
    const data = items.data.slice(from, from + length * width);
    return data.length === length * width
      ? ({ dtype: items.dtype, shape: [length, width], data } as Tensor)
      : undefined;
  }
  if (!isNumericType(type) || type === "date" || type === "timestamp") return undefined;
  const values = (given as Extract<Column, { readonly type: "float64" }>).values.subarray(0, length);
  if (values.length !== length) throw bodyInvalid("a column of its Arrow stream is cut short");
  return { dtype: type, shape: [length], data: values } as unknown as Tensor;
}

/** Outputs as an Arrow IPC stream: a column for each, lists where a row holds several values. */
export function writeArrow(outputs: Tensors): Uint8Array {
  const columns = Object.entries(outputs).map(([name, tensor]) => [name, columnOf(tensor)] as const);
  return toIpc({ length: columns[0]?.[1].length ?? 0, columns: Object.fromEntries(columns) } as Batch);
}

function columnOf({ dtype, shape, data }: Tensor): Column {
  const [rows = 1, ...rest] = shape;
  const width = sizeOf(rest);
  const flat = flatColumn(dtype, data);
  if (rest.length === 0 || (rest.length === 1 && width === 1)) return flat;
  return {
    type: "list",
    length: rows,
    values: flat,
    offsets: Int32Array.from({ length: rows + 1 }, (_, row) => row * width),
  };
}

function flatColumn(dtype: TensorType, data: Tensor["data"]): Column {
  if (dtype === "string") return column("utf8", data as readonly string[]);
  if (dtype === "bool")
    return column(
      "bool",
      Array.from(data as Uint8Array, (value) => value !== 0),
    );
  return numericColumn(dtype, new arrayTypes[dtype](data as never) as never) as Column;
}
