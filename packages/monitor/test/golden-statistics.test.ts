import { readFile } from "node:fs/promises";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import * as statistics from "../src/statistics.ts";
import { sampleOf, type SampleSpec } from "./samples.ts";

type Pair = readonly [number, number];
type Expected = number | Pair | undefined;
type Row = Readonly<Record<string, Expected>>;

interface Golden {
  readonly pairs: readonly { readonly x: SampleSpec; readonly y: SampleSpec }[];
  readonly tables: readonly { readonly a: readonly number[]; readonly b: readonly number[] }[];
  readonly threeSamples: { readonly samples: readonly SampleSpec[]; readonly middle: Pair; readonly last: Pair };
}

const golden = JSON.parse(await readFile(new URL("golden/tests.json", import.meta.url), "utf8")) as Golden;

/** Relative, with what is left of an absolute error near 0. */
function expectClose(found: number, wanted: number, tolerance: number, what: string): void {
  const scale = Math.max(Math.abs(wanted), 1e-9);
  expect(Math.abs(found - wanted), `${what}: ${found}, not ${wanted}`).toBeLessThanOrEqual(tolerance * scale);
}

function expectTest(
  { statistic, pValue }: statistics.TestResult,
  wanted: Expected,
  tolerance: number,
  what: string,
): void {
  const [value, p] = wanted as Pair;
  expectClose(statistic, value, 1e-9, `${what}, statistic`);
  // SciPy's own p-values are differences from 1: below 1e-14 they say nothing.
  expect(Math.abs(pValue - p), `${what}: p ${pValue}, not ${p}`).toBeLessThanOrEqual(Math.max(tolerance * p, 2e-14));
}

const exact = 1e-9;
const asymptotic = 1e-6;

type SampleCheck = (x: number[], y: number[], wanted: Expected, what: string) => void;
const tested =
  (run: (x: number[], y: number[]) => statistics.TestResult, tolerance: number): SampleCheck =>
  (x, y, wanted, what) =>
    expectTest(run(x, y), wanted, tolerance, what);
const measured =
  (run: (x: number[], y: number[]) => number): SampleCheck =>
  (x, y, wanted, what) =>
    expectClose(run(x, y), wanted as number, exact, what);

const checks: Readonly<Record<string, SampleCheck>> = {
  ks: tested((x, y) => statistics.kolmogorovSmirnov(x, y), asymptotic),
  ksAsymptotic: tested((x, y) => statistics.kolmogorovSmirnov(x, y, { method: "asymptotic" }), asymptotic),
  ksLessAsymptotic: tested(
    (x, y) => statistics.kolmogorovSmirnov(x, y, { method: "asymptotic", alternative: "less" }),
    asymptotic,
  ),
  ksGreaterAsymptotic: tested(
    (x, y) => statistics.kolmogorovSmirnov(x, y, { method: "asymptotic", alternative: "greater" }),
    asymptotic,
  ),
  ksLess: tested((x, y) => statistics.kolmogorovSmirnov(x, y, { method: "exact", alternative: "less" }), exact),
  ksGreater: tested((x, y) => statistics.kolmogorovSmirnov(x, y, { method: "exact", alternative: "greater" }), exact),
  mannWhitney: tested((x, y) => statistics.mannWhitney(x, y), exact),
  mannWhitneyLess: tested(
    (x, y) => statistics.mannWhitney(x, y, { alternative: "less", method: "asymptotic", continuity: false }),
    exact,
  ),
  mannWhitneyGreater: tested((x, y) => statistics.mannWhitney(x, y, { alternative: "greater" }), exact),
  mannWhitneyExact: tested((x, y) => statistics.mannWhitney(x, y, { method: "exact" }), exact),
  cramerVonMises: (x, y, wanted, what) => {
    const found = statistics.cramerVonMises(x, y);
    const [value, p] = wanted as Pair;
    expectClose(found.statistic, value, exact, `${what}, statistic`);
    // SciPy ends its sum at terms of 1e-7.
    expect(Math.abs(found.pValue - p), `${what}: p ${found.pValue}, not ${p}`).toBeLessThanOrEqual(
      Math.max(x.length, y.length) <= 20 ? 1e-9 * p : 1e-6,
    );
  },
  student: tested((x, y) => statistics.meanTest(x, y, { equalVariances: true }), exact),
  welch: tested((x, y) => statistics.meanTest(x, y), exact),
  welchLess: tested((x, y) => statistics.meanTest(x, y, { alternative: "less" }), exact),
  eppsSingleton: tested((x, y) => statistics.eppsSingleton(x, y), asymptotic),
  andersonMiddle: tested((x, y) => statistics.andersonDarling([x, y]), exact),
  andersonLast: tested((x, y) => statistics.andersonDarling([x, y], { ties: "last" }), exact),
  wasserstein: measured(statistics.wasserstein),
  wassersteinNormed: measured(statistics.wassersteinNormed),
  energy: measured(statistics.energyDistance),
  meanDiscrepancy: (x, y, wanted, what) => {
    const found = statistics.meanDiscrepancy(x, y, { permutations: 0 });
    const [value, width] = wanted as Pair;
    expect(Math.abs(found.statistic - value), what).toBeLessThanOrEqual(1e-12);
    expectClose(found.width, width, exact, what);
  },
};

