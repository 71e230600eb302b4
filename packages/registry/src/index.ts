export {
  type SignedMessage,
  signWebhook,
  verifyWebhook,
  type VerifyWebhookOptions,
  type WebhookHeaders,
} from "./delivery/webhook-signature.ts";
export type { Webhook, WebhookFetch } from "./delivery/webhook-attempt.ts";
export type { WebhookState } from "./delivery/webhook-records.ts";
export { openWebhooks, type Webhooks, type WebhooksOptions } from "./delivery/webhooks.ts";
export { RegistryError, type RegistryErrorCode } from "./errors.ts";
export {
  type LineageEdge,
  type LineageEntity,
  type LineageGraph,
  type LineageNode,
  type LineageQuery,
  createLineageGraph,
} from "./lineage/lineage-graph.ts";
export { type Registry, type RegistryOptions, openRegistry } from "./registry.ts";
export type { Experiment, Run, RunQuery, RunRecords, SeriesPoint } from "./tracking/run-records.ts";
export type {
  AliasMove,
  Approval,
  DescribedVersion,
  RegisteredVersion,
  VersionRecords,
} from "./models/version-records.ts";
export { type OfflineTracker, type OfflineTrackerOptions, openOfflineTracker } from "./tracking/offline-tracker.ts";
export type { SyncOptions, SyncReport, SyncTarget } from "./tracking/offline-sync.ts";
export type {
  ImportConflict,
  ImportOptions,
  ImportReport,
  PlacedEntry,
  RunEntry,
  RunImport,
  RunStart,
} from "./tracking/run-entries.ts";
export type { SearchOptions } from "./search/search-options.ts";
export type { RunPage, RunSearch, RunSearchOptions } from "./tracking/run-search.ts";
export type { SearchView } from "./tracking/run-source.ts";
