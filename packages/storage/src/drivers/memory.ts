export { type MemoryArtifactStoreOptions, openMemoryArtifactStore } from "./memory-artifact-store.ts";
export { type MemoryEventLogOptions, openMemoryEventLog } from "./memory-event-log.ts";
export { type MemoryLeaseStoreOptions, openMemoryLeaseStore } from "./memory-lease-store.ts";
export { openMemoryRecordStore } from "./memory-record-store.ts";
