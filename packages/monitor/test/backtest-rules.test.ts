import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Alert, type CapturedPrediction, createManualClock } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { backtestRules, type ReplayedAlert, type RuleSetup } from "../src/backtest.ts";
import { openNdjsonCapture, readNdjsonCapture } from "../src/drivers/ndjson.ts";
import { type AlertRule, errorRateAlert, openMonitor } from "../src/index.ts";
import { shift } from "../src/injection.ts";
import {
  always,
  careless,
  dayMs,
  history,
  hourMs,
  incidents,
  minuteMs,
  only,
  setup,
  start,
  type Told,
} from "./rule-history.ts";

/** What a live monitor fires that sees the same at the same times, as it is seen from outside. */
async function live(directory: string, { answers, labels }: Told, everyMs: number): Promise<ReplayedAlert[]> {
  const clock = createManualClock(start);
  await using capture = await openNdjsonCapture({ directory });
  await using monitor = openMonitor({ ...setup(), clock, capture });
  const items = [
    ...answers.map((answer) => ({ timeMs: answer.timeMs, put: () => monitor.capture(answer) })),
    ...labels.map((label) => ({ timeMs: label.timeMs, put: () => monitor.label(label) })),
  ].toSorted((a, b) => a.timeMs - b.timeMs);
  const fired: { -readonly [Key in keyof ReplayedAlert]: ReplayedAlert[Key] }[] = [];
  const endMs = Math.ceil((items.at(-1)!.timeMs + 1 - start) / everyMs) * everyMs + start;
  for (let nowMs = start + everyMs; nowMs <= endMs; nowMs += everyMs) {
    while (items[0] !== undefined && items[0].timeMs < nowMs) {
      const { timeMs, put } = items.shift()!;
      await clock.advance(timeMs - clock.nowMs());
      put();
    }
    await clock.advance(nowMs - clock.nowMs());
    const firing = await monitor.evaluate();
    const same = (each: (typeof fired)[number], alert: Alert): boolean =>
      each.rule === alert.name && each.subject === alert.subject && each.fromMs === alert.sinceMs;
    for (const each of fired)
      if (each.toMs === undefined && !firing.some((alert) => same(each, alert))) each.toMs = nowMs;
    for (const alert of firing) {
      if (fired.some((each) => same(each, alert))) continue;
      const { name: rule, subject, severity, summary, value, threshold, sinceMs: fromMs } = alert;
      fired.push({ rule, subject, severity, summary, value, threshold, fromMs, told: false });
    }
    for (const { alert, told } of monitor.alerting.states())
      for (const each of fired) if (same(each, alert) && told) each.told = true;
  }
  return fired;
}

test(
  "what a live monitor fired is what the replay of its captured rows fires, alert by alert",
  { timeout: 600_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "backtest-rules-"));
    try {
      const told = history(20, 60, incidents);
      const fired = await live(directory, told, 10 * minuteMs);
      expect(new Set(fired.map(({ rule }) => rule))).toEqual(new Set(["error-rate", "latency", "drift", "quality"]));
      expect(fired.filter(({ rule }) => rule === "error-rate")).toHaveLength(2);
      const everyMs = 10 * minuteMs;
      const captured = { answers: readNdjsonCapture(directory), labels: told.labels };
      const report = await backtestRules(setup, captured, { everyMs });
      expect(report.alerts).toEqual(fired);
      expect(report).toMatchObject({ answers: 1200, labels: 1200, evaluations: 123, fromMs: start });
      expect(report.counts).toMatchObject({ captured: 1200, dropped: 0, failed: 0, outdated: 0 });
      // And from the answers as they were given, to the letter the second time.
      const [first, second] = [
        await backtestRules(setup, told, { everyMs }),
        await backtestRules(setup, told, { everyMs }),
      ];
      expect(first.alerts).toEqual(fired);
      expect(JSON.stringify(second)).toBe(JSON.stringify(first));
      expect(first.rules["error-rate"]).toMatchObject({ alerts: 2, told: 2, failures: 0 });
      const latency = fired.find(({ rule }) => rule === "latency")!;
      expect(first.rules["latency"]?.firingShare).toBeCloseTo((latency.toMs! - latency.fromMs) / everyMs / 123, 12);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);

