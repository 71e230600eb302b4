import type { JsonObject } from "@millwright/contracts";
import { exportInvalid } from "../errors.ts";
import type { MetricSample } from "./metric-samples.ts";

export interface CloudWatchOptions {
  /** Default: `aws/sagemaker/Endpoints/data-metrics`, where Model Monitor's metrics of endpoints are. */
  readonly namespace?: string | undefined;
  /** Such as `Endpoint` and `MonitoringSchedule`: at most 30, of 1 to 1024 characters. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** UTC milliseconds. */
  readonly timeMs: number;
}

const defaultNamespace = "aws/sagemaker/Endpoints/data-metrics";
/** Limits of CloudWatch's embedded metric format and of `PutMetricData`. */
const mostMetricsOfLine = 100;
const mostOfCall = 1000;
const mostDimensions = 30;

interface Checked {
  readonly namespace: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly timeMs: number;
}

function checked({ namespace = defaultNamespace, dimensions, timeMs }: CloudWatchOptions): Checked {
  const names = Object.entries(dimensions);
  if (names.length > mostDimensions)
    throw exportInvalid(`CloudWatch takes ${mostDimensions} dimensions, not ${names.length}`);
  const odd = names.find(
    ([name, value]) =>
      !/^[\x20-\x7e]{1,255}$/.test(name) || name === "_aws" || !(value.length >= 1 && value.length <= 1024),
  );
  if (odd !== undefined)
    throw exportInvalid(`the dimension ${JSON.stringify(odd[0])} has no name or value that CloudWatch takes`);
  if (!(namespace.length >= 1 && namespace.length <= 255))
    throw exportInvalid("the namespace must have 1 to 255 characters");
  if (!Number.isFinite(timeMs)) throw exportInvalid("timeMs is no time");
  return { namespace, dimensions, timeMs };
}

function chunksOf<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

/** Names as CloudWatch takes them: at most 255 characters; and none of a dimension, whose place in the line it would take. */
const nameOf = ({ name }: MetricSample, dimensions: Readonly<Record<string, string>>): string =>
  Object.hasOwn(dimensions, name) || name === "_aws" ? `${name.slice(0, 248)}_metric` : name.slice(0, 255);

/** The samples in CloudWatch's embedded metric format: lines for standard output or a log stream, of which CloudWatch makes metrics. Throws `MONITOR_EXPORT_INVALID`. */
export function toEmfLines(samples: readonly MetricSample[], options: CloudWatchOptions): readonly string[] {
  const { namespace, dimensions, timeMs } = checked(options);
  return chunksOf(samples, mostMetricsOfLine).map((chunk) => {
    const values = chunk.map((sample) => [nameOf(sample, dimensions), sample.value] as const);
    const metrics = values.map(([name]) => ({ Name: name, Unit: "None" }));
    const directive = { Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics: metrics };
    return JSON.stringify({
      _aws: { Timestamp: Math.round(timeMs), CloudWatchMetrics: [directive] },
      ...dimensions,
      ...Object.fromEntries(values),
    });
  });
}

/** The samples as inputs of CloudWatch's `PutMetricData`, at most 1,000 metrics each; `feature_data_NAME` with its statistics. Times are Dates, as its clients take them. Throws `MONITOR_EXPORT_INVALID`. */
export function toPutMetricData(
  samples: readonly MetricSample[],
  options: CloudWatchOptions,
): readonly PutMetricDataInput[] {
  const { namespace, dimensions, timeMs } = checked(options);
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  return chunksOf(samples, mostOfCall).map((chunk) => ({
    Namespace: namespace,
    MetricData: chunk.map((sample) => {
      const { statistics, value } = sample;
      const base = {
        MetricName: nameOf(sample, dimensions),
        Dimensions,
        Timestamp: new Date(timeMs),
        Unit: "None" as const,
      };
      if (statistics === undefined) return { ...base, Value: value };
      const { count, sum, min, max } = statistics;
      return { ...base, StatisticValues: { SampleCount: count, Sum: sum, Minimum: min, Maximum: max } };
    }),
  }));
}

/** Input of `PutMetricDataCommand` of `@aws-sdk/client-cloudwatch`. */
export interface PutMetricDataInput {
  readonly Namespace: string;
  readonly MetricData: readonly (Readonly<Record<string, unknown>> & {
    readonly MetricName: string;
    readonly Timestamp: Date;
    readonly Value?: number;
    readonly StatisticValues?: JsonObject;
  })[];
}
