import {
  type Counter,
  type Gauge,
  type Histogram,
  type Labels,
  type Meter,
  isMillwrightError,
} from "@millwright/contracts";
import { merged } from "./merged.ts";
import { httpStatusOf } from "../http/http-status.ts";

/** What the server counts. Latencies are seconds, as Prometheus wants them. */
export interface Instruments {
  readonly requests: Counter;
  readonly errors: Counter;
  readonly clientErrors: Counter;
  readonly serverErrors: Counter;
  readonly latency: Histogram;
  readonly modelLatency: Histogram;
  readonly overheadLatency: Histogram;
  readonly batchRows: Histogram;
  readonly queueRows: Gauge;
  readonly inFlight: Gauge;
  readonly captureFailures: Counter;
  readonly shed: Counter;
  readonly waiting: Gauge;
  readonly concurrencyLimit: Gauge;
}

const latencyBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

function createInvocationInstruments(
  meter: Meter,
): Pick<
  Instruments,
  "requests" | "errors" | "clientErrors" | "serverErrors" | "latency" | "modelLatency" | "overheadLatency"
> {
  const perVariant = ["endpoint", "variant", "version"];
  return {
    requests: meter.counter("millwright_serving_requests_total", {
      help: "Requests by endpoint, variant and version of the model (Invocations of SageMaker).",
      labelNames: perVariant,
    }),
    errors: meter.counter("millwright_serving_errors_total", {
      help: "Requests that failed, by error code.",
      labelNames: [...perVariant, "code"],
    }),
    latency: meter.histogram("millwright_serving_latency_seconds", {
      help: "From the request to its answer.",
      labelNames: perVariant,
      buckets: latencyBuckets,
    }),
    clientErrors: meter.counter("millwright_serving_invocation_4xx_errors_total", {
      help: "Requests that failed because of what was asked (Invocation4XXErrors).",
      labelNames: perVariant,
    }),
    serverErrors: meter.counter("millwright_serving_invocation_5xx_errors_total", {
      help: "Requests that failed because of the server (Invocation5XXErrors).",
      labelNames: perVariant,
    }),
    modelLatency: meter.histogram("millwright_serving_model_latency_seconds", {
      help: "In the model (ModelLatency).",
      labelNames: perVariant,
      buckets: latencyBuckets,
    }),
    overheadLatency: meter.histogram("millwright_serving_overhead_latency_seconds", {
      help: "All of a request's time but the model's (OverheadLatency).",
      labelNames: perVariant,
      buckets: latencyBuckets,
    }),
  };
}

export function createInstruments(meter: Meter): Instruments {
  return {
    ...createInvocationInstruments(meter),
    batchRows: meter.histogram("millwright_serving_batch_rows", {
      help: "Rows that went to the model in one call.",
      labelNames: ["endpoint"],
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    }),
    queueRows: meter.gauge("millwright_serving_queue_rows", {
      help: "Rows that wait for the model.",
      labelNames: ["endpoint"],
    }),
    inFlight: meter.gauge("millwright_serving_in_flight", {
      help: "Requests that are being answered.",
      labelNames: ["endpoint"],
    }),
    captureFailures: meter.counter("millwright_serving_capture_failures_total", {
      help: "Predictions that the sink failed to take.",
      labelNames: ["endpoint"],
    }),
    shed: meter.counter("millwright_serving_shed_total", {
      help: "Requests that were turned away at the door, by why and whose.",
      labelNames: ["endpoint", "priority", "reason"],
    }),
    waiting: meter.gauge("millwright_serving_waiting", {
      help: "Requests that wait to be let in.",
      labelNames: ["endpoint"],
    }),
    concurrencyLimit: meter.gauge("millwright_serving_concurrency_limit", {
      help: "Most requests that are let in at once.",
      labelNames: ["endpoint"],
    }),
  };
}

/** How a request ended. */
export interface Invocation {
  readonly error: unknown;
  readonly totalMs: number;
  readonly modelMs: number;
}

/** Counts a request that has been answered or has failed. @param labels By endpoint, variant and version. */
export function countInvocation(
  { requests, errors, clientErrors, serverErrors, latency, modelLatency, overheadLatency }: Instruments,
  labels: Labels,
  { error, totalMs, modelMs }: Invocation,
): void {
  requests.add(1, labels);
  latency.observe(totalMs / 1000, labels);
  if (error === undefined) {
    modelLatency.observe(modelMs / 1000, labels);
    overheadLatency.observe(Math.max(0, totalMs - modelMs) / 1000, labels);
    return;
  }
  errors.add(1, merged(labels, { code: isMillwrightError(error) ? error.code : "none" }));
  (httpStatusOf(error) < 500 ? clientErrors : serverErrors).add(1, labels);
}

/** Labels of an endpoint: one object for each variant and version. */
export interface LabelSets {
  of(variant: string, version: string): Labels;
}

export function createLabelSets(endpoint: string): LabelSets {
  const sets = new Map<string, Labels>();
  return {
    of(variant, version) {
      const key = `${variant} ${version}`;
      let labels = sets.get(key);
      if (labels === undefined) {
        // More than a server has versions at once are those of the past.
        if (sets.size > 1000) sets.clear();
        sets.set(key, (labels = { endpoint, variant, version }));
      }
      return labels;
    },
  };
}
