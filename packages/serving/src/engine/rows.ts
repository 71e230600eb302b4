import type { Batch, ColumnType, Field, Schema, Tensor, Tensors } from "@millwright/contracts";
import { type ValueInput, batchOf, column, numericColumn } from "@millwright/data";
import { inputInvalid, requestInvalid } from "../errors.ts";
import { pointer } from "../http/json-tensors.ts";

/** What a cell of a row may hold; a `Date` and a `bigint` only where the caller is in the same process. */
export type Cell = null | boolean | number | bigint | string | Date;

/** A row of named values: the keys of an entity, an instance with its features. */
export type Row = Readonly<Record<string, Cell | undefined>>;

/** Throws `SERVING_REQUEST_INVALID` where a row is no object of plain values. */
export function checkRows(what: string, rows: unknown): readonly Row[] {
  if (!Array.isArray(rows) || rows.length === 0) {
    throw requestInvalid(
      `\`${what}\` is not a list with at least one row`,
      `Send \`${what}\` as a list of objects.`,
      `/${what}`,
    );
  }
  for (const [index, row] of (rows as readonly unknown[]).entries()) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) {
      throw requestInvalid(
        `row ${index} of \`${what}\` is not an object`,
        `Send \`${what}\` as a list of objects.`,
        `/${what}/${index}`,
      );
    }
    const nested = Object.entries(row).find(
      ([, cell]) => cell !== null && typeof cell === "object" && !(cell instanceof Date),
    );
    if (nested !== undefined) {
      throw inputInvalid(
        nested[0],
        `row ${index} holds ${Array.isArray(nested[1]) ? "a list" : "an object"}`,
        "Send a number, a text, a boolean or null.",
        undefined,
        pointer([what, index, nested[0]]),
      );
    }
  }
  return rows as readonly Row[];
}

/**
 * Rows as columns of a schema. Timestamps may be ISO 8601 texts or whole microseconds; 64-bit integers may be decimal texts.
 * Throws `SERVING_INPUT_INVALID` for a column that is unknown, missing where it must not be, or of another type.
 */
export function batchOfRows(rows: readonly Row[], schema: Schema): Batch {
  const names = new Set(schema.map(({ name }) => name));
  for (const row of rows) {
    const unknown = Object.keys(row).find((name) => !names.has(name));
    if (unknown !== undefined)
      throw inputInvalid(unknown, "no such column is expected", `Send ${[...names].join(", ")}.`);
  }
  return {
    length: rows.length,
    columns: Object.fromEntries(schema.map((field) => [field.name, columnOfRows(rows, field)])),
  };
}

function columnOfRows(rows: readonly Row[], field: Field): Batch["columns"][string] {
  const { name, type } = field;
  const values = rows.map((row, index) => {
    const cell = Object.hasOwn(row, name) ? row[name] : undefined;
    if (cell == null && field.nullable === false)
      throw inputInvalid(name, `row ${index} does not have it`, `Send it as ${type}.`);
    return convert(type, cell);
  });
  try {
    return column(type, values);
  } catch (error) {
    throw inputInvalid(
      name,
      error instanceof Error ? (error.message.split(". ")[0] ?? "it has another type") : "it has another type",
      `Send it as ${type}.`,
      error,
    );
  }
}

function convert(type: ColumnType, cell: Cell | undefined): ValueInput {
  if (typeof cell !== "string") return cell;
  if (type === "int64" || type === "uint64") return /^-?\d{1,20}$/.test(cell) ? BigInt(cell) : cell;
  if (type === "timestamp") return /^\d{4}-\d{2}-\d{2}T/.test(cell) ? new Date(cell) : cell;
  return cell;
}

/**
 * Rows as columns whose types the values tell: numbers float64, texts utf8, booleans bool. What no row has is a column of nulls of the type that `known`
 * names, else float64; texts where it names a date or a timestamp are read as ISO 8601, in UTC where they do not say.
 * Throws `SERVING_INPUT_INVALID` where a column mixes types, and for a text that is no date.
 */
export function batchOfPlainRows(rows: readonly Row[], known: Schema): Batch {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0) throw requestInvalid("its rows have no columns", "Send each row with its features by name.");
  const types = new Map(known.map(({ name, type }) => [name, type]));
  const columns = names.map((name) => {
    const cells = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : undefined));
    return [name, columnOfCells(name, cells, types.get(name))] as const;
  });
  return { length: rows.length, columns: Object.fromEntries(columns) };
}

