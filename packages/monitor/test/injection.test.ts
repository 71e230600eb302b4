import type { Batch } from "@millwright/contracts";
import { createRandom } from "@millwright/contracts";
import { batchOf, collect, column, datasetOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import {
  abrupt,
  changeUnit,
  type DriftInjection,
  flipLabels,
  gradual,
  incremental,
  inject,
  injectDataset,
  lag,
  missing,
  recurring,
  scale,
  season,
  shift,
  swapCategories,
} from "../src/injection.ts";
import { binomialBounds } from "./drift-windows.ts";

const rows = 6000;
const random = createRandom(9);
/** Multiples of 1/8, so that sums are exact. */
const km = Float64Array.from({ length: rows }, () => Math.round(random.normal() * 64) / 8);
const place = Array.from({ length: rows }, () => (["north", "south", "west"] as const)[random.integer(3)] ?? "west");
const late = Array.from({ length: rows }, () => random.next() < 0.3);
const batch = batchOf({ km, place, late, count: column("int16", [...km].map(Math.round)) });

const numbers = (from: Batch, name = "km"): number[] => toArray(from.columns[name] as never).map(Number);
const texts = (from: Batch, name: string): unknown[] => toArray(from.columns[name] as never);
const changed = (drifts: readonly DriftInjection[], name = "km", seed = 1): boolean[] => {
  const after = texts(inject(batch, drifts, { seed }), name);
  return texts(batch, name).map((value, row) => value !== after[row]);
};
const count = (flags: readonly boolean[]): number => flags.filter(Boolean).length;

test("MO-35: shift is found again exactly", () => {
  const after = numbers(inject(batch, [shift("km", 2.5)]));
  expect(new Set(after.map((value, row) => value - (km[row] as number)))).toEqual(new Set([2.5]));
});

test("MO-35: scale is found again exactly", () => {
  const after = numbers(inject(batch, [scale("km", 4, { around: 1 })]));
  expect(new Set(after.map((value, row) => value - 1 - 4 * ((km[row] as number) - 1)))).toEqual(new Set([0]));
});

test("MO-35: unit change: two rows give factor and offset, and all others agree", () => {
  const after = numbers(inject(batch, [changeUnit("km", { factor: 1.8, offset: 32 })]));
  const [a, b] = [0, [...km].findIndex((value) => value !== km[0])] as [number, number];
  const factor = ((after[b] as number) - (after[a] as number)) / ((km[b] as number) - (km[a] as number));
  expect(factor).toBeCloseTo(1.8, 10);
  expect((after[a] as number) - factor * (km[a] as number)).toBeCloseTo(32, 9);
  for (const [row, value] of after.entries()) expect(value).toBe((km[row] as number) * 1.8 + 32);
});

test("MO-35: missing: the share, by its exact binomial bounds, and no other value touched", () => {
  const after = texts(inject(batch, [missing("km", 0.2)]), "km");
  const [low, high] = binomialBounds(0.2, rows);
  const gone = after.filter((value) => value === null).length;
  expect(gone >= low && gone <= high, String(gone)).toBe(true);
  for (const [row, value] of after.entries()) if (value !== null) expect(value).toBe(km[row]);
});

test("MO-35: category swap is found again exactly", () => {
  const after = texts(inject(batch, [swapCategories("place", "north", "south")]), "place");
  const pairs = new Set(place.map((value, row) => `${value} ${String(after[row])}`));
  expect([...pairs].toSorted()).toEqual(["north south", "south north", "west west"]);
});

test("MO-35: label flip: the share of flips, in both directions", () => {
  const after = texts(inject(batch, [flipLabels("late", 0.25)]), "late");
  for (const label of [true, false]) {
    const of = late.flatMap((value, row) => (value === label ? [after[row] !== label] : []));
    const [low, high] = binomialBounds(0.25, of.length);
    expect(count(of) >= low && count(of) <= high, `${label}: ${count(of)}`).toBe(true);
  }
});

test("MO-35: lag: the one distance at which all values agree", () => {
  const after = texts(inject(batch, [lag("km", 17)]), "km");
  expect(after.slice(0, 17).every((value) => value === null)).toBe(true);
  expect(after.slice(17)).toEqual([...km].slice(0, -17));
});

test("MO-35: season: amplitude and phase by least squares at the period", () => {
  const after = numbers(inject(batch, [season("km", { amplitude: 3, periodRows: 24, phase: 0.7 })]));
  let [sines, cosines] = [0, 0];
  for (const [row, value] of after.entries()) {
    const angle = (2 * Math.PI * row) / 24;
    sines += (2 / rows) * Math.sin(angle) * (value - (km[row] as number));
    cosines += (2 / rows) * Math.cos(angle) * (value - (km[row] as number));
  }
  expect(Math.hypot(sines, cosines)).toBeCloseTo(3, 9);
  expect(Math.atan2(cosines, sines)).toBeCloseTo(0.7, 9);
});

test("MO-35: abrupt: from its row on", () => {
  expect(changed([shift("km", 1, { when: abrupt(1234) })]).indexOf(true)).toBe(1234);
  expect(count(changed([shift("km", 1, { when: abrupt(1234) })]))).toBe(rows - 1234);
});

test("MO-35: gradual: a growing share of rows, each in full", () => {
  const flags = changed([shift("km", 1, { when: gradual(1000, 4000) })]);
  expect(count(flags.slice(0, 1000))).toBe(0);
  for (const third of [0, 1, 2]) {
    const [low, high] = binomialBounds((2 * third + 1) / 6, 1000);
    const found = count(flags.slice(1000 + 1000 * third, 2000 + 1000 * third));
    expect(found >= low && found <= high, `${third}: ${found}`).toBe(true);
  }
  expect(count(flags.slice(4000))).toBe(2000);
});

test("MO-35: incremental: a strength that grows evenly", () => {
  const after = numbers(inject(batch, [shift("km", 6, { when: incremental(1000, 4000) })]));
  for (const row of [0, 1000, 1001, 2500, 3999, 4000, 5999]) {
    const strength = Math.min(1, Math.max(0, (row - 1000) / 3000));
    expect((after[row] as number) - (km[row] as number)).toBeCloseTo(6 * strength, 12);
  }
});

test("MO-35: recurring: on and off in turns", () => {
  const flags = changed([shift("km", 1, { when: recurring(500, 30, 70) })]);
  expect(flags.every((flag, row) => flag === (row >= 500 && (row - 500) % 100 < 30))).toBe(true);
});

test("the same seed drifts the same rows, however they are cut into batches; another seed others", async () => {
  const drifts = [
    missing("km", 0.3),
    flipLabels("late", 0.5, { when: gradual(100, 900) }),
    lag("place", 5, { when: abrupt(50) }),
  ];
  const whole = inject(batch, drifts, { seed: 4 });
  const small = Array.from({ length: 60 }, (_, index) => 100 * index).map((from) => sliceOf(from));
  const walked = await collect(injectDataset(datasetOf(small), drifts, { seed: 4 }));
  for (const name of ["km", "late", "place"]) expect(texts(walked, name)).toEqual(texts(whole, name));
  expect(texts(inject(batch, drifts, { seed: 5 }), "km")).not.toEqual(texts(whole, "km"));
  expect(numbers(batch)).toEqual([...km]);
});

const sliceOf = (from: number): Batch =>
  batchOf({
    km: km.slice(from, from + 100),
    place: place.slice(from, from + 100),
    late: late.slice(from, from + 100),
    count: column("int16", Array.from(km.slice(from, from + 100), Math.round)),
  });

test("whole numbers stay whole, in the range of their type", () => {
  const far = inject(batch, [shift("count", 40_000.4)]).columns["count"];
  expect(far?.type).toBe("int16");
  expect(Math.max(...toArray(far as never).map(Number))).toBe(32_767);
});

test("what cannot be injected is refused by code, with the mend", () => {
  const code = "MONITOR_INJECTION_INVALID";
  expect(() => inject(batch, [shift("mi", 1)])).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining("km, place") }),
  );
  expect(() => inject(batch, [shift("place", 1)])).toThrow(/utf8, no numbers/);
  expect(() => missing("km", 2)).toThrow(expect.objectContaining({ code }));
  expect(() => gradual(5, 5)).toThrow(expect.objectContaining({ code }));
});
