export type {
  AnyTables,
  BatchOptions,
  BatchResult,
  Database,
  Migration,
  RevertOptions,
  Statement,
  StatementResult,
  WriteScope,
} from "./database.ts";
export { openSqlite, type SqliteOptions } from "./drivers/sqlite.ts";
export { StorageError, type StorageErrorCode } from "./errors.ts";