test.each(golden.pairs.map((pair, index) => ({ ...pair, index })))(
  "MO-3: tests and distances of two samples are SciPy's: $x against $y",
  ({ x, y, index }) => {
    const [a, b] = [sampleOf(x), sampleOf(y)];
    const row = golden.pairs[index] as unknown as Row;
    const names = Object.keys(row).filter((name) => name !== "x" && name !== "y");
    expect(names.length).toBeGreaterThanOrEqual(17);
    for (const name of names) (checks[name] as SampleCheck)(a, b, row[name], name);
  },
);

type CountCheck = (a: readonly number[], b: readonly number[], wanted: Expected, what: string) => void;
const countTested =
  (run: (a: readonly number[], b: readonly number[]) => statistics.TestResult): CountCheck =>
  (a, b, wanted, what) =>
    expectTest(run(a, b), wanted, exact, what);
const countMeasured =
  (run: (a: readonly number[], b: readonly number[]) => number): CountCheck =>
  (a, b, wanted, what) =>
    expectClose(run(a, b), wanted as number, exact, what);
const square = (a: readonly number[], b: readonly number[]): statistics.TwoByTwo =>
  [a, b] as unknown as statistics.TwoByTwo;
const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

const countChecks: Readonly<Record<string, CountCheck>> = {
  contingency: countTested((a, b) => statistics.chiSquaredContingency(a, b)),
  yates: countTested((a, b) => statistics.chiSquaredContingency(a, b, { correction: true })),
  g: countTested(statistics.gTest),
  fit: countTested(statistics.chiSquaredFit),
  gFit: countTested(statistics.gTestFit),
  fisher: countTested((a, b) => statistics.fisherExact(square(a, b))),
  fisherLess: countTested((a, b) => statistics.fisherExact(square(a, b), { alternative: "less" })),
  fisherGreater: countTested((a, b) => statistics.fisherExact(square(a, b), { alternative: "greater" })),
  proportions: countTested((a, b) => statistics.twoProportions(a[0] ?? 0, sumOf(a), b[0] ?? 0, sumOf(b))),
  jensenShannon: countMeasured((a, b) => statistics.jensenShannon(a, b)),
  jensenShannonE: countMeasured((a, b) => statistics.jensenShannon(a, b, "e")),
  hellinger: countMeasured(statistics.hellinger),
  totalVariation: countMeasured(statistics.totalVariation),
  largest: countMeasured(statistics.largestDifference),
  stability: countMeasured(statistics.populationStability),
  kullbackLeibler: countMeasured(statistics.kullbackLeibler),
};

test.each(golden.tables.map((table, index) => ({ ...table, index })))(
  "MO-3: tests and distances of counts are SciPy's: $a against $b",
  ({ a, b, index }) => {
    const row = golden.tables[index] as unknown as Row;
    const names = Object.keys(row).filter((name) => name !== "a" && name !== "b");
    expect(names.length).toBeGreaterThanOrEqual(8);
    for (const name of names) (countChecks[name] as CountCheck)(a, b, row[name], name);
  },
);

