import { createManualClock, createRandom, digestOf, type EventDraft, type EventLog } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { createLedgerMetrics, createMetricHistory, type MetricHistory } from "../src/dashboards.ts";
import { createMeter, defineSlo, driftAlert, errorIndicator, openMonitor, qualityAlert } from "../src/index.ts";
import { batchOf, profileOf } from "@millwright/data";
import { createTraffic } from "./traffic.ts";

export const stepMs = 15_000;
export const startMs = Date.UTC(2026, 0, 1);
export const endMs = startMs + 80 * stepMs;

export interface Asked {
  readonly timeMs: number;
  readonly endpoint: string;
  readonly variant: string;
  readonly seconds: number;
  readonly failed: boolean;
}

export interface DashboardSetting {
  readonly events: EventLog;
  readonly history: MetricHistory;
  readonly asked: readonly Asked[];
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Twenty minutes of two endpoints, with what their log tells and what was measured, scraped every 15 s. */
export async function dashboardSetting(): Promise<DashboardSetting> {
  const clock = createManualClock(startMs);
  const events = openMemoryEventLog({ clock });
  const meter = createMeter();
  const random = createRandom(9);
  const history = createMetricHistory(meter.registry);
  const ledger = createLedgerMetrics({ events, meter });
  const baseline = profileOf(batchOf({ distance: Float64Array.from({ length: 2_000 }, () => random.normal()) }));
  await using monitor = openMonitor({
    clock,
    meter,
    events,
    slos: [defineSlo({ name: "answers", objective: 0.9, sli: errorIndicator({ endpoint: "late" }) })],
    rules: [driftAlert({ endpoint: "late", baseline }), qualityAlert({ endpoint: "late", against: 0.1 })],
    quality: { late: { output: "probability", kind: "binary" } },
  });
  const traffic = createTraffic(5);
  const labelNames = ["endpoint", "variant", "version"];
  const requests = meter.counter("millwright_serving_requests_total", { help: "Requests.", labelNames });
  const errors = meter.counter("millwright_serving_errors_total", {
    help: "Errors.",
    labelNames: [...labelNames, "code"],
  });
  const latency = meter.histogram("millwright_serving_latency_seconds", { help: "Latency.", labelNames, buckets });
  const inFlight = meter.gauge("millwright_serving_in_flight", { help: "In flight.", labelNames: ["endpoint"] });
  const asked: Asked[] = [];
  for (let step = 0; step <= 80; step += 1) {
    await events.append(happenings(step));
    for (const endpoint of ["late", "price"]) {
      for (let index = 0; index < 20; index += 1) {
        const variant = index % 4 === 0 ? "candidate" : "main";
        const seconds = Math.exp(random.normal() - 3.5);
        const failed = random.next() < (variant === "candidate" ? 0.2 : 0.02);
        const labels = { endpoint, variant, version: variant === "main" ? "1" : "2" };
        requests.add(1, labels);
        if (failed) errors.add(1, { ...labels, code: "SERVING_MODEL_FAILED" });
        else latency.observe(seconds, labels);
        asked.push({ timeMs: clock.nowMs(), endpoint, variant, seconds, failed });
        const { prediction, label } = traffic.next(clock.nowMs(), { variant, shift: 1 });
        if (endpoint !== "late") continue;
        monitor.capture({
          ...prediction,
          ...(failed ? { errorCode: "SERVING_MODEL_FAILED", outputs: undefined } : {}),
          model: { name: "late", digest: digestOf(variant) },
        });
        monitor.label({ requestId: prediction.requestId, value: label, timeMs: clock.nowMs() });
      }
      inFlight.set(random.integer(9), { endpoint });
    }
    await monitor.evaluate();
    await ledger.update();
    await history.record(clock.nowMs());
    await clock.advance(stepMs);
  }
  return { events, history, asked };
}

/** What the log tells at a step. */
function happenings(step: number): readonly EventDraft[] {
  const source = "test";
  const spent = (project: string, model: string, amount: number): EventDraft => ({
    source,
    type: "budget.committed",
    data: { project, model, amount },
  });
  const all: EventDraft[] = [];
  if (step % 5 === 0) all.push(spent("pricing", "price", 1.25 + step / 100), spent("delays", "late", 0.5));
  if (step % 7 === 0) all.push(spent("delays", "late-next", 0.75));
  if (step === 20)
    all.push({ source, type: "deployment.started", subject: "late", data: { variant: "main", share: 0.25 } });
  if (step === 50)
    all.push({ source, type: "deployment.completed", subject: "late", data: { variant: "main", share: 1 } });
  if (step === 30) all.push({ source, type: "run.finished", subject: "r1", data: { experiment: "late" } });
  if (step === 40) all.push({ source, type: "run.failed", subject: "r2", data: { experiment: "late" } });
  return all;
}
