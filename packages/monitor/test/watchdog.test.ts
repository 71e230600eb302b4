import { type CapturedPrediction, createManualClock, digestOf, type ManualClock } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import { expect, test } from "vitest";
import { dataQualityAlert, type WatchdogOptions, watchdogAlert } from "../src/data-quality.ts";
import { driftAlert, errorRateAlert, type Monitor, openMonitor } from "../src/index.ts";
import { mixedBatch } from "./mixed-rows.ts";

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1);

const asked = (clock: ManualClock, index: number, more: Partial<CapturedPrediction> = {}): CapturedPrediction => ({
  requestId: `r${index}`,
  endpoint: "late",
  variant: "main",
  model: { name: "late", digest: digestOf("m") },
  timeMs: clock.nowMs(),
  latencyMs: 3,
  features: batchOf({ km: [index] }),
  ...more,
});

async function watched(
  options: Partial<WatchdogOptions>,
  use: (monitor: Monitor, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const clock = createManualClock(startMs);
  const rule = watchdogAlert({ endpoint: "late", periodMs: 5 * minuteMs, ...options });
  await using monitor = openMonitor({ clock, rules: [rule] });
  await use(monitor, clock);
}

const summaries = async (monitor: Monitor): Promise<readonly string[]> =>
  (await monitor.evaluate()).map(({ subject, severity, summary }) => `${severity} ${subject} ${summary}`);

test("MO-36: traffic that stops is no data within one period, and goes on being so until it comes back", async () => {
  await watched({}, async (monitor, clock) => {
    for (let minute = 0; minute < 30; minute += 1) {
      monitor.capture(asked(clock, minute));
      await clock.advance(minuteMs);
      expect(await summaries(monitor)).toEqual([]);
    }
    // From here on nothing comes: a window ends at most one length of a window after the period has.
    let silentMs = 0;
    let found: readonly string[] = [];
    while (found.length === 0 && silentMs < 60 * minuteMs) {
      await clock.advance(minuteMs);
      silentMs += minuteMs;
      found = await summaries(monitor);
    }
    expect(silentMs).toBeLessThanOrEqual(5 * minuteMs);
    expect(found).toEqual(["page endpoint/late/variant/main no-data: No request was seen in 5 min."]);
    // Also when windows have long been forgotten.
    await clock.advance(8 * 24 * 60 * minuteMs);
    const later = await summaries(monitor);
    expect(later).toHaveLength(1);
    expect(later[0]).toContain("no-data");
    monitor.capture(asked(clock, 99));
    expect(await summaries(monitor)).toEqual([]);
  });
});

test("MO-36: an endpoint that never had traffic, and a variant that is wanted and has none, are no data", async () => {
  await watched({}, async (monitor) => {
    expect(await summaries(monitor)).toEqual(["page endpoint/late no-data: No request was ever seen."]);
  });
  await watched({ variants: ["main", "candidate"] }, async (monitor, clock) => {
    monitor.capture(asked(clock, 1));
    expect(await summaries(monitor)).toEqual([
      "page endpoint/late/variant/candidate no-data: No request was seen in 5 min.",
    ]);
  });
});

test("MO-36: without data no rule says ok: what fired goes on firing", async () => {
  const clock = createManualClock(startMs);
  const baseline = profileOf(mixedBatch(2000, 1));
  const rules = [
    errorRateAlert({ endpoint: "late" }),
    driftAlert({ endpoint: "late", baseline, windowMs: 60 * minuteMs }),
    dataQualityAlert({ endpoint: "late", baseline, windowMs: 60 * minuteMs }),
  ];
  const states: string[] = [];
  const spied = rules.map((rule) => ({
    ...rule,
    evaluate(view: Parameters<typeof rule.evaluate>[0]) {
      const found = rule.evaluate(view);
      states.push(...found.map(({ state }) => `${rule.name} ${state}`));
      return found;
    },
  }));
  await using monitor = openMonitor({ clock, rules: spied });
  monitor.capture(asked(clock, 1, { features: batchOf(mixedBatch(3000, 2, { shift: 3 }).columns) }));
  const before = (await monitor.evaluate()).map(({ name }) => name);
  expect(before.toSorted()).toEqual(["data-quality", "drift"]);
  states.length = 0;
  await clock.advance(2 * 60 * minuteMs);
  await monitor.evaluate();
  expect(states.toSorted()).toEqual(["data-quality unknown", "drift unknown", "error-rate unknown"]);
});

test("MO-36: gaps in the capture, an old baseline and a silent schedule are told apart", async () => {
  let ranMs: number | undefined;
  const options = (): Partial<WatchdogOptions> => ({
    baseline: { madeMs: startMs, maxAgeMs: 60 * minuteMs },
    schedules: [
      { name: "hourly-drift", everyMs: 10 * minuteMs, lastRunMs: () => ranMs, dueMs: startMs + 15 * minuteMs },
    ],
  });
  await watched(options(), async (monitor, clock) => {
    monitor.capture(asked(clock, 0));
    expect(await summaries(monitor)).toEqual([]);
    await clock.advance(16 * minuteMs);
    monitor.capture(asked(clock, 1));
    expect(await summaries(monitor)).toEqual([
      "ticket schedule/hourly-drift silent: The schedule never ran; it should every 10 min.",
    ]);
    ranMs = clock.nowMs();
    expect(await summaries(monitor)).toEqual([]);
    await clock.advance(50 * minuteMs);
    for (let index = 0; index < 300; index += 1) {
      const { features, ...bare } = asked(clock, 1000 + index);
      monitor.capture(index < 100 ? { ...bare, features } : bare);
    }
    const found = await summaries(monitor);
    expect(found).toHaveLength(3);
    expect(found.find((each) => each.includes("variant/main"))).toContain(
      "gap: 100 rows of features were captured of the 300",
    );
    expect(found.find((each) => each.includes("endpoint/late stale"))).toContain("stale: The baseline is");
    expect(found.find((each) => each.includes("schedule"))).toContain("silent: The schedule ran 50 min ago");
  });
});

test("MO-36: what a monitor let go is a gap", async () => {
  const clock = createManualClock(startMs);
  const watchdog = watchdogAlert({ endpoint: "late", counts: () => monitor.counts() });
  await using monitor: Monitor = openMonitor({ clock, rules: [watchdog], maxQueue: 10 });
  for (let index = 0; index < 50; index += 1) monitor.capture(asked(clock, index));
  const found = await summaries(monitor);
  expect(found).toEqual([
    "ticket endpoint/late gap: 80 % of predictions and labels, and 0 % of captured rows, were let go; allowed 1 %.",
  ]);
});

test("options out of range are refused", () => {
  expect(() => watchdogAlert({ endpoint: "late", periodMs: 0 })).toThrow(/periodMs/);
  expect(() => watchdogAlert({ endpoint: "late", lostShare: 2 })).toThrow(/lostShare/);
});
