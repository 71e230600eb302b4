import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { inject, shift } from "../src/injection.ts";
import {
  compileOutlierModel,
  fitIsolationForest,
  fitMahalanobis,
  type OutlierModel,
  outlierAlert,
} from "../src/outliers.ts";
import { betaBinomialSurvival } from "../src/statistics/beta-binomial.ts";
import { binomialBounds } from "./drift-windows.ts";
import { hourMs, openLive, start, viewOf, watched } from "./live-rows.ts";

function rowsOf(random: Random, rows: number): Batch {
  const km = Float64Array.from({ length: rows }, () => 500 + 200 * random.normal());
  return batchOf({ km, minutes: km.map((each) => each / 12 + 20 + 5 * random.normal()) });
}

test("the probability of so many of a share that is not surely known is the exact one", () => {
  // The first seven in exact fractions; the last is scipy.stats.betabinom.sf(2, 50, 0.7, 12.5).
  const cases = [
    [1, 10, 1, 1, 0.9090909090909091],
    [5, 200, 5, 397, 0.14227641957847864],
    [30, 500, 5, 397, 3.4472668043034294e-5],
    [200, 200, 3, 2, 0.0002897710808461316],
    [40, 1000, 1, 100, 0.020544732726141643],
    [260, 500, 51, 51, 0.3635447411323107],
    [20, 500, 51, 951, 0.8392725956678934],
    [3, 50, 0.7, 12.5, 0.36864105185386464],
  ] as const;
  for (const [hits, trials, a, b, survival] of cases)
    expect(betaBinomialSurvival(hits, trials, a, b) / survival).toBeCloseTo(1, 9);
  expect(betaBinomialSurvival(0, 10, 1, 1)).toBe(1);
  expect(betaBinomialSurvival(11, 10, 1, 1)).toBe(0);
  expect(betaBinomialSurvival(1, 5000, 2500, 2500)).toBe(1);
});

test("usual rows do not fire, rows that have moved do, and the strangest are named", async () => {
  const random = createRandom(21);
  const model = fitMahalanobis(rowsOf(random, 2000));
  const rule = watched(outlierAlert({ endpoint: "late", model }));
  await using live = openLive([rule]);
  await live.hour(rowsOf(random, 100));
  expect(rule.last[0]).toMatchObject({ state: "unknown", summary: "100 rows of the 200 that are needed." });
  for (let hour = 0; hour < 4; hour += 1) {
    expect(await live.hour(rowsOf(random, 600))).toEqual([]);
    expect(rule.last[0]!.state).toBe("ok");
  }
  const moved = inject(rowsOf(random, 600), [shift("minutes", 12)]);
  expect(await live.hour(moved)).toEqual(["outliers"]);
  const [found] = rule.last;
  expect(found).toMatchObject({ state: "firing", severity: "ticket", subject: "endpoint/late/variant/main" });
  expect(found!.value).toBeGreaterThan(found!.threshold!);
  expect(found!.summary).toMatch(/The strangest: row \d+ of h5 r\d+ \(score /);
  expect(found!.evidence!.samples).toBeGreaterThan(500);
  // What was judged stands for a minute; then an hour without rows is unknown.
  await live.clock.advance(2 * hourMs);
  await live.monitor.evaluate();
  expect(rule.last[0]!.state).toBe("unknown");
});

test("a missing column and no rows are unknown, with the reason", async () => {
  const random = createRandom(22);
  const rule = watched(outlierAlert({ endpoint: "late", model: fitMahalanobis(rowsOf(random, 2000)) }));
  await using live = openLive([rule]);
  await live.hour(batchOf({ km: Float64Array.from({ length: 300 }, () => 500) }));
  expect(rule.last[0]!.state).toBe("unknown");
  expect(rule.last[0]!.summary).toContain('no column "minutes"');
  const view = viewOf(() => undefined, start);
  expect(rule.evaluate(view)[0]).toMatchObject({ state: "unknown", summary: "No rows are kept." });
});

test("what a model knows of usual rows goes with it, and is checked", () => {
  const random = createRandom(23);
  const rows = rowsOf(random, 1000);
  expect(fitMahalanobis(rows).usual).toEqual({ rows: 200, above: 1 });
  expect(fitIsolationForest(rows, { contamination: 0.1 }).usual).toEqual({ rows: 1000, above: 100 });
  const { usual: _, ...older } = fitMahalanobis(rows);
  expect(compileOutlierModel(older as OutlierModel).threshold).toBe(older.threshold);
  for (const usual of [null, {}, { rows: 3, above: 3 }, { rows: 3, above: -1 }, { rows: 3.5, above: 1 }])
    expect(() => compileOutlierModel({ ...older, usual } as never)).toThrow(
      expect.objectContaining({ code: "MONITOR_OUTLIER_MODEL_INVALID" }),
    );
  for (const options of [{ alpha: 0 }, { minimumRatio: 0.5 }, { usualShare: 2 }, { rowsPerWindow: 0 }, { everyMs: 0 }])
    expect(() => outlierAlert({ endpoint: "late", model: fitMahalanobis(rows), ...options })).toThrow(
      expect.objectContaining({ code: "MONITOR_RULE_INVALID" }),
    );
});

test("usual rows fire no more often than alpha says, though the model knows them from a few held-out rows only", () => {
  const random = createRandom(24);
  const [models, alpha] = [1200, 0.05];
  let [firing, naive] = [0, 0];
  for (let run = 0; run < models; run += 1) {
    const model = fitMahalanobis(rowsOf(random, 500), { falseAlarmShare: 0.05, random });
    const live = { features: rowsOf(random, 400) };
    const fires = (rule: ReturnType<typeof outlierAlert>): boolean =>
      rule.evaluate(viewOf(() => live, start))[0]!.state === "firing";
    const options = { endpoint: "late", model, alpha, minimumRatio: 1 };
    if (fires(outlierAlert(options))) firing += 1;
    if (fires(outlierAlert({ ...options, usualShare: 0.05 }))) naive += 1;
  }
  const [low, high] = binomialBounds(alpha, models);
  expect(firing).toBeLessThanOrEqual(high);
  expect(firing).toBeGreaterThan(low / 2);
  // Taking the share as known would be wrong: of a hundred held-out rows it is not.
  expect(naive).toBeGreaterThan(2 * high);
});
