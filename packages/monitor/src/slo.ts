export {
  type EventCounts,
  type EventCountsOptions,
  type EventCountsState,
  type EventTotals,
  type SliceTotals,
  createEventCounts,
} from "./slo/event-counts.ts";
export type { SliceOptions, SliceState } from "./slo/slice-counts.ts";
export {
  type BurnRateRow,
  type SustainedOptions,
  googleProfile,
  pyrraProfile,
  rescaleProfile,
  slothProfile,
  sustainedLatencyProfile,
  sustainedProfile,
  thresholdOf,
} from "./slo/profiles.ts";
export {
  type AnsweredRequests,
  type Indicator,
  type Objective,
  type ObjectiveOptions,
  type Slo,
  type SloOptions,
  defineObjective,
  defineSlo,
  errorIndicator,
  latencyIndicator,
  subjectOf,
} from "./slo/slo.ts";
export type { LowTraffic, MissingData, SloPolicy } from "./slo/slo-policy.ts";
export {
  type BurnRateReading,
  type ObjectiveStatus,
  type SloStatus,
  createSloCounts,
  readObjective,
  readSlo,
} from "./slo/slo-status.ts";
export { type BudgetOptions, type ErrorBudget, readBudget } from "./slo/error-budget.ts";
export { type CalendarPeriod, type TimeSpan, calendarSpan } from "./slo/calendar-period.ts";
export {
  type PrometheusCounters,
  type PrometheusObjective,
  histogramCounters,
  prometheusDuration,
  servingErrorCounters,
} from "./slo/promql.ts";
export {
  type PrometheusRule,
  type PrometheusRuleGroup,
  type PrometheusRules,
  type PrometheusRulesOptions,
  prometheusRules,
  prometheusRulesYaml,
} from "./slo/prometheus-rules.ts";
export {
  type PromtoolTestOptions,
  type ReplayedMinute,
  type TraceMinute,
  promtoolTests,
  replayTrace,
} from "./slo/replay.ts";
export {
  type LatencyHistogram,
  type LatencyRecorder,
  type LatencyRecorderOptions,
  type Omission,
  type Percentile,
  createLatencyRecorder,
  mergeLatencies,
  percentileOf,
  withinThreshold,
} from "./slo/percentiles.ts";
export {
  type Attempt,
  type RetryCounts,
  type RetryCountsOptions,
  type RetryTotals,
  createRetryCounts,
} from "./slo/retries.ts";
export {
  type Bounded,
  type QualityBudget,
  type QualityBudgetOptions,
  type QualityBudgetStatus,
  createQualityBudget,
} from "./slo/quality-budget.ts";
export {
  type BudgetState,
  type ChangeClass,
  type DeploymentAllowance,
  type DeploymentBudgetGate,
  type DeploymentBudgetGateOptions,
  type DeploymentBudgetPolicy,
  deploymentAllowance,
  deploymentBudgetGate,
} from "./slo/deployment-budget.ts";
export { type Observations, type Sli, type SliReading, measureSli } from "./slo/sli.ts";
export { type MetricId, type MetricTargets, type MetricTemplate, metricTemplates } from "./slo/metric-templates.ts";
export {
  type OpenSloDocument,
  type OpenSloKind,
  type OpenSloMetadata,
  formatOpenSlo,
  parseOpenSlo,
} from "./slo/openslo-document.ts";
export { type OpenSloObjective, objectivesOfOpenSlo, openSloOf } from "./slo/openslo.ts";
export { pyrraObjects, slothSpec } from "./slo/other-tools.ts";
export { openSloSchema } from "./slo/openslo-schema.ts";
export { type ObjectiveTable, type ObjectiveTableOptions, createObjectiveTable } from "./slo/objective-table.ts";
