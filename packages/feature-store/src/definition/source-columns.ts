import type { Batch, Column, ColumnType, Schema } from "@millwright/contracts";
import { asFloat64, column, columnOf, schemaOf, toArray, type ValueInput } from "@millwright/data";
import type { FeatureView, InputType, KeyType } from "./definition.ts";
import { columnMissing, columnType, valueRange } from "../errors.ts";
import type { WindowValue } from "../windows/value-column.ts";

/** The columns a view reads from its source, with their types. */
export function sourceSchema(view: Omit<FeatureView, "schema">): Schema {
  const types: Record<string, ColumnType> = { ...view.entity.keys, [view.eventTime]: "timestamp" };
  if (view.createdTime !== undefined) types[view.createdTime] = "timestamp";
  if (view.deleted !== undefined) types[view.deleted] = "bool";
  if (view.retracted !== undefined) types[view.retracted] = "bool";
  Object.assign(types, view.features, view.inputs);
  return Object.entries(types).map(([name, type]) => ({ name, type }));
}

/** A row by column names; a timestamp is a `Date`, or microseconds as bigint. */
export type SourceRow = Readonly<Record<string, string | number | bigint | boolean | Date | null | undefined>>;

/**
 * The columns a view reads, of plain rows; what else the rows have is left out, and what some of them lack is null there.
 * Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`.
 */
export function batchOfRows(where: string, view: FeatureView, rows: readonly SourceRow[]): Batch {
  return batchOfFields(where, sourceSchema(view), rows);
}

/** As `batchOfRows`, of the fields of any schema. */
export function batchOfFields(where: string, schema: Schema, rows: readonly SourceRow[]): Batch {
  const [first = {}] = rows;
  const columns = schema.map(({ name, type }) => {
    if (rows.length > 0 && !rows.some((row) => Object.hasOwn(row, name)))
      throw columnMissing(where, name, Object.keys(first));
    const values = rows.map((row): ValueInput => (Object.hasOwn(row, name) ? row[name] : null));
    const misfit = (value: ValueInput, cause?: unknown): Error =>
      columnType(where, name, value instanceof Date ? "Date" : typeof value, type, cause);
    // Milliseconds and microseconds look alike.
    const bare = type === "timestamp" ? values.find((value) => typeof value === "number") : undefined;
    if (bare !== undefined) throw misfit(bare);
    try {
      return [name, column(type, values)] as const;
    } catch (error) {
      throw misfit(
        values.find((value) => value != null),
        error,
      );
    }
  });
  return { length: rows.length, columns: Object.fromEntries(columns) };
}

/** The columns that name an entity. */
export const keySchema = ({ entity }: FeatureView): Schema =>
  Object.entries(entity.keys).map(([name, type]) => ({ name, type }));

/** The columns kept of a row online: the features of an entity's newest row, then the mark of a retraction. */
export const keptColumns = (view: FeatureView): readonly string[] => [
  ...Object.keys(view.features),
  ...(view.retracted === undefined ? [] : [view.retracted]),
];

/** The columns read of a row in the history beside keys and inputs: its features, then the marks of a delete and of a retraction. */
export function valueColumns(view: FeatureView): readonly string[] {
  return [...Object.keys(view.features), ...[view.deleted, view.retracted].filter((name) => name !== undefined)];
}

/** Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
export function checkColumns(where: string, wanted: Schema, given: Schema): void {
  for (const { name, type } of wanted) {
    const found = given.find((field) => field.name === name);
    if (found === undefined)
      throw columnMissing(
        where,
        name,
        given.map((field) => field.name),
      );
    const isText = type === "utf8" && found.type === "dictionary";
    if (found.type !== type && !isText) throw columnType(where, name, found.type, type);
  }
}

/** As `checkColumns`, for a batch. */
export function checkBatch(where: string, wanted: Schema, batch: Batch): void {
  checkColumns(where, wanted, schemaOf(batch));
}

/**
 * An input's values as whole numbers, NaN where there is none: integers as they are, true as 1, floats rounded to the view's decimals and
 * scaled by them. Throws `FEATURE_STORE_VALUE_RANGE`.
 */
export function scaledInput(view: FeatureView, name: string, column: Column): Float64Array {
  const values = asFloat64(column);
  const scale = scaleOf(view, name);
  if (!isFloat(view, name)) {
    for (const value of values) {
      if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw valueRange(view.name, name, value);
    }
    return values;
  }
  const scaled = new Float64Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    // An infinite value has no place in a sum, and NaN is missing already.
    const whole = Number.isFinite(value) ? Math.floor(value * scale + 0.5) : Number.NaN;
    if (Math.abs(whole) > Number.MAX_SAFE_INTEGER) throw valueRange(view.name, name, value);
    scaled[row] = whole;
  }
  return scaled;
}

/** What an input is multiplied by to be whole. */
export function scaleOf(view: FeatureView, input: string): number {
  return isFloat(view, input) ? 10 ** view.decimals : 1;
}

function isFloat(view: FeatureView, input: string): boolean {
  const type: InputType | undefined = view.inputs[input];
  return type === "float32" || type === "float64";
}

/** An input's values as an event window takes them: `scaledInput`, or texts. Throws `FEATURE_STORE_VALUE_RANGE`. */
export function windowInput(view: FeatureView, name: string, column: Column): ArrayLike<WindowValue> {
  if (view.inputs[name] !== "utf8") return scaledInput(view, name, column);
  return toArray(column).map((text) => (text === null ? Number.NaN : (text as string)));
}

/** One text an entity, unique for its keys; undefined where a key is null. */
export function entityKeysOf(keys: Readonly<Record<string, KeyType>>, batch: Batch): (string | undefined)[] {
  const names = Object.keys(keys);
  const columns = names.map((name) => toArray(columnOf(batch, name)));
  const [first] = columns;
  if (columns.length === 1 && first !== undefined) {
    return first.map((value) => (value === null ? undefined : String(value)));
  }
  return Array.from({ length: batch.length }, (_, row) => {
    let key = "";
    for (const column of columns) {
      const value = column[row];
      if (value === null || value === undefined) return undefined;
      const text = String(value);
      // With its length before it, no two lists of keys read alike.
      key += `${text.length}:${text}`;
    }
    return key;
  });
}

/** The texts of the keys that a text of `entityKeysOf` was made of. */
export function keyTexts(key: string, count: number): string[] {
  if (count === 1) return [key];
  const texts: string[] = [];
  for (let at = 0; texts.length < count;) {
    const start = key.indexOf(":", at) + 1;
    at = start + Number(key.slice(at, start - 1));
    texts.push(key.slice(start, at));
  }
  return texts;
}
