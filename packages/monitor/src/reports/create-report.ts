import {
  bucketsOf,
  type ColumnProfile,
  distinctOf,
  histogramOf,
  mostFrequent,
  type Profile,
  quantileOf,
  varianceOf,
} from "@millwright/data";
import type { DataQualityReport } from "../data-quality/data-quality.ts";
import { baselineProfile, compare, type ColumnDrift, type DriftBaseline, type DriftReport } from "../drift/compare.ts";
import { recommended } from "../drift/drift-policy.ts";
import type { ColumnFacts, MonitorReport, ReportChart, ReportColumn } from "./monitor-report.ts";
import { defaultMinimumRows, protectProfile } from "./protect-profile.ts";
import { timeText } from "./time-text.ts";

export interface ReportOptions {
  readonly baseline: DriftBaseline;
  readonly current: Profile;
  /** When it was made, UTC milliseconds. */
  readonly timeMs: number;
  /** Default: `compare(baseline, current, recommended())`. */
  readonly drift?: DriftReport | undefined;
  /** What `checkDataQuality` found. Default: not told of. */
  readonly quality?: DataQualityReport | undefined;
  /** Default: `Drift report`. */
  readonly title?: string | undefined;
  readonly subject?: string | undefined;
  /** Fewest rows that a category or a bin must have to be shown. Default: 10. */
  readonly minimumRows?: number | undefined;
}

const shownQuantiles = [0.05, 0.25, 0.5, 0.75, 0.95];
const bins = 20;
const mostCategories = 12;
const otherLabel = "(all others)";

/** Puts together what two profiles say. What is shown comes from profiles protected by `protectProfile`. Throws what `parseProfile` throws, and RangeError. */
export function createReport(options: ReportOptions): MonitorReport {
  const { timeMs, quality, title = "Drift report", subject, minimumRows = defaultMinimumRows } = options;
  if (!Number.isFinite(timeMs)) throw new RangeError(`timeMs must be a time, not ${timeMs}.`);
  const baseline = baselineProfile(options.baseline);
  const drift = options.drift ?? compare(baseline, options.current, recommended());
  const before = protectProfile(baseline, { minimumRows });
  const now = protectProfile(options.current, { minimumRows });
  const columns = drift.columns.map((each) => columnOf(each, own(before, each.name), own(now, each.name), minimumRows));
  const nothing = now.rows === 0 ? "no-data" : undefined;
  const bad = quality?.verdict === "issues" && drift.verdict !== "drift" ? "issues" : undefined;
  return {
    formatVersion: 1,
    title,
    ...(subject === undefined ? {} : { subject }),
    timeMs,
    verdict: nothing ?? bad ?? drift.verdict,
    reasons: drift.reasons,
    minimumRows,
    baselineRows: before.rows,
    rows: now.rows,
    driftedShare: drift.driftedShare,
    columns,
    issues: quality?.issues ?? [],
  };
}

const own = ({ columns }: Profile, name: string): ColumnProfile | undefined =>
  Object.hasOwn(columns, name) ? columns[name] : undefined;

function columnOf(
  { name, verdict, reasons, measures }: ColumnDrift,
  before: ColumnProfile | undefined,
  now: ColumnProfile | undefined,
  minimumRows: number,
): ReportColumn {
  const distance = measures.kolmogorovSmirnov?.lower ?? measures.largestDifference;
  const pValue = measures.kolmogorovSmirnov?.pValue ?? measures.chiSquared?.pValue;
  const chart = before === undefined || now === undefined ? undefined : chartOf(before, now, minimumRows);
  return {
    name,
    type: now?.type ?? before?.type ?? "unknown",
    verdict,
    reasons,
    ...(distance === undefined || !Number.isFinite(distance) ? {} : { distance }),
    ...(pValue === undefined || !Number.isFinite(pValue) ? {} : { pValue }),
    ...(before === undefined ? {} : { baseline: factsOf(before, minimumRows) }),
    ...(now === undefined ? {} : { current: factsOf(now, minimumRows) }),
    ...(chart === undefined ? {} : { chart }),
  };
}

/** To twelve digits, never −0. */
const rounded = (value: number): number => Number(value.toPrecision(12)) + 0;

