import type { ColumnType } from "@millwright/contracts";
import {
  expectBetween,
  expectCompare,
  expectComplete,
  expectMatch,
  expectMonotonic,
  expectOneOf,
  expectReferences,
  expectUnique,
} from "../src/index.ts";
import { many, numbers, type Rule, rule, texts, times, x } from "./expectation-rule.ts";

const completeness: readonly Rule[] = [
  rule(expectComplete("x"), numbers, x(1, Number.NaN), [x(1, null, 2, null), [1, 3]], [x(null), "failed", 1]),
  rule(
    expectComplete("x", { mostly: 0.5 }),
    texts,
    x("a", null, "b"),
    [x("a", null, null), [1, 2]],
    [x("a", null), "passed", 1],
  ),
  rule(
    expectComplete("x", { mostly: 0.95 }),
    { x: "int64" },
    { x: many(40, (row) => (row === 7 ? null : 1n)) },
    [{ x: many(20, (row) => (row < 2 ? null : 1n)) }, [0, 1]],
    [{ x: many(20, (row) => (row === 3 ? null : 1n)) }, "passed", 1],
  ),
  rule(expectComplete("x"), { x: "bool" }, x(true, false), [x(false, null), [1]], [x(false), "passed", 0]),
  rule(
    expectComplete("x", { severity: "warning" }),
    { x: "dictionary" },
    x("a"),
    [x(null, "a"), [0]],
    [x(""), "passed", 0],
  ),
];

const uniqueness: readonly Rule[] = [
  rule(expectUnique("x"), numbers, x(1, 2, null, null), [x(1, 2, 1, 2, 1), [2, 3, 4]], [x(0, -0), "failed", 1]),
  rule(expectUnique("x"), texts, x("a", "A", "á"), [x("a", "b", "a"), [2]], [x("", ""), "failed", 1]),
  rule(
    expectUnique(["x", "y"]),
    { x: "int64", y: "utf8" },
    { x: [1n, 1n, 2n], y: ["a", "b", "a"] },
    [{ x: [1n, 1n, 1n], y: ["a", "b", "a"] }, [2]],
    [{ x: [1n, 1n], y: ["a", null] }, "passed", 0],
  ),
  rule(
    expectUnique("x", { mostly: 0.75 }),
    texts,
    x("a", "b", "c", "d"),
    [x("a", "a", "a", "b"), [1, 2]],
    [x("a", "a", "b", "c"), "passed", 1],
  ),
  rule(
    expectUnique("x"),
    { x: "int64" },
    x(9_007_199_254_740_993n, 9_007_199_254_740_992n),
    [x(7n, 7n), [1]],
    [x(7n), "passed", 0],
  ),
];

const ranges: readonly Rule[] = [
  rule(
    expectBetween("x", { min: 0, max: 10 }),
    numbers,
    x(1, null, 9.5),
    [x(-1, 5, 11), [0, 2]],
    [x(0, 10), "passed", 0],
  ),
  rule(expectBetween("x", { min: 0 }), { x: "int32" }, x(1, 2), [x(1, -1), [1]], [x(0), "passed", 0]),
  rule(
    expectBetween("x", { max: 1 }),
    numbers,
    x(-5, 0.5),
    [x(1.0000000000000002, Number.NaN), [0, 1]],
    [x(1, Number.NEGATIVE_INFINITY), "passed", 0],
  ),
  rule(
    expectBetween("x", { min: "2024-01-01T00:00:00Z", max: "2024-12-31T23:59:59Z" }),
    { x: "timestamp" },
    { x: times("2024-05-01T00:00:00Z", null) },
    [{ x: times("2023-12-31T23:59:59.999Z", "2025-01-01T00:00:00Z") }, [0, 1]],
    [{ x: times("2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z") }, "passed", 0],
  ),
  rule(
    expectBetween("x", { min: 18, max: 99, mostly: 0.8 }),
    { x: "int16" },
    x(20, 30, 40),
    [x(1, 2, 30, 40, 50), [0, 1]],
    [x(1, 18, 99, 40, 50), "passed", 1],
  ),
];

const patterns: readonly Rule[] = [
  rule(expectMatch("x", /^N\d+/), texts, x("N1", null, "N22A"), [x("X1", "N1", ""), [0, 2]], [x("N0"), "passed", 0]),
  rule(expectMatch("x", /^[a-z]+$/i), texts, x("abc", "ABC"), [x("a1"), [0]], [x("z"), "passed", 0]),
  rule(
    expectMatch("x", "^.{3}$"),
    { x: "dictionary" },
    x("abc", "abc"),
    [x("abc", "abcd", "abcd"), [1, 2]],
    [x("xyz"), "passed", 0],
  ),
  rule(expectMatch("x", /^\p{L}+$/u), texts, x("naïve", "Ω"), [x("🛫"), [0]], [x("é"), "passed", 0]),
  rule(
    expectMatch("x", /^\S+@\S+$/, { mostly: 0.5 }),
    texts,
    x("a@b", "c@d"),
    [x("a", "b", "c@d"), [0, 1]],
    [x("a@b", "a"), "passed", 1],
  ),
];

