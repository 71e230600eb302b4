import { hasCode, type Meter } from "@millwright/contracts";
import { batchOf, column, distributionDistance, profileOf } from "@millwright/data";
import { metrics as otelApi } from "@opentelemetry/api";
import { JsonMetricsSerializer } from "@opentelemetry/otlp-transformer";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { baselineOf } from "../src/baseline.ts";
import { checkDataQuality } from "../src/data-quality.ts";
import { createOtelMeter, featureMetrics, recordMetrics, toEmfLines, toPutMetricData } from "../src/exporters.ts";
import { createMeter } from "../src/index.ts";
import { mixedBatch } from "./mixed-rows.ts";

const before = profileOf(mixedBatch(4000, 1));
const now = profileOf(mixedBatch(3000, 2, { shift: 0.5, missing: 0.25 }));
const samples = featureMetrics(now, before);
const timeMs = Date.UTC(2026, 0, 1);
const dimensions = { Endpoint: "late", MonitoringSchedule: "hourly" };

test("MO-30: each feature has the metrics that Model Monitor emits of it", () => {
  const byName = new Map(samples.map((sample) => [sample.name, sample] as const));
  expect([...byName.keys()]).toEqual(
    expect.arrayContaining([
      "feature_non_null_distance",
      "feature_baseline_drift_distance",
      "feature_data_distance",
      "feature_non_null_carrier",
      "feature_baseline_drift_carrier",
    ]),
  );
  expect(byName.has("feature_data_carrier")).toBe(false);
  const { count, missing, moments } = now.columns["distance"]!;
  expect(byName.get("feature_non_null_distance")?.value).toBe(count / (count + missing));
  expect(byName.get("feature_baseline_drift_distance")?.value).toBe(
    distributionDistance(before.columns["distance"]!, now.columns["distance"]!),
  );
  expect(byName.get("feature_data_distance")?.statistics).toMatchObject({
    count,
    min: moments!.min,
    max: moments!.max,
  });
  // No baseline, no rows, no numbers: nothing is made up.
  const odd = batchOf({ x: column("float64", [Number.NaN, Infinity]), y: column("utf8", [null, null]) });
  expect(featureMetrics(profileOf(odd)).map(({ name, value }) => [name, value])).toEqual([
    ["feature_non_null_x", 1],
    ["feature_non_null_y", 0],
  ]);
  expect(featureMetrics({ rows: 0, columns: {} }, before)).toEqual([]);
});

/** The embedded metric format as CloudWatch documents it: an object with `_aws`, whose metrics and dimensions stand beside it. */
const emfSchema = {
  type: "object",
  required: ["_aws"],
  properties: {
    _aws: {
      type: "object",
      required: ["Timestamp", "CloudWatchMetrics"],
      properties: {
        Timestamp: { type: "integer" },
        CloudWatchMetrics: {
          type: "array",
          items: {
            type: "object",
            required: ["Namespace", "Dimensions", "Metrics"],
            properties: {
              Namespace: { type: "string", minLength: 1, maxLength: 1024 },
              Dimensions: {
                type: "array",
                minItems: 1,
                items: { type: "array", maxItems: 30, items: { type: "string", minLength: 1, maxLength: 250 } },
              },
              Metrics: {
                type: "array",
                maxItems: 100,
                items: {
                  type: "object",
                  required: ["Name"],
                  properties: { Name: { type: "string", minLength: 1, maxLength: 1024 }, Unit: { type: "string" } },
                },
              },
            },
          },
        },
      },
    },
  },
};

