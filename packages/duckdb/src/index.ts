export {
  openDuckDb,
  type DuckDb,
  type DuckDbOptions,
  type QueryBatchesOptions,
  type QueryOptions,
  type RegisteredTable,
  type WriteOptions,
} from "./duckdb.ts";
export { DuckDbError, type DuckDbErrorCode } from "./errors.ts";
export { type FileFormat, type ScanOptions } from "./files.ts";
export { type WriteParquetOptions } from "./parquet-writer.ts";
export {
  type Aggregate,
  type GroupByOptions,
  type JoinOptions,
  type SortKey,
  type WindowColumn,
  type WindowOptions,
} from "./relation-sql.ts";
export { identifier, literal, type SqlParameter, type SqlParameters } from "./sql.ts";
export { type ColumnSource, type RegisterOptions } from "./staging.ts";
export { type TextCompression, type WriteCsvOptions, type WriteNdjsonOptions } from "./text-writer.ts";
