import { createRandom } from "@millwright/contracts";
import { batchOf, column, profileOf, profileToJson, type Profile } from "@millwright/data";
import { expect, test } from "vitest";
import {
  compare,
  equalShareBins,
  kolmogorovSmirnov,
  populationStability,
  recommended,
  sketchDistance,
} from "../src/index.ts";

const random = createRandom(21);
const normal = (size: number, shift = 0, scale = 1): Float64Array =>
  Float64Array.from({ length: size }, () => random.normal() * scale + shift);
const numbers = (x: Float64Array): Profile => profileOf(batchOf({ x }));
const texts = (size: number, weights: readonly number[], missing = 0): Profile => {
  const draw = (): string | null => {
    if (random.next() < missing) return null;
    let rest = random.next();
    return `c${weights.findIndex((weight) => (rest -= weight) < 0)}`;
  };
  return profileOf(batchOf({ x: column("utf8", Array.from({ length: size }, draw)) }));
};
const verdictOf = (baseline: Profile, current: Profile): string =>
  compare(baseline, current, recommended()).columns[0]!.verdict;

test.each([
  ["normal", normal(4000), normal(3000, 0.1)],
  ["of unequal resolution", normal(20_000), normal(200, 5000, 0.01)],
  [
    "of whole numbers",
    normal(3000).map((value) => Math.round(value * 3)),
    normal(3000).map((value) => Math.round(value * 3 + 1)),
  ],
  [
    "spread over many octaves",
    normal(9000).map((value) => Math.exp(value * 9)),
    normal(9000).map((value) => Math.exp(value * 9 + 1)),
  ],
] as const)("the distance of samples %s lies within the sketch's bounds", (_, a, b) => {
  const exact = kolmogorovSmirnov(a, b).statistic;
  const { lower, upper } = sketchDistance(numbers(a).columns["x"]!.quantiles!, numbers(b).columns["x"]!.quantiles!);
  expect(lower).toBeLessThanOrEqual(exact + 1e-12);
  expect(upper).toBeGreaterThanOrEqual(exact - 1e-12);
  // The stated error: no more than the fullest bucket of either side holds.
  const fullest = [a, b].map((values) => {
    const { counts } = numbers(values).columns["x"]!.quantiles!;
    return Math.max(...counts) / values.length;
  });
  expect(upper - lower).toBeLessThanOrEqual(fullest[0]! + fullest[1]!);
});

test("the stability index of sketches is that of the rows, cut at the same places", () => {
  const [a, b] = [normal(5000), normal(5000, 0.4)];
  const binned = equalShareBins(numbers(a).columns["x"]!.quantiles!, numbers(b).columns["x"]!.quantiles!, 10);
  const sorted = a.slice().sort();
  let rank = 0;
  const edges = Array.from(binned.a.slice(0, -1), (count) => sorted[(rank += count) - 1]!);
  const histogram = (values: Float64Array): number[] => {
    const counts = new Array<number>(edges.length + 1).fill(0);
    for (const value of values) counts[edges.filter((edge) => value > edge).length]! += 1;
    return counts;
  };
  expect([...binned.a]).toEqual(histogram(a));
  const [fromSketch, fromRows] = [
    populationStability(binned.a, binned.b),
    populationStability(histogram(a), histogram(b)),
  ];
  // A cut falls between two values of one side and may split a bucket of the other: a few rows of 5,000 at most.
  expect(Math.abs(fromSketch - fromRows)).toBeLessThan(0.005);
  expect(binned.a.length).toBe(10);
});

test("MO-6: drift needs significance, size and enough rows, all three", () => {
  const baseline = numbers(normal(1_000_000));
  expect(verdictOf(baseline, numbers(normal(1_000_000, 0.001)))).toBe("ok");
  expect(verdictOf(baseline, numbers(normal(200_000, 0.01)))).toBe("ok");
  expect(verdictOf(baseline, numbers(normal(20, 3)))).toBe("not-enough-data");
  expect(verdictOf(baseline, numbers(normal(recommended().minimumSamples - 1, 0.3)))).toBe("not-enough-data");
  for (const size of [recommended().minimumSamples, 600, 1000, 3000, 10_000, 100_000]) {
    expect([size, verdictOf(baseline, numbers(normal(size, 0.3)))]).toEqual([size, "drift"]);
  }
  expect(verdictOf(baseline, numbers(normal(5000, 0, 2)))).toBe("drift");
});

test("a shift of 0.3 standard deviations is seen in nearly every window of the fewest rows", () => {
  const baseline = numbers(normal(50_000));
  const seen = Array.from({ length: 100 }, () =>
    verdictOf(baseline, numbers(normal(recommended().minimumSamples, 0.3))),
  ).filter((verdict) => verdict === "drift");
  expect(seen.length).toBeGreaterThanOrEqual(92);
});

test("without drift, alarms over many tables stay rarer than the policy's level", () => {
  const baseline = numbers(normal(20_000));
  let alarms = 0;
  for (let round = 0; round < 400; round += 1) if (verdictOf(baseline, numbers(normal(600))) === "drift") alarms += 1;
  // Expected at most 1 % of 400; 12 or more would have a probability below 0.1 %.
  expect(alarms).toBeLessThan(12);
});

