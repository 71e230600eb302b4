import { createRandom } from "@millwright/contracts";
import { batchOf, column, profileOf, profileToJson } from "@millwright/data";
import { expect, test } from "vitest";
import { calibratedDrift } from "../src/drift.ts";
import { compare, kolmogorovSmirnov, recommended } from "../src/index.ts";
import { dayMs, type Draw, monday, normal, windowsOf } from "./drift-windows.ts";

test("MO-7: of windows with a weekly pattern over twelve weeks a plain test alarms at more than half, the seasonal one at fewer than alpha", () => {
  const random = createRandom(11);
  const weekly: Draw = (window) => {
    const weekend = Math.floor(window / 4) % 7 >= 5;
    return { x: normal(random, 1500, (weekend ? 1.2 : 0) + 0.6 * Math.sin((Math.PI * window) / 2)) };
  };
  const all = windowsOf(weekly, 12 * 28);
  const [history, rest] = [all.slice(0, 6 * 28), all.slice(6 * 28)];
  const baseline = profileOf(
    batchOf({ x: history.flatMap((_, window) => Array.from(weekly(window)["x"] as Float64Array)) }),
  );
  const plain = rest.filter(({ profile }) => compare(baseline, profile, recommended()).verdict === "drift");
  expect(plain.length / rest.length).toBeGreaterThan(0.5);
  const monitor = calibratedDrift({ alpha: 0.05 })(history);
  const reports = rest.map((window) => monitor.judge(window));
  expect(reports[0]!.columns[0]!.measures.calibrated!.cycle).toBe("workweek");
  expect(reports.filter(({ verdict }) => verdict === "drift").length / rest.length).toBeLessThan(0.05);
  // The pattern hides no drift: a quarter of a standard deviation more, on a Monday as on a Sunday.
  const drifted = windowsOf((window) => ({ x: (weekly(window)["x"] as Float64Array).map((x) => x + 0.3) }), 28, {
    from: 336,
  });
  expect(drifted.filter((window) => monitor.judge(window).verdict === "drift").length).toBeGreaterThan(20);
});

test("MO-7: a holiday is compared with Sundays, and a known event is neither judged nor history", () => {
  const random = createRandom(12);
  const sale = { name: "the sale", fromMs: monday + 14 * dayMs, toMs: monday + 15 * dayMs };
  const weekly: Draw = (window) => {
    const day = Math.floor(window / 4);
    const quiet = day % 7 >= 5 || day === 42;
    return { x: normal(random, 500, day === 14 ? 5 : quiet ? 2 : 0) };
  };
  const history = windowsOf(weekly, 42 * 4);
  const [holiday] = windowsOf(weekly, 1, { from: 42 * 4 + 1 });
  const date = new Date(holiday!.startMs).toISOString().slice(0, 10);
  const calendar = { events: [sale], holidays: [date] };
  expect(calibratedDrift({ calendar })(history).judge(holiday!).verdict).toBe("ok");
  expect(calibratedDrift({ calendar: { events: [sale] } })(history).judge(holiday!).verdict).toBe("drift");
  const report = calibratedDrift({ calendar })(history).judge(history[57]!);
  expect(report).toMatchObject({ verdict: "not-enough-data", columns: [] });
  expect(report.reasons[0]).toContain("the sale");
  // The sale hides no Monday that is unusual; where it is not named, its windows are told to be unlike all others.
  const [unusual] = windowsOf(() => ({ x: normal(random, 500, 0.5) }), 1, { from: 43 * 4 + 1 });
  expect(calibratedDrift({ calendar })(history).judge(unusual!)).toMatchObject({ verdict: "drift", notes: [] });
  const unnamed = calibratedDrift({ calendar: {}, cycle: "workweek" })(history).judge(unusual!);
  expect(unnamed.columns[0]!.measures.calibrated!.outlyingWindows).toBe(4);
});

test("MO-6: a window drifts when it is unusual, different enough to matter, and large enough", () => {
  const random = createRandom(13);
  const big = calibratedDrift()(windowsOf(() => ({ x: normal(random, 40_000) }), 40));
  const [tiny, small] = [0.001, 0.05].map((shift) =>
    big.judge(windowsOf(() => ({ x: normal(random, 1_000_000, shift) }), 1, { from: 40 })[0]!),
  );
  expect(tiny!.verdict).toBe("ok");
  expect(small!.verdict).toBe("ok");
  expect(small!.columns[0]!.measures.calibrated!.pValue).toBeLessThan(1e-6);
  for (const rows of [500, 2000, 10_000, 100_000]) {
    const monitor = calibratedDrift()(windowsOf(() => ({ x: normal(random, Math.min(rows, 5000)) }), 60));
    const judge = (count: number, shift: number): string =>
      monitor.judge(windowsOf(() => ({ x: normal(random, count, shift) }), 1, { from: 60 })[0]!).verdict;
    expect(judge(rows, 0.3)).toBe("drift");
    expect(judge(20, 3)).toBe("not-enough-data");
    expect(judge(499, 0.3)).toBe("not-enough-data");
  }
});

