import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DOUBLE,
  DuckDBTypeId,
  FLOAT,
  INTEGER,
  LIST,
  SMALLINT,
  TIMESTAMP,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
  type DuckDBType,
} from "@duckdb/node-api";
import type { ColumnType, Field, NumericType, Schema } from "@millwright/contracts";
import { typeUnsupported } from "./errors.ts";

const NUMERIC: ReadonlyMap<DuckDBTypeId, NumericType> = new Map<DuckDBTypeId, NumericType>([
  [DuckDBTypeId.TINYINT, "int8"],
  [DuckDBTypeId.SMALLINT, "int16"],
  [DuckDBTypeId.INTEGER, "int32"],
  [DuckDBTypeId.BIGINT, "int64"],
  [DuckDBTypeId.HUGEINT, "int64"],
  [DuckDBTypeId.UTINYINT, "uint8"],
  [DuckDBTypeId.USMALLINT, "uint16"],
  [DuckDBTypeId.UINTEGER, "uint32"],
  [DuckDBTypeId.UBIGINT, "uint64"],
  [DuckDBTypeId.FLOAT, "float32"],
  [DuckDBTypeId.DOUBLE, "float64"],
  [DuckDBTypeId.DECIMAL, "float64"],
  [DuckDBTypeId.DATE, "date"],
  [DuckDBTypeId.TIMESTAMP, "timestamp"],
  [DuckDBTypeId.TIMESTAMP_TZ, "timestamp"],
  [DuckDBTypeId.TIMESTAMP_S, "timestamp"],
  [DuckDBTypeId.TIMESTAMP_MS, "timestamp"],
  [DuckDBTypeId.TIMESTAMP_NS, "timestamp"],
]);

/** The type a DuckDB column gets. Throws `DUCKDB_TYPE_UNSUPPORTED`. */
export function columnTypeOf(name: string, type: DuckDBType): ColumnType {
  const numeric = NUMERIC.get(type.typeId);
  if (numeric !== undefined) return numeric;
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return "bool";
    case DuckDBTypeId.VARCHAR:
      return "utf8";
    case DuckDBTypeId.BLOB:
      return "binary";
    case DuckDBTypeId.ENUM:
      return "dictionary";
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return "list";
    default:
      throw typeUnsupported(name, type.toString());
  }
}

/** What items of lists may be beside numbers. */
const FLAT_ITEMS: ReadonlySet<DuckDBTypeId> = new Set([DuckDBTypeId.BOOLEAN, DuckDBTypeId.VARCHAR]);

/** The items' type of a LIST or ARRAY: numbers, times, bools or texts. */
export function itemTypeOf(name: string, type: DuckDBType): DuckDBType {
  const items = "valueType" in type ? type.valueType : undefined;
  const isFlat = items !== undefined && (NUMERIC.has(items.typeId) || FLAT_ITEMS.has(items.typeId));
  if (!isFlat) throw typeUnsupported(name, type.toString());
  return items;
}

/** The schema of a result. Throws `DUCKDB_TYPE_UNSUPPORTED`. */
export function schemaOfTypes(names: readonly string[], types: readonly DuckDBType[]): Schema {
  return types.map((type, index): Field => {
    const name = names[index] ?? "";
    const columnType = columnTypeOf(name, type);
    return columnType === "list"
      ? { name, type: columnType, items: columnTypeOf(name, itemTypeOf(name, type)) }
      : { name, type: columnType };
  });
}

const SIMPLE: Readonly<Record<Exclude<ColumnType, "list">, DuckDBType>> = {
  int8: TINYINT,
  int16: SMALLINT,
  int32: INTEGER,
  int64: BIGINT,
  uint8: UTINYINT,
  uint16: USMALLINT,
  uint32: UINTEGER,
  uint64: UBIGINT,
  float32: FLOAT,
  float64: DOUBLE,
  date: DATE,
  timestamp: TIMESTAMP,
  bool: BOOLEAN,
  utf8: VARCHAR,
  binary: BLOB,
  dictionary: VARCHAR,
};

/** The DuckDB type that holds a field. */
export function duckTypeOf(field: Field): DuckDBType {
  if (field.type !== "list") return SIMPLE[field.type];
  const items = field.items;
  if (items === undefined || items === "list" || !(isNumericType(items) || items === "bool" || items === "utf8")) {
    throw typeUnsupported(field.name, `list of ${items ?? "nothing"}`);
  }
  return LIST(SIMPLE[items]);
}

/** True for types whose values are one typed-array element a row. */
export function isNumericType(type: ColumnType): type is NumericType {
  return type !== "bool" && type !== "utf8" && type !== "binary" && type !== "dictionary" && type !== "list";
}