test("MO-3: Anderson–Darling takes more than two samples, and tells where its table ends", () => {
  const samples = golden.threeSamples.samples.map(sampleOf);
  expectTest(statistics.andersonDarling(samples), golden.threeSamples.middle, exact, "middle");
  expectTest(statistics.andersonDarling(samples, { ties: "last" }), golden.threeSamples.last, exact, "last");
  const same = sampleOf(["bell", 1, 100, 0, 1]);
  expect(statistics.andersonDarling([same, same])).toMatchObject({ pValue: 0.25, bound: "at-least" });
  expect(statistics.andersonDarling([same, same.map((value) => value + 9)])).toMatchObject({
    pValue: 0.001,
    bound: "at-most",
  });
});

test("MO-3: the numbers of the reference table", () => {
  const x = [0.1, 0.4, 0.7, 1.2, 1.9, 2.5, 3.1, 4];
  const y = [0.9, 1.4, 2.2, 2.8, 3.6, 4.4, 5.1, 6, 7.2];
  const close = (found: number, wanted: number): void => expectClose(found, wanted, exact, String(wanted));
  close(statistics.kolmogorovSmirnov(x, y).statistic, 0.4444444444444444);
  close(statistics.kolmogorovSmirnov(x, y).pValue, 0.24245166598107779);
  expectClose(
    statistics.kolmogorovSmirnov(x, y, { method: "asymptotic" }).pValue,
    0.3072892851699437,
    asymptotic,
    "asymptotic",
  );
  close(statistics.wasserstein(x, y), 1.9958333333333333);
  close(statistics.wassersteinNormed(x, y), 1.5410375966183882);
  expect(statistics.mannWhitney(x, y).statistic).toBe(15);
  close(statistics.mannWhitney(x, y).pValue, 0.046400658165364046);
  close(statistics.cramerVonMises(x, y).statistic, 0.42075163398692794);
  close(statistics.cramerVonMises(x, y).pValue, 0.06943644590703414);
  const [p, q] = [
    [0.5, 0.3, 0.2],
    [0.4, 0.35, 0.25],
  ] as const;
  close(statistics.populationStability(p, q), 0.041179066688494366);
  close(statistics.kullbackLeibler(p, q), 0.02069786144608543);
  close(statistics.jensenShannon(p, q), 0.08609435336652028);
  close(statistics.jensenShannon(p, q, "e"), 0.07167825088993672);
  close(statistics.hellinger(p, q), 0.0717117272813177);
  close(statistics.totalVariation(p, q), 0.1);
  close(statistics.largestDifference(p, q), 0.1);
  close(statistics.chiSquaredFit([50, 30, 20], [40, 35, 25]).pValue, 0.12981217685543797);
  close(statistics.chiSquaredContingency([50, 30, 20], [40, 35, 25]).pValue, 0.3585665413731905);
  close(statistics.twoProportions(120, 1000, 150, 1000).pValue, 0.04964038686536878);
  close(
    statistics.fisherExact([
      [8, 2],
      [1, 5],
    ]).pValue,
    0.034965034965034975,
  );
  const [low, high] = statistics.clopperPearsonInterval(3, 1000);
  expect([low.toFixed(7), high.toFixed(7)]).toEqual(["0.0006191", "0.0087420"]);
});

