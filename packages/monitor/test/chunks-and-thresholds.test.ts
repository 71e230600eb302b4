import { readFile } from "node:fs/promises";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  adaptiveThreshold,
  bootstrapThreshold,
  type Chunk,
  chunksByCount,
  chunksByPeriod,
  chunksBySize,
  clipLimits,
  constantThreshold,
  type Incomplete,
  isBeyond,
  type Limits,
  minimumChunkSize,
  type Period,
  quantileThreshold,
  slidingChunks,
  standardDeviationThreshold,
} from "../src/tools.ts";

type Keys = readonly (readonly [key: string, rows: number])[];
interface Golden {
  readonly chunks: {
    readonly timesMs: readonly number[];
    readonly tables: readonly {
      readonly rows: number;
      readonly default?: Keys;
      readonly incomplete: Incomplete;
      readonly size?: number;
      readonly count?: number;
      readonly period?: Period;
      readonly chunks: Keys;
    }[];
  };
  readonly thresholds: readonly (Readonly<
    Record<
      "standard" | "median" | "upper" | "constant" | "clipped" | "removed" | "quantiles",
      readonly (number | null)[]
    >
  > & {
    readonly values: readonly (number | null)[];
  })[];
}
const golden = JSON.parse(await readFile(new URL("golden/nannyml.json", import.meta.url), "utf8")) as Golden;
const keysOf = (chunks: readonly Chunk[]): Keys => chunks.map(({ key, start, end }) => [key, end - start]);

test("MO-9: chunks by size, count and period are NannyML's, with what it does of incomplete ones", () => {
  const kinds = new Set<string>();
  for (const each of golden.chunks.tables) {
    const { rows, incomplete, size, count, period } = each;
    if (each.default !== undefined) {
      expect(keysOf(chunksByCount(rows))).toEqual(each.default);
      kinds.add("default");
    } else if (size !== undefined)
      expect(keysOf(chunksBySize(rows, size, { incomplete })), `${rows} by ${size}, ${incomplete}`).toEqual(
        each.chunks,
      );
    else if (count !== undefined)
      expect(keysOf(chunksByCount(rows, count, { incomplete })), `${rows} in ${count}, ${incomplete}`).toEqual(
        each.chunks,
      );
    else if (period !== undefined) {
      expect(keysOf(chunksByPeriod(golden.chunks.timesMs, period)), period).toEqual(each.chunks);
      kinds.add(period);
    }
  }
  expect([...kinds]).toEqual(["default", "hour", "day", "week", "month", "quarter", "year"]);
});

test("MO-9: the boundary table: ten chunks by default, each row in one chunk, sliding ones overlap", () => {
  expect(keysOf(chunksByCount(100))).toHaveLength(10);
  // What remains when 109 rows are divided by ten is one more.
  expect(keysOf(chunksByCount(109))).toHaveLength(11);
  expect(keysOf(chunksByCount(109, 10, { incomplete: "append" })).at(-1)).toEqual(["[90:108]", 19]);
  expect(keysOf(chunksByCount(109, 10, { incomplete: "drop" })).at(-1)).toEqual(["[90:99]", 10]);
  expect(chunksByCount(0)).toEqual([]);
  expect(keysOf(chunksBySize(3, 5))).toEqual([["[0:2]", 3]]);
  expect(keysOf(chunksBySize(3, 5, { incomplete: "append" }))).toEqual([["[0:2]", 3]]);
  expect(chunksBySize(3, 5, { incomplete: "drop" })).toEqual([]);
  for (let rows = 1; rows < 60; rows += 1)
    for (const incomplete of ["keep", "append"] as const) {
      const chunks = chunksBySize(rows, 7, { incomplete });
      expect(chunks.reduce((end, chunk) => (chunk.start === end ? chunk.end : Number.NaN), 0)).toBe(rows);
    }
  expect(keysOf(slidingChunks(10, 4, { step: 3 }))).toEqual([
    ["[0:3]", 4],
    ["[3:6]", 4],
    ["[6:9]", 4],
  ]);
  expect(slidingChunks(3, 4)).toEqual([]);
  expect(slidingChunks(5, 4)).toHaveLength(2);
  const [month] = chunksByPeriod([Date.UTC(2024, 1, 29, 23, 59), Date.UTC(2024, 2, 1) - 1], "month");
  expect(month).toEqual({ key: "2024-02", start: 0, end: 2, startMs: Date.UTC(2024, 1), endMs: Date.UTC(2024, 2) });
  expect(chunksByPeriod([], "day")).toEqual([]);
  for (const call of [
    () => chunksByCount(9),
    () => chunksBySize(9, 0),
    () => chunksBySize(9, 1.5),
    () => slidingChunks(9, 3, { step: 0 }),
    () => chunksByPeriod([2, 1], "day"),
    () => chunksByPeriod([Number.NaN], "day"),
    () => chunksByPeriod([1], "fortnight" as Period),
    () => minimumChunkSize(-1),
  ])
    expect(call, String(call)).toThrow(expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }));
});

