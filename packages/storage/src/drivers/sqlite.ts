export { openSqlite, type SqliteOptions } from "../sqlite-database.ts";
export {
  type ChainReport,
  openSqliteEventLog,
  type SqliteEventLogOptions,
  type VerifiableEventLog,
} from "./sqlite-event-log.ts";
export { openSqliteLeaseStore, type SqliteLeaseStoreOptions } from "./sqlite-lease-store.ts";
export { openSqliteRecordStore } from "./sqlite-record-store.ts";
