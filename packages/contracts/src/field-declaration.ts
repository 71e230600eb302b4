import type { ColumnType } from "./column.ts";
import type { ColumnKind } from "./data-schema.ts";

/** What every field may be declared with. */
export interface FieldOptions {
  /** Whether rows may be null. Default: false. */
  readonly nullable?: boolean | undefined;
  readonly description?: string | undefined;
  /** `mile`, `USD`, … for people. */
  readonly unit?: string | undefined;
  /** How distributions of it are compared. Default: by its type; text in few distinct values is `categorical`. */
  readonly kind?: ColumnKind | undefined;
}

export interface NumberFieldOptions extends FieldOptions {
  /** Least and greatest value, both allowed. Default: the type's. */
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}

export interface DictionaryFieldOptions extends FieldOptions {
  /** The strings it may be. Default: any. */
  readonly values?: readonly string[] | undefined;
}

declare const given: unique symbol;
declare const kept: unique symbol;

/** One field: `Input` is what a row may be given with, `Output` what it is in memory. Made by `float64()`, `utf8()` and the like; JSON-safe. */
export interface FieldDeclaration<in Input, out Output> extends NumberFieldOptions, DictionaryFieldOptions {
  readonly type: ColumnType;
  /** The type of the items; present exactly when `type` is `"list"`. */
  readonly items?: Exclude<ColumnType, "list"> | undefined;
  readonly nullable: boolean;
  readonly [given]?: ((input: Input) => void) | undefined;
  readonly [kept]?: Output | undefined;
}

export type AnyDeclaration = FieldDeclaration<never, unknown>;

/** Numbers JSON has no text for may be given as these strings. */
export type FloatInput = number | "NaN" | "Infinity" | "-Infinity" | "-0";
/** A 64-bit integer; as text where it is beyond ±(2^53 − 1). */
export type LongInput = bigint | number | `${bigint}`;

/** What the items of a list are given as, and what they are in memory. */
export interface ItemTypes {
  readonly int8: readonly [number, number];
  readonly int16: readonly [number, number];
  readonly int32: readonly [number, number];
  readonly int64: readonly [LongInput, bigint];
  readonly uint8: readonly [number, number];
  readonly uint16: readonly [number, number];
  readonly uint32: readonly [number, number];
  readonly uint64: readonly [LongInput, bigint];
  readonly float32: readonly [FloatInput, number];
  readonly float64: readonly [FloatInput, number];
  readonly date: readonly [number | string, number];
  readonly timestamp: readonly [bigint | string, bigint];
  readonly bool: readonly [boolean, boolean];
  readonly utf8: readonly [string, string];
  readonly dictionary: readonly [string, string];
  readonly binary: readonly [Uint8Array | string, Uint8Array];
}

/** null wherever the option may be true, also where the compiler knows it only as a boolean. */
type Null<Options> = Options extends { readonly nullable?: infer Nullable }
  ? unknown extends Nullable
    ? never
    : true extends Nullable
      ? null
      : never
  : never;
type Declared<Type extends keyof ItemTypes, Options> = FieldDeclaration<
  ItemTypes[Type][0] | Null<Options>,
  ItemTypes[Type][1] | Null<Options>
>;

function declare<Declaration>(type: ColumnType, options: FieldOptions | undefined, items?: ColumnType): Declaration {
  const members = { ...options, nullable: options?.nullable ?? false };
  return { type, ...(items === undefined ? {} : { items }), ...members } as Declaration;
}

type NumberField = <const Options extends NumberFieldOptions = { readonly nullable: false }>(
  options?: Options,
) => Declared<"int32", Options>;
type LongField = <const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
) => Declared<"int64", Options>;
type FloatField = <const Options extends NumberFieldOptions = { readonly nullable: false }>(
  options?: Options,
) => Declared<"float64", Options>;

export const int8: NumberField = (options) => declare("int8", options);
export const int16: NumberField = (options) => declare("int16", options);
export const int32: NumberField = (options) => declare("int32", options);
export const uint8: NumberField = (options) => declare("uint8", options);
export const uint16: NumberField = (options) => declare("uint16", options);
export const uint32: NumberField = (options) => declare("uint32", options);
/** Kept as a bigint. */
export const int64: LongField = (options) => declare("int64", options);
/** Kept as a bigint. */
export const uint64: LongField = (options) => declare("uint64", options);
export const float32: FloatField = (options) => declare("float32", options);
export const float64: FloatField = (options) => declare("float64", options);

/** Days since 1970-01-01; may be given as `2024-05-01`. */
export function date<const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
): Declared<"date", Options> {
  return declare("date", options);
}

/** Microseconds since 1970-01-01T00:00:00Z; may be given as UTC text (see `parseEventTime`). */
export function timestamp<const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
): Declared<"timestamp", Options> {
  return declare("timestamp", options);
}

export function bool<const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
): Declared<"bool", Options> {
  return declare("bool", options);
}

export function utf8<const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
): Declared<"utf8", Options> {
  return declare("utf8", options);
}

/** Bytes; may be given as base64. */
export function binary<const Options extends FieldOptions = { readonly nullable: false }>(
  options?: Options,
): Declared<"binary", Options> {
  return declare("binary", options);
}

type ValuesOf<Options> = Options extends { readonly values: readonly (infer Value extends string)[] } ? Value : string;

/** Strings of few distinct values, stored once each. */
export function dictionary<const Options extends DictionaryFieldOptions = { readonly nullable: false }>(
  options?: Options,
): FieldDeclaration<ValuesOf<Options> | Null<Options>, ValuesOf<Options> | Null<Options>> {
  return declare("dictionary", options);
}

/** A list of items of one type in each row; items are never null. */
export function list<
  const Items extends keyof ItemTypes,
  const Options extends FieldOptions = { readonly nullable: false },
>(
  items: Items,
  options?: Options,
): FieldDeclaration<readonly ItemTypes[Items][0][] | Null<Options>, readonly ItemTypes[Items][1][] | Null<Options>> {
  return declare("list", options, items);
}
