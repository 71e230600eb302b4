import type { Batch, ColumnType } from "@millwright/contracts";
import { batchOf, column, toArray, type Value, type ValueInput } from "../src/index.ts";

/** Rows of every type: 19 rows (no multiple of eight) with nulls here and there. */
export function allTypes(rows = 19): { readonly batch: Batch; readonly values: Readonly<Record<string, Value[]>> } {
  const make = (value: (row: number) => Value, nullEvery = 4): Value[] =>
    Array.from({ length: rows }, (_, row) => (row % nullEvery === 2 ? null : value(row % 19)));
  const values: Record<string, Value[]> = {
    int8: make((row) => row - 9),
    int16: make((row) => row * 1000 - 9000),
    int32: make((row) => row * 100_000_000 - 1),
    int64: make((row) => BigInt(row) * 2n ** 58n - 2n ** 61n),
    uint8: make((row) => row * 13),
    uint16: make((row) => row * 3000),
    uint32: make((row) => row * 200_000_000),
    uint64: make((row) => BigInt(row) * 2n ** 59n),
    float32: make((row) => Math.fround(row / 3)),
    float64: make((row) => (row === 5 ? Number.NaN : row / 7)),
    date: make((row) => 15_000 + row),
    timestamp: make((row) => 1_357_034_400_000_001n + BigInt(row) * 3_600_000_000n),
    bool: make((row) => row % 3 === 0),
    text: make((row) => ["", "naïve", "🛫 Newark", "JFK", "\uFEFFmark"][row % 5]!),
    bytes: make((row) => Uint8Array.from({ length: row % 4 }, (_, index) => row + index)),
    carrier: make((row) => ["AA", "B6", "DL"][row % 3]!, 5),
    lists: make((row) => Array.from({ length: row % 3 }, (_, index) => (index === 1 ? null : row + index))),
    texts: make((row) => Array.from({ length: row % 4 }, (_, index) => `item ${row} ${index}`)),
    full: Array.from({ length: rows }, (_, row) => row),
  };
  const types: Readonly<Record<string, ColumnType>> = {
    text: "utf8",
    bytes: "binary",
    carrier: "dictionary",
    full: "int32",
  };
  const columns = Object.entries(values).map(([name, each]) => {
    const input = each as readonly ValueInput[];
    if (name === "lists") return [name, column("list", input, { items: "int32" })] as const;
    if (name === "texts") return [name, column("list", input, { items: "utf8" })] as const;
    return [name, column(types[name] ?? (name as ColumnType), input)] as const;
  });
  return { batch: batchOf(Object.fromEntries(columns)), values };
}

export const arraysOf = (batch: Batch): Record<string, Value[]> =>
  Object.fromEntries(Object.entries(batch.columns).map(([name, each]) => [name, toArray(each)]));