test("MO-3: the permutation test of the mean discrepancy is seeded, sees a shift in rows and keeps its level", () => {
  const random = createRandom(5);
  const rows = (shift: number): number[][] =>
    Array.from({ length: 40 }, () => [random.normal() + shift, random.normal()]);
  const [reference, same, shifted] = [rows(0), rows(0), rows(1)];
  const first = statistics.meanDiscrepancy(reference, shifted, { random: createRandom(1) });
  expect(first).toEqual(statistics.meanDiscrepancy(reference, shifted, { random: createRandom(1) }));
  expect(first.pValue).toBe(1 / 101);
  expect(statistics.meanDiscrepancy(reference, same).pValue).toBeGreaterThan(0.05);
  // At most 5 % of 200 tests without drift, with the 99.9 % point of that binomial: 20.
  let alarms = 0;
  for (let round = 0; round < 200; round += 1) {
    const draw = (): number[] => Array.from({ length: 12 }, () => random.normal());
    if (statistics.meanDiscrepancy(draw(), draw(), { permutations: 39, random }).pValue <= 0.05) alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(20);
});

test("MO-3: p-values are full-precision numbers far into the tail", () => {
  const x = sampleOf(["bell", 1, 2000, 0, 1]);
  const far = x.map((value) => value + 0.7);
  const { kolmogorovSmirnov, mannWhitney, meanTest } = statistics;
  for (const { pValue } of [kolmogorovSmirnov(x, far), mannWhitney(x, far), meanTest(x, far)]) {
    expect(pValue).toBeGreaterThan(0);
    expect(pValue).toBeLessThan(1e-60);
  }
  // One minus SciPy's distribution function is 0 from here on.
  expect(statistics.cramerVonMisesTail(12)).toBeGreaterThan(0);
  expect(statistics.cramerVonMisesTail(12)).toBeLessThan(1e-24);
});

test("MO-3: a million values are tested in a few sorts", () => {
  const random = createRandom(3);
  const [x, y] = [0, 0.01].map((shift) => Float64Array.from({ length: 500_000 }, () => random.normal() + shift)) as [
    Float64Array,
    Float64Array,
  ];
  const start = process.cpuUsage();
  statistics.kolmogorovSmirnov(x, y);
  const sorts = process.cpuUsage(start).user;
  for (const run of [
    statistics.wasserstein,
    statistics.energyDistance,
    statistics.meanTest,
    statistics.mannWhitney,
    statistics.cramerVonMises,
    statistics.eppsSingleton,
  ])
    run(x, y);
  statistics.andersonDarling([x, y]);
  expect(process.cpuUsage(start).user).toBeLessThan(40 * sorts + 1_000_000);
});

test("MO-3: what cannot be compared is a typed error", () => {
  const code = (call: () => unknown, wanted: string): void =>
    expect(call, String(call)).toThrow(expect.objectContaining({ code: wanted }));
  const two: readonly ((x: number[], y: number[]) => unknown)[] = [
    statistics.kolmogorovSmirnov,
    statistics.wasserstein,
    statistics.energyDistance,
    statistics.mannWhitney,
    statistics.cramerVonMises,
    statistics.meanTest,
    statistics.eppsSingleton,
    statistics.meanDiscrepancy,
    (x, y) => statistics.andersonDarling([x, y]),
  ];
  for (const run of two) {
    code(() => run([], [1, 2]), "MONITOR_SAMPLE_EMPTY");
    code(() => run([1, Number.NaN, 3, 4, 5], [1, 2, 3, 4, 5]), "MONITOR_SAMPLE_INVALID");
  }
  for (const run of [statistics.wasserstein, statistics.energyDistance, statistics.meanTest, statistics.eppsSingleton])
    code(() => run([1, Infinity, 3, 4, 5], [1, 2, 3, 4, 6]), "MONITOR_SAMPLE_INVALID");
  expect(statistics.kolmogorovSmirnov([1, Infinity], [-Infinity, 1]).statistic).toBe(0.5);
  for (const run of [
    statistics.meanTest,
    statistics.mannWhitney,
    statistics.eppsSingleton,
    two[8] as (x: number[], y: number[]) => unknown,
  ])
    code(() => run([3, 3, 3, 3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3, 3, 3, 3]), "MONITOR_SAMPLE_INVALID");
  expect(statistics.kolmogorovSmirnov([3, 3], [3, 3, 3])).toEqual({ statistic: 0, pValue: 1 });
  expect(statistics.meanTest([1, 1], [2, 2])).toMatchObject({ statistic: -Infinity, pValue: 0 });
  code(
    () =>
      statistics.fisherExact([
        [1, 2],
        [-1, 2],
      ]),
    "MONITOR_COUNTS_INVALID",
  );
  code(() => statistics.gTest([1, 2], [1]), "MONITOR_COUNTS_INVALID");
});