test("categories, nulls, types and absent columns", () => {
  const baseline = texts(5000, [0.5, 0.3, 0.2]);
  expect(verdictOf(baseline, texts(3000, [0.5, 0.3, 0.2]))).toBe("ok");
  expect(verdictOf(baseline, texts(3000, [0.2, 0.3, 0.5]))).toBe("drift");
  expect(verdictOf(baseline, texts(3000, [0.4, 0.2, 0.1, 0.3]))).toBe("drift");
  const nulls = compare(baseline, texts(3000, [0.5, 0.3, 0.2], 0.2), recommended()).columns[0]!;
  expect(nulls.verdict).toBe("drift");
  expect(nulls.reasons[0]).toContain("nulls");
  expect(compare(baseline, numbers(normal(3000)), recommended()).columns[0]).toMatchObject({
    verdict: "drift",
    reasons: ["The type was utf8 and is float64."],
  });
  expect(compare(baseline, { rows: 5, columns: {} }, recommended()).columns[0]).toMatchObject({
    verdict: "drift",
    reasons: ["The column is gone."],
  });
  const extra = profileOf(batchOf({ x: Array.from({ length: 600 }, () => "c0"), y: normal(600) }));
  expect(compare(texts(600, [1]), extra, recommended()).columns.map(({ name, verdict }) => [name, verdict])).toEqual([
    ["x", "ok"],
    ["y", "not-compared"],
  ]);
});

test("the table's verdict follows the share of drifted columns", () => {
  const table = (shifts: readonly number[]): Profile =>
    profileOf(batchOf(Object.fromEntries(shifts.map((shift, index) => [`x${index}`, normal(2000, shift)]))));
  const baseline = table([0, 0, 0, 0]);
  const half = table([1, 1, 0, 0]);
  expect(compare(baseline, half, recommended())).toMatchObject({ verdict: "drift", driftedShare: 0.5 });
  expect(compare(baseline, half, { ...recommended(), driftedShare: 0.5 }).verdict).toBe("ok");
  expect(compare(baseline, half, { ...recommended(), driftedShare: 0.49 }).verdict).toBe("drift");
  expect(compare(baseline, table([0, 0, 0, 0]), recommended())).toMatchObject({ verdict: "ok", reasons: [] });
  expect(compare(numbers(normal(10)), numbers(normal(10)), recommended()).verdict).toBe("not-enough-data");
});

test("the baseline may be the JSON that a model package holds, and gives the same report", () => {
  const [before, now] = [numbers(normal(2000)), numbers(normal(2000, 1))];
  const held: unknown = JSON.parse(JSON.stringify(profileToJson(before)));
  const report = compare(held as Record<string, unknown>, now, recommended());
  expect(report).toEqual(compare(before, now, recommended()));
  expect(report.verdict).toBe("drift");
  expect(() => compare({ formatVersion: 2, rows: 0, columns: [] }, now, recommended())).toThrow(/format version 2/);
});

test("a burst of NaN and infinities is drift as one of nulls is, whatever the numbers that are left", () => {
  const burst = (share: number, value: number): Profile =>
    profileOf(batchOf({ x: normal(4000).map((each, row) => (row % 100 < share * 100 ? value : each)) }));
  const calm = numbers(normal(4000));
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { verdict, columns } = compare(calm, burst(0.6, value), recommended());
    expect(verdict).toBe("drift");
    expect(columns[0]?.measures.missing).toMatchObject({ baseline: 0, current: 0.6 });
    expect(columns[0]?.reasons).toEqual(["The share of nulls, NaN and infinities went from 0 to 0.6."]);
    expect(verdictOf(burst(0.6, value), burst(0.61, value))).toBe("ok");
    expect(verdictOf(calm, burst(0.03, value))).toBe("ok");
  }
  // Nulls that a batch job sees and NaN that a request carries are the same lack.
  const nulls = profileOf(
    batchOf({
      x: column(
        "float64",
        Array.from({ length: 4000 }, (_, row) => (row % 10 < 3 ? null : random.normal())),
      ),
    }),
  );
  expect(verdictOf(nulls, burst(0.3, Number.NaN))).toBe("ok");
});

test("columns that the policy leaves out are not compared, and count in no share and no correction", () => {
  const table = (startMs: number, shift: number): Profile =>
    profileOf(batchOf({ at: Float64Array.from({ length: 1000 }, (_, row) => startMs + row), x: normal(1000, shift) }));
  const policy = { ...recommended(), ignoredColumns: ["at", "label"] };
  const [before, now] = [table(0, 0), table(1e6, 0)];
  expect(compare(before, now, recommended()).verdict).toBe("drift");
  const { verdict, columns } = compare(before, now, policy);
  expect(verdict).toBe("ok");
  expect(columns[0]).toMatchObject({ verdict: "not-compared", reasons: ["The policy leaves it out."], measures: {} });
  const alone = (profile: Profile): Profile => ({ rows: profile.rows, columns: { x: profile.columns["x"]! } });
  expect(compare(before, now, policy).columns[1]).toEqual(compare(alone(before), alone(now), recommended()).columns[0]);
  // A label that requests do not carry is none that is gone.
  const labelled = profileOf(batchOf({ x: normal(1000), label: normal(1000) }));
  expect(compare(labelled, alone(now), policy).verdict).toBe("ok");
  expect(compare(before, table(1e6, 1), policy)).toMatchObject({ verdict: "drift", driftedShare: 1 });
});
