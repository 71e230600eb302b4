export {
  type CloudWatchOptions,
  type PutMetricDataInput,
  toEmfLines,
  toPutMetricData,
} from "./exporters/cloudwatch.ts";
export { type MetricSample, featureMetrics, recordMetrics } from "./exporters/metric-samples.ts";
export {
  type OtelAttributes,
  type OtelInstrumentOptions,
  type OtelMeter,
  createOtelMeter,
} from "./exporters/otel-meter.ts";
