import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import * as statistics from "../src/statistics.ts";

interface Golden {
  readonly sets: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly intervals: {
    readonly clopperPearsonInterval: readonly (readonly [number, number, readonly number[]])[];
    readonly poissonInterval: readonly (readonly [number, readonly number[]])[];
  };
}

const golden = JSON.parse(await readFile(new URL("golden/distributions.json", import.meta.url), "utf8")) as Golden;

const functions: Readonly<Record<string, (...values: number[]) => number>> = {
  ...(statistics as unknown as Record<string, (...values: number[]) => number>),
  gammaQuantile: (shape = 0, p = 0) => statistics.gammaQuantile(p, shape),
};
/** Quantiles cross 0, where only the absolute error says something. */
const scaleOf = (name: string, value: number): number =>
  /normalQuantile|studentTQuantile/.test(name) ? Math.max(1, Math.abs(value)) : Math.abs(value);

test.each(Object.entries(golden.sets))("%s agrees with SciPy to twelve digits, tails included", (name, rows) => {
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) {
    const wanted = row.at(-1) ?? Number.NaN;
    const found = functions[name]?.(...row.slice(0, -1)) ?? Number.NaN;
    expect(
      Math.abs(found - wanted),
      `${name}(${row.slice(0, -1).join(", ")}) = ${found}, not ${wanted}`,
    ).toBeLessThanOrEqual(1e-12 * scaleOf(name, wanted));
  }
});

test("exact intervals of shares and counts are SciPy's", () => {
  for (const [hits, trials, wanted] of golden.intervals.clopperPearsonInterval)
    for (const [side, bound] of statistics.clopperPearsonInterval(hits, trials).entries())
      expect(Math.abs(bound - (wanted[side] ?? 2))).toBeLessThanOrEqual(1e-12);
  for (const [count, wanted] of golden.intervals.poissonInterval)
    for (const [side, bound] of statistics.poissonInterval(count).entries())
      expect(Math.abs(bound / (wanted[side] ?? 2) - 1) || 0).toBeLessThanOrEqual(1e-12);
  expect(statistics.clopperPearsonInterval(0, 0)).toEqual([0, 1]);
});

test("where the incomplete gamma function of SciPy loses four digits, ours has the value of 40-digit arithmetic", () => {
  // Q(4249.896134648885, 6886.340625729044), by mpmath.
  const found = statistics.chiSquaredSurvival(2 * 6886.340625729044, 2 * 4249.896134648885);
  expect(Math.abs(found / 6.635316760990556e-257 - 1)).toBeLessThan(1e-13);
});

test("limits, and what is out of range", () => {
  expect([statistics.normalCdf(Infinity), statistics.normalCdf(-Infinity), statistics.normalSurvival(0)]).toEqual([
    1, 0, 0.5,
  ]);
  expect([statistics.normalQuantile(0), statistics.normalQuantile(1), statistics.normalQuantile(0.5)]).toEqual([
    -Infinity,
    Infinity,
    0,
  ]);
  expect([statistics.chiSquaredSurvival(Infinity, 3), statistics.chiSquaredCdf(0, 3)]).toEqual([0, 0]);
  expect([statistics.studentTSurvival(Infinity, 3), statistics.studentTSurvival(1e200, 1)]).toEqual([
    0,
    expect.closeTo(0),
  ]);
  expect([statistics.studentTQuantile(0, 3), statistics.studentTQuantile(1, 3)]).toEqual([-Infinity, Infinity]);
  expect([statistics.betaQuantile(0, 2, 3), statistics.betaQuantile(1, 2, 3)]).toEqual([0, 1]);
  expect([
    statistics.binomialCdf(-1, 3, 0.5),
    statistics.binomialCdf(3, 3, 0.5),
    statistics.binomialSurvival(-1, 3, 0.5),
  ]).toEqual([0, 1, 1]);
  for (const call of [
    () => statistics.normalCdf(Number.NaN),
    () => statistics.normalQuantile(1.5),
    () => statistics.chiSquaredSurvival(1, 0),
    () => statistics.betaCdf(0.5, -1, 2),
    () => statistics.binomialCdf(1, 2.5, 0.5),
    () => statistics.clopperPearsonInterval(4, 3),
  ])
    expect(call).toThrow(expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }));
});
