export {
  type CompactOptions,
  type LogReport,
  openPredictionLog,
  type ParquetEngine,
  type PredictionLog,
  type PredictionLogOptions,
  type RollUpOptions,
} from "../log/prediction-log.ts";
export type { LogFile } from "../log/log-manifest.ts";
export type { PredictionQuery } from "../log/log-query.ts";
