import type { ColumnType, Schema } from "./column.ts";
import { digestOfJson } from "./digest.ts";
import { schemaInvalid, valueInvalid } from "./errors.ts";
import { type AnyDeclaration, type FieldDeclaration } from "./field-declaration.ts";
import { readValue } from "./field-value.ts";
import type { Digest } from "./ids.ts";
import type { StandardIssue, StandardResult, StandardSchema } from "./standard-schema.ts";

/** Declarations by field name, in column order. */
export type Declarations = Readonly<Record<string, AnyDeclaration>>;

type InputOf<Declaration> = Declaration extends FieldDeclaration<infer Input, unknown> ? Input : never;
type OutputOf<Declaration> = Declaration extends FieldDeclaration<never, infer Output> ? Output : never;

type NullableKeys<Fields extends Declarations> = {
  [Name in keyof Fields]: null extends OutputOf<Fields[Name]> ? Name : never;
}[keyof Fields];

/** A row in memory: 64-bit integers and timestamps (microseconds) are bigints, nulls are null. */
export type RowOf<Declared extends DataSchema> = OutputRow<Declared["declarations"]>;

/** A row as it may be given, also straight from JSON; nullable fields may be left out. */
export type RowInputOf<Declared extends DataSchema> = InputRow<Declared["declarations"]>;

/** Of a schema whose fields are not known to the compiler the rows are unknown: any schema is a `DataSchema`. */
type InputRow<Fields extends Declarations> = string extends keyof Fields
  ? unknown
  : {
      readonly [Name in Exclude<keyof Fields, NullableKeys<Fields>>]: InputOf<Fields[Name]>;
    } & { readonly [Name in NullableKeys<Fields>]?: InputOf<Fields[Name]> | undefined };

type OutputRow<Fields extends Declarations> = string extends keyof Fields
  ? Readonly<Record<string, unknown>>
  : { readonly [Name in keyof Fields]: OutputOf<Fields[Name]> };

/** Fields declared once; a Standard Schema that validates one row. */
export interface DataSchema<Fields extends Declarations = Declarations> {
  readonly declarations: Fields;
  /** The fields as columns have them. */
  readonly fields: Schema;
  /** Digest of the declarations in their order. */
  readonly digest: Digest;
  /** Validates without waiting. */
  readonly "~standard": Omit<StandardSchema<InputRow<Fields>, OutputRow<Fields>>["~standard"], "validate"> & {
    readonly validate: (value: unknown) => StandardResult<OutputRow<Fields>>;
  };
}

/**
 * Declares the fields of rows once: `defineSchema({ distance: float64(), origin: utf8({ nullable: true }) })`.
 * Throws `CONTRACTS_SCHEMA_INVALID`.
 */
export function defineSchema<const Fields extends Declarations>(declarations: Fields): DataSchema<Fields> {
  const entries = Object.entries(declarations);
  for (const [name, declaration] of entries) checkDeclaration(name, declaration);
  const fields = entries.map(([name, { type, items, nullable }]) => ({
    name,
    type,
    ...(items === undefined ? {} : { items }),
    nullable,
  }));
  const validate = (value: unknown): StandardResult<OutputRow<Fields>> => {
    const { row, issues } = readRow(entries, value);
    return issues.length === 0 ? { value: row as OutputRow<Fields> } : { issues };
  };
  return {
    declarations,
    fields,
    digest: digestOfJson(entries),
    "~standard": { version: 1, vendor: "millwright", validate },
  };
}

function checkDeclaration(name: string, { type, minimum, maximum, values }: AnyDeclaration): void {
  if (name === "") throw schemaInvalid(name, "its name is empty");
  // Integer-like keys come first in every JavaScript object, whatever the order they were written in.
  if (/^(0|[1-9]\d*)$/.test(name))
    throw schemaInvalid(name, "a name of digits alone would lose its place among the columns");
  if (name === "__proto__") throw schemaInvalid(name, "objects cannot have such a member");
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    throw schemaInvalid(name, `its minimum ${minimum} is above its maximum ${maximum}`);
  }
  if (values !== undefined && new Set(values).size !== values.length) throw schemaInvalid(name, "its values repeat");
  if (values?.length === 0) throw schemaInvalid(name, `a ${type} without any value takes nothing`);
}

interface ReadRow {
  readonly row: Record<string, unknown>;
  readonly issues: (StandardIssue & { readonly path: readonly string[]; readonly value: unknown })[];
}

function readRow(entries: readonly (readonly [string, AnyDeclaration])[], value: unknown): ReadRow {
  const row: Record<string, unknown> = {};
  const issues: ReadRow["issues"] = [];
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { row, issues: [{ message: "expected an object", path: [], value }] };
  }
  for (const [name, declaration] of entries) {
    const given: unknown = Object.hasOwn(value, name) ? value[name as keyof typeof value] : undefined;
    const read = readValue(declaration, given);
    if (read.problem === undefined) row[name] = read.value;
    else issues.push({ message: read.problem, path: [name], value: given });
  }
  const known = new Set(entries.map(([name]) => name));
  for (const [name, given] of Object.entries(value)) {
    if (!known.has(name)) issues.push({ message: "expected no such field", path: [name], value: given });
  }
  return { row, issues };
}

/** The row as it is in memory. Throws `CONTRACTS_VALUE_INVALID`, naming the first field that is wrong. */
export function parseRow<Fields extends Declarations>(schema: DataSchema<Fields>, value: unknown): OutputRow<Fields> {
  const { row, issues } = readRow(Object.entries(schema.declarations), value);
  const [first] = issues;
  if (first === undefined) return row as OutputRow<Fields>;
  throw valueInvalid("row", ["$", ...first.path].join("."), first.value, first.message);
}

/** What a column means to those who compare distributions. */
export type ColumnKind = "numeric" | "categorical" | "time" | "text" | "opaque";

const kinds: Readonly<Record<ColumnType, ColumnKind>> = {
  int8: "numeric",
  int16: "numeric",
  int32: "numeric",
  int64: "numeric",
  uint8: "numeric",
  uint16: "numeric",
  uint32: "numeric",
  uint64: "numeric",
  float32: "numeric",
  float64: "numeric",
  bool: "categorical",
  utf8: "categorical",
  dictionary: "categorical",
  date: "time",
  timestamp: "time",
  binary: "opaque",
  list: "opaque",
};

/** The kind of each column: as declared, else by its type. */
export function columnKinds(schema: DataSchema): Readonly<Record<string, ColumnKind>> {
  return Object.fromEntries(
    Object.entries(schema.declarations).map(([name, { type, kind }]) => [name, kind ?? kinds[type]]),
  );
}
