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
  planFromSageMaker,
  planToSageMaker,
} from "./rollout/sagemaker-config.ts";