test(
  "calm rules raise no alarm, and find a drift that is injected; neither tells anybody",
  { timeout: 600_000 },
  async () => {
    const calm = history(30, 60);
    const events = openMemoryEventLog();
    const fromMs = start + 20 * hourMs;
    const given = (): RuleSetup => ({ ...setup(), events }) as RuleSetup;
    const drift = { fromMs, drifts: [shift("distance", 1)] };
    const options = { everyMs: 20 * minuteMs, warmUpMs: 8 * hourMs, drift };
    const report = await backtestRules(given, calm, options);
    expect(report.alerts).toEqual([]);
    expect(Object.keys(report.rules)).toEqual(["error-rate", "latency", "drift", "quality"]);
    // Nothing in T: Garwood's upper limit is -ln(0.025) / T.
    const spanMs = report.toMs - report.fromMs;
    expect(report.rules["drift"]).toMatchObject({
      alerts: 0,
      perThirtyDays: 0,
      firingShare: 0,
      withoutVerdictShare: 0,
    });
    expect(report.rules["drift"]?.perThirtyDaysInterval[1]).toBeCloseTo((-Math.log(0.025) * 30 * dayMs) / spanMs, 6);
    const found = report.drift?.rules;
    expect(found?.["drift"]).toMatchObject({ firingBefore: false, shareByChance: 0 });
    expect(found?.["drift"]?.delayMs).toBeGreaterThan(0);
    expect(found?.["drift"]?.delayMs).toBeLessThanOrEqual(4 * hourMs);
    expect(report.drift?.alerts[0]).toMatchObject({ rule: "drift", fromMs: fromMs + found!["drift"]!.delayMs! });
    // Once it is there for good, it goes on to the end.
    expect(report.drift?.alerts.at(-1)).not.toHaveProperty("toMs");
    // The answers are those that were given: rules that look at these have nothing to find.
    for (const rule of ["error-rate", "latency", "quality"]) expect(found?.[rule]).not.toHaveProperty("delayMs");
    // 20 min of policy, and the first evaluation that knows of a slow request.
    const slow = await backtestRules(() => only("latency"), history(4, 60), {
      everyMs: 10 * minuteMs,
      drift: {
        fromMs: start + 2 * hourMs,
        change: (answer) => ({ ...answer, latencyMs: 400 }),
        endpoint: "late",
      },
    });
    expect(slow.drift?.rules["latency"]).toMatchObject({ alerts: 1, delayMs: 30 * minuteMs });
    const noisy = await backtestRules(() => only("drift", careless), calm, { ...options, drift: undefined });
    expect(noisy.rules["drift"]?.alerts).toBeGreaterThan(0);
    expect(noisy.rules["drift"]?.perThirtyDaysInterval[0]).toBeGreaterThan(0);
    for await (const event of events.read()) expect.fail(JSON.stringify(event));
  },
);

test("alerts are counted beyond those that are listed, not before the warm-up is over, and not told within a cool-down", async () => {
  const rules = (): RuleSetup => ({
    rules: [always(), always("cooled")],
    alerting: { policies: { cooled: { coolDownMs: 3 * hourMs } } },
  });
  const hours = history(24, 2);
  const report = await backtestRules(rules, hours, { everyMs: 10 * minuteMs, mostAlerts: 3 });
  expect(report.rules["always"]).toMatchObject({ alerts: 13, told: 13, withoutVerdictShare: 0 });
  expect(report.rules["always"]?.firingShare).toBeCloseTo(0.5, 1);
  expect(report.rules["cooled"]?.alerts).toBe(13);
  expect(report.rules["cooled"]?.told).toBeLessThan(8);
  expect(report.alerts).toHaveLength(3);
  const late = await backtestRules(rules, hours, { everyMs: 10 * minuteMs, warmUpMs: 23.5 * hourMs });
  expect(late.rules["always"]).toMatchObject({ alerts: 1 });
  expect(late.fromMs).toBe(start + 23.5 * hourMs);
  const drift = { fromMs: start + 2.5 * hourMs, change: (each: CapturedPrediction) => each };
  const chance = await backtestRules(rules, hours, { everyMs: 10 * minuteMs, drift, mostAlerts: 0 });
  expect(chance.drift?.rules["always"]).toMatchObject({ firingBefore: true, alerts: 11, delayMs: 100 * minuteMs });
  const spanMs = chance.evaluations * 10 * minuteMs;
  expect(chance.drift?.rules["always"]?.shareByChance).toBeCloseTo(1 - Math.exp((-13 / spanMs) * 100 * minuteMs), 9);
});

test("a rule that throws, or never knows, is told of", async () => {
  const broken: AlertRule = {
    name: "broken",
    evaluate: () => {
      throw new RangeError("no such column");
    },
  };
  const rules = [broken, errorRateAlert({ endpoint: "other" })];
  const report = await backtestRules(() => ({ rules }), history(2, 120), { everyMs: 10 * minuteMs });
  expect(report.rules["broken"]).toMatchObject({ failures: report.evaluations, firstFailure: "no such column" });
  expect(report.rules["error-rate"]).toMatchObject({ failures: 0, withoutVerdictShare: 1 });
});
