import type { Aggregate, JoinOptions, WindowColumn } from "../src/index.ts";

/** A row as plain values: null, numbers, texts, booleans. */
export type Row = Readonly<Record<string, unknown>>;

/** Join, group and window by loops over all rows: slow, and plainly what the words say. */
const same = (a: unknown, b: unknown): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));
const groupKey = (value: unknown): string => (value === 0 ? "number 0" : `${typeof value} ${String(value)}`);

export function naiveJoin(
  left: readonly Row[],
  right: readonly Row[],
  rightNames: readonly string[],
  { on, how = "inner", nullsMatch = false, suffix = "_right" }: JoinOptions,
): readonly Row[] {
  const pairs = on.map((key) => (typeof key === "string" ? ([key, key] as const) : key));
  const matches = (a: Row, b: Row): boolean =>
    pairs.every(([of, to]) => same(a[of], b[to]) && (nullsMatch || a[of] !== null));
  const keys = pairs.map(([, to]) => to);
  const added = rightNames.filter((name) => !keys.includes(name));
  const beside = (a: Row, b: Row | undefined): Row => ({
    ...a,
    ...Object.fromEntries(
      added.map((name) => [Object.hasOwn(a, name) ? `${name}${suffix}` : name, b === undefined ? null : b[name]]),
    ),
  });
  return left.flatMap((a) => {
    const found = right.filter((b) => matches(a, b));
    if (how === "semi") return found.length > 0 ? [a] : [];
    if (how === "anti") return found.length > 0 ? [] : [a];
    if (found.length === 0) return how === "left" ? [beside(a, undefined)] : [];
    return found.map((b) => beside(a, b));
  });
}

function aggregate(rows: readonly Row[], each: Aggregate): unknown {
  if (each.kind === "rows") return BigInt(rows.length);
  const values = rows.map((row) => row[each.column]).filter((value) => value !== null);
  const numbers = values.map(Number);
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  switch (each.kind) {
    case "count":
      return BigInt(values.length);
    case "countDistinct":
      return BigInt(new Set(values.map(groupKey)).size);
    case "sum":
      if (values.length === 0) return null;
      return each.column === "whole"
        ? BigInt(numbers.reduce((sum, value) => sum + value, 0))
        : numbers.reduce((sum, value) => sum + value, 0);
    case "mean":
      return values.length === 0 ? null : mean;
    case "standardDeviation":
      return values.length === 0
        ? null
        : Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length);
    case "min":
    case "max": {
      const sorted = values.toSorted((a, b) => compare(a, b));
      return (each.kind === "min" ? sorted[0] : sorted.at(-1)) ?? null;
    }
  }
}

const compare = (a: unknown, b: unknown): number => (a === b ? 0 : (a as number) < (b as number) ? -1 : 1);

export const groupsOf = (rows: readonly Row[], by: readonly string[]): readonly (readonly Row[])[] => [
  ...grouped(rows, (row) => by.map((name) => groupKey(row[name])).join("|")).values(),
];

export function naiveGroupBy(
  rows: readonly Row[],
  by: readonly string[],
  aggregates: Readonly<Record<string, Aggregate>>,
): readonly Row[] {
  const groups = by.length === 0 ? [rows] : groupsOf(rows, by);
  return groups.map((group) => ({
    ...Object.fromEntries(by.map((name) => [name, group[0]?.[name]])),
    ...Object.fromEntries(Object.entries(aggregates).map(([name, each]) => [name, aggregate(group, each)])),
  }));
}

/** @param order A column of different numbers, ascending: no two rows tie but in `rank`'s own column. */
export function naiveWindow(
  rows: readonly Row[],
  partitionBy: readonly string[],
  order: string,
  columns: Readonly<Record<string, WindowColumn>>,
): readonly Row[] {
  return groupsOf(rows, partitionBy).flatMap((group) => {
    const sorted = group.toSorted((a, b) => (a[order] as number) - (b[order] as number));
    return sorted.map((row, at) => ({
      ...row,
      ...Object.fromEntries(
        Object.entries(columns).map(([name, each]) => [name, windowValue(sorted, at, order, each)]),
      ),
    }));
  });
}

function windowValue(sorted: readonly Row[], at: number, order: string, each: WindowColumn): unknown {
  const before = sorted.filter((row) => (row[order] as number) < (sorted[at]?.[order] as number));
  switch (each.kind) {
    case "rowNumber":
      return BigInt(at + 1);
    case "rank":
      return BigInt(before.length + 1);
    case "denseRank":
      return BigInt(new Set(before.map((row) => row[order])).size + 1);
    case "lag":
      return sorted[at - (each.offset ?? 1)]?.[each.column] ?? null;
    case "lead":
      return sorted[at + (each.offset ?? 1)]?.[each.column] ?? null;
    default: {
      const { preceding = Infinity, following = 0 } = each;
      return aggregate(sorted.slice(Math.max(0, at - preceding), at + following + 1), each);
    }
  }
}

function grouped(rows: readonly Row[], keyOf: (row: Row) => string): ReadonlyMap<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return groups;
}
