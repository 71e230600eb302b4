import type { Batch, ColumnType, Field, Schema } from "@millwright/contracts";
import { type ValueInput, batchOf, column } from "@millwright/data";
import { inputInvalid, requestInvalid } from "./errors.ts";

/** What a cell of a row may hold; a `Date` and a `bigint` only where the caller is in the same process. */
export type Cell = null | boolean | number | bigint | string | Date;

/** A row of named values: the keys of an entity, an instance with its features. */
export type Row = Readonly<Record<string, Cell | undefined>>;

/** Throws `SERVING_REQUEST_INVALID` where a row is no object of plain values. */
export function checkRows(what: string, rows: unknown): readonly Row[] {
  if (!Array.isArray(rows) || rows.length === 0) {
    throw requestInvalid(`\`${what}\` is not a list with at least one row`, `Send \`${what}\` as a list of objects.`);
  }
  for (const [index, row] of (rows as readonly unknown[]).entries()) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) {
      throw requestInvalid(`row ${index} of \`${what}\` is not an object`, `Send \`${what}\` as a list of objects.`);
    }
    const nested = Object.entries(row).find(
      ([, cell]) => cell !== null && typeof cell === "object" && !(cell instanceof Date),
    );
    if (nested !== undefined) {
      throw inputInvalid(
        nested[0],
        `row ${index} holds ${Array.isArray(nested[1]) ? "a list" : "an object"}`,
        "Send a number, a text, a boolean or null.",
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
 * Rows as columns whose types the values tell: numbers float64, texts utf8, booleans bool; what no row has is a column of nulls of the type that `nullTypes` names, else float64.
 * Throws `SERVING_INPUT_INVALID` where a column mixes types.
 */
export function batchOfPlainRows(rows: readonly Row[], nullTypes: ReadonlyMap<string, ColumnType>): Batch {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0) throw requestInvalid("its rows have no columns", "Send each row with its features by name.");
  const columns = names.map((name) => {
    const cells = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : undefined));
    const known = cells.filter((cell) => cell != null);
    const [first] = known;
    const odd = known.find((cell) => typeof cell !== typeof first);
    if (odd !== undefined)
      throw inputInvalid(name, `it mixes ${typeof first} and ${typeof odd}`, "Send one type in all rows.");
    if (first === undefined) return [name, column(nullTypes.get(name) ?? "float64", cells)] as const;
    return [
      name,
      batchOf({ [name]: cells as readonly ValueInput[] }).columns[name] as Batch["columns"][string],
    ] as const;
  });
  return { length: rows.length, columns: Object.fromEntries(columns) };
}
