import type { Batch, Column, Field, Schema } from "@millwright/contracts";
import { column, type ValueInput } from "@millwright/data";
import { columnMissing } from "../errors.ts";
import { bodyInvalid, bodyTooLarge, valueInvalid } from "./errors.ts";
import { isRecord, type JsonRecord } from "./message.ts";
import type { ValueReaders } from "./value-readers.ts";

export interface BatchBodyOptions {
  /** What the columns are, for messages: "The entities". */
  readonly where: string;
  /** The columns to take; what else is sent is left out. */
  readonly fields: Schema;
  readonly readers: ValueReaders;
  readonly maxRows: number;
  /** Fields that are null where they are not sent. Default: none. */
  readonly optional?: ReadonlySet<string> | undefined;
}

/**
 * Columns from JSON: `{ name: [values] }`, or a list of rows `{ name: value }`.
 * Throws `FEATURE_STORE_BODY_INVALID`, `FEATURE_STORE_BODY_TOO_LARGE`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_VALUE_INVALID`.
 */
export function batchOfJson(given: unknown, options: BatchBodyOptions): Batch {
  if (Array.isArray(given)) return batchOfRecords(given as readonly unknown[], options);
  if (isRecord(given)) return batchOfLists(given, options);
  throw bodyInvalid(
    `${options.where} are neither columns nor rows`,
    'Send `{ "<column>": [values] }`, or a list of `{ "<column>": value }`.',
  );
}

function batchOfLists(given: JsonRecord, { where, fields, readers, maxRows, optional }: BatchBodyOptions): Batch {
  const names = Object.keys(given);
  let length: number | undefined;
  for (const [name, values] of Object.entries(given)) {
    if (!Array.isArray(values)) throw bodyInvalid(`${where} have no list as "${name}"`, "Send a list of values.");
    length ??= values.length;
    if (values.length !== length) {
      throw bodyInvalid(
        `${where} have ${values.length} values as "${name}" and ${length} as "${names[0]}"`,
        "Send columns of one length.",
      );
    }
  }
  const rows = length ?? 0;
  if (rows > maxRows) throw bodyTooLarge(maxRows, "rows");
  const columns = fields.map((field) => {
    if (!Object.hasOwn(given, field.name)) {
      if (optional?.has(field.name) !== true) throw columnMissing(where, field.name, names);
      return [field.name, nullColumn(field, rows)] as const;
    }
    return [field.name, columnOfJson(where, field, given[field.name] as readonly unknown[], readers)] as const;
  });
  return { length: rows, columns: Object.fromEntries(columns) };
}

function batchOfRecords(given: readonly unknown[], options: BatchBodyOptions): Batch {
  const { where, fields, readers, maxRows, optional } = options;
  if (given.length > maxRows) throw bodyTooLarge(maxRows, "rows");
  given.forEach((row, at) => {
    if (!isRecord(row)) throw bodyInvalid(`${where} have no object as row ${at}`, 'Send `{ "<column>": value }`.');
  });
  const rows = given as readonly JsonRecord[];
  const columns = fields.map((field) => {
    const { name } = field;
    const isSent = rows.length === 0 || rows.some((row) => Object.hasOwn(row, name));
    if (!isSent && optional?.has(name) !== true) throw columnMissing(where, name, Object.keys(rows[0] ?? {}));
    const values = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : null));
    return [name, columnOfJson(where, field, values, readers)] as const;
  });
  return { length: rows.length, columns: Object.fromEntries(columns) };
}

/** A column from JSON values; null and nothing are null. Throws `FEATURE_STORE_VALUE_INVALID`. */
export function columnOfJson(
  where: string,
  { name, type }: Field,
  values: readonly unknown[],
  readers: ValueReaders,
): Column {
  const reader = readers[type];
  if (reader === undefined) {
    throw bodyInvalid(`${where} have "${name}" of type ${type}`, "Send such columns as an Arrow IPC stream.");
  }
  const read = values.map((value, row): ValueInput => {
    if (value === null || value === undefined) return null;
    const input = reader.read(value);
    if (input === undefined) throw valueInvalid(where, name, row, value, reader.wanted);
    return input;
  });
  return column(type, read);
}

/** A column without any value. */
export const nullColumn = ({ type }: Field, length: number): Column =>
  column(
    type,
    Array.from({ length }, () => null),
  );