test("MO-2: distances from a reference of profiles hold those of its rows, and the reference does not grow with them", () => {
  const random = createRandom(14);
  const draw: Draw = () => ({ x: normal(random, 2000).map((value) => Math.exp(value)) });
  const kept: number[] = [];
  const history = Array.from({ length: 30 }, (_, index) => {
    const batch = batchOf(draw(index));
    kept.push(...(batch.columns["x"] as unknown as { readonly values: Float64Array }).values);
    const startMs = monday + index * dayMs;
    return { startMs, endMs: startMs + dayMs, profile: profileOf(batch) };
  });
  const monitor = calibratedDrift({ cycle: "none" })(history);
  for (const shift of [0, 0.1, 0.4]) {
    const rows = normal(random, 3000, shift).map((value) => Math.exp(value));
    const window = {
      startMs: monday + 31 * dayMs,
      endMs: monday + 32 * dayMs,
      profile: profileOf(batchOf({ x: rows })),
    };
    const { distance, distanceBelow } = monitor.judge(window).columns[0]!.measures.calibrated!;
    const exact = kolmogorovSmirnov(kept, rows).statistic;
    expect(distance).toBeLessThanOrEqual(exact + 1e-12);
    expect(distanceBelow).toBeGreaterThanOrEqual(exact - 1e-12);
    // The stated error: a bin of 1/128 of the reference, and what the window has in one.
    expect(distanceBelow - distance).toBeLessThan(0.04);
  }
  const sizes = [10_000, 100_000, 1_000_000].map(
    (rows) => JSON.stringify(profileToJson(profileOf(batchOf({ x: normal(random, rows) })))).length,
  );
  expect(sizes[2]! / sizes[1]!).toBeLessThan(1.5);
  expect(sizes[2]!).toBeLessThan(100_000);
});

test("what changes is named: a column gone, another type, a new column, swapped categories, a burst of nulls", () => {
  const random = createRandom(16);
  const draw = (swap: boolean, missing: number) => (): Parameters<typeof batchOf>[0] => ({
    number: column(
      "float64",
      Array.from(normal(random, 800), (value) => (random.next() < missing ? null : value)),
    ),
    text: column(
      "utf8",
      Array.from({ length: 800 }, () => (random.next() < (swap ? 0.6 : 0.4) ? "AA" : "B6")),
    ),
    flag: column(
      "bool",
      Array.from({ length: 800 }, () => random.next() < 0.1),
    ),
    list: column(
      "list",
      Array.from({ length: 800 }, () => [1]),
      { items: "int32" },
    ),
  });
  const monitor = calibratedDrift()(windowsOf(draw(false, 0.01), 40));
  const judge = (next: Draw) => monitor.judge(windowsOf(next, 1, { from: 40 })[0]!).columns;
  expect(judge(draw(false, 0.01)).map(({ verdict }) => verdict)).toEqual(["ok", "ok", "ok", "not-compared"]);
  const [number, text, flag] = judge(draw(true, 0.2));
  expect(number).toMatchObject({ verdict: "drift", measures: { calibrated: { component: "the share of nulls" } } });
  expect(number!.reasons[0]).toContain("The share of nulls went from");
  expect(text!.reasons[0]).toContain('the share of "');
  expect(flag!.verdict).toBe("ok");
  const changed = judge(() => ({
    text: normal(random, 800),
    flag: column(
      "bool",
      Array.from({ length: 800 }, () => false),
    ),
    other: normal(random, 800),
  }));
  expect(changed.map(({ name, verdict, reasons }) => [name, verdict, reasons[0]])).toEqual([
    ["number", "drift", "The column is gone."],
    ["text", "drift", "The type was utf8 and is float64."],
    ["flag", "drift", expect.stringContaining("The distance is 0.")],
    ["list", "drift", "The column is gone."],
    ["other", "not-compared", "History has no such column."],
  ]);
});

test("windows of history out of order, and options out of range, are refused", () => {
  const random = createRandom(17);
  const history = windowsOf(() => ({ x: normal(random, 10) }), 3);
  expect(() => calibratedDrift()(history.toReversed())).toThrow(
    expect.objectContaining({ code: "MONITOR_HISTORY_INVALID" }),
  );
  for (const options of [
    { alpha: 0 },
    { minimumDistance: 2 },
    { minimumMissingChange: -1 },
    { driftedShare: 2 },
    { minimumSamples: 0 },
    { minimumHistory: 3 },
    { persistence: { windows: 3, of: 2 } },
    { acrossWindows: { kind: "spending", windows: 0 } },
    { calendar: { holidays: ["Christmas"] } },
  ] as const)
    expect(() => calibratedDrift(options)).toThrow(expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }));
});
