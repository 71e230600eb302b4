import { createRandom, type Column } from "@millwright/contracts";
import { expect, test } from "vitest";
import { column, mostFrequent, profileOf, profileOfCounts, takeRows, type ColumnProfile } from "../src/index.ts";

const random = createRandom(11);

/** A column with every value as often as its count says, in random order. */
function repeated(values: Column, counts: readonly number[]): Column {
  const rows = counts.flatMap((count, row) => Array.from({ length: count }, () => row));
  for (let at = rows.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random.next() * (at + 1));
    [rows[at], rows[other]] = [rows[other]!, rows[at]!];
  }
  return takeRows({ length: values.length, columns: { x: values } }, Int32Array.from(rows)).columns["x"]!;
}

const many = Array.from({ length: 300 }, () => random.normal() * 10 ** (random.next() * 12 - 6));

const cases: readonly (readonly [string, Column])[] = [
  ["floats of all kinds", column("float64", [null, NaN, Infinity, -Infinity, -0, 5e-324, -1e-310, 1e300, -1e300, 3.5])],
  ["more floats than a sketch has buckets for", column("float64", [null, ...many])],
  ["narrow floats", column("float32", [0.1, -2, null, Infinity])],
  ["bytes", column("int8", [-128, 127, 0, null])],
  ["whole numbers", column("int32", [-3, null, 0, 2 ** 31 - 1])],
  ["wide whole numbers", column("int64", [2n ** 62n, -(2n ** 62n), 5n, null, 2n ** 53n + 1n])],
  ["wide unsigned numbers", column("uint64", [2n ** 64n - 1n, 0n])],
  ["days", column("date", [-1, null, 19_782])],
  ["times", column("timestamp", [new Date("1969-12-31T23:59:59.999Z"), new Date("2024-02-29T12:00Z"), null])],
  ["booleans", column("bool", [true, null, false])],
  ["texts", column("utf8", ["", null, "é", "漢字", "😀", "x".repeat(500), `${"x".repeat(499)}y`])],
  ["texts of a dictionary", column("dictionary", ["b", null, "a"])],
  ["bytes that are no text", column("binary", [new Uint8Array([1, 2]), null])],
];

/** All but mean and variance, which are equal up to rounding. */
const exact = ({ moments, frequent, ...rest }: ColumnProfile): unknown => ({
  ...rest,
  moments: moments && { count: moments.count, min: moments.min, max: moments.max },
  frequent: frequent && { ...frequent, counts: mostFrequent(frequent) },
});

const options = { maxBuckets: 64, maxTexts: 4 };

for (const [title, values] of cases)
  test(`${title}, with how often each came, give the profile of the rows`, () => {
    const counts = Array.from({ length: values.length }, (_, row) => (row % 4 === 3 ? 0 : 1 + row * 7));
    const x = repeated(values, counts);
    const expected = profileOf({ length: x.length, columns: { x } }, options).columns["x"]!;
    const profile = profileOfCounts(values, counts, options);
    expect(exact(profile)).toEqual(exact(expected));
    for (const part of ["mean", "m2"] as const) {
      const [mine, right] = [profile.moments?.[part] ?? 0, expected.moments?.[part] ?? 0];
      expect(Math.abs(mine - right), part).toBeLessThanOrEqual(1e-12 * Math.abs(right));
    }
  });

test("counts must be as many as values, and whole", () => {
  const values = column("int32", [1, 2]);
  expect(() => profileOfCounts(values, [1])).toThrow(RangeError);
  expect(() => profileOfCounts(values, [1, -1])).toThrow(RangeError);
  expect(() => profileOfCounts(values, [1, 0.5])).toThrow(RangeError);
});
