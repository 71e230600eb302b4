export type { Acknowledgement } from "./alerts/alert-history.ts";
export { type AlertLabels, alertLabels, type AlertMatch, type LabelMatcher } from "./alerts/alert-labels.ts";
export type { AlertControl, AlertingOptions, AlertState } from "./alerts/alert-control.ts";
export { type AlertPolicy, endpointInhibitions, type Inhibition } from "./alerts/alert-policy.ts";
export type { Muted } from "./alerts/alert-record.ts";
export {
  type CostForecastOptions,
  costForecastAlert,
  type EventAlertOptions,
  eventAlert,
  type TrainingFailureOptions,
  trainingFailureAlert,
} from "./alerts/event-rules.ts";
export { alertSeverities } from "./alerts/severities.ts";
export type { Silence, SilenceOptions, SilenceSource } from "./alerts/silence.ts";
export { type EndpointDownOptions, endpointDownAlert } from "./alerts/traffic-rules.ts";
