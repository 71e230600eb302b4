import { createManualClock } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  type BurnRateRow,
  createEventCounts,
  defineSlo,
  errorIndicator,
  googleProfile,
  pyrraProfile,
  openMonitor,
  readSlo,
  rescaleProfile,
  slothProfile,
} from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);

const sloOf = (profile: readonly BurnRateRow[], objective = 0.999) =>
  defineSlo({
    name: "availability",
    objective,
    sli: errorIndicator({ endpoint: "late" }),
    profile,
    periodMs: 30 * day,
  });

/** Steady traffic of 100 events in each bucket of ten seconds: good before `badFromMs`, then with this ratio of errors. */
function steady(untilMs: number, badFromMs: number, ratio: number, badUntilMs = Number.POSITIVE_INFINITY) {
  const counts = createEventCounts({ periodMs: 30 * day });
  for (let time = badFromMs - 3 * day; time < untilMs; time += 10_000) {
    counts.add(time, 100 * (time >= badFromMs && time < badUntilMs ? 1 - ratio : 1), 100);
  }
  return counts;
}

/** When the row fires, counting from the moment the errors begin: at the first end of a bucket where it does. */
function firesAfter(row: BurnRateRow, ratio: number): number {
  const slo = sloOf([row]);
  const counts = steady(start, start, 0);
  const expected = (row.burnRate * 0.001 * row.longMs) / ratio;
  for (let time = start; time < start + 4 * day; time += 10_000) {
    counts.add(time, 100 * (1 - ratio), 100);
    // Looked at every ten seconds near the time when it should fire, and every quarter of an hour elsewhere.
    if (Math.abs(time - start - expected) > 2 * minute && (time - start) % (15 * minute) !== 0) continue;
    if (readSlo(slo, counts, time).rows[0]!.state === "firing") return time + 10_000 - start;
  }
  return Number.POSITIVE_INFINITY;
}

test.each(googleProfile().map((row) => [row] as const))(
  "%o fires threshold · window / error ratio after the errors began",
  (row) => {
    const threshold = row.burnRate * 0.001;
    for (const ratio of [1, 0.5, threshold * 5, threshold * 1.25]) {
      const expected = (threshold * row.longMs) / ratio;
      const after = firesAfter(row, ratio);
      expect(after).toBeGreaterThanOrEqual(expected - 1e-6);
      // One bucket is as finely as time is told.
      expect(after).toBeLessThanOrEqual(expected + 10_000);
    }
  },
);

test("a total outage at 99.9 % pages after 52 s, as the SRE workbook says", () => {
  expect(firesAfter(googleProfile()[0]!, 1)).toBe(60_000);
  expect(0.0144 * hour).toBeCloseTo(51_840, 6);
});

test("an error ratio just under the threshold never fires, however long", () => {
  for (const row of googleProfile())
    expect(firesAfter(row, row.burnRate * 0.001 * 0.99)).toBe(Number.POSITIVE_INFINITY);
});

test("a slow burn opens a ticket and pages nobody", () => {
  const counts = steady(start + 4 * day, start, 0.0015);
  const states = readSlo(sloOf(googleProfile()), counts, start + 4 * day - 1).rows.map(({ severity, state }) => [
    severity,
    state,
  ]);
  expect(states).toEqual([
    ["page", "ok"],
    ["page", "ok"],
    ["ticket", "firing"],
  ]);
});

test("recovery clears a page within its short window, though the long one is still over", () => {
  const counts = steady(start + 2 * hour, start, 1, start + 10 * minute);
  const slo = sloOf(googleProfile());
  expect(readSlo(slo, counts, start + 9 * minute).rows[0]!.state).toBe("firing");
  const after = readSlo(slo, counts, start + 16 * minute).rows[0]!;
  expect(after.state).toBe("ok");
  expect(after.longBurnRate).toBeGreaterThan(14.4);
});

test("MO-43: the tables are those of the workbook, Sloth and Pyrra, and keep their shares of the budget for other periods", () => {
  const table = (rows: readonly BurnRateRow[]) =>
    rows.map(({ severity, longMs, shortMs, burnRate }) => [severity, longMs / hour, shortMs / minute, burnRate]);
  expect(table(googleProfile())).toEqual([
    ["page", 1, 5, 14.4],
    ["page", 6, 30, 6],
    ["ticket", 72, 360, 1],
  ]);
  expect(table(slothProfile())).toEqual([
    ["page", 1, 5, 14.4],
    ["page", 6, 30, 6],
    ["ticket", 24, 120, 3],
    ["ticket", 72, 360, 1],
  ]);
  expect(table(pyrraProfile())).toEqual([
    ["page", 1, 5, 14],
    ["page", 6, 30, 7],
    ["ticket", 24, 120, 2],
    ["ticket", 96, 360, 1],
  ]);
  // Budget consumed is burn rate × window / period.
  expect(googleProfile().map(({ burnRate, longMs }) => (burnRate * longMs) / (30 * day))).toEqual(
    [0.02, 0.05, 0.1].map((share) => expect.closeTo(share, 12)),
  );
  for (const days of [7, 28, 90]) {
    const scaled = rescaleProfile(slothProfile(), 30 * day, days * day);
    for (const [index, { burnRate, longMs }] of slothProfile().entries()) {
      expect((scaled[index]!.burnRate * scaled[index]!.longMs) / (days * day)).toBeCloseTo(
        (burnRate * longMs) / (30 * day),
        12,
      );
    }
    expect(() =>
      defineSlo({
        name: "x",
        objective: 0.99,
        sli: errorIndicator({ endpoint: "late" }),
        periodMs: days * day,
        profile: scaled,
      }),
    ).not.toThrow();
  }
  expect(rescaleProfile(googleProfile(), 30 * day, 7 * day)[0]!.burnRate).toBeCloseTo(3.36, 12);
  for (const { longMs, shortMs } of [...googleProfile(), ...slothProfile()]) expect(longMs / shortMs).toBe(12);
});