test("MO-30: lines of the embedded metric format parse, hold every value, and keep CloudWatch's limits", () => {
  const wide = profileOf(
    batchOf(Object.fromEntries(Array.from({ length: 150 }, (_, at) => [`c${at}`, [1, 2, 3]] as const))),
  );
  const validate = new Ajv().compile(emfSchema);
  for (const [from, lines] of [
    [samples, toEmfLines(samples, { dimensions, timeMs })],
    [featureMetrics(wide), toEmfLines(featureMetrics(wide), { dimensions, timeMs, namespace: "models" })],
  ] as const) {
    const met = new Map<string, unknown>();
    for (const line of lines) {
      expect(line).not.toContain("\n");
      const parsed = JSON.parse(line) as {
        _aws: { CloudWatchMetrics: { Metrics: { Name: string }[]; Dimensions: string[][] }[] };
      } & Record<string, unknown>;
      expect(validate(parsed), JSON.stringify(validate.errors)).toBe(true);
      for (const { Metrics, Dimensions } of parsed._aws.CloudWatchMetrics) {
        for (const { Name } of Metrics) met.set(Name, parsed[Name]);
        for (const name of Dimensions.flat()) expect(parsed[name]).toBe(dimensions[name as keyof typeof dimensions]);
      }
    }
    expect(met).toEqual(new Map(from.map(({ name, value }) => [name, value])));
  }
  // A feature whose metric has a dimension's name does not take its place.
  const [line] = toEmfLines(featureMetrics(profileOf(batchOf({ x: [1] }))), {
    dimensions: { feature_non_null_x: "d" },
    timeMs,
  });
  expect(JSON.parse(line!)).toMatchObject({ feature_non_null_x: "d", feature_non_null_x_metric: 1 });
  const refused = (dims: Record<string, string>): void =>
    expect(() => toEmfLines(samples, { dimensions: dims, timeMs })).toThrow(
      expect.objectContaining({ code: "MONITOR_EXPORT_INVALID" }),
    );
  refused({ Endpoint: "" });
  refused(Object.fromEntries(Array.from({ length: 31 }, (_, at) => [`d${at}`, "x"])));
});

test("MO-30: inputs of PutMetricData carry the statistics of numbers", () => {
  const [input] = toPutMetricData(samples, { dimensions, timeMs });
  expect(input?.Namespace).toBe("aws/sagemaker/Endpoints/data-metrics");
  const data = input?.MetricData.find(({ MetricName }) => MetricName === "feature_data_stops");
  expect(data).toEqual({
    MetricName: "feature_data_stops",
    Dimensions: [
      { Name: "Endpoint", Value: "late" },
      { Name: "MonitoringSchedule", Value: "hourly" },
    ],
    Timestamp: new Date(timeMs),
    Unit: "None",
    StatisticValues: {
      SampleCount: 3000,
      Sum: expect.closeTo(now.columns["stops"]!.moments!.mean * 3000, 6) as number,
      Minimum: 0,
      Maximum: 3,
    },
  });
  try {
    toPutMetricData(samples, { dimensions, timeMs: Number.NaN });
    expect.unreachable();
  } catch (error) {
    expect(hasCode(error, "MONITOR_EXPORT_INVALID")).toBe(true);
  }
});

const quality = checkDataQuality(now, baselineOf(before));

test("MO-30: Prometheus sees the same values through a meter, and issues that are gone fall to 0", async () => {
  const meter = createMeter();
  recordMetrics(meter, samples, { labels: { endpoint: "late" }, quality });
  const text = await meter.metrics();
  const drift = samples.find(({ name }) => name === "feature_baseline_drift_distance")!.value;
  expect(text).toContain(`millwright_monitor_feature_baseline_drift{endpoint="late",feature="distance"} ${drift}\n`);
  expect(text).toContain('millwright_monitor_data_quality_issues{endpoint="late",check="missing"} 1\n');
  recordMetrics(meter, samples, { labels: { endpoint: "late" }, quality: { ...quality, issues: [] } });
  expect(await meter.metrics()).toContain(
    'millwright_monitor_data_quality_issues{endpoint="late",check="missing"} 0\n',
  );
});

