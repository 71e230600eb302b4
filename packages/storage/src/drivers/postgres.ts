export { type ChainReport, type EventLogOptions, openEventLog, type VerifiableEventLog } from "../event-log.ts";
export { type LeaseStoreOptions, openLeaseStore } from "../lease-store.ts";
export type {
  PostgresClient,
  PostgresPool,
  PostgresResult,
  PostgresStatement,
} from "../postgres/postgres-connection.ts";
export { openPostgres, type PostgresOptions } from "../postgres/postgres-database.ts";
export { openRecordStore } from "../record-store.ts";
