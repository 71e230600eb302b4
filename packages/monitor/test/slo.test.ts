import { expect, test } from "vitest";
import {
  type BurnRateRow,
  createEventCounts,
  defineSlo,
  errorIndicator,
  googleProfile,
  pyrraProfile,
  readSlo,
  slothProfile,
} from "../src/index.ts";

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

test("the tables are those of the workbook, Sloth and Pyrra", () => {
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
