export {
  type DataQualityCheck,
  type DataQualityIssue,
  type DataQualityLimits,
  type DataQualityReport,
  type TrafficFacts,
  dataQualityChecks,
} from "./data-quality/data-quality.ts";
export { checkDataQuality } from "./data-quality/check-data-quality.ts";
export { type DataQualityAlertOptions, dataQualityAlert } from "./data-quality/data-quality-alert.ts";
export { violationsFile, violationsOf } from "./data-quality/violations.ts";
export {
  type WatchdogOptions,
  type WatchedSchedule,
  type WatchFinding,
  type WatchOptions,
  type WatchState,
  watch,
  watchdogAlert,
} from "./data-quality/watchdog.ts";
