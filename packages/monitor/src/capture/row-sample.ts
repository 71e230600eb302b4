import type { Batch, CapturedLabel, Column } from "@millwright/contracts";
import { column, numericColumn } from "@millwright/data";

/** A value of a kept row. 64-bit integers are doubles. */
export type Cell = boolean | number | string | null;

/** Times, lists and bytes are not kept. */
export type CellKind = "bool" | "number" | "text";

export interface RowColumn {
  readonly name: string;
  readonly kind: CellKind;
}

/** The columns of a row, in the order of its cells: features, then outputs. Rows of like requests share one. */
export interface RowLayout {
  readonly features: readonly RowColumn[];
  readonly outputs: readonly RowColumn[];
}

/** A row that is kept. */
export interface SampledRow {
  /** Drawn from [0, 1); the rows with the smallest stay. */
  readonly priority: number;
  readonly requestId: string;
  /** Which row of its request. */
  readonly row: number;
  readonly layout: RowLayout;
  /** Taken away when the row leaves the sample, since whoever waits for its label still holds it. */
  cells: readonly Cell[];
  /** The last that came. */
  label: CapturedLabel["value"] | undefined;
}

/**
 * A uniform sample of rows: of all that were seen, those whose priorities are at most `below`, at most as many as its limit (bottom-k sketch: Cohen and Kaplan, 2007).
 * Samples of several windows merge to one of all their rows by the smallest of their limits (Ting, Adaptive threshold sampling, 2022).
 */
export interface RowSample {
  /** In (0, 1]; 1 while every row is kept. */
  readonly below: number;
  /** By rising priority: in random order. */
  readonly rows: readonly SampledRow[];
  /** Rows that were seen where none are kept: the sample does not speak for them. */
  readonly missing: number;
}

export const emptyRows: RowSample = { below: 1, rows: [], missing: 0 };

/** Associative and commutative, for one limit. @param limit Most rows, at least 1. */
export function mergeRows(samples: readonly RowSample[], limit: number): RowSample {
  const below = samples.reduce((least, sample) => Math.min(least, sample.below), 1);
  const missing = samples.reduce((sum, sample) => sum + sample.missing, 0);
  const rows = samples.flatMap((sample) => sample.rows.filter(({ priority }) => priority <= below)).sort(byPriority);
  return rows.length < limit
    ? { below, rows, missing }
    : { below: (rows[limit - 1] as SampledRow).priority, rows: rows.slice(0, limit), missing };
}

export const byPriority = (a: SampledRow, b: SampledRow): number => a.priority - b.priority;

const gone: readonly Cell[] = [];

/** What a row holds is forgotten; its label may still be waited for. */
export const letGo = (row: SampledRow): void => void (row.cells = gone);

/** Whether the row is in its sample still. */
export const isKept = ({ cells }: SampledRow): boolean => cells !== gone;

/** A uniform sample of the rows that a variant was asked with and answered. In random order: the first of them are such a sample too. See `share` for when it is none. */
export interface SampledRows {
  readonly length: number;
  /** Float64, bool and utf8 columns, as the redactor leaves them; null where a request had no such column, or one of another kind than most. */
  readonly features: Batch;
  /** As `features`: the output tensors, `name[0]`, `name[1]`, … where they have several columns. Null where the request failed. */
  readonly outputs: Batch;
  /** As they were told; undefined where none came yet. */
  readonly labels: readonly (CapturedLabel["value"] | undefined)[];
  readonly requestIds: readonly string[];
  /** Which row of its request each is. */
  readonly requestRows: readonly number[];
  /**
   * About which share of the rows seen is in it, in (0, 1]. NaN where that is not known, since of some rows seen none could be kept: of those before a restart from a state without rows, and of those of
   * another process whose state came without (`state({ rowsPerWindow })`). Then it is no sample of the span that was read, and rules do not judge it.
   */
  readonly share: number;
}

export function tableOfRows({ below, rows: all, missing }: RowSample): SampledRows {
  const rows = all.filter(isKept);
  return {
    length: rows.length,
    features: tableOf(rows, "features"),
    outputs: tableOf(rows, "outputs"),
    labels: rows.map(({ label }) => label),
    requestIds: rows.map(({ requestId }) => requestId),
    requestRows: rows.map(({ row }) => row),
    share: missing > 0 ? Number.NaN : below,
  };
}

function tableOf(rows: readonly SampledRow[], part: keyof RowLayout): Batch {
  const kinds = kindsOf(rows, part);
  const values = new Map(Array.from(kinds, ([name]) => [name, Array<Cell>(rows.length).fill(null)]));
  for (const [at, { layout, cells }] of rows.entries()) {
    const offset = part === "features" ? 0 : layout.features.length;
    for (const [index, { name, kind }] of layout[part].entries()) {
      if (kinds.get(name) === kind) (values.get(name) as Cell[])[at] = cells[offset + index] ?? null;
    }
  }
  const columns = Array.from(kinds, ([name, kind]) => [name, columnOf(kind, values.get(name) as Cell[])] as const);
  return { length: rows.length, columns: Object.fromEntries(columns) };
}

/** By column, the kind that most rows have. */
function kindsOf(rows: readonly SampledRow[], part: keyof RowLayout): ReadonlyMap<string, CellKind> {
  const layouts = new Map<RowLayout, number>();
  for (const { layout } of rows) layouts.set(layout, (layouts.get(layout) ?? 0) + 1);
  const counts = new Map<string, Record<CellKind, number>>();
  for (const [layout, count] of layouts) {
    for (const { name, kind } of layout[part]) {
      const known = counts.get(name) ?? { number: 0, text: 0, bool: 0 };
      known[kind] += count;
      counts.set(name, known);
    }
  }
  const most = (known: Record<CellKind, number>): CellKind =>
    (["number", "text", "bool"] as const).reduce((a, b) => (known[b] > known[a] ? b : a));
  return new Map(Array.from(counts, ([name, known]) => [name, most(known)]));
}

function columnOf(kind: CellKind, values: readonly Cell[]): Column {
  if (kind !== "number") return column(kind === "bool" ? "bool" : "utf8", values as (boolean | string | null)[]);
  return values.includes(null)
    ? column("float64", values as (number | null)[])
    : numericColumn("float64", Float64Array.from(values as number[]));
}
