import { type Column, createRandom, type NumericType } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { batchOf, column, type ColumnProfile, createProfiler, numericColumn, profileOf } from "../src/index.ts";

const rows = 5000;
const random = createRandom(3);
const between = (low: bigint, high: bigint): bigint => low + BigInt(random.integer(Number(high - low) + 1));

/** Ranges of numbers by type: near each other, at the type's edges, and so far apart that they cannot be counted by value. */
const ranges: Readonly<Partial<Record<NumericType, readonly (readonly [low: bigint, high: bigint])[]>>> = {
  int8: [[-128n, 127n]],
  uint8: [[0n, 255n]],
  int16: [
    [-32768n, 32767n],
    [-32768n, -32700n],
  ],
  uint16: [[60_000n, 65535n]],
  int32: [
    [0n, 999n],
    [-(2n ** 31n), -(2n ** 31n) + 300n],
    [2n ** 31n - 300n, 2n ** 31n - 1n],
    [-(2n ** 31n), 2n ** 31n - 1n],
  ],
  uint32: [
    [0n, 999n],
    [2n ** 31n - 300n, 2n ** 31n + 300n],
    [2n ** 32n - 300n, 2n ** 32n - 1n],
  ],
  date: [[15_000n, 16_000n]],
  int64: [
    [-500n, 500n],
    [2n ** 31n - 300n, 2n ** 31n + 300n],
    [2n ** 53n - 500n, 2n ** 53n],
  ],
  uint64: [
    [0n, 500n],
    [2n ** 31n - 300n, 2n ** 31n + 300n],
    [2n ** 32n - 300n, 2n ** 32n + 300n],
  ],
  timestamp: [
    [0n, 900n],
    [1_357_034_400_000_000n, 1_357_034_400_001_000n],
  ],
};

function expectSame(found: ColumnProfile, wanted: ColumnProfile): void {
  expect(found.quantiles).toEqual(wanted.quantiles);
  expect(found.distinct).toEqual(wanted.distinct);
  expect([found.count, found.missing, found.nonFinite]).toEqual([wanted.count, wanted.missing, wanted.nonFinite]);
  const [a, b] = [found.moments!, wanted.moments!];
  expect([a.count, a.min, a.max]).toEqual([b.count, b.min, b.max]);
  // Sums in another order: both are rounded, the means to the digits of the largest number.
  const largest = Math.max(Math.abs(b.min), Math.abs(b.max));
  expect(Math.abs(a.mean - b.mean)).toBeLessThanOrEqual(1e-14 * largest);
  expect(Math.abs(a.m2 - b.m2)).toBeLessThanOrEqual(1e-12 * b.m2 + 1e-15 * largest * Math.sqrt(b.m2 * b.count));
}

const profiled = (columns: readonly Column[]): ColumnProfile => {
  const profiler = createProfiler([{ name: "x", type: columns[0]!.type }]);
  for (const x of columns) profiler.update({ length: x.length, columns: { x } });
  return profiler.profile().columns["x"]!;
};

describe.each(Object.entries(ranges))("%s", (type, each) => {
  test.each(each.map(([low, high]) => [`${low} to ${high}`, low, high] as const))(
    "numbers from %s are profiled as floats are, in batches of every length, with and without nulls",
    (_name, low, high) => {
      for (const share of [0, 0.3]) {
        const values = Array.from({ length: rows }, () => (random.next() < share ? null : between(low, high)));
        const lengths = [17, 1024, 2048, 1911];
        let start = 0;
        const parts = lengths.map((length) => values.slice(start, (start += length)));
        const floats = parts.map((part) =>
          column(
            "float64",
            part.map((value) => (value === null ? null : Number(value))),
          ),
        );
        const wanted = profiled(floats);
        const same = parts.map((part) =>
          column(
            type as NumericType,
            part.map((v) => (v === null || type.endsWith("64") || type === "timestamp" ? v : Number(v))),
          ),
        );
        expectSame(profiled(same), { ...wanted, type: type as NumericType });
      }
    },
  );
});

test("numbers that spread only later are told as they are: what was counted by value stays", () => {
  const near = Int32Array.from({ length: rows }, () => random.integer(100) - 50);
  const far = Int32Array.from({ length: rows }, (_, at) => (at < 3000 ? random.integer(100) : random.integer(2 ** 31)));
  const back = Int32Array.from({ length: rows }, () => random.integer(8000) - 4000);
  const parts = [near, far, back];
  expectSame(
    profiled(parts.map((values) => numericColumn("int32", values))),
    profiled(parts.map((values) => numericColumn("float64", Float64Array.from(values)))),
  );
});

test("what null rows hold is not looked at", () => {
  const values = BigInt64Array.from({ length: rows }, (_, at) => (at % 3 === 0 ? 2n ** 60n : BigInt(at % 7)));
  const validity = new Uint8Array((rows + 7) >> 3);
  for (let at = 0; at < rows; at += 1) if (at % 3 !== 0) validity[at >> 3] = validity[at >> 3]! | (1 << (at & 7));
  const found = profileOf(batchOf({ x: numericColumn("int64", values, { validity }) })).columns["x"]!;
  expect(found.moments).toMatchObject({ min: 0, max: 6, count: found.count });
  expect(found.quantiles!.keys).toHaveLength(7);
});

test("booleans are counted by their bits, null or not, in batches of any length", () => {
  const values = Array.from({ length: rows }, () => (random.next() < 0.1 ? null : random.next() < 0.3));
  const parts = [values.slice(0, 3), values.slice(3, 2000), values.slice(2000)];
  const found = profiled(parts.map((part) => column("bool", part)));
  const floats = parts.map((part) =>
    column(
      "float64",
      part.map((value) => (value === null ? null : Number(value))),
    ),
  );
  expectSame(found, profiled(floats));
  const yes = values.filter((value) => value === true).length;
  expect(Object.fromEntries(found.frequent!.counts)).toEqual({ true: yes, false: found.count - yes });
  expect(profiled([column("bool", [null, true])]).frequent!.counts).toEqual(new Map([["true", 1]]));
});
