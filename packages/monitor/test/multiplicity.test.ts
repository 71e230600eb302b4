import { createRandom } from "@millwright/contracts";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createAlphaSchedule } from "../src/calibration/alpha-schedule.ts";
import { calibrate } from "../src/calibration/tail.ts";
import { adjustPValues, type Correction } from "../src/drift.ts";
import { binomialSurvival, normalTails } from "../src/statistics.ts";

const adjusting = ["bonferroni", "benjamini-hochberg", "benjamini-yekutieli"] as const;
const { cases } = JSON.parse(readFileSync(new URL("golden/multiplicity.json", import.meta.url), "utf8")) as {
  readonly cases: readonly (Readonly<Record<(typeof adjusting)[number], number[]>> & { readonly pValues: number[] })[];
};

test.each(adjusting)("adjusted p-values are those of statsmodels: %s", (correction) => {
  for (const each of cases) {
    const adjusted = adjustPValues(each.pValues, correction);
    for (const [index, pValue] of each[correction].entries()) expect(adjusted[index]).toBeCloseTo(pValue, 12);
  }
});

test("what is no test costs nothing and stays; groups of one column each are Benjamini and Hochberg's", () => {
  expect(adjustPValues([0.01, Number.NaN, 0.04], "bonferroni")).toEqual([0.02, Number.NaN, 0.08]);
  const { pValues } = cases[3]!;
  const [alone, plain] = [adjustPValues(pValues, "hierarchical"), adjustPValues(pValues, "benjamini-hochberg")];
  for (const [index, pValue] of plain.entries()) expect(alone[index]).toBeCloseTo(pValue, 12);
  // Of two groups one drifts: its columns are judged by themselves, at half of alpha.
  const groups = ["a", "a", "b", "b"];
  expect(adjustPValues([0.001, 0.02, 0.4, 0.9], "hierarchical", groups)[1]).toBeCloseTo(0.04, 12);
  expect(adjustPValues([0.001, 0.02, 0.4, 0.9], "hierarchical", groups)[2]).toBeCloseTo(0.8, 12);
});

/** p-values of 200 columns, of which the first ones come from a normal distribution that has moved. */
function draw(random: ReturnType<typeof createRandom>, moved: number, by: number): number[] {
  return Array.from({ length: 200 }, (_, index) => (index < moved ? normalTails(random.normal() + by) : random.next()));
}

test.each<[Correction, number]>([
  ["bonferroni", 60],
  ["benjamini-hochberg", 60],
  ["benjamini-yekutieli", 60],
  ["hierarchical", 60],
])(
  "MO-5: no more than the declared share of families of 200 columns and 100 windows alarms: %s",
  (correction, families) => {
    const random = createRandom(41);
    const groups = Array.from({ length: 200 }, (_, index) => `g${index % 10}`);
    let alarmed = 0;
    for (let family = 0; family < families; family += 1) {
      const schedule = createAlphaSchedule(0.1, { kind: "spending", windows: 100 });
      let any = false;
      for (let window = 0; window < 100; window += 1) {
        const rejected = Math.min(...adjustPValues(draw(random, 0, 0), correction, groups)) <= schedule.level();
        schedule.advance(rejected);
        any ||= rejected;
      }
      if (any) alarmed += 1;
    }
    // As many or more would come by chance from families that alarm at 10 % with a probability above 0.001.
    expect(binomialSurvival(alarmed - 1, families, 0.1)).toBeGreaterThan(0.001);
  },
);

test("MO-5: over windows in which something drifts now and then, no more than alpha of the alarms are false", () => {
  const random = createRandom(42);
  let [wrong, alarms, seen, drifts] = [0, 0, 0, 0];
  for (let stream = 0; stream < 20; stream += 1) {
    const schedule = createAlphaSchedule(0.1, { kind: "online-fdr" });
    for (let window = 0; window < 200; window += 1) {
      const moved = window % 5 === 4;
      const rejected =
        Math.min(...adjustPValues(draw(random, moved ? 20 : 0, 4), "benjamini-hochberg")) <= schedule.level();
      schedule.advance(rejected);
      if (moved) drifts += 1;
      if (rejected) alarms += 1;
      if (rejected && moved) seen += 1;
      if (rejected && !moved) wrong += 1;
    }
  }
  expect(binomialSurvival(wrong - 1, alarms, 0.1)).toBeGreaterThan(0.001);
  expect(seen / drifts).toBeGreaterThan(0.5);
});

test("levels of the online rule never add up to more than alpha while nothing is rejected, and come back after a rejection", () => {
  const schedule = createAlphaSchedule(0.05, { kind: "online-fdr" });
  let sum = 0;
  for (let window = 0; window < 5000; window += 1) {
    sum += schedule.level();
    schedule.advance(false);
  }
  expect(sum).toBeLessThan(0.05);
  const before = schedule.level();
  schedule.advance(true);
  expect(schedule.level()).toBeGreaterThan(100 * before);
});

test("p-values calibrated by a history are uniform where history is like what comes, and hardly rarer than theory far out", () => {
  const random = createRandom(43);
  // A null whose p-values are too small by far, 1 in 100 below 0.001, as of a statistic with heavy tails.
  const next = (): number => random.next() ** 1.5;
  let [at5, at1, trials] = [0, 0, 0];
  for (let round = 0; round < 300; round += 1) {
    const calibrated = calibrate(Array.from({ length: 100 }, next));
    for (let each = 0; each < 40; each += 1) {
      const pValue = calibrated(next());
      if (pValue <= 0.05) at5 += 1;
      if (pValue <= 0.01) at1 += 1;
      trials += 1;
    }
  }
  expect(at5 / trials).toBeGreaterThan(0.04);
  expect(at5 / trials).toBeLessThan(0.065);
  expect(at1 / trials).toBeGreaterThan(0.005);
  // A history of 100 shows one such window: the theory that its tail is drawn to counts for as much.
  expect(at1 / trials).toBeLessThan(0.02);
  const exact = calibrate(Array.from({ length: 99 }, (_, index) => (index + 1) / 100));
  expect(exact(0.5)).toBeCloseTo(0.5, 10);
  expect(exact(1e-9)).toBeGreaterThan(0.8e-9);
});