const membership: readonly Rule[] = [
  rule(
    expectOneOf("x", ["AA", "UA"]),
    { x: "dictionary" },
    x("AA", null),
    [x("AA", "aa", "DL"), [1, 2]],
    [x("UA"), "passed", 0],
  ),
  rule(expectOneOf("x", [1, 2, 3]), { x: "int64" }, x(1n, 3n), [x(4n), [0]], [x(3n), "passed", 0]),
  rule(expectOneOf("x", [0.5, 1]), numbers, x(0.5, 1), [x(0.4, Number.NaN), [0, 1]], [x(1.0), "passed", 0]),
  rule(expectOneOf("x", [true]), { x: "bool" }, x(true, null), [x(true, false), [1]], [x(true), "passed", 0]),
  rule(expectOneOf("x", [], { mostly: 0.5 }), texts, x(null), [x("a"), [0]], [x(null, null), "passed", 0]),
];

const pair = (type: ColumnType): Rule["types"] => ({ x: type, y: type });
const crossColumn: readonly Rule[] = [
  rule(
    expectCompare("x", "<", "y"),
    pair("float64"),
    { x: [1, 2], y: [2, 3] },
    [{ x: [1, 3], y: [2, 3] }, [1]],
    [{ x: [3], y: [3] }, "failed", 1],
  ),
  rule(
    expectCompare("x", "<=", "y"),
    pair("timestamp"),
    { x: [1n, null], y: [2n, 1n] },
    [{ x: [2n], y: [1n] }, [0]],
    [{ x: [9_007_199_254_740_993n], y: [9_007_199_254_740_993n] }, "passed", 0],
  ),
  rule(
    expectCompare("x", "=", "y"),
    { x: "utf8", y: "dictionary" },
    { x: ["a"], y: ["a"] },
    [{ x: ["a", "b"], y: ["a", "a"] }, [1]],
    [{ x: [""], y: [""] }, "passed", 0],
  ),
  rule(
    expectCompare("x", "!=", "y"),
    pair("bool"),
    { x: [true], y: [false] },
    [{ x: [true, false], y: [true, true] }, [0]],
    [{ x: [null], y: [null] }, "passed", 0],
  ),
  rule(
    expectCompare("x", ">=", "y", { mostly: 0.5 }),
    { x: "int64", y: "float64" },
    { x: [5n], y: [4.5] },
    [{ x: [1n, 2n, 9n], y: [5, 5, 5] }, [0, 1]],
    [{ x: [5n, 4n], y: [5, 5] }, "passed", 1],
  ),
];

const references: readonly Rule[] = [
  rule(expectReferences("x", "carriers"), texts, x("AA", "UA", null), [x("AA", "ZZ"), [1]], [x("AA"), "passed", 0]),
  rule(
    expectReferences("x", "carriers"),
    { x: "dictionary" },
    x("UA", "UA"),
    [x("", "UA"), [0]],
    [x("UA"), "passed", 0],
  ),
  rule(expectReferences("x", "ids"), { x: "int64" }, x(1n, 2n), [x(3n, 1n, 3n), [0, 2]], [x(2n), "passed", 0]),
  rule(expectReferences("x", "ids"), { x: "int8" }, x(1), [x(0), [0]], [x(1, 2), "passed", 0]),
  rule(
    expectReferences("x", "ids", { mostly: 0.5 }),
    { x: "int64" },
    x(1n, 2n, 9n),
    [x(8n, 9n, 1n), [0, 1]],
    [x(1n, 9n), "passed", 1],
  ),
];

const order: readonly Rule[] = [
  rule(expectMonotonic("x"), numbers, x(1, null, 2, 3), [x(1, 3, 2, 2.5, 1), [2, 4]], [x(1, 1, 1), "passed", 0]),
  rule(
    expectMonotonic("x", { strict: true }),
    { x: "int64" },
    x(1n, 2n),
    [x(1n, 1n, 2n), [1]],
    [x(1n, 1n), "failed", 1],
  ),
  rule(
    expectMonotonic("x", { direction: "falling" }),
    { x: "timestamp" },
    x(3n, 2n, 1n),
    [x(1n, 2n), [1]],
    [x(1n, 1n), "passed", 0],
  ),
  rule(
    expectMonotonic("x", { direction: "falling", strict: true }),
    { x: "date" },
    x(3, 2),
    [x(3, 3), [1]],
    [x(3), "passed", 0],
  ),
  rule(
    expectMonotonic("x", { mostly: 0.75 }),
    numbers,
    x(1, 2, 3, 4),
    [x(4, 3, 2, 1), [1, 2, 3]],
    [x(1, 2, 1, 2), "passed", 1],
  ),
];

export const rowRules: readonly Rule[] = [
  completeness,
  uniqueness,
  ranges,
  patterns,
  membership,
  crossColumn,
  references,
  order,
].flat();