function columnOfCells(
  name: string,
  cells: readonly (Cell | undefined)[],
  type: ColumnType | undefined,
): Batch["columns"][string] {
  const present = cells.filter((cell) => cell != null);
  const [first] = present;
  const odd = present.find((cell) => typeof cell !== typeof first);
  if (odd !== undefined)
    throw inputInvalid(
      name,
      `it mixes ${typeof first} and ${typeof odd}`,
      "Send one type in all rows.",
      undefined,
      pointer(["instances", cells.indexOf(odd), name]),
    );
  if (first === undefined) return column(type ?? "float64", cells);
  if (first instanceof Date && type === "date")
    return column(
      type,
      cells.map((cell) => (cell == null ? null : daysOf((cell as Date).getTime()))),
    );
  if (typeof first === "string" && (type === "date" || type === "timestamp"))
    return column(
      type,
      cells.map((cell, row) => (cell == null ? null : momentOf(name, row, cell as string, type))),
    );
  return batchOf({ [name]: cells as readonly ValueInput[] }).columns[name] as Batch["columns"][string];
}

const daysOf = (ms: number): number => Math.floor(ms / 86_400_000);

/** A date alone is its midnight in UTC, as ECMA-262 has it; a time without a zone is one in UTC, and not in the zone of this machine. */
function momentOf(name: string, row: number, text: string, type: "date" | "timestamp"): number | bigint {
  const parts = /^([+-]\d{6}|\d{4})-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  const ms =
    parts === null ? Number.NaN : Date.parse(parts[2] !== undefined && parts[5] === undefined ? `${text}Z` : text);
  if (Number.isNaN(ms))
    throw inputInvalid(
      name,
      `row ${row} holds "${text}", which is no ${type} of ISO 8601`,
      type === "date"
        ? 'Send "2024-02-29", or days since 1970.'
        : 'Send "2024-02-29T12:30:00Z", or microseconds since 1970.',
    );
  if (type === "date") return daysOf(ms);
  // What a Date does not hold: the digits after the third.
  return BigInt(ms) * 1000n + BigInt((parts?.[4] ?? ".").slice(4, 7).padEnd(3, "0"));
}

/**
 * Tensors as columns, each of shape [rows] or [rows, 1]: raw rows of a model with transforms, by the names of its columns. Integers of 64 bits where
 * `known` names a timestamp are microseconds; NaN is null. Throws `SERVING_INPUT_INVALID`.
 */
export function batchOfTensors(tensors: Tensors, known: Schema): Batch {
  const types = new Map(known.map(({ name, type }) => [name, type]));
  const columns = Object.entries(tensors).map(([name, tensor]) => {
    const type = types.get(name);
    if (type === undefined)
      throw inputInvalid(name, "the model has no such column", `It takes ${known.map(describeField).join(", ")}.`);
    const { shape, data } = tensor;
    if (!(shape.length === 1 || (shape.length === 2 && shape[1] === 1)) || data.length !== shape[0])
      throw inputInvalid(name, `its shape is [${shape.join(", ")}]`, "Send a column as [rows] or [rows, 1].");
    return [name, columnOfTensor(tensor, type)] as const;
  });
  const rows = columns[0]?.[1].length ?? 0;
  if (rows === 0) throw requestInvalid("its columns have no rows", "Send at least one row.");
  const uneven = columns.find(([, each]) => each.length !== rows);
  if (uneven !== undefined)
    throw inputInvalid(
      uneven[0],
      `it has ${uneven[1].length} rows, and the first has ${rows}`,
      "Send as many of each.",
    );
  return { length: rows, columns: Object.fromEntries(columns) };
}

const describeField = ({ name, type }: Field): string => `"${name}" as ${type}`;

function columnOfTensor({ dtype, data }: Tensor, type: ColumnType): Batch["columns"][string] {
  if (dtype === "string") return column("utf8", data);
  if (dtype === "bool")
    return column(
      "bool",
      Array.from(data, (value) => value !== 0),
    );
  if (dtype === "int64" && type === "timestamp") return numericColumn("timestamp", data);
  return numericColumn(dtype, data);
}
