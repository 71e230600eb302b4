import type { Meter } from "@millwright/contracts";
import type { AsyncBacklog } from "./async-options.ts";

/** What is counted; the names after `millwright_async_` are SageMaker's in lower case. */
export interface AsyncInstruments {
  backlog(endpoint: string, backlog: AsyncBacklog): void;
  /** @param state How it ended. */
  ended(endpoint: string, state: string, times: { readonly inBacklogMs: number; readonly totalMs: number }): void;
  retried(endpoint: string): void;
  notificationFailed(endpoint: string): void;
}

export function createAsyncInstruments(meter: Meter): AsyncInstruments {
  const labelNames = ["endpoint"];
  const gauge = (name: string, help: string) => meter.gauge(`millwright_async_${name}`, { help, labelNames });
  const counter = (name: string, help: string, more: readonly string[] = []) =>
    meter.counter(`millwright_async_${name}`, { help, labelNames: [...labelNames, ...more] });
  const buckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 21_600];
  const seconds = (name: string, help: string) =>
    meter.histogram(`millwright_async_${name}`, { help, labelNames, buckets });
  const size = gauge("approximate_backlog_size", "Requests that wait or are under way.");
  const perInstance = gauge("approximate_backlog_size_per_instance", "The same, by process that can answer.");
  const without = gauge("has_backlog_without_capacity", "1 where somebody waits and nothing can answer.");
  const inBacklog = seconds("time_in_backlog_seconds", "From submission to the first try.");
  const total = seconds("total_processing_time_seconds", "From submission to the end.");
  const ends = counter("ended_total", "Requests by how they ended.", ["state"]);
  const expired = counter("expired_requests_total", "Requests that were not begun in time.");
  const failures = counter("invocation_failures_total", "Requests that ended without a result.");
  const retries = counter("retries_total", "Tries that failed and are repeated.");
  const notifications = counter("notification_failures_total", "Notifications that were not taken, and are repeated.");
  return {
    backlog(endpoint, { approximateBacklogSize, approximateBacklogSizePerInstance, hasBacklogWithoutCapacity }) {
      size.set(approximateBacklogSize, { endpoint });
      perInstance.set(approximateBacklogSizePerInstance, { endpoint });
      without.set(hasBacklogWithoutCapacity ? 1 : 0, { endpoint });
    },
    ended(endpoint, state, { inBacklogMs, totalMs }) {
      ends.add(1, { endpoint, state });
      if (state === "expired") expired.add(1, { endpoint });
      if (state === "failed" || state === "dead") failures.add(1, { endpoint });
      inBacklog.observe(Math.max(0, inBacklogMs) / 1000, { endpoint });
      total.observe(Math.max(0, totalMs) / 1000, { endpoint });
    },
    retried: (endpoint) => retries.add(1, { endpoint }),
    notificationFailed: (endpoint) => notifications.add(1, { endpoint }),
  };
}
