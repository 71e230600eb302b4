import { createRandom, type ColumnType } from "@millwright/contracts";
import {
  batchOf,
  column,
  profileOf,
  type ColumnProfile,
  type ValueInput,
  expectDistribution,
  expectFresh,
  expectRowCount,
  expectStatistic,
} from "../src/index.ts";
import { many, numbers, type Rows, type Rule, rule, texts, times, x } from "./expectation-rule.ts";

const rows = (length: number): Rows => ({ x: many(length, () => 1) });
const rowCounts: readonly Rule[] = [
  rule(expectRowCount({ min: 2, max: 4 }), numbers, rows(3), [rows(5), undefined], [rows(4), "passed", 0], "failed"),
  rule(expectRowCount({ min: 1 }), numbers, rows(9), [rows(0), undefined], [rows(1), "passed", 0], "failed"),
  rule(expectRowCount({ max: 3 }), numbers, rows(1), [rows(4), undefined], [rows(3), "passed", 0]),
  rule(
    expectRowCount({ min: 3, severity: "warning" }),
    numbers,
    rows(4),
    [rows(2), undefined],
    [rows(3), "passed", 0],
    "failed",
  ),
  rule(expectRowCount({ min: 2, max: 2 }), numbers, rows(2), [rows(3), undefined], [rows(2), "passed", 0], "failed"),
];

const hour = 3_600_000;
const freshness: readonly Rule[] = [
  rule(
    expectFresh("x", { maxAgeMs: hour }),
    { x: "timestamp" },
    { x: times("2020-01-01T00:00:00Z", "2024-03-01T11:30:00Z") },
    [{ x: times("2024-03-01T10:59:59.999Z") }, undefined],
    [{ x: times("2024-03-01T11:00:00Z", null) }, "passed", 0],
    "failed",
  ),
  rule(
    expectFresh("x", { maxAgeMs: 0 }),
    { x: "timestamp" },
    { x: times("2024-03-01T12:00:00Z") },
    [{ x: times("2024-03-01T11:59:59.999Z") }, undefined],
    [{ x: times("2024-03-02T00:00:00Z") }, "passed", 0],
    "failed",
  ),
  rule(
    expectFresh("x", { maxAgeMs: 36 * hour }),
    { x: "date" },
    x(19_783),
    [x(19_781), undefined],
    [x(19_782, 1), "passed", 0],
    "failed",
  ),
  rule(
    expectFresh("x", { maxAgeMs: 12 * hour }),
    { x: "date" },
    x(19_784),
    [x(19_782), undefined],
    [x(19_783), "passed", 0],
    "failed",
  ),
  rule(
    expectFresh("x", { maxAgeMs: 1, severity: "info" }),
    { x: "timestamp" },
    { x: times("2024-03-01T12:00:00Z") },
    [x(null), undefined],
    [{ x: times("2024-03-01T11:59:59.999Z") }, "passed", 0],
    "failed",
  ),
];

const statistics: readonly Rule[] = [
  rule(
    expectStatistic("x", "mean", { min: 2, max: 3 }),
    numbers,
    x(2, 3),
    [x(1, 2), undefined],
    [x(1, 3, null), "passed", 0],
    "failed",
  ),
  rule(
    expectStatistic("x", "standardDeviation", { max: 1 }),
    numbers,
    x(1, 1),
    [x(0, 10), undefined],
    [x(1, 2, 3), "passed", 0],
    "failed",
  ),
  rule(
    expectStatistic("x", "max", { max: 9 }),
    { x: "int64" },
    x(1n),
    [x(10n), undefined],
    [x(9n), "passed", 0],
    "failed",
  ),
  rule(
    expectStatistic("x", "distinctCount", { min: 2 }),
    texts,
    x("a", "b", "c"),
    [x("a", "a"), undefined],
    [x("a", "b"), "passed", 0],
    "failed",
  ),
  rule(
    expectStatistic("x", "min", { min: 0 }),
    { x: "float32" },
    x(0.5),
    [x(-1), undefined],
    [x(0), "passed", 0],
    "failed",
  ),
];

const random = createRandom(4);
const normals = (length: number, shift: number): number[] => many(length, () => random.normal() + shift);
const profileOfColumn = (type: ColumnType, values: readonly ValueInput[]): ColumnProfile =>
  profileOf(batchOf({ x: column(type, values) })).columns["x"] as ColumnProfile;
const normal = profileOfColumn("float64", normals(2000, 0));
const letters = profileOfColumn(
  "utf8",
  many(100, (row) => (row < 50 ? "a" : "b")),
);
/** 0 to 9: the distances of other counts of them are tenths. */
const digits = profileOfColumn(
  "float64",
  many(10, (row) => row),
);

const distributions: readonly Rule[] = [
  rule(
    expectDistribution("x", normal),
    numbers,
    { x: normals(1000, 0) },
    [{ x: normals(1000, 0.6) }, undefined],
    [{ x: normals(1000, 0.1) }, "passed", 0],
    "failed",
  ),
  rule(
    expectDistribution("x", letters, { method: "Simple" }),
    texts,
    { x: many(100, (row) => (row % 2 === 0 ? "a" : "b")) },
    [{ x: many(100, (row) => (row < 61 ? "a" : "b")) }, undefined],
    [{ x: many(8, (row) => (row < 4 ? "a" : "b")) }, "passed", 0],
    "failed",
  ),
  rule(
    expectDistribution("x", letters, { method: "Simple", maxDistance: 0.25 }),
    { x: "dictionary" },
    x("a", "b"),
    [x("a", "a", "a", "a", "b"), undefined],
    [x("a", "a", "a", "b"), "passed", 0],
    "failed",
  ),
  rule(
    expectDistribution("x", digits, { method: "Simple", maxDistance: 0.5 }),
    { x: "int32" },
    x(0, 2, 4, 6, 8),
    [x(6, 7, 8, 9), undefined],
    [x(5, 6, 7, 8, 9), "passed", 0],
    "failed",
  ),
  rule(
    expectDistribution("x", profileOfColumn("bool", [true, false]), { method: "Simple", maxDistance: 0 }),
    { x: "bool" },
    x(false, true),
    [x(true, true, false), undefined],
    [x(true, true, false, false), "passed", 0],
    "failed",
  ),
];

export const tableRules: readonly Rule[] = [rowCounts, freshness, statistics, distributions].flat();
