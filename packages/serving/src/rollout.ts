export {
  type CloudWatchAlarm,
  type CloudWatchAlertOptions,
  type CloudWatchClient,
  createCloudWatchSource,
} from "./rollout/cloudwatch-alerts.ts";
export {
  type DeploymentGate,
  type ErrorBudgetGateOptions,
  type GateAnswer,
  type GateRequest,
  errorBudgetGate,
} from "./rollout/gates.ts";
export type { HttpAlertOptions, PollOptions } from "./rollout/polled-alerts.ts";
export { createAlertmanagerSource, createPrometheusSource } from "./rollout/prometheus-alerts.ts";
export {
  type FromSageMakerOptions,
  type SageMakerCapacitySize,
  type SageMakerDeploymentConfig,
  type RollingPlan,
  planFromSageMaker,
  planToSageMaker,
  rollingFromSageMaker,
} from "./rollout/sagemaker-config.ts";
export {
  type DatabaseFleetOptions,
  type FleetMembership,
  type JoinFleetOptions,
  joinFleet,
  openDatabaseFleet,
} from "./rollout/database-fleet.ts";
export {
  type Fleet,
  type FleetReplica,
  type RollingProgress,
  type RollingResult,
  type RollingUpdateOptions,
  rollingUpdate,
} from "./rollout/rolling-update.ts";
