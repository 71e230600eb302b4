import type { Batch, Column, NumericType, Tensor, Tensors } from "@millwright/contracts";
import { column, numericArray, numericColumn } from "./column.ts";

/**
 * Tensors of one number of rows as columns, copied where there are several: one column for a tensor of shape `[rows]` or `[rows, 1]`, else `name_0`, `name_1`, … in row-major order.
 * @returns `undefined` where the rows differ or there are none to tell.
 */
export function tensorColumns(tensors: Tensors): Batch | undefined {
  const rows = Object.values(tensors)[0]?.shape[0];
  if (rows === undefined || Object.values(tensors).some(({ shape }) => shape[0] !== rows)) return undefined;
  const columns: Record<string, Column> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
    for (let at = 0; at < width; at += 1)
      columns[width === 1 ? name : `${name}_${at}`] = tensorColumn(tensor, rows, width, at);
  }
  return { length: rows, columns };
}

function tensorColumn({ dtype, data }: Tensor, rows: number, width: number, at: number): Column {
  if (dtype === "string" || dtype === "bool") {
    const cells = Array.from({ length: rows }, (_, row) => data[row * width + at]);
    return dtype === "string" ? column("utf8", cells) : column("bool", cells.map(Boolean));
  }
  if (width === 1) return numericColumn(dtype, data as never, { length: rows });
  return stridedColumn(dtype, data, { rows, width, at });
}

/** Every `width`-th number from `at` on, copied. */
export function stridedColumn(
  type: NumericType,
  data: ArrayLike<number | bigint>,
  { rows, width, at }: { readonly rows: number; readonly width: number; readonly at: number },
): Column {
  const values = numericArray(type, rows) as Float64Array;
  for (let row = 0, from = at; row < rows; row += 1, from += width) values[row] = data[from] as number;
  return numericColumn(type, values as never);
}
