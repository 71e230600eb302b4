export { type JsonLinesOptions, type JsonLinesReport, logJsonLines } from "./autolog/json-lines.ts";
export { type LayersCallbacks, layersCallbacks, type LayersCallbacksOptions } from "./autolog/layers-callbacks.ts";
export { type FinishedSpan, type RunSpanExporter, spanExporter } from "./autolog/span-exporter.ts";
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
  type LineageGraph,
  type LineageNode,
  type LineagePath,
  type LineageQuery,
  createLineageGraph,
} from "./lineage/lineage-graph.ts";
export type { ChangeKind, FoundChange, RankedChange } from "./lineage/change-types.ts";
export type { ChangeQuery, ChangeRecords } from "./lineage/what-changed.ts";
export type { FeatureSource, IngestedBatch } from "./lineage/feature-lineage.ts";
export type { RegistryLineage } from "./lineage/lineage.ts";
export type { PredictionTrace, PredictionTraces, TraceOptions, TracedView } from "./lineage/prediction-trace.ts";
export type {
  AffectedEndpoint,
  BatchLineage,
  ColumnQuery,
  FeatureLineage,
  FeatureLineageRecords,
} from "./lineage/version-lineage.ts";
export type { LineageRecords, LineageSnapshot } from "./lineage/lineage-reader.ts";
export type {
  LineageAssociation,
  LineageEntity,
  LineageKind,
  LineageReference,
  LineageType,
  Statement as LineageStatement,
} from "./lineage/lineage-types.ts";
export type { OpenLineageRecords, ReceivedLineage, ReceiveOptions } from "./openlineage/received-lineage.ts";
export type { ReceivedRun } from "./openlineage/merge-events.ts";
export { type Registry, type RegistryOptions, openRegistry } from "./registry.ts";
export type { Experiment, Run, RunQuery, RunRecords, SeriesPoint } from "./tracking/run-records.ts";
export type {
  AliasMove,
  Approval,
  DescribedVersion,
  RegisteredVersion,
  VersionRecords,
} from "./models/version-records.ts";
export type { AddSignatureOptions, VersionSignature, VersionSignatures } from "./models/signatures.ts";
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
export { type Baselines, type BaselineKind, baselineKinds } from "./models/baselines.ts";
export {
  compareSignatures,
  type CompareSignaturesOptions,
  type CompatibilityClass,
  type SignatureChange,
  type SignatureComparison,
} from "./models/compatibility.ts";
export { type LicenseGateOptions, licenseGate } from "./models/license-gate.ts";
export type { BillOfMaterials, BillsOfMaterials } from "./records/bill-of-materials.ts";
export { type LicenseVerdict, judgeLicense } from "./records/licenses.ts";
export { readLockFile } from "./records/lock-files.ts";
export type {
  DataTerms,
  KeptMaterials,
  MaterialRecords,
  PackageDependency,
  VersionMaterials,
} from "./records/materials.ts";
export type { LateService, LateServiceQuery } from "./models/late-services.ts";
export type { TrafficChange } from "./models/deployments.ts";
export type { TrafficQuery, TrafficRecord, TrafficShare } from "./models/traffic-records.ts";
export {
  approvalsGate,
  type ApprovalsGateOptions,
  boundGate,
  type BoundGateOptions,
  cardGate,
  type CardGateOptions,
  driftBaselineGate,
  latencyGate,
  type LatencyGateOptions,
  metricGate,
  type MetricGateOptions,
  scanGate,
  type ScanGateOptions,
  separationGate,
  signatureGate,
  type SignatureGateOptions,
} from "./models/gate-checks.ts";
export type {
  BreakGlass,
  Gate,
  GateContext,
  GateKind,
  GatePolicy,
  GateReader,
  GateReport,
  GateResult,
  GateVerdict,
} from "./models/gates.ts";
export type { VersionGovernance } from "./models/governance.ts";
export type { KeepingOptions, VersionHold } from "./models/keeping.ts";
export type { RegistryLatency, RegistryLatencyQuery } from "./models/registry-latency.ts";
export type { ApprovalRequest, RequestEntry, RequestStatus } from "./models/request-standing.ts";
export type { RequestApprovalOptions, RequestQuery, RequestVote, SweepReport } from "./models/requests.ts";
export type { RollbackOptions, RollbackRecord } from "./models/rollback.ts";
export { sageMakerStages, type StageDefinition, type StageMove, type StageRecord } from "./models/stages.ts";
export type { RegisterVersionOptions, VersionOrigin } from "./models/versions.ts";
export type { ModelPage, ModelRecord, ModelSearch, VersionPage } from "./models/model-search.ts";
export type { ExperimentPage, ExperimentSearch, ExperimentSearchOptions } from "./tracking/experiment-search.ts";
export type {
  ExperimentChangeSet,
  ExperimentChanges,
  ExperimentOptions,
  ExperimentRecord,
} from "./tracking/experiments.ts";
export type { ChangeOptions, LoggedDataset, RunChanges, TagChanges } from "./tracking/run-changes.ts";
export type { RegistryRunHandle, RunLog, RunLogOptions } from "./tracking/run-handle.ts";
export type { StepRange } from "./tracking/chunk-scan.ts";
export type { DownsampledSeries, SeriesGap } from "./tracking/series-extent.ts";
export type { HistoryOptions, SeriesHistories, SeriesHistory } from "./tracking/series-history.ts";
export {
  type ConfusionChart,
  type CurveOptions,
  type PrecisionRecallChart,
  type RocChart,
  type RunChart,
  type TableCell,
  type TableChart,
  confusionChart,
  precisionRecallChart,
  rocChart,
  tableChart,
} from "./tracking/charts.ts";
export { type ChartOptions, type RunCharts, logChart } from "./tracking/run-charts.ts";
export {
  type GpuReading,
  type SystemMetrics,
  type SystemMetricsOptions,
  startSystemMetrics,
} from "./tracking/system-metrics.ts";
export type { MetricValues, PairBasis } from "./tracking/metric-pairs.ts";
export type { PairedDifference } from "./statistics/paired-difference.ts";
export type {
  CompareOptions,
  Compared,
  MetricComparison,
  MetricDifference,
  RunComparison,
  RunComparisons,
} from "./tracking/run-comparison.ts";
export type {
  CardChanges,
  CardEvaluation,
  CardMetric,
  CardParameter,
  ModelCardContent,
  RiskRating,
} from "./records/card-content.ts";
export { type CardFormat, formatCard } from "./records/card-export.ts";
export {
  type CardOptions,
  type CardStatus,
  cardStatuses,
  type EditCardOptions,
  type ModelCard,
  type ModelCards,
} from "./records/model-cards.ts";
export { type CopySource, type CopyTarget, copyVersion, type CopyVersionOptions } from "./records/copy-version.ts";
export type { FieldDifference } from "./records/manifest-differences.ts";
export {
  type DigestCheck,
  type RebuildPlan,
  reproduceVersion,
  type ReproduceVersionOptions,
  type ReproductionReport,
} from "./records/reproduce-version.ts";
export {
  readScoreboard,
  type Scoreboard,
  type ScoreboardOptions,
  type ScoreboardSource,
  type ScoreMetric,
  type ScoreQuestion,
  type ScoreReader,
  type ScoreRow,
  type ScoreSample,
  type ScoreSetting,
} from "./records/scoreboard.ts";
export type { AuditCheck } from "./records/audit-evidence.ts";
export type { AuditCompleteness, AuditPack, AuditPackOptions, AuditPacks } from "./records/audit-pack.ts";
