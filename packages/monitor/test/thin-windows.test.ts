import { createRandom, digestOf } from "@millwright/contracts";
import { batchOf, rankBounds } from "@millwright/data";
import { expect, test } from "vitest";
import { thinProfile } from "../src/capture/thin-window.ts";
import { createWindowBook } from "../src/capture/window-book.ts";
import { calibratedDrift, type DriftWindow } from "../src/drift.ts";
import { binomialBounds, dayMs, type Draw, monday, normal, windowsOf } from "./drift-windows.ts";

const hourMs = 3_600_000;
const names = Array.from({ length: 16 }, (_, index) => `x${index}`);

test("windows of more than a week are a tenth of the size, count the same, and have exact ranks at the edges of their buckets", () => {
  const random = createRandom(61);
  const book = createWindowBook({ windowMs: hourMs, fineMs: 2 * hourMs, retainMs: 28 * dayMs });
  const features = batchOf(
    Object.fromEntries(names.map((name) => [name, normal(random, 20_000).map((value) => 100 + 10 * value)])),
  );
  book.observe(
    "late",
    "main",
    monday,
    {
      requests: 20_000,
      errors: 0,
      latenciesMs: Float64Array.of(4),
      features: [features],
      outputs: [],
      requestIds: [],
    } as unknown as Parameters<typeof book.observe>[3],
    { name: "late", digest: digestOf("v1") },
  );
  const read = () => book.read("late", "main", monday, monday + hourMs);
  const bytes = () =>
    Object.values(read().features.columns).reduce(
      (sum, { quantiles }) => sum + quantiles!.keys.byteLength + quantiles!.counts.byteLength,
      0,
    );
  book.compact(monday + 6 * dayMs);
  const [before, exact] = [bytes(), read().features.columns["x0"]!.quantiles!];
  book.compact(monday + 8 * dayMs);
  expect(bytes()).toBeLessThan(before / 6);
  expect(bytes()).toBeLessThanOrEqual(16 * 256 * 12);
  const { columns, rows } = read().features;
  expect([rows, columns["x0"]!.count]).toEqual([20_000, 20_000]);
  for (const value of [80, 95, 100, 110, 120]) {
    const thin = rankBounds(columns["x0"]!.quantiles!, value);
    const fine = rankBounds(exact, value);
    expect(thin.low).toBeLessThanOrEqual(fine.low);
    expect(thin.high).toBeGreaterThanOrEqual(fine.high);
    expect(thin.high - thin.low).toBeLessThan(0.03 * 20_000);
  }
  // Once is enough: what is thin stays the same object, and what is older than all that is kept is gone.
  const kept = book.states(0)[0]!.windows[0]!.summary.features;
  book.compact(monday + 9 * dayMs);
  expect(book.states(0)[0]!.windows[0]!.summary.features).toBe(kept);
  book.compact(monday + 30 * dayMs);
  expect(book.states(0)).toEqual([]);
});

test("a history of four weeks that is thin but for its last week knows weekdays from weekends, and sees what it saw", () => {
  const weekly =
    (random: ReturnType<typeof createRandom>, more = 0): Draw =>
    (window) => ({ x: normal(random, 800, (Math.floor(window / 4) % 7 >= 5 ? 0.8 : 0) + more) });
  const thin = (window: DriftWindow): DriftWindow => ({ ...window, profile: thinProfile(window.profile) });
  let [alarms, judged, weekAlarms, seen] = [0, 0, 0, 0];
  for (let seed = 0; seed < 4; seed += 1) {
    const random = createRandom(620 + seed);
    const history = windowsOf(weekly(random), 112);
    const month = calibratedDrift()([...history.slice(0, 84).map(thin), ...history.slice(84)]);
    const week = calibratedDrift()(history.slice(84, 104));
    for (const window of windowsOf(weekly(random), 56, { from: 112 })) {
      judged += 1;
      if (month.judge(window).columns[0]!.measures.calibrated!.pValue <= 0.05) alarms += 1;
      if (week.judge(window).columns[0]!.measures.calibrated!.pValue <= 0.05) weekAlarms += 1;
    }
    for (const window of windowsOf(weekly(random, 0.25), 28, { from: 112 }))
      seen += month.judge(window).verdict === "drift" ? 1 : 0;
    expect(month.judge(windowsOf(weekly(random), 1, { from: 112 })[0]!).columns[0]!.measures.calibrated!.cycle).toBe(
      "workweek",
    );
  }
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.075, judged)[1]);
  // Five days of history know nothing of weekends: they alarm, all of them.
  expect(weekAlarms).toBeGreaterThan(0.25 * judged);
  expect(seen).toBeGreaterThan(0.9 * 4 * 28);
});
