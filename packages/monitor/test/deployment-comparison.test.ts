import { createManualClock, createRandom, type EventLog, type MillwrightEvent } from "@millwright/contracts";
import { batchOf, createQuantileSketcher, profileOf } from "@millwright/data";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { compareDeployment } from "../src/deployments.ts";
import { openMonitor, type VariantReading } from "../src/index.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

const minute = 60_000;
const startMs = Date.UTC(2026, 0, 1);

async function eventsOf(log: EventLog, types: readonly string[]): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types })) events.push(event);
  return events;
}

/** Twenty minutes of one model, a deployment, twenty of the next. */
async function deploy(before: Traffic, after: Traffic, { restart = false } = {}) {
  const clock = createManualClock(startMs);
  const log = openMemoryEventLog({ clock });
  const options = {
    clock,
    events: log,
    quality: { late: { output: "probability", kind: "binary" as const } },
    deployments: { spanMs: 20 * minute },
  };
  let monitor = openMonitor(options);
  const traffic = createTraffic(12);
  const run = async (minutes: number, kind: Traffic): Promise<void> => {
    for (let now = 0; now < minutes; now += 1) {
      for (let index = 0; index < 60; index += 1) {
        const { prediction, label } = traffic.next(clock.nowMs() + index, kind);
        monitor.capture(prediction);
        monitor.label({ requestId: prediction.requestId, value: label, timeMs: clock.nowMs() + index });
      }
      await clock.advance(minute);
      await monitor.evaluate();
    }
  };
  await run(20, before);
  const [completed] = await log.append([
    { source: "test", type: "deployment.completed", subject: "late", data: { variant: "main" } },
  ]);
  await run(10, after);
  expect(monitor.deployments()).toEqual([]);
  if (restart) {
    await monitor[Symbol.asyncDispose]();
    monitor = openMonitor(options);
  }
  await run(12, after);
  const compared = monitor.deployments();
  await monitor[Symbol.asyncDispose]();
  return { compared, log, completed };
}

test("MO-54: each deployment is compared with what was before it, once, by errors, latency, answers and quality, and told with its cause", async () => {
  const latencyOf = (mean: number) => ({
    latencyMs: (random: { normal(): number }) => mean * Math.exp(random.normal() / 4),
  });
  const { compared, log, completed } = await deploy(
    { model: "one", ...latencyOf(5) },
    { model: "two", errorShare: 0.1, answer: (truth) => 1 - truth, ...latencyOf(9) },
  );
  expect(compared).toHaveLength(1);
  const [found] = compared;
  expect(found).toMatchObject({ endpoint: "late", variant: "main", verdict: "worse", eventId: completed?.event.id });
  expect(found?.models.before?.digest).not.toBe(found?.models.after?.digest);
  expect(Object.fromEntries(found?.measures.map(({ measure, verdict }) => [measure, verdict]) ?? [])).toEqual({
    "error share": "worse",
    p50: "worse",
    p95: "worse",
    p99: "worse",
    "log loss": "worse",
    "squared error": "worse",
  });
  expect(found?.samples).toEqual({ before: 1_200, after: 1_200 });
  const [errors] = found?.measures ?? [];
  expect(errors?.low).toBeGreaterThan(0.05);
  expect(errors?.high).toBeLessThan(0.15);
  const events = await eventsOf(log, ["deployment.compared"]);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    subject: "late",
    causationid: completed?.event.id,
    data: { verdict: "worse", variant: "main" },
  });
});

test("a better model is better; one that merely answers otherwise is changed; the same is the same", async () => {
  const better = await deploy({ model: "one", errorShare: 0.1 }, { model: "two" });
  expect(better.compared[0]).toMatchObject({ verdict: "better" });
  const same = await deploy({ model: "one" }, { model: "two" });
  expect(same.compared[0]).toMatchObject({ verdict: "same", reasons: [] });
  const random = createRandom(3);
  const side = readingOf(random, 1_000, 0.02, 20);
  const outputs = profileOf(batchOf({ p: Float64Array.from({ length: 1_000 }, () => random.normal() + 1) }));
  const changed = compareDeployment(side, { ...side, outputs });
  expect(changed).toMatchObject({ verdict: "changed", reasons: [expect.stringContaining("Answers: ")] });
  expect(compareDeployment(side, readingOf(random, 10, 0, 20)).verdict).toBe("unknown");
});

test("a process that began after the deployment says that it does not know, and what was told is not told again", async () => {
  const { compared, log } = await deploy({ model: "one" }, { model: "two" }, { restart: true });
  expect(compared.map(({ verdict }) => verdict)).toEqual(["unknown"]);
  expect(await eventsOf(log, ["deployment.compared"])).toHaveLength(1);
  const clock = createManualClock(Date.parse((await eventsOf(log, ["deployment.completed"]))[0]?.time ?? "") + minute);
  await using again = openMonitor({ clock, events: log, deployments: { spanMs: 2 * minute } });
  await clock.advance(10 * minute);
  await again.evaluate();
  expect(again.deployments()).toEqual([]);
});

/** What a variant did whose requests take an exponential time, and fail now and then. */
function readingOf(
  random: ReturnType<typeof createRandom>,
  requests: number,
  errorShare: number,
  meanMs: number,
): VariantReading {
  const latency = createQuantileSketcher();
  const errors = Array.from({ length: requests }, () => random.next()).filter((drawn) => drawn < errorShare).length;
  latency.addAll(Float64Array.from({ length: requests - errors }, () => -meanMs * Math.log(1 - random.next())));
  const losses = Float64Array.from({ length: requests }, () => random.normal());
  const mean = losses.reduce((sum, each) => sum + each, 0) / requests;
  const estimate = { mean, standardError: 1 / Math.sqrt(requests), low: 0, high: 0 };
  const quality = { labels: requests, logLoss: estimate, brier: { ...estimate, mean: Number.NaN } };
  return {
    requests,
    errors,
    latency: latency.sketch(),
    outputs: profileOf(batchOf({ p: losses })),
    quality,
  } as unknown as VariantReading;
}

test("MO-54: where nothing changed, deployments are called better or worse no more often than the confidence allows, and a real change is found", () => {
  const random = createRandom(54);
  const trials = 400;
  let alarms = 0;
  let found = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const before = readingOf(random, 600, 0.02, 20);
    const { verdict } = compareDeployment(before, readingOf(random, 600, 0.02, 20));
    if (verdict === "better" || verdict === "worse") alarms += 1;
    if (trial < 100 && compareDeployment(before, readingOf(random, 600, 0.08, 20)).verdict === "worse") found += 1;
  }
  // At 5 %, more than 35 of 400 have a chance of 0.0006 (binomial).
  expect(alarms).toBeLessThanOrEqual(35);
  expect(found).toBeGreaterThan(90);
});