test("MO-9: chunks of the estimated size have the standard error asked for, and smaller ones do not", () => {
  expect(minimumChunkSize(0.25)).toBe(625);
  expect(minimumChunkSize(0.09, { standardError: 0.01 })).toBe(900);
  expect(minimumChunkSize(0)).toBe(1);
  const random = createRandom(9);
  const spreadOf = (size: number): number => {
    const shares = Array.from({ length: 2_000 }, () => {
      let hits = 0;
      for (let row = 0; row < size; row += 1) hits += random.next() < 0.2 ? 1 : 0;
      return hits / size;
    });
    return Math.sqrt(shares.reduce((sum, share) => sum + (share - 0.2) ** 2, 0) / shares.length);
  };
  const size = minimumChunkSize(0.16);
  // The relative standard error of a standard deviation of 2,000 values is 1.6 %: four of them.
  expect(Math.abs(spreadOf(size) / 0.02 - 1)).toBeLessThan(0.064);
  expect(spreadOf(size / 2)).toBeGreaterThan(0.02 * 1.3);
});

const numbersOf = (values: readonly (number | null)[]): number[] => values.map((value) => value ?? Number.NaN);

function expectLimits(
  { lower, upper }: Limits,
  [wantedLower, wantedUpper]: readonly (number | null | undefined)[],
): void {
  for (const [found, wanted] of [
    [lower, wantedLower],
    [upper, wantedUpper],
  ] as const) {
    if (wanted === null || wanted === undefined) expect(found).toBeUndefined();
    else expect(Math.abs((found ?? 99) - wanted)).toBeLessThanOrEqual(1e-12);
  }
}

test("MO-10: constant, standard deviation and quantile limits, clipped, are NannyML's and NumPy's", () => {
  expect(golden.thresholds).toHaveLength(4);
  for (const row of golden.thresholds) {
    const values = numbersOf(row.values);
    expectLimits(standardDeviationThreshold().limits(values), row.standard);
    expectLimits(standardDeviationThreshold({ below: 2, above: 4, from: "median" }).limits(values), row.median);
    expectLimits(standardDeviationThreshold({ below: null }).limits(values), row.upper);
    expectLimits(constantThreshold({ lower: -1, upper: 0.2 }).limits(values), row.constant);
    expectLimits(clipLimits(standardDeviationThreshold().limits(values), { lowest: 0, highest: 0.9 }), row.clipped);
    expectLimits(
      clipLimits(standardDeviationThreshold().limits(values), { lowest: 0, highest: 0.9, remove: true }),
      row.removed,
    );
    expectLimits(quantileThreshold({ lower: 0.05, upper: 0.95 }).limits(values), row.quantiles);
  }
});

test("MO-10: the bootstrap is seeded and steadier than the quantile itself; adaptive limits follow a trend", () => {
  const random = createRandom(4);
  const draws = Array.from({ length: 200 }, () => Array.from({ length: 10 }, () => random.normal()));
  const spread = (limits: readonly number[]): number => {
    const mean = limits.reduce((sum, value) => sum + value, 0) / limits.length;
    return Math.sqrt(limits.reduce((sum, value) => sum + (value - mean) ** 2, 0) / limits.length);
  };
  const upperOf = (strategy: { limits(values: readonly number[]): Limits }): number[] =>
    draws.map((values) => strategy.limits(values).upper ?? 99);
  const bootstrap = bootstrapThreshold({ upper: 0.9, resamples: 200 });
  expect(bootstrap.limits(draws[0] as number[])).toEqual(bootstrap.limits(draws[0] as number[]));
  expect(spread(upperOf(bootstrap))).toBeLessThan(spread(upperOf(quantileThreshold({ upper: 0.9 }))));
  const trend = Array.from({ length: 60 }, (_, index) => index * 0.1 + (index % 2) * 0.01);
  const adaptive = adaptiveThreshold({ halfLife: 2 }).limits(trend);
  expect(adaptive.lower).toBeGreaterThan(4);
  expect(isBeyond(3, adaptive)).toBe(true);
  expect(isBeyond(3, standardDeviationThreshold().limits(trend))).toBe(false);
  // Without a trend it is the plain one with equal weights, in the limit.
  expectLimits(
    adaptiveThreshold({ halfLife: 1e12 }).limits([1, 2, 4]),
    Object.values(standardDeviationThreshold().limits([1, 2, 4])),
  );
});

test("MO-10: what lies on a limit does not alarm, nor does NaN", () => {
  const limits = { lower: 0, upper: 1 };
  expect([-0.1, 0, 0.5, 1, 1.1, Number.NaN].map((value) => isBeyond(value, limits))).toEqual([
    true,
    false,
    false,
    false,
    true,
    false,
  ]);
  expect(isBeyond(9, {})).toBe(false);
  for (const call of [
    () => constantThreshold({ lower: 1, upper: 1 }),
    () => standardDeviationThreshold({ above: -1 }),
    () => quantileThreshold({ upper: 1.5 }),
    () => quantileThreshold({ lower: 0.5, upper: 0.5 }),
    () => bootstrapThreshold({ resamples: 0 }),
    () => adaptiveThreshold({ halfLife: 0 }),
  ])
    expect(call, String(call)).toThrow(expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }));
  expect(() => standardDeviationThreshold().limits([Number.NaN])).toThrow(
    expect.objectContaining({ code: "MONITOR_SAMPLE_EMPTY" }),
  );
});
