import type { ColumnType } from "@millwright/contracts";
import { diffDataReports } from "./data-report-diff.ts";
import { renderDataReport } from "./data-report-html.ts";
import { mostFrequent } from "./frequent.ts";
import { histogramOf } from "./histogram.ts";
import type { ColumnProfile, Profile } from "./profile.ts";
import { type ColumnSummary, summarizeProfile } from "./profile-summary.ts";

/** What is shown of a table: plain JSON, in which equal tables are equal. Means have twelve digits, so that rounding on the way makes no difference. */
export type DataReport = {
  readonly formatVersion: 1;
  readonly title: string;
  readonly rows: number;
  readonly columns: readonly ColumnReport[];
};

export type ColumnReport = {
  readonly name: string;
  readonly type: ColumnType;
  readonly count: number;
  readonly missing: number;
  readonly missingShare: number;
  readonly nonFinite: number;
  /** Null where there is nothing of the kind. */
  readonly distinct: number | null;
  readonly numbers: NumbersReport | null;
  readonly texts: TextsReport | null;
};

export type NumbersReport = {
  readonly mean: number;
  readonly standardDeviation: number;
  readonly min: number;
  readonly max: number;
  readonly quantiles: Readonly<Record<"p01" | "p05" | "p25" | "p50" | "p75" | "p95" | "p99", number>>;
  /** Bins of equal width over nearly all values. */
  readonly histogram: readonly { readonly low: number; readonly high: number; readonly count: number }[];
  /** About how many values are below the first bin, and above the last. */
  readonly below: number;
  readonly above: number;
};

export type TextsReport = {
  /** The most frequent with their counts, as far as they are greater than `error`. */
  readonly top: readonly (readonly [text: string, count: number])[];
  /** Values that are none of them. */
  readonly others: number;
  /** Most that a count can fall short by. */
  readonly error: number;
};

export interface DataReportOptions {
  /** Default: `Data`. */
  readonly title?: string | undefined;
  /** An earlier report: the page begins with what has changed since. Default: none. */
  readonly before?: DataReport | undefined;
}

export interface RenderedDataReport {
  readonly json: DataReport;
  /** A page that needs nothing from outside and runs nothing. */
  readonly html: string;
}

/** Describes a profile as JSON for programs and diffs, and as a page for people. Equal profiles give equal reports, byte for byte: there is no time in them. */
export function dataReport(profile: Profile, { title = "Data", before }: DataReportOptions = {}): RenderedDataReport {
  const columns = summarizeProfile(profile).map((summary) =>
    columnReport(summary, profile.columns[summary.name] as ColumnProfile),
  );
  const json: DataReport = { formatVersion: 1, title, rows: profile.rows, columns };
  return { json, html: renderDataReport(json, before === undefined ? undefined : diffDataReports(before, json)) };
}

function columnReport(summary: ColumnSummary, profile: ColumnProfile): ColumnReport {
  const { name, type, count, missing, missingShare, nonFinite, distinct = null } = summary;
  return {
    name,
    type,
    count,
    missing,
    missingShare: rounded(missingShare),
    nonFinite,
    // An estimate may be more than there are values.
    distinct: distinct === null ? null : Math.min(distinct, count),
    numbers: type === "bool" ? null : numbersOf(summary, profile),
    texts: textsOf(profile),
  };
}

const shownTexts = 12;

function textsOf({ frequent }: ColumnProfile): TextsReport | null {
  if (frequent === undefined) return null;
  // Counts that the error could account for say nothing, and would be other ones with every way of cutting the rows.
  const top = mostFrequent(frequent, shownTexts).filter(([, count]) => count > frequent.error);
  const shown = top.reduce((sum, [, count]) => sum + count, 0);
  return { top, others: frequent.total - shown, error: frequent.error };
}

function numbersOf(summary: ColumnSummary, { quantiles: sketch }: ColumnProfile): NumbersReport | null {
  const { mean, standardDeviation, min, max, quantiles } = summary;
  if (sketch === undefined || mean === undefined || standardDeviation === undefined) return null;
  if (min === undefined || max === undefined || quantiles === undefined) return null;
  const [low, high] = rangeOf(min, max, quantiles);
  const edges = Array.from({ length: bins + 1 }, (_, at) =>
    at === bins ? high : low + ((high - low) * at) / bins + 0,
  );
  // Between floats next to each other there is no room for edges.
  const grow = edges.every((edge, at) => at === 0 || edge > (edges[at - 1] as number));
  const histogram = grow ? histogramOf(sketch, edges) : [];
  const within = histogram.reduce((sum, { count }) => sum + count, 0);
  const [below] = grow && min < low ? histogramOf(sketch, [Math.min(min, low) - Math.abs(min) - 1, low]) : [];
  return {
    mean: rounded(mean),
    standardDeviation: rounded(standardDeviation),
    min,
    max,
    quantiles,
    histogram: histogram.map((bin) => ({ ...bin, count: rounded(bin.count) })),
    below: rounded(below?.count ?? 0),
    above: grow ? rounded(Math.max(0, sketch.count - within - (below?.count ?? 0))) : 0,
  };
}

const bins = 24;

/** All values where they lie together; without the farthest hundredths where those would leave one bin for all others. */
function rangeOf(min: number, max: number, { p01, p99 }: NumbersReport["quantiles"]): readonly [number, number] {
  const reach = (p99 - p01) * 0.5;
  return [Math.max(min, p01 - reach), Math.min(max, p99 + reach)];
}

/** To twelve digits, and never −0. */
function rounded(value: number): number {
  return Number(value.toPrecision(12)) + 0;
}
