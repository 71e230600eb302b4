import { type Alert, createManualClock, createRandom, digestOf, type MillwrightEvent } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import {
  type AlertRule,
  defineSlo,
  driftAlert,
  errorIndicator,
  errorRateAlert,
  evidenceOf,
  latencyAlert,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
} from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

const minute = 60_000;
const startMs = Date.UTC(2026, 0, 1);
const random = createRandom(3);
const baseline = profileOf(batchOf({ distance: Float64Array.from({ length: 2_000 }, () => random.normal()) }));
const windowMs = 30 * minute;

const rules: readonly AlertRule[] = [
  errorRateAlert({ endpoint: "late", windowMs }),
  latencyAlert({ endpoint: "late", thresholdMs: 10, windowMs }),
  predictionShiftAlert({ endpoint: "late", windowMs }),
  qualityAlert({ endpoint: "late", windowMs }),
  driftAlert({ endpoint: "late", baseline, windowMs }),
];

test("no alert of ours lacks its value, threshold, window, samples, model and last deployment, shown or in its event", async () => {
  const log = openMemoryEventLog();
  const clock = createManualClock(startMs);
  const answers = defineSlo({
    name: "answers",
    objective: 0.99,
    sli: errorIndicator({ endpoint: "late", variant: "candidate" }),
  });
  await using monitor = openMonitor({
    clock,
    events: log,
    slos: [answers],
    rules,
    quality: { late: { output: "probability", kind: "binary" } },
  });
  const [baking] = await log.append([
    { source: "test", type: "deployment.baking", subject: "late", data: { variant: "main" } },
  ]);
  const traffic = createTraffic(7);
  for (let now = 0; now < 20; now += 1) {
    for (let index = 0; index < 150; index += 1) {
      const variant = index % 2 === 0 ? "main" : "candidate";
      const bad = variant === "candidate";
      const { prediction, label } = traffic.next(clock.nowMs(), {
        variant,
        errorShare: bad ? 0.4 : 0,
        latencyMs: () => (bad && index % 3 === 0 ? 50 : 5),
        answer: (truth) => (bad ? 1 - truth : truth),
        shift: bad ? 2 : 0,
      });
      const answer = bad && prediction.outputs !== undefined ? shiftedAnswer(prediction) : prediction;
      monitor.capture({ ...answer, model: { ...answer.model, version: bad ? 2 : 1 } });
      monitor.label({ requestId: prediction.requestId, value: label, timeMs: clock.nowMs() });
    }
    await clock.advance(minute);
    await monitor.evaluate();
  }
  const firing = await monitor.alerts("endpoint/late/variant/candidate");
  expect(firing.map(({ name }) => name).toSorted()).toEqual(
    ["answers", "answers", "drift", "error-rate", "latency", "prediction-shift", "quality"].toSorted(),
  );
  for (const alert of firing) {
    expect(missingOf(alert), `${alert.name} lacks`).toEqual([]);
    expect(alert.evidence?.model).toEqual({ name: "late", digest: digestOf("candidate"), version: 2 });
    expect(alert.evidence?.deployment).toMatchObject({ eventId: baking?.event.id, type: "deployment.baking" });
    const { fromMs = 0, toMs = 0 } = alert.evidence?.window ?? {};
    expect(toMs - fromMs).toBe(alert.name === "answers" ? toMs - fromMs : windowMs);
    expect(toMs).toBe(alert.sinceMs);
  }
  const told: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types: ["alert.firing"] })) told.push(event);
  expect(told).toHaveLength(firing.length);
  for (const { id, data } of told) {
    const alert = firing.find(({ eventId }) => eventId === id);
    expect(data["evidence"]).toEqual(alert?.evidence);
    expect(missingOf(data as unknown as Alert)).toEqual([]);
  }
  // The share that the evidence tells of is what a count gives.
  const errors = firing.find(({ name }) => name === "error-rate");
  expect(Math.round((errors?.value ?? 0) * (errors?.evidence?.samples ?? 0)) / (errors?.evidence?.samples ?? 1)).toBe(
    errors?.value,
  );
  expect(errors?.summary).toContain(`of ${errors?.evidence?.samples} requests`);
});

/** What a page must say, and this alert does not. */
function missingOf({ value, threshold, evidence }: Alert): readonly string[] {
  const { window, samples, model, deployment } = evidence ?? {};
  const parts = { value, threshold, window, samples, model, deployment };
  return Object.entries(parts).flatMap(([name, part]) => (part === undefined || part === null ? [name] : []));
}

const shiftedAnswer = (prediction: ReturnType<ReturnType<typeof createTraffic>["next"]>["prediction"]) => ({
  ...prediction,
  outputs: { probability: { dtype: "float32" as const, shape: [1, 1], data: Float32Array.of(0.98) } },
});

test("an endpoint's model is told where all its variants serve the same; a rule of one's own may name another", async () => {
  const clock = createManualClock(startMs);
  const named = { name: "other", digest: digestOf("other") };
  const own: AlertRule = {
    name: "own",
    evaluate: (view) => [
      {
        subject: "endpoint/late",
        state: "firing",
        severity: "info",
        summary: "So it is.",
        evidence: evidenceOf(view, minute, 3),
      },
      {
        subject: "endpoint/late/variant/main",
        state: "firing",
        severity: "info",
        summary: "So it is.",
        evidence: { model: named },
      },
      { subject: "queue", state: "firing", severity: "info", summary: "So it is." },
    ],
  };
  await using monitor = openMonitor({ clock, rules: [own] });
  const traffic = createTraffic(1);
  const ask = (variant: string, model: string): void =>
    monitor.capture(traffic.next(clock.nowMs(), { variant, model }).prediction);
  ask("main", "v1");
  ask("candidate", "v1");
  const [whole, main, queue] = await monitor.evaluate();
  expect(whole?.evidence).toEqual({
    window: { fromMs: startMs - minute, toMs: startMs },
    samples: 3,
    model: { name: "late", digest: digestOf("v1") },
  });
  expect(main?.evidence).toEqual({ model: named });
  expect(queue?.evidence).toBeUndefined();
});
