export { type ChainReport, type EventLogOptions, openEventLog, type VerifiableEventLog } from "../event-log.ts";
export { type LeaseStoreOptions, openLeaseStore } from "../lease-store.ts";
export { openRecordStore } from "../record-store.ts";
export { openSqlite, type SqliteOptions } from "../sqlite-database.ts";
