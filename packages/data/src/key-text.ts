import { createHash } from "node:crypto";
import type { Column } from "@millwright/contracts";
import { columnType } from "./errors.ts";
import { type Value } from "./column.ts";
import { toArray, valueAt } from "./value.ts";

/** Longer texts are kept by their SHA-256, so that a set of keys has bounded memory. */
const longestKey = 64;

/** @returns the row's value as a text: equal for equal values, also of an integer in another type and of a text that writes it; undefined for null. */
export function keyTexts(name: string, column: Column): (row: number) => string | undefined {
  if (column.type === "list") throw columnType(name, column.type, "a type other than list");
  if (column.type === "utf8" || column.type === "dictionary") {
    const texts = toArray(column) as readonly (string | null)[];
    return (row) => {
      const text = texts[row];
      return text == null ? undefined : shortened(text);
    };
  }
  return (row) => {
    const value = valueAt(column, row);
    return value === null ? undefined : keyOf(value);
  };
}

function keyOf(value: Exclude<Value, null>): string {
  if (value instanceof Uint8Array) return shortened(Buffer.from(value).toString("hex"));
  // Both zeros are one value.
  return value === 0 ? "0" : String(value);
}

function shortened(text: string): string {
  return text.length <= longestKey ? text : `\u0000${createHash("sha256").update(text).digest("hex")}`;
}

/** @returns one key for several columns; undefined where one of them is null. */
export function jointKeys(
  columns: readonly (readonly [name: string, column: Column])[],
): (row: number) => string | undefined {
  const readers = columns.map(([name, column]) => keyTexts(name, column));
  if (readers.length === 1) return readers[0] as (row: number) => string | undefined;
  return (row) => {
    const parts: string[] = [];
    for (const reader of readers) {
      const part = reader(row);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return shortened(JSON.stringify(parts));
  };
}

/** @returns one key for several columns, in which nulls are a value of their own. */
export function rowKeys(columns: readonly (readonly [name: string, column: Column])[]): (row: number) => string {
  const readers = columns.map(([name, column]) => keyTexts(name, column));
  return (row) => shortened(JSON.stringify(readers.map((reader) => reader(row) ?? null)));
}
