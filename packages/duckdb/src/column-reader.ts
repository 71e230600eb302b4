import { DuckDBTypeId, type DuckDBEnumType, type DuckDBType } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import type { BytesColumn, Column } from "@millwright/contracts";
import { createBitmapBuilder } from "./bitmap.ts";
import { createBytesReader } from "./bytes-reader.ts";
import { columnTypeOf, itemTypeOf } from "./column-types.ts";
import { createNumericReader } from "./numeric-reader.ts";
import { validityOf, withoutAbsentValidity, type ColumnReader } from "./vector.ts";

/** Throws `DUCKDB_TYPE_UNSUPPORTED` for a type without a column layout. */
export function createColumnReader(name: string, type: DuckDBType): ColumnReader {
  const columnType = columnTypeOf(name, type);
  switch (columnType) {
    case "bool":
      return viewed(createBoolReader());
    case "utf8":
    case "binary":
      return createBytesReader(columnType);
    case "dictionary":
      return viewed(createEnumReader(type as DuckDBEnumType));
    case "list":
      return viewed(createListReader(name, type));
    default:
      return createNumericReader(name, columnType, type);
  }
}

type GatheringReader = Omit<ColumnReader, "view">;

/** For layouts that are not DuckDB's: what is viewed is a copy. */
function viewed(reader: GatheringReader): ColumnReader {
  let loaded = 0;
  return {
    load(vector, rows) {
      reader.load(vector, rows);
      loaded = rows;
    },
    take: reader.take,
    finish: reader.finish,
    view() {
      reader.take(0, loaded);
      return reader.finish();
    },
  };
}

function createBoolReader(): GatheringReader {
  let raw: Uint8Array = new Uint8Array(0);
  let mask: Uint8Array | undefined;
  let values = new Uint8Array(1024);
  let length = 0;
  let validity = createBitmapBuilder();
  return {
    load(vector, rows) {
      raw = duckdb.vector_get_data(vector, rows);
      mask = validityOf(vector, rows);
    },
    take(start, count) {
      const needed = (length + count + 7) >> 3;
      if (values.length < needed) {
        const larger = new Uint8Array(Math.max(needed, values.length * 2));
        larger.set(values);
        values = larger;
      }
      for (let i = start; i < start + count; i++, length++) {
        if ((raw[i]! & 1) === 1) values[length >> 3]! |= 1 << (length & 7);
      }
      validity.append(mask, start, count);
    },
    finish() {
      const column: Column = {
        type: "bool",
        length,
        values: values.slice(0, (length + 7) >> 3),
        validity: validity.finish(),
      };
      values.fill(0);
      length = 0;
      validity = createBitmapBuilder();
      return withoutAbsentValidity(column);
    },
  };
}

function createEnumReader(type: DuckDBEnumType): GatheringReader {
  const size = type.values.length;
  const physical =
    size <= 0xff
      ? { Array: Uint8Array, bytes: 1 }
      : size <= 0xffff
        ? { Array: Uint16Array, bytes: 2 }
        : { Array: Uint32Array, bytes: 4 };
  const dictionary = bytesOf(type.values);
  let raw: Uint8Array | Uint16Array | Uint32Array = new Uint8Array(0);
  let mask: Uint8Array | undefined;
  let values = new Int32Array(2048);
  let length = 0;
  let validity = createBitmapBuilder();
  return {
    load(vector, rows) {
      const data = duckdb.vector_get_data(vector, rows * physical.bytes);
      raw = new physical.Array(data.buffer as ArrayBuffer, data.byteOffset, rows);
      mask = validityOf(vector, rows);
    },
    take(start, count) {
      if (values.length < length + count) {
        const larger = new Int32Array(Math.max(length + count, values.length * 2));
        larger.set(values);
        values = larger;
      }
      values.set(raw.subarray(start, start + count), length);
      length += count;
      validity.append(mask, start, count);
    },
    finish() {
      const column: Column = {
        type: "dictionary",
        length,
        values: values.slice(0, length),
        dictionary,
        validity: validity.finish(),
      };
      length = 0;
      validity = createBitmapBuilder();
      return withoutAbsentValidity(column);
    },
  };
}

function createListReader(name: string, type: DuckDBType): GatheringReader {
  const itemType = itemTypeOf(name, type);
  const items = createColumnReader(name, itemType);
  const fixedLength = type.typeId === DuckDBTypeId.ARRAY && "length" in type ? (type.length as number) : undefined;
  let entries = new Uint32Array(0);
  let mask: Uint8Array | undefined;
  let offsets = [0];
  let validity = createBitmapBuilder();
  return {
    load(vector, rows) {
      mask = validityOf(vector, rows);
      if (fixedLength === undefined) {
        const data = duckdb.vector_get_data(vector, rows * 16);
        entries = new Uint32Array(data.buffer as ArrayBuffer, data.byteOffset, rows * 4);
        items.load(duckdb.list_vector_get_child(vector), duckdb.list_vector_get_size(vector));
      } else {
        items.load(duckdb.array_vector_get_child(vector), rows * fixedLength);
      }
    },
    take(start, count) {
      for (let row = start; row < start + count; row++) {
        let size = 0;
        if (mask === undefined || ((mask[row >> 3]! >> (row & 7)) & 1) === 1) {
          // A list entry is two 64-bit numbers, position and length; both fit in the low half, as a chunk's items do.
          const position = fixedLength === undefined ? entries[row * 4]! : row * fixedLength;
          size = fixedLength ?? entries[row * 4 + 2]!;
          if (size > 0) items.take(position, size);
        }
        offsets.push(offsets.at(-1)! + size);
      }
      validity.append(mask, start, count);
    },
    finish() {
      const column: Column = {
        type: "list",
        length: offsets.length - 1,
        values: items.finish(),
        offsets: Int32Array.from(offsets),
        validity: validity.finish(),
      };
      offsets = [0];
      validity = createBitmapBuilder();
      return withoutAbsentValidity(column);
    },
  };
}

function bytesOf(texts: readonly string[]): BytesColumn {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  const offsets = new Int32Array(encoded.length + 1);
  encoded.forEach((bytes, index) => {
    offsets[index + 1] = offsets[index]! + bytes.length;
  });
  const values = new Uint8Array(offsets[encoded.length]!);
  encoded.forEach((bytes, index) => values.set(bytes, offsets[index]));
  return { type: "utf8", length: encoded.length, values, offsets };
}
