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
