export { type BacktestPolicy, approveBacktest } from "./backtest/approve-backtest.ts";
export {
  type BacktestOptions,
  type BacktestProgress,
  type BacktestReport,
  type DriftFindings,
  type FalseAlarms,
  backtest,
} from "./backtest/backtest.ts";
export { type DetectorMonitorOptions, detectorMonitor } from "./backtest/detector-monitor.ts";
export type { BacktestRunOptions } from "./backtest/run-options.ts";
export type { IncidentOutcome, IncidentReport, KnownIncident, RuleFalseAlarms } from "./backtest/known-incidents.ts";
export { type RuleBacktestOptions, type RuleBacktestProgress, backtestRules } from "./backtest/backtest-rules.ts";
export type { RuleHistory } from "./backtest/history-order.ts";
export type { HistoryAnswer } from "./backtest/replayed-answer.ts";
export type { ReplayedDrift } from "./backtest/replayed-drift.ts";
export type { RuleIntervention } from "./backtest/interventions.ts";
export type { ReplayedAlert, RuleSetup } from "./backtest/rule-replay.ts";
export type { RuleBacktestReport, RuleDriftOutcome, RuleOutcome } from "./backtest/rule-report.ts";