test("the budget is exact to the event over thirty days", () => {
  const counts = createEventCounts({ periodMs: 30 * day });
  for (let index = 0; index < 30 * 24; index += 1)
    counts.add(start + index * hour, index % 100 === 0 ? 995 : 1000, 1000);
  const status = readSlo(sloOf(googleProfile()), counts, start + 30 * day - 1);
  expect(status.total).toBe(720_000);
  expect(status.total - status.good).toBe(8 * 5);
  expect(status.budget).toBeCloseTo(720, 9);
  expect(status.budgetLeft).toBeCloseTo(1 - 40 / 720, 12);
  // An hour later the first hour has left the period.
  counts.add(start + 30 * day, 1000, 1000);
  expect(readSlo(sloOf(googleProfile()), counts, start + 30 * day + hour - 1).good).toBe(719_000 - 35 + 1000);
});

test("no events are no proof of health: the state is no-data, nothing fires and nothing resolves", () => {
  const slo = sloOf(googleProfile());
  const silent = readSlo(slo, createEventCounts({ periodMs: 30 * day }), start);
  expect(silent.state).toBe("no-data");
  expect(silent.rows.map(({ state }) => state)).toEqual(["unknown", "unknown", "unknown"]);
  const counts = steady(start + 10 * minute, start, 1);
  expect(readSlo(slo, counts, start + 10 * minute - 1).state).toBe("burning");
  const later = readSlo(slo, counts, start + 20 * minute);
  expect(later.state).toBe("no-data");
  expect(later.rows[0]!.state).toBe("unknown");
});

test("one error in one request at night pages nobody; twenty in twenty do", () => {
  const slo = sloOf(googleProfile());
  const few = createEventCounts({ periodMs: 30 * day });
  few.add(start, 0, 1);
  expect(readSlo(slo, few, start).rows.map(({ state }) => state)).toEqual(["unknown", "unknown", "unknown"]);
  const many = createEventCounts({ periodMs: 30 * day });
  many.add(start, 0, 20);
  expect(readSlo(slo, many, start).rows[0]!.state).toBe("firing");
});

test("definitions that cannot be evaluated are refused", () => {
  const sli = errorIndicator({ endpoint: "late" });
  expect(() => defineSlo({ name: "x", objective: 1, sli })).toThrow("objective");
  expect(() => defineSlo({ name: "x", objective: 0.9, sli, periodMs: hour })).toThrow("does not fit");
  expect(() => defineSlo({ name: "x", objective: 0.9, sli, profile: [] })).toThrow("no burn-rate row");
});

/** Runs a monitor through minutes of traffic, 60 requests each. @returns what fired after each minute. */
async function minutesOf(
  script: readonly (readonly [minutes: number, errorShare: number])[],
  objective: number,
): Promise<readonly (readonly string[])[]> {
  const clock = createManualClock(start);
  const slo = defineSlo({ name: "availability", objective, sli: errorIndicator({ endpoint: "late" }) });
  await using monitor = openMonitor({ clock, slos: [slo] });
  const traffic = createTraffic(1);
  const firing: string[][] = [];
  for (const [minutes, errorShare] of script) {
    for (let now = 0; now < minutes; now += 1) {
      for (let second = 0; second < 60; second += 1) {
        monitor.capture(traffic.next(clock.nowMs() + second * 1000, { errorShare }).prediction);
      }
      await clock.advance(minute);
      firing.push((await monitor.evaluate(clock.nowMs() - 1)).map(({ name, severity }) => `${name}-${severity}`));
    }
  }
  return firing;
}

test("MO-42: an outage pages in the minute that the rule says, and recovery clears the page within the short window", async () => {
  // Two minutes are 3.3 % of the fast row's hour, over its 1.44 %, and 0.55 % of the slow row's six hours, under its 0.6 %.
  const short = await minutesOf(
    [
      [360, 0],
      [2, 1],
      [10, 0],
    ],
    0.999,
  );
  const pages = short.map((names) => names.includes("availability-page"));
  // 14.4 × 0.1 % × 1 h = 52 s: within the first minute of the outage.
  expect(pages.indexOf(true)).toBe(360);
  // The last bad minute is the 361st; five minutes after it the short window holds none.
  expect(pages.lastIndexOf(true)).toBeGreaterThanOrEqual(361);
  expect(pages.lastIndexOf(true)).toBeLessThanOrEqual(361 + 5);
  const long = await minutesOf(
    [
      [360, 0],
      [10, 1],
      [40, 0],
    ],
    0.999,
  );
  const last = long.findLastIndex((names) => names.includes("availability-page"));
  expect(last).toBeGreaterThan(369 + 5);
  expect(last).toBeLessThanOrEqual(369 + 30);
}, 600_000);

test("MO-42: a burn of little more than once the budget opens a ticket and pages nobody", async () => {
  const firing = await minutesOf([[400, 0.07]], 0.95);
  expect(new Set(firing.flat())).toEqual(new Set(["availability-ticket"]));
});