/** What OpenTelemetry's own SDK exports, as the JSON of OTLP. */
async function otlpOf(
  use: (meter: Meter) => void,
): Promise<readonly { name: string; description?: string; [kind: string]: unknown }[]> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  use(createOtelMeter(provider.getMeter("millwright")));
  await provider.forceFlush();
  const [resourceMetrics] = exporter.getMetrics();
  const bytes = JsonMetricsSerializer.serializeRequest(resourceMetrics!);
  await provider.shutdown();
  const { resourceMetrics: all } = JSON.parse(Buffer.from(bytes!).toString()) as {
    resourceMetrics: { scopeMetrics: { metrics: { name: string }[] }[] }[];
  };
  return all.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((each) => each.metrics));
}

test("MO-30: OTLP carries the same values, through the meter of OpenTelemetry's own SDK", async () => {
  const exported = await otlpOf((meter) => recordMetrics(meter, samples, { labels: { endpoint: "late" }, quality }));
  const drift = exported.find(({ name }) => name === "millwright_monitor_feature_baseline_drift") as unknown as {
    gauge: { dataPoints: { asDouble: number; attributes: { key: string; value: { stringValue: string } }[] }[] };
  };
  const points = new Map(
    drift.gauge.dataPoints.map(({ asDouble, attributes }) => [
      attributes.find(({ key }) => key === "feature")!.value.stringValue,
      asDouble,
    ]),
  );
  for (const { kind, feature, value } of samples)
    if (kind === "baseline_drift") expect(points.get(feature)).toBe(value);
  expect(points.size).toBe(4);
});

test("a meter on OpenTelemetry keeps the promises of meters: bounded labels, one instrument a name, nothing thrown while measuring", async () => {
  const exported = await otlpOf((meter) => {
    const counter = meter.counter("asked_total", { help: "Asked.", labelNames: ["who"], maxSeries: 2 });
    for (const who of ["a", "b", "c", "d"]) counter.add(1, { who });
    counter.add(-1, { who: "a" });
    counter.add(Number.NaN, { who: "a" });
    expect(meter.counter("asked_total", { help: "Asked.", labelNames: ["who"] })).toBe(counter);
    meter.gauge("waiting", { help: "Waiting." }).set(Number.NaN);
    meter.gauge("waiting", { help: "Waiting." }).set(3);
    const took = meter.histogram("took_seconds", { help: "Took.", buckets: [1, 2] });
    for (const value of [0.5, 1.5, 9, Number.NaN]) took.observe(value, { unknown: "label" });
    expect(() => meter.counter("no name", { help: "x" })).toThrow(RangeError);
  });
  const of = (name: string): { [kind: string]: { dataPoints: Record<string, unknown>[] } } =>
    exported.find((each) => each.name === name) as never;
  const counts = Object.fromEntries(
    of("asked_total")["sum"]!.dataPoints.map(({ asDouble, asInt, attributes }) => [
      (attributes as { value: { stringValue: string } }[])[0]!.value.stringValue,
      Number(asDouble ?? asInt),
    ]),
  );
  expect(counts).toEqual({ a: 1, b: 1, overflow: 2 });
  expect(of("waiting")["gauge"]!.dataPoints.map(({ asDouble, asInt }) => Number(asDouble ?? asInt))).toEqual([3]);
  expect(of("took_seconds")["histogram"]!.dataPoints[0]).toMatchObject({
    explicitBounds: [1, 2],
    bucketCounts: [1, 1, 1],
    sum: 11,
  });
  // The meter that the API gives while no SDK is registered measures nothing, and does not fail.
  expect(() => createOtelMeter(otelApi.getMeter("none")).counter("a_total", { help: "a" }).add()).not.toThrow();
  const broken = createOtelMeter({
    createCounter: () => ({
      add: () => {
        throw new RangeError("broken");
      },
    }),
    createGauge: () => ({ record: () => {} }),
    createHistogram: () => ({ record: () => {} }),
  });
  expect(() => broken.counter("b_total", { help: "b" }).add()).not.toThrow();
  expect(() => createOtelMeter({} as never)).toThrow(TypeError);
});
