export { type DebugDashboardOptions, debugDashboard } from "./dashboards/debug.ts";
export { executiveDashboard } from "./dashboards/executive.ts";
export { onCallDashboard } from "./dashboards/on-call.ts";
export {
  type Dashboard,
  type DashboardAnnotation,
  type DashboardData,
  type DashboardVariable,
  defineDashboard,
  type Distribution,
  type DistributionPanel,
  type MetricPanel,
  type Panel,
  type PanelData,
  type PanelUnit,
  readDashboard,
  type TextPanel,
} from "./dashboards/dashboard.ts";
export { evaluateQuery, type PanelRange, type PanelSeries } from "./dashboards/evaluate-query.ts";
export { expressionsOf, grafanaDashboard } from "./dashboards/grafana.ts";
export { htmlDashboard } from "./dashboards/html.ts";
export { createLedgerMetrics, type LedgerMetrics } from "./dashboards/ledger-metrics.ts";
export {
  createMetricHistory,
  type MetricHistory,
  type MetricHistoryOptions,
  type MetricSeries,
  type Point,
} from "./dashboards/metric-history.ts";
export { metricsOf, type PanelQuery, promqlOf } from "./dashboards/panel-query.ts";
export { terminalDashboard } from "./dashboards/terminal.ts";
