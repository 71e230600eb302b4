import type { DataQualityIssue } from "../data-quality/data-quality.ts";
import type { MonitorReport, ReportColumn } from "./monitor-report.ts";

/** One thing in which two reports differ. */
export interface ReportChange {
  readonly kind:
    | "column-added"
    | "column-removed"
    | "verdict"
    | "type"
    | "distance"
    | "missing"
    | "mean"
    | "issue-new"
    | "issue-gone";
  /** Absent for the whole table. */
  readonly column?: string | undefined;
  readonly before?: string | number | undefined;
  readonly after?: string | number | undefined;
}

/** JSON-safe. */
export interface ReportDiff {
  readonly formatVersion: 1;
  readonly verdict: { readonly before: MonitorReport["verdict"]; readonly after: MonitorReport["verdict"] };
  readonly changes: readonly ReportChange[];
}

export interface ReportDiffOptions {
  /** Smallest change of a distance or a share that is told, in [0, 1]. Default: 0.02. */
  readonly smallestChange?: number | undefined;
  /** Smallest change of a mean that is told, in standard deviations of the earlier one. Default: 0.1. */
  readonly smallestMeanChange?: number | undefined;
}

/** What changed from one report to the next, column by column. Pure. */
export function diffReports(
  before: MonitorReport,
  after: MonitorReport,
  { smallestChange = 0.02, smallestMeanChange = 0.1 }: ReportDiffOptions = {},
): ReportDiff {
  const earlier = new Map(before.columns.map((column) => [column.name, column] as const));
  const later = new Map(after.columns.map((column) => [column.name, column] as const));
  const columns = [...new Set([...earlier.keys(), ...later.keys()])].flatMap((name): readonly ReportChange[] => {
    const [a, b] = [earlier.get(name), later.get(name)];
    if (a === undefined) return [{ kind: "column-added", column: name }];
    if (b === undefined) return [{ kind: "column-removed", column: name }];
    return columnChanges(a, b, smallestChange, smallestMeanChange);
  });
  const keyOf = ({ check, column = "" }: DataQualityIssue): string => JSON.stringify([check, column]);
  const without = (issues: readonly DataQualityIssue[], others: readonly DataQualityIssue[]): DataQualityIssue[] => {
    const known = new Set(others.map(keyOf));
    return issues.filter((issue) => !known.has(keyOf(issue)));
  };
  const told = (kind: ReportChange["kind"], { check, column }: DataQualityIssue): ReportChange => ({
    kind,
    ...(column === undefined ? {} : { column }),
    ...(kind === "issue-new" ? { after: check } : { before: check }),
  });
  const changes = [
    ...columns,
    ...without(after.issues, before.issues).map((issue) => told("issue-new", issue)),
    ...without(before.issues, after.issues).map((issue) => told("issue-gone", issue)),
  ];
  return { formatVersion: 1, verdict: { before: before.verdict, after: after.verdict }, changes };
}

function columnChanges(
  a: ReportColumn,
  b: ReportColumn,
  smallest: number,
  smallestMean: number,
): readonly ReportChange[] {
  const moved = (before: number | undefined, after: number | undefined, by: number): boolean =>
    before !== undefined && after !== undefined && Math.abs(after - before) >= by;
  const column = a.name;
  const [missingBefore, missingAfter] = [a.current?.missingShare, b.current?.missingShare];
  const [meanBefore, meanAfter] = [a.current?.mean, b.current?.mean];
  // Where nothing varied, any change of the mean is one.
  const deviation = Math.max(Number.MIN_VALUE, (a.current?.standardDeviation ?? 0) * smallestMean);
  return [
    ...(a.verdict === b.verdict ? [] : [{ kind: "verdict" as const, column, before: a.verdict, after: b.verdict }]),
    ...(a.type === b.type ? [] : [{ kind: "type" as const, column, before: a.type, after: b.type }]),
    ...(moved(a.distance, b.distance, smallest)
      ? [{ kind: "distance" as const, column, before: a.distance, after: b.distance }]
      : []),
    ...(moved(missingBefore, missingAfter, smallest)
      ? [{ kind: "missing" as const, column, before: missingBefore, after: missingAfter }]
      : []),
    ...(moved(meanBefore, meanAfter, deviation)
      ? [{ kind: "mean" as const, column, before: meanBefore, after: meanAfter }]
      : []),
  ];
}
