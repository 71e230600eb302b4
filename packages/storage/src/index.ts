export type {
  ArtifactUpload,
  BeginUploadOptions,
  ResumableArtifactStore,
  UploadAppendOptions,
  UploadCompleteOptions,
} from "./artifacts/artifact-upload.ts";
export { type ChunkedArtifactStoreOptions, openChunkedArtifactStore } from "./artifacts/chunked-artifact-store.ts";
export {
  collectGarbage,
  type CollectGarbageOptions,
  type GarbageReport,
  type GarbageTotal,
} from "./artifacts/collect-garbage.ts";
export type {
  ArtifactAge,
  CollectableArtifactStore,
  SweepOptions,
  SweepReport,
} from "./artifacts/collectable-store.ts";
export { type Kysely, type RawBuilder, type SelectQueryBuilder, type Sql, sql } from "kysely";
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
export {
  type DirectoryArtifactStoreOptions,
  type DirectoryRecordStoreOptions,
  openDirectoryArtifactStore,
  openDirectoryRecordStore,
} from "./drivers/directory.ts";
export {
  type MemoryArtifactStoreOptions,
  type MemoryEventLogOptions,
  type MemoryLeaseStoreOptions,
  openMemoryArtifactStore,
  openMemoryEventLog,
  openMemoryLeaseStore,
  openMemoryRecordStore,
} from "./drivers/memory.ts";
export {
  openPostgres,
  type PostgresClient,
  type PostgresOptions,
  type PostgresPool,
  type PostgresResult,
  type PostgresStatement,
} from "./drivers/postgres.ts";
export { openSqlite, type SqliteOptions } from "./drivers/sqlite.ts";
export {
  type IoRedisClient,
  type NodeRedisClient,
  openRedisRecordStore,
  type RedisRecordStoreOptions,
} from "./drivers/redis.ts";
export {
  openS3ArtifactStore,
  openS3RecordStore,
  type S3ArtifactStoreOptions,
  type S3Client,
  type S3RecordStoreOptions,
} from "./drivers/s3.ts";
export { StorageError, type StorageErrorCode } from "./errors.ts";
export { type ChainReport, type EventLogOptions, openEventLog, type VerifiableEventLog } from "./event-log.ts";
export type { ChainBreak, ChainHead } from "./hash-chain.ts";
export {
  createLandingZone,
  type LandedObject,
  type LandingReadOptions,
  type LandingZone,
  type LandingZoneOptions,
  type LandOptions,
} from "./landing-zone.ts";
export { type LeaseStoreOptions, openLeaseStore } from "./lease-store.ts";
export { openRecordStore } from "./record-store.ts";
export {
  type AppendLog,
  type AppendLogOptions,
  type LogAppendOptions,
  type LogReadOptions,
  openAppendLog,
  readAppendLog,
} from "./logs/append-log.ts";
export {
  type CheckpointKey,
  exportCheckpoint,
  type ExportCheckpointOptions,
  type LogCheckpoint,
  verifyCheckpoint,
  type VerifyCheckpointOptions,
} from "./logs/log-checkpoint.ts";
export type { LogRecord } from "./logs/log-format.ts";
export type { LogDurability } from "./logs/log-writer.ts";