function factsOf(
  { count, missing, nonFinite, moments, quantiles, distinct }: ColumnProfile,
  minimumRows: number,
): ColumnFacts {
  const rows = count + missing;
  const base = { count, missingShare: rows === 0 ? 0 : rounded(missing / rows) };
  if (count < minimumRows) return base;
  const isNumeric = moments !== undefined && quantiles !== undefined && quantiles.count > 0;
  return {
    ...base,
    ...(moments === undefined ? {} : { notFiniteShare: rounded(nonFinite / count) }),
    ...(isNumeric
      ? {
          mean: rounded(moments.mean),
          standardDeviation: rounded(Math.sqrt(varianceOf(moments))),
          quantiles: shownQuantiles.map((q) => rounded(quantileOf(quantiles, q))),
        }
      : {}),
    ...(distinct === undefined ? {} : { distinct: Math.round(distinctOf(distinct)) }),
  };
}

function chartOf(before: ColumnProfile, now: ColumnProfile, minimumRows: number): ReportChart | undefined {
  if (before.frequent !== undefined && now.frequent !== undefined) return categoriesOf(before, now);
  const [a, b] = [before.quantiles, now.quantiles];
  if (a === undefined || b === undefined || a.count === 0 || b.count === 0) return undefined;
  const [low, high] = [
    Math.min(quantileOf(a, 0.01), quantileOf(b, 0.01)),
    Math.max(quantileOf(a, 0.99), quantileOf(b, 0.99)),
  ];
  const edges = Array.from({ length: bins + 1 }, (_, at) => low * (1 - at / bins) + high * (at / bins));
  // Between floats next to each other there is no room for edges.
  if (!edges.every((edge, at) => Number.isFinite(edge) && (at === 0 || edge > (edges[at - 1] as number))))
    return undefined;
  const sharesOf = (sketch: typeof a): number[] => {
    const inside = histogramOf(sketch, edges).map(({ count }) => (count < minimumRows ? 0 : count));
    const buckets = bucketsOf(sketch);
    const below = buckets.reduce((sum, { high: end, count }) => sum + (end < low ? count : 0), 0);
    const above = buckets.reduce((sum, { low: start, count }) => sum + (start > high ? count : 0), 0);
    return [below, ...inside, above].map((count) => rounded((count < minimumRows ? 0 : count) / sketch.count));
  };
  const shown = edges.map(edgeTexts(now.type, edges));
  const labels = [`< ${shown[0]}`, ...shown.slice(1).map((edge, at) => `${shown[at]} … ${edge}`), `> ${shown.at(-1)}`];
  return { kind: "numbers", labels, baseline: sharesOf(a), current: sharesOf(b) };
}

/** Times as ISO 8601 to the second, numbers in as many digits as tell the edges apart, four at least. */
function edgeTexts(type: ColumnProfile["type"], edges: readonly number[]): (edge: number) => string {
  const digits = Array.from({ length: 14 }, (_, at) => at + 4);
  const enough = digits.find((each) => new Set(edges.map((edge) => edge.toPrecision(each))).size === edges.length);
  return (edge) => timeText(type, edge) ?? String(Number(edge.toPrecision(enough ?? 17)));
}

function categoriesOf(before: ColumnProfile, now: ColumnProfile): ReportChart | undefined {
  const [a, b] = [before.frequent, now.frequent];
  if (a === undefined || b === undefined || a.total === 0 || b.total === 0) return undefined;
  const names = [
    ...new Set([...mostFrequent(a, mostCategories), ...mostFrequent(b, mostCategories)].map(([text]) => text)),
  ];
  const largest = (text: string): number =>
    Math.max((a.counts.get(text) ?? 0) / a.total, (b.counts.get(text) ?? 0) / b.total);
  const kept = names.toSorted((x, y) => largest(y) - largest(x)).slice(0, mostCategories);
  const sharesOf = ({ counts, total }: typeof a): number[] => {
    const shares = kept.map((text) => (counts.get(text) ?? 0) / total);
    const others = Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
    return [...shares, others].map(rounded);
  };
  return { kind: "categories", labels: [...kept, otherLabel], baseline: sharesOf(a), current: sharesOf(b) };
}
