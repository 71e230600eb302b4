import type { Meter } from "@millwright/contracts";
import { boundSeries, createOnce } from "../metrics/instruments.ts";

/** The part of an OpenTelemetry meter that is used: `metrics.getMeter("…")` of `@opentelemetry/api`, from 1.9. */
export interface OtelMeter {
  createCounter(
    name: string,
    options?: OtelInstrumentOptions,
  ): { add(value: number, attributes?: OtelAttributes): void };
  createGauge(
    name: string,
    options?: OtelInstrumentOptions,
  ): { record(value: number, attributes?: OtelAttributes): void };
  createHistogram(
    name: string,
    options?: OtelInstrumentOptions & { advice?: { explicitBucketBoundaries?: number[] } },
  ): { record(value: number, attributes?: OtelAttributes): void };
}

export interface OtelInstrumentOptions {
  description?: string;
}

export type OtelAttributes = Record<string, string>;

/** As prom-client's: for seconds. */
const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * A meter on OpenTelemetry, for OTLP and whatever else its exporters speak. Measuring never throws: what is no finite number, a counter that would fall, and
 * unknown labels are left out, and label sets beyond `maxSeries` are measured together under `overflow`, as `createMeter` does. Making an instrument throws RangeError for a name, help
 * or label that Prometheus does not take.
 */
export function createOtelMeter(otel: OtelMeter): Meter {
  if (
    typeof otel?.createCounter !== "function" ||
    typeof otel.createGauge !== "function" ||
    typeof otel.createHistogram !== "function"
  )
    throw new TypeError(
      "An OpenTelemetry meter has createCounter, createGauge and createHistogram: take metrics.getMeter of @opentelemetry/api 1.9 or later.",
    );
  const once = createOnce();
  const quietly = (measure: () => void): void => {
    try {
      measure();
    } catch {
      // A broken SDK must not fail what is measured.
    }
  };
  return {
    counter: (name, { help, labelNames = [], maxSeries }) =>
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const counter = otel.createCounter(name, { description: help });
        const series = boundSeries(labelNames, bound);
        return {
          add(amount = 1, labels) {
            if (amount >= 0 && Number.isFinite(amount)) quietly(() => counter.add(amount, series(labels)));
          },
        };
      }),
    gauge: (name, { help, labelNames = [], maxSeries }) =>
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const gauge = otel.createGauge(name, { description: help });
        const series = boundSeries(labelNames, bound);
        return {
          set(value, labels) {
            if (Number.isFinite(value)) quietly(() => gauge.record(value, series(labels)));
          },
        };
      }),
    histogram: (name, { help, labelNames = [], maxSeries, buckets = defaultBuckets }) =>
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const histogram = otel.createHistogram(name, {
          description: help,
          advice: { explicitBucketBoundaries: [...buckets] },
        });
        const series = boundSeries(labelNames, bound);
        return {
          observe(value, labels) {
            if (Number.isFinite(value)) quietly(() => histogram.record(value, series(labels)));
          },
        };
      }),
  };
}
