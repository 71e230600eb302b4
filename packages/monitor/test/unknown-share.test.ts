import { type Batch, createManualClock, createRandom, digestOf, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { driftAlert, type Monitor, type MonitorOptions, openMonitor } from "../src/index.ts";
import { reconstructionDrift } from "../src/multivariate.ts";
import { fitMahalanobis, outlierAlert } from "../src/outliers.ts";
import { hourMs, start, watched } from "./live-rows.ts";

const minuteMs = 60_000;

function rowsOf(random: Random, rows: number): Batch {
  const km = Float64Array.from({ length: rows }, () => 500 + 200 * random.normal());
  return batchOf({ km, minutes: km.map((each) => each / 12 + 20 + 5 * random.normal()) });
}

/** A monitor with rules that rest on rows, and what they found last. */
function openWith(options: MonitorOptions) {
  const outliers = watched(outlierAlert({ endpoint: "late", model: fitMahalanobis(rowsOf(createRandom(1), 2000)) }));
  const drift = watched(
    driftAlert({
      endpoint: "late",
      monitor: reconstructionDrift({ alpha: 0.001 }),
      reference: rowsOf(createRandom(2), 4000),
    }),
  );
  const monitor = openMonitor({ ...options, rules: [outliers, drift], rows: { perWindow: 1000 } });
  return {
    monitor,
    states: () => [outliers, drift].map(({ last }) => last[0]?.state),
    summary: () => outliers.last[0]!.summary,
  };
}

function ask(monitor: Monitor, timeMs: number, rows: Batch): void {
  const model = { name: "late", digest: digestOf("v1") };
  monitor.capture({
    requestId: `r ${timeMs}`,
    endpoint: "late",
    variant: "main",
    model,
    timeMs,
    latencyMs: 4,
    features: rows,
  });
}

const stateOf = (monitor: Monitor, rowsPerWindow: number): unknown =>
  JSON.parse(JSON.stringify(monitor.state({ rowsPerWindow })));

test("after a restart from a state without rows the share is not known, and rules of rows judge no window of it until they see whole ones", async () => {
  const clock = createManualClock(start);
  const random = createRandom(3);
  const before = openWith({ clock });
  for (let minute = 0; minute < 30; minute += 1) ask(before.monitor, start + minute * minuteMs, rowsOf(random, 20));
  await clock.advance(30 * minuteMs + 30_000);
  expect(before.monitor.read("late", "main").rows!.share).toBe(1);
  for (const [rowsPerWindow, shares] of [
    [0, Number.NaN],
    [1000, 1],
    [5, 5 / 20],
  ] as const) {
    const after = openWith({ clock: createManualClock(clock.nowMs()), state: stateOf(before.monitor, rowsPerWindow) });
    // In the very minute of the restart, and after it.
    for (let at = 0; at < 25; at += 1) ask(after.monitor, start + 30 * minuteMs + at * 1000, rowsOf(random, 20));
    const { rows } = after.monitor.read("late", "main");
    if (Number.isNaN(shares)) expect(rows!.share).toBeNaN();
    // A sample of 5 of 20 rows: the share is that of the smallest priorities of 30 minutes.
    else expect(Math.abs(rows!.share - shares)).toBeLessThan(shares === 1 ? 1e-12 : 0.25);
    await after.monitor.evaluate();
    expect(after.states()[0]).toBe(rowsPerWindow === 1000 ? "ok" : "unknown");
    if (rowsPerWindow === 0) expect(after.summary()).toMatch(/state\(\{ rowsPerWindow \}\)/);
    await after.monitor[Symbol.asyncDispose]();
  }
  // What is missing outlives further restarts, and merging by the hour.
  const first = openWith({ clock, state: stateOf(before.monitor, 0) });
  ask(first.monitor, clock.nowMs(), rowsOf(random, 300));
  const second = openWith({ clock, state: stateOf(first.monitor, 1000) });
  expect(second.monitor.read("late", "main").rows!.length).toBe(300);
  expect(second.monitor.read("late", "main").rows!.share).toBeNaN();
  await clock.advance(29.5 * minuteMs);
  await second.monitor.evaluate();
  expect(second.states()).toEqual(["unknown", "unknown"]);
  for (let minute = 0; minute < 60; minute += 1) {
    ask(second.monitor, clock.nowMs(), rowsOf(random, 20));
    await clock.advance(minuteMs);
  }
  await second.monitor.evaluate();
  expect(second.monitor.read("late", "main", { windowMs: hourMs }).rows!.share).toBe(1);
  expect(second.states()).toEqual(["ok", "ok"]);
  await clock.advance(4 * hourMs);
  await second.monitor.evaluate();
  expect(second.monitor.read("late", "main").rows!.share).toBeNaN();
  for (const { monitor } of [before, first, second]) await monitor[Symbol.asyncDispose]();
});

test("rows of another process that came without do not count as looked at, those that came do", async () => {
  const clock = createManualClock(start + minuteMs);
  const random = createRandom(4);
  await using other = openMonitor({ clock, rows: { perWindow: 1000 } });
  ask(other, start, rowsOf(random, 300));
  const own = openWith({ clock });
  ask(own.monitor, start, rowsOf(random, 300));
  own.monitor.merge("other", stateOf(other, 0));
  expect(own.monitor.read("late", "main").rows!.share).toBeNaN();
  await own.monitor.evaluate();
  expect(own.states()[0]).toBe("unknown");
  own.monitor.merge("other", stateOf(other, 1000));
  expect(own.monitor.read("late", "main").rows).toMatchObject({ share: 1, length: 600 });
  await clock.advance(2 * minuteMs);
  await own.monitor.evaluate();
  expect(own.states()[0]).toBe("ok");
  const broken = stateOf(other, 1000) as {
    readonly variants: readonly { readonly windows: readonly { rows: object }[] }[];
  };
  Object.assign(broken.variants[0]!.windows[0]!.rows, { missing: -1 });
  expect(() => own.monitor.merge("other", broken)).toThrow(expect.objectContaining({ code: "MONITOR_STATE_INVALID" }));
  await own.monitor[Symbol.asyncDispose]();
});
