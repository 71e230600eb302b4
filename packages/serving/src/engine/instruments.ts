import type { Counter, Gauge, Histogram, Meter } from "@millwright/contracts";

/** What the server counts. Latencies are seconds, as Prometheus wants them. */
export interface Instruments {
  readonly requests: Counter;
  readonly errors: Counter;
  readonly latency: Histogram;
  readonly batchRows: Histogram;
  readonly queueRows: Gauge;
  readonly inFlight: Gauge;
  readonly captureFailures: Counter;
  readonly shed: Counter;
  readonly waiting: Gauge;
  readonly concurrencyLimit: Gauge;
}

export function createInstruments(meter: Meter): Instruments {
  const perVariant = ["endpoint", "variant"];
  return {
    requests: meter.counter("millwright_serving_requests_total", {
      help: "Requests by endpoint and variant.",
      labelNames: perVariant,
    }),
    errors: meter.counter("millwright_serving_errors_total", {
      help: "Requests that failed, by error code.",
      labelNames: [...perVariant, "code"],
    }),
    latency: meter.histogram("millwright_serving_latency_seconds", {
      help: "From the request to its answer.",
      labelNames: perVariant,
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    }),
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
