import type { Batch, Column } from "@millwright/contracts";
import { asFloat64, isNull, isNumeric, toArray } from "@millwright/data";
import type { TreeFeature } from "@millwright/model";
import { rowsInvalid } from "../errors.ts";

/** A column that a fitted thing reads: numbers, or one of the texts in `categories`, the most frequent first. */
export type Feature = TreeFeature;

/** Columns whose values are compared by order, or as they are; times, lists and bytes are read only where they are named. */
const isReadable = ({ type }: Column): boolean => !["timestamp", "date", "list", "binary"].includes(type);

/** More categories than these count as one that is not known. */
const mostCategories = 1_000;

/**
 * The columns to read, as they are in these rows. Throws `MONITOR_ROWS_INVALID`.
 * @param names Default: all numbers, booleans and texts.
 */
export function fitFeatures(rows: Batch, names: readonly string[] | undefined): Feature[] {
  if (rows.length === 0) throw rowsInvalid("there is none");
  const wanted =
    names ??
    Object.entries(rows.columns)
      .filter(([, column]) => isReadable(column))
      .map(([name]) => name);
  if (wanted.length === 0) throw rowsInvalid("they have no column of numbers, booleans or texts");
  if (new Set(wanted).size < wanted.length) throw rowsInvalid("a column is named twice");
  return wanted.map((name) => {
    const column = columnNamed(rows, name);
    return isCategory(column) ? { name, kind: "category", categories: categoriesOf(column) } : { name, kind: "number" };
  });
}

const isCategory = ({ type }: Column): boolean => type === "utf8" || type === "dictionary";

function columnNamed(rows: Batch, name: string): Column {
  const column = Object.hasOwn(rows.columns, name) ? rows.columns[name] : undefined;
  if (column === undefined)
    throw rowsInvalid(`they have no column "${name}", but ${Object.keys(rows.columns).join(", ") || "none"}`);
  if (!isCategory(column) && column.type !== "bool" && !isNumeric(column))
    throw rowsInvalid(`the column "${name}" is of the type ${column.type}`);
  return column;
}

function categoriesOf(column: Column): string[] {
  const counts = new Map<string, number>();
  for (const value of toArray(column)) {
    if (typeof value === "string" && value !== "") counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, mostCategories)
    .map(([text]) => text);
}

/**
 * One array of numbers for each feature: the numbers themselves, or positions of categories; NaN where a row has no value, an empty text or one that is no
 * category. Throws `MONITOR_ROWS_INVALID` where a column is missing or has become of another kind.
 */
export function readFeatures(rows: Batch, features: readonly Feature[]): Float64Array[] {
  return features.map((feature) => {
    const column = columnNamed(rows, feature.name);
    if (isCategory(column) !== (feature.kind === "category"))
      throw rowsInvalid(
        `the column "${feature.name}" was of the kind ${feature.kind}, and is of the type ${column.type}`,
      );
    return feature.kind === "category" ? positionsOf(column, feature.categories) : asFloat64(column);
  });
}

function positionsOf(column: Column, categories: readonly string[]): Float64Array {
  const positions = new Map(categories.map((text, index) => [text, index]));
  const positionOf = (value: unknown): number => positions.get(value as string) ?? Number.NaN;
  if (column.type !== "dictionary") return Float64Array.from(toArray(column), positionOf);
  const known = toArray(column.dictionary).map(positionOf);
  return Float64Array.from({ length: column.length }, (_, row) =>
    isNull(column, row) ? Number.NaN : (known[column.values[row] as number] ?? Number.NaN),
  );
}

/** A value of a row as `readFeatures` reads it from a column. Throws `MONITOR_ROWS_INVALID` for what is of another kind. */
export function readValue(value: unknown, feature: Feature, positions: ReadonlyMap<string, number>): number {
  if (value === undefined || value === null) return Number.NaN;
  if (feature.kind === "category") {
    if (typeof value === "string") return positions.get(value) ?? Number.NaN;
  } else if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return Number(value);
  throw rowsInvalid(
    `"${feature.name}" is to be a ${feature.kind === "category" ? "text" : "number"}, not a ${typeof value}`,
  );
}

/** For `readValue`: where each category of a feature stands. */
export const positionsIn = (feature: Feature): ReadonlyMap<string, number> =>
  new Map(feature.kind === "category" ? feature.categories.map((text, index) => [text, index]) : []);
