export type { EndpointOptions, VariantOptions } from "./engine/endpoint.ts";
export { type IdempotencyOptions, idempotency } from "./cache/idempotency.ts";
export {
  type ResponseCache,
  type ResponseCacheOptions,
  type ResponseCacheStats,
  responseCache,
} from "./cache/response-cache.ts";
export type {
  CatalogEvent,
  CatalogLoadOptions,
  CatalogModel,
  CatalogStats,
  ModelCatalog,
  ModelCatalogOptions,
  UnloadReason,
} from "./catalog/catalog-options.ts";
export { type Prefetch, type PrefetchOptions, type PrefetchStats, prefetch } from "./catalog/prefetch.ts";
export { type PlaceTenantOptions, type Replica, placeTenant } from "./catalog/placement.ts";
export {
  type TenantBill,
  type TenantQuota,
  type TenantQuotas,
  type TenantQuotasOptions,
  type TenantUsage,
  tenantQuotas,
} from "./catalog/tenants.ts";
export { createModelCatalog } from "./catalog/create-model-catalog.ts";
export type {
  EndpointHealth,
  EndpointReadiness,
  EndpointState,
  HealthCheck,
  HealthCheckOptions,
  ModelCheck,
  ServerHealth,
  ServerState,
} from "./health/health.ts";
export {
  type ConfigurationWatch,
  type WatchConfigurationOptions,
  watchConfiguration,
} from "./reload/watch-configuration.ts";
export { type InputRange, type InputRulesOptions, inputRules } from "./engine/input-rules.ts";
export { ServingError, type ServingErrorCode, type ServingProblem } from "./errors.ts";
export type {
  ConfigurationDifference,
  ConfigurationVersion,
  CurrentConfiguration,
  EndpointConfiguration,
  HistoryOptions,
  Part,
  PartSite,
  Reconfigurable,
  ReconfigureOptions,
  Reconfigured,
  RollbackConfigurationOptions,
  ServerConfiguration,
  ServerParts,
} from "./reload/configuration.ts";
export { httpStatuses, httpStatusOf } from "./http/http-status.ts";
export type { WarmUpOptions } from "./engine/warm-up.ts";
export type { NodeHandler } from "./http/node-face.ts";
export { type ListenOptions, listen } from "./http/listen.ts";
export { type DrainOptions, type ModelServer, type ModelServerOptions, openModelServer } from "./model-server.ts";
export type { DeploymentGate, GateAnswer, GateRequest } from "./rollout/gates.ts";
export type { NotExplained, PredictionExplanation } from "./explanations/prediction-explanation.ts";
export type { FeatureSummary, NodeTrace, PredictRequest, Prediction, Provenance } from "./engine/prediction.ts";
export type { ModelCall, Next, RequestCall, SideModel, SideModelOptions, Stage, StageSite } from "./engine/stage.ts";
export type { Timings } from "./engine/timings.ts";
export type { Payload } from "./engine/batch-call.ts";
export type { Cell, Row } from "./engine/rows.ts";
export { type Decide, type OutputRow } from "./shadow/compare-outputs.ts";
export { type Shadow, type ShadowOptions, type ShadowPair, shadow } from "./shadow/shadow.ts";
export type { ShadowCriteria, ShadowReport } from "./shadow/shadow-report.ts";
export type { RequestOutcome } from "./canary/recorder.ts";
export type { ServingDeploymentPlan, VerdictPlan } from "./canary/verdict-plan.ts";
export type { Check, Verdict, VerdictWord } from "./canary/judge.ts";
export type { BreakerOptions, CircuitBreaker } from "./fallback/circuit-breaker.ts";
export { type Fallback, type FallbackOptions, fallback } from "./fallback/fallback.ts";
export type { FallbackTarget } from "./fallback/targets.ts";
export type { AdmissionOptions } from "./admission/admission.ts";
export type { AdaptiveConcurrency } from "./admission/concurrency-limit.ts";
export {
  type Availability,
  type AvailabilityUnit,
  type ClientOutcome,
  availabilityOf,
  clientAvailability,
} from "./telemetry/availability.ts";
export type { MetricsSource } from "./telemetry/metrics-route.ts";
export type { OpenTelemetry, TelemetryContext, TelemetrySpan } from "./telemetry/tracing.ts";
export type { Trail } from "./telemetry/trail.ts";
export { type PipelineStep, inferenceGraph, inferencePipeline } from "./graph/graph.ts";
export type {
  ComputeNode,
  EndpointNode,
  EnsembleNode,
  GraphContext,
  GraphNode,
  GraphPlan,
  ModelNode,
  NodeInput,
  SwitchNode,
} from "./graph/graph-node.ts";
