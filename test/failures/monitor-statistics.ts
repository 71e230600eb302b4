import * as statistics from "../../packages/monitor/dist/statistics.js";
import { type Subject, type Subjects, well } from "./subjects.ts";

type Numbers = (...values: number[]) => unknown;

/** A function of numbers alone, and numbers that are out of its range. */
const numbers = (name: string, good: readonly number[], wrong: readonly number[]): readonly [string, Subject] => {
  const call = (statistics as unknown as Readonly<Record<string, Numbers>>)[name] as Numbers;
  return [name, well(call, () => good, { MONITOR_PARAMETER_INVALID: () => call(...wrong) })];
};

const distributions = [
  numbers("normalCdf", [1], [Number.NaN]),
  numbers("normalSurvival", [1], [Number.NaN]),
  numbers("normalTails", [1], [Number.NaN]),
  numbers("normalQuantile", [0.3], [2]),
  numbers("normalUpperQuantile", [0.3], [-1]),
  numbers("chiSquaredCdf", [3, 2], [3, 0]),
  numbers("chiSquaredSurvival", [3, 2], [Number.NaN, 2]),
  numbers("chiSquaredQuantile", [0.3, 2], [1.1, 2]),
  numbers("gammaQuantile", [0.3, 2], [0.3, -2]),
  numbers("betaCdf", [0.3, 2, 3], [0.3, 0, 3]),
  numbers("betaSurvival", [0.3, 2, 3], [0.3, 1, 0]),
  numbers("betaQuantile", [0.3, 2, 3], [3, 2, 3]),
  numbers("studentTCdf", [1, 5], [1, 0]),
  numbers("studentTSurvival", [1, 5], [Number.NaN, 5]),
  numbers("studentTTails", [1, 5], [1, -1]),
  numbers("studentTQuantile", [0.3, 5], [1.3, 5]),
  numbers("fCdf", [1, 5, 6], [1, 0, 6]),
  numbers("fSurvival", [1, 5, 6], [1, 5, 0]),
  numbers("binomialProbability", [1, 5, 0.2], [1, 5, 1.2]),
  numbers("binomialCdf", [1, 5, 0.2], [1, -5, 0.2]),
  numbers("binomialSurvival", [1, 5, 0.2], [1, 5.5, 0.2]),
  numbers("clopperPearsonInterval", [1, 5, 0.9], [6, 5]),
  numbers("poissonInterval", [4, 0.9], [-1]),
];

type TwoSamples = (x: number[], y: number[]) => unknown;
const x = [1, 2, 3.5, 4, 5, 7];
const y = [2, 3, 4.5, 6, 8, 9];

/** A test or distance of two samples, which refuses an empty one and NaN. */
const samples = (name: string, more: readonly unknown[] = []): readonly [string, Subject] => {
  const call = (statistics as unknown as Readonly<Record<string, TwoSamples>>)[name] as TwoSamples;
  const failures = {
    MONITOR_SAMPLE_EMPTY: () => call([], [1, 2]),
    MONITOR_SAMPLE_INVALID: () => call([1, Number.NaN, 2, 3, 4, 5], x),
  };
  return [name, well(call, () => [x, y, ...more], failures)];
};

const tests = [
  samples("wassersteinNormed"),
  samples("energyDistance"),
  samples("mannWhitney", [{ method: "exact", alternative: "less" }]),
  samples("cramerVonMises", [{ method: "exact" }]),
  samples("meanTest", [{ equalVariances: true }]),
  samples("eppsSingleton", [{ points: [0.4] }]),
  samples("meanDiscrepancy", [{ permutations: 9 }]),
];

const { andersonDarling, cramerVonMisesTail, fisherExact, gTest, gTestFit, kullbackLeibler, totalVariation } =
  statistics;
const unequal = (call: (a: number[], b: number[]) => unknown) => ({
  MONITOR_COUNTS_INVALID: () => call([1], [1, 2]),
  MONITOR_SAMPLE_EMPTY: () => call([0, 0], [1, 2]),
});
const counts = (): readonly unknown[] => [
  [3, 4],
  [5, 6],
];

export const statisticsSubjects: Subjects = {
  ...Object.fromEntries(distributions),
  ...Object.fromEntries(tests),
  andersonDarling: well(andersonDarling, () => [[x, y], { ties: "last" }], {
    MONITOR_SAMPLE_EMPTY: () => andersonDarling([[], x]),
    MONITOR_SAMPLE_INVALID: () =>
      andersonDarling([
        [1, 1],
        [1, 1],
      ]),
    MONITOR_PARAMETER_INVALID: () => andersonDarling([x]),
  }),
  cramerVonMisesTail: well(cramerVonMisesTail, () => [0.4]),
  fisherExact: well(fisherExact, () => [counts(), { alternative: "less" }], {
    MONITOR_COUNTS_INVALID: () =>
      fisherExact([
        [1, 2],
        [3, -4],
      ]),
    MONITOR_PARAMETER_INVALID: () =>
      fisherExact(
        [
          [1, 2],
          [3, 4],
        ],
        { alternative: "more" as "less" },
      ),
  }),
  gTest: well(gTest, counts, unequal(gTest)),
  gTestFit: well(gTestFit, counts, unequal(gTestFit)),
  kullbackLeibler: well(kullbackLeibler, counts, unequal(kullbackLeibler)),
  totalVariation: well(totalVariation, counts, unequal(totalVariation)),
};
