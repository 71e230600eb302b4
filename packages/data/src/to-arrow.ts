import type { Batch, Column, NumericColumn } from "@millwright/contracts";
import {
  Binary,
  Bool,
  type Data,
  DateDay,
  type DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  Vector,
} from "apache-arrow";
import { columnOf, assertSchema, schemaOf } from "./batch.ts";
import { nullCount } from "./column.ts";
import { unifyDictionaries } from "./concat.ts";

const numericTypes = {
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  uint8: () => new Uint8(),
  uint16: () => new Uint16(),
  uint32: () => new Uint32(),
  uint64: () => new Uint64(),
  float32: () => new Float32(),
  float64: () => new Float64(),
  date: () => new DateDay(),
  timestamp: () => new TimestampMicrosecond("UTC"),
} as const;

/**
 * An Arrow table over the same memory: nothing is copied, one record batch a batch. Timestamps become microseconds in UTC, dates days, dictionaries
 * utf8 with 32-bit indices. Where several batches have dictionaries of their own, those are joined into one, and the indices copied.
 * Throws `DATA_SCHEMA_MISMATCH`; a RangeError without any batch.
 */
export function toArrow(batches: Batch | readonly Batch[]): Table {
  const all = shareDictionaries("columns" in batches ? [batches] : batches);
  const [first] = all;
  if (first === undefined) throw new RangeError("There is no batch to take the columns from.");
  const schema = schemaOf(first);
  for (const batch of all) assertSchema(schema, batch);
  const datas = all.map((batch) => schema.map(({ name }) => arrowDataOf(columnOf(batch, name))));
  const fields = schema.map(({ name }, index) => new Field(name, datas[0]?.[index]?.type as DataType, true));
  const arrowSchema = new Schema(fields);
  const struct = new Struct(fields);
  const records = all.map((batch, index) => {
    // Fields of one schema share their types: a dictionary's identity is part of its type.
    const children = (datas[index] as Data[]).map((data, child) => withType(data, fields[child] as Field));
    return new RecordBatch(arrowSchema, makeData({ type: struct, length: batch.length, nullCount: 0, children }));
  });
  return new Table(arrowSchema, records);
}

function withType(data: Data, { type }: Field): Data {
  return data.type === type ? data : data.clone(type);
}

function shareDictionaries(batches: readonly Batch[]): readonly Batch[] {
  const [first] = batches;
  if (first === undefined || batches.length === 1) return batches;
  return Object.keys(first.columns).reduce((shared, name) => {
    const columns = shared.map((batch) => columnOf(batch, name));
    const dictionaries = columns.filter((column) => column.type === "dictionary");
    const one = dictionaries.every(({ dictionary }) => dictionary === dictionaries[0]?.dictionary);
    if (dictionaries.length !== batches.length || one) return shared;
    const unified = unifyDictionaries(dictionaries);
    let at = 0;
    return shared.map((batch, index) => {
      const old = dictionaries[index] as (typeof dictionaries)[number];
      const values = unified.values.subarray(at, (at += old.length));
      return { ...batch, columns: { ...batch.columns, [name]: { ...old, values, dictionary: unified.dictionary } } };
    });
  }, batches);
}

const dictionaryVectors = new WeakMap<
  object,
  { readonly type: Dictionary<Utf8, Int32>; readonly vector: Vector<Utf8> }
>();

/** The dictionary as Arrow keeps it: one object for one dictionary, since Arrow goes by identity. */
function dictionaryOf(column: Extract<Column, { readonly type: "dictionary" }>): {
  readonly type: Dictionary<Utf8, Int32>;
  readonly vector: Vector<Utf8>;
} {
  let known = dictionaryVectors.get(column.dictionary);
  if (known === undefined) {
    known = {
      type: new Dictionary(new Utf8(), new Int32()),
      vector: new Vector([arrowDataOf(column.dictionary) as Data<Utf8>]),
    };
    dictionaryVectors.set(column.dictionary, known);
  }
  return known;
}

/** The column as Arrow's own `Data`, over the same memory. */
export function arrowDataOf(column: Column): Data {
  const { length } = column;
  const nulls = { nullCount: nullCount(column), nullBitmap: column.validity ?? null };
  switch (column.type) {
    case "bool":
      return makeData({ type: new Bool(), length, data: column.values, ...nulls });
    case "utf8":
      return makeData({ type: new Utf8(), length, valueOffsets: column.offsets, data: column.values, ...nulls });
    case "binary":
      return makeData({ type: new Binary(), length, valueOffsets: column.offsets, data: column.values, ...nulls });
    case "list": {
      const child = arrowDataOf(column.values);
      return makeData({
        type: new List(new Field("item", child.type, true)),
        length,
        valueOffsets: column.offsets,
        child,
        ...nulls,
      });
    }
    case "dictionary": {
      const { type, vector } = dictionaryOf(column);
      return makeData({ type, length, data: column.values, dictionary: vector, ...nulls });
    }
    default:
      return numericData(column, nulls);
  }
}

function numericData(
  column: NumericColumn,
  nulls: { readonly nullCount: number; readonly nullBitmap: Uint8Array | null },
): Data {
  // The type and its array were paired by the column's own type.
  return makeData({
    type: numericTypes[column.type]() as Float64,
    length: column.length,
    data: column.values as Float64Array,
    ...nulls,
  });
}

/** The batches as an Arrow IPC stream (`application/vnd.apache.arrow.stream`). */
export function toIpc(batches: Batch | readonly Batch[]): Uint8Array {
  return tableToIPC(toArrow(batches), "stream");
}
