import { createManualClock } from "@millwright/contracts";
import { batchOf, column, profileOf } from "@millwright/data";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import {
  alertSeverities,
  costForecastAlert,
  endpointDownAlert,
  eventAlert,
  trainingFailureAlert,
} from "../src/alerts.ts";
import {
  type AlertRule,
  driftAlert,
  errorRateAlert,
  latencyAlert,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
} from "../src/index.ts";
import { minute, startMs } from "./alert-setting.ts";
import { createTraffic } from "./traffic.ts";

test("MO-52: who is woken is as it was agreed: pages for an endpoint that is down, slowness beyond the objective and failed production training; tickets for forecasts, warnings and drift", async () => {
  const clock = createManualClock(startMs);
  const log = openMemoryEventLog({ clock });
  const random = createTraffic(4);
  const rules: readonly AlertRule[] = [
    endpointDownAlert({ endpoint: "down" }),
    latencyAlert({ endpoint: "late", thresholdMs: 10, alerting: { forMs: 3 * minute } }),
    trainingFailureAlert({
      events: log,
      pipelineOf: ({ data }) => (data["production"] === true ? `pipeline/${String(data["pipeline"])}` : undefined),
    }),
    costForecastAlert({
      subject: "project/pricing",
      budget: 100,
      period: { fromMs: startMs - 10 * minute, toMs: startMs + 90 * minute },
      spent: () => ({ amount: 40, records: 7 }),
    }),
    eventAlert({
      name: "feature-late",
      events: log,
      firing: ["feature.late"],
      resolved: ["feature.ingested"],
      subjectOf: () => "feature/x",
    }),
  ];
  await using monitor = openMonitor({ clock, events: log, rules });
  const source = "test";
  await log.append([
    { source, type: "run.failed", subject: "r1", data: { pipeline: "late", production: true } },
    { source, type: "run.failed", subject: "r2", data: { pipeline: "sketch" } },
    { source, type: "feature.late", data: {} },
  ]);
  const minutes: string[][] = [];
  for (let now = 0; now < 5; now += 1) {
    for (let index = 0; index < 60; index += 1) {
      const { prediction } = random.next(clock.nowMs() + index, { latencyMs: () => 50 });
      monitor.capture(prediction);
      const down = random.next(clock.nowMs() + index, { errorShare: 1 }).prediction;
      monitor.capture({ ...down, endpoint: "down", variant: "a" });
    }
    await clock.advance(minute);
    minutes.push((await monitor.evaluate()).map(({ name, severity }) => `${severity} ${name}`).toSorted());
  }
  const atOnce = ["page endpoint-down", "page training-failed", "ticket cost-forecast", "ticket feature-late"];
  // Slowness pages once it is sustained.
  expect(minutes.map((each) => each.join())).toEqual(
    [0, 1, 2].map(() => atOnce.join()).concat([3, 4].map(() => [...atOnce, "page latency"].toSorted().join())),
  );
  const drift = [
    driftAlert({ endpoint: "late", baseline: profileOf(batchOf({ x: column("float64", [1, 2]) })) }),
    predictionShiftAlert({ endpoint: "late" }),
    qualityAlert({ endpoint: "late" }),
  ];
  expect(drift.map(({ name }) => alertSeverities[name as keyof typeof alertSeverities])).toEqual([
    "ticket",
    "ticket",
    "ticket",
  ]);
  expect(alertSeverities[errorRateAlert({ endpoint: "late" }).name as "error-rate"]).toBe("page");
  // The next run that ends well ends the page.
  await log.append([{ source, type: "run.finished", subject: "r3", data: { pipeline: "late", production: true } }]);
  expect((await monitor.evaluate()).map(({ name }) => name)).not.toContain("training-failed");
  for (const alert of await monitor.alerts("endpoint")) expect(alert.evidence?.samples).toBeGreaterThan(0);
});
