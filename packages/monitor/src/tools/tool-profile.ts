import type { Batch, Column } from "@millwright/contracts";
import { columnOf, isNumeric, toArray } from "@millwright/data";
import { columnsDiffer } from "../errors.ts";
import type { DatasetDrift } from "./dataset-drift.ts";

export type ColumnKind = "numerical" | "categorical";

/** What a tool says of a column. */
export interface ToolColumn {
  readonly name: string;
  readonly kind?: ColumnKind | undefined;
  /** The tool's own name of the test or distance; absent where it compares nothing. */
  readonly method?: string | undefined;
  /** The p-value or distance that the verdict rests on. */
  readonly score?: number | undefined;
  readonly threshold?: number | undefined;
  /** Absent where the tool compares nothing. */
  readonly drifted?: boolean | undefined;
  /** Why nothing is compared. */
  readonly reason?: string | undefined;
  /** NannyML: the score of each chunk; `score` is the largest. */
  readonly chunks?: readonly ToolChunk[] | undefined;
}

export interface ToolChunk {
  readonly key: string;
  /** NaN where the chunk has no value. */
  readonly score: number;
  readonly drifted: boolean;
}

export interface ToolReport extends DatasetDrift {
  /** The tool and the version whose choices these are. */
  readonly tool: string;
  /** In the order of the reference. */
  readonly columns: readonly ToolColumn[];
}

/** Compares rows as one tool does by default. Pure: the same rows give the same report. */
export interface ToolProfile {
  readonly tool: string;
  /** Throws `MONITOR_COLUMNS_DIFFER` where a column of the reference is missing or of another kind. */
  compare(reference: Batch, current: Batch): ToolReport;
}

/** A column's values without nulls, and what decides how tools treat it. */
export interface ToolValues {
  readonly kind: "float" | "integer" | "text" | "boolean" | "other";
  readonly numbers: Float64Array;
  /** Of texts and booleans; empty for numbers. */
  readonly texts: readonly (string | boolean)[];
  readonly nulls: number;
}

const kindOf = (column: Column): ToolValues["kind"] => {
  if (column.type === "utf8" || column.type === "dictionary") return "text";
  if (column.type === "bool") return "boolean";
  if (column.type === "float32" || column.type === "float64") return "float";
  return isNumeric(column) && column.type !== "date" && column.type !== "timestamp" ? "integer" : "other";
};

/** NaN counts as null, as in pandas. */
export function valuesOf(batch: Batch, name: string): ToolValues {
  const column = columnOf(batch, name);
  const kind = kindOf(column);
  if (kind === "other") return { kind, numbers: new Float64Array(), texts: [], nulls: 0 };
  const all = toArray(column);
  if (kind === "text" || kind === "boolean") {
    const texts = all.filter(
      (value): value is string | boolean => typeof value === "string" || typeof value === "boolean",
    );
    return { kind, numbers: new Float64Array(), texts, nulls: all.length - texts.length };
  }
  const numbers = Float64Array.from(all.filter((value) => value !== null).map(Number)).filter(
    (value) => !Number.isNaN(value),
  );
  return { kind, numbers, texts: [], nulls: all.length - numbers.length };
}

/** Both sides of each column. Throws `MONITOR_COLUMNS_DIFFER`. */
export function pairsOf(
  reference: Batch,
  current: Batch,
): readonly (readonly [name: string, reference: ToolValues, current: ToolValues])[] {
  return Object.keys(reference.columns).map((name) => {
    if (!Object.hasOwn(current.columns, name)) throw columnsDiffer(name, "is missing on the current side");
    const [before, now] = [valuesOf(reference, name), valuesOf(current, name)];
    const number = (values: ToolValues): boolean => values.kind === "float" || values.kind === "integer";
    if (before.kind !== now.kind && !(number(before) && number(now)))
      throw columnsDiffer(name, `holds ${before.kind} values before, and ${now.kind} values now`);
    return [name, before, now] as const;
  });
}

/** Counts of each value on both sides, in the order of their first appearance. */
export function countPairs<Value>(
  a: Iterable<Value>,
  b: Iterable<Value>,
): { readonly keys: readonly Value[]; readonly before: readonly number[]; readonly now: readonly number[] } {
  const before = new Map<Value, number>();
  const now = new Map<Value, number>();
  for (const value of a) before.set(value, (before.get(value) ?? 0) + 1);
  for (const value of b) now.set(value, (now.get(value) ?? 0) + 1);
  const keys = [...new Set([...before.keys(), ...now.keys()])];
  return { keys, before: keys.map((key) => before.get(key) ?? 0), now: keys.map((key) => now.get(key) ?? 0) };
}
