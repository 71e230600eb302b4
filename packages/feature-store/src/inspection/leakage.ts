import type { CallOptions, Column, Dataset } from "@millwright/contracts";
import { asFloat64, columnOf, isNumericType, toArray } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { historySql, type HistorySource } from "../history/history-sql.ts";
import type { HistoryOptions } from "../retrieval/training-set.ts";

export interface LeakageOptions {
  /** The column of the labels that is to be predicted: a number or a bool. */
  readonly target: string;
  /** What to do about a leak: throw `FEATURE_STORE_LEAKAGE`, or report it. Default: `"refuse"`. */
  readonly onLeak?: "refuse" | "warn" | undefined;
  /**
   * A feature leaks when it tells more of the target than it does as known at the labels' times, by more than this: difference of correlation ratios,
   * from 0 to 1. Default: 0.2.
   */
  readonly threshold?: number | undefined;
}

/** What a feature tells of the target, and what it could have told in time. */
export interface FeatureLeakage {
  readonly feature: string;
  /** Correlation ratio η with the target, 0 to 1, corrected for the number of groups: as joined by event time. */
  readonly joined: number;
  /** The same, joined as known. */
  readonly asKnown: number;
  /** Share of its view's rows that were available later than the view's `availabilityLagMs` allows. */
  readonly lateShare: number;
  /** `leaks`: it knows the target only from what came later; `late`: its view's rows come later than declared. */
  readonly verdict: "ok" | "leaks" | "late";
}

export interface LeakageReport {
  readonly target: string;
  readonly asKnown: "available" | "created";
  /** The worst first. */
  readonly features: readonly FeatureLeakage[];
}

/** The join as known that shows most: by `createdTime` where all views have one, else by when rows could be read. */
export const leakageJoin = ({ views }: FeatureService): "available" | "created" =>
  views.every(({ createdTime }) => createdTime !== undefined) ? "created" : "available";

/** Rows that the strengths are computed from, at most: evenly spread. */
const MOST_ROWS = 200_000;

/**
 * Compares what features tell of the target joined by event time and joined as known. What is known in both cannot have come after the label; a feature
 * that is strong only in the first got its strength from rows whose event time says less than the truth.
 */
export async function measureLeakage(
  source: HistorySource,
  service: FeatureService,
  { joined, known }: { readonly joined: Dataset; readonly known: Dataset },
  { target, threshold = 0.2, signal }: LeakageOptions & CallOptions,
): Promise<LeakageReport> {
  const late = new Map<string, number>();
  for (const view of service.views) {
    const share = await lateShareOf(source, view, signal);
    for (const feature of view.featureNames) late.set(`${view.name}__${feature}`, share);
  }
  const names = service.views.flatMap((view) => view.featureNames.map((feature) => `${view.name}__${feature}`));
  const [strong, honest] = [
    await strengthsOf(joined, names, target, signal),
    await strengthsOf(known, names, target, signal),
  ];
  const features = names.map((feature): FeatureLeakage => {
    const [joinedRatio, knownRatio] = [strong.get(feature) ?? 0, honest.get(feature) ?? 0];
    const lateShare = late.get(feature) ?? 0;
    const verdict = joinedRatio - knownRatio > threshold ? "leaks" : lateShare > 0 ? "late" : "ok";
    return { feature, joined: joinedRatio, asKnown: knownRatio, lateShare, verdict };
  });
  const worst = ({ joined: a, asKnown: b, lateShare }: FeatureLeakage): number => a - b + lateShare / 1000;
  return { target, asKnown: leakageJoin(service), features: features.toSorted((a, b) => worst(b) - worst(a)) };
}

async function lateShareOf(source: HistorySource, view: FeatureView, signal: AbortSignal | undefined): Promise<number> {
  if (view.availabilityLagMs === undefined) return 0;
  const range = { firstUs: Number.NEGATIVE_INFINITY, lastUs: Number.POSITIVE_INFINITY };
  const { sql } = await historySql(source, view, { range, availability: true });
  const known = view.createdTime === undefined ? `"_available"` : `"_created"`;
  const late = `coalesce(${known} - "_time" > ${view.availabilityLagMs * 1000}, FALSE)`;
  const share = `SELECT CAST(coalesce(avg(CASE WHEN ${late} THEN 1.0 ELSE 0.0 END), 0) AS DOUBLE) AS share FROM (${sql})`;
  for await (const batch of source.duckdb.query(share, { signal })) return asFloat64(columnOf(batch, "share"))[0] ?? 0;
  return 0;
}

async function strengthsOf(
  dataset: Dataset,
  names: readonly string[],
  target: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, number>> {
  const step = Math.max(1, Math.ceil((dataset.rows ?? 0) / MOST_ROWS));
  const targets: number[] = [];
  const groups = new Map(names.map((name) => [name, [] as (number | string | null)[]]));
  for await (const batch of dataset.batches({ columns: [...new Set([...names, target])], signal })) {
    const rows = Array.from({ length: Math.ceil(batch.length / step) }, (_, index) => index * step);
    const values = asFloat64(columnOf(batch, target));
    for (const row of rows) targets.push(values[row]!);
    for (const name of names) addValues(groups.get(name)!, columnOf(batch, name), rows);
  }
  return new Map([...groups].map(([name, values]) => [name, correlationRatio(groupsOf(values), targets)]));
}

function addValues(values: (number | string | null)[], column: Column, rows: readonly number[]): void {
  if (isNumericType(column.type) || column.type === "bool") {
    const numbers = asFloat64(column);
    for (const row of rows) values.push(Number.isNaN(numbers[row]) ? null : numbers[row]!);
  } else {
    const texts = toArray(column);
    for (const row of rows) values.push(texts[row] === null ? null : String(texts[row]));
  }
}

const GROUPS = 16;
const MOST_TEXTS = 64;

/** Puts values into few groups: numbers by quantile, texts by value, the rare ones together, and nulls apart. */
function groupsOf(values: readonly (number | string | null)[]): Int32Array {
  const numbers = values.filter((value) => typeof value === "number").toSorted((a, b) => a - b);
  const edges = Array.from(
    { length: GROUPS - 1 },
    (_, index) => numbers[Math.floor(((index + 1) * numbers.length) / GROUPS)]!,
  );
  const counts = new Map<string, number>();
  for (const value of values) if (typeof value === "string") counts.set(value, (counts.get(value) ?? 0) + 1);
  const frequent = [...counts].toSorted((a, b) => b[1] - a[1]).slice(0, MOST_TEXTS);
  const ofText = new Map(frequent.map(([text], index) => [text, index + 1]));
  return Int32Array.from(values, (value) => {
    if (value === null) return 0;
    if (typeof value === "string") return ofText.get(value) ?? MOST_TEXTS + 1;
    return 1 + edges.filter((edge) => edge < value).length;
  });
}

/**
 * How much of the target's spread lies between groups, as the square root of ε² = (SSB − (k − 1)·MSW) / SST; 0 where there is less than chance gives.
 * @see Kelley (1935), "An unbiased correlation ratio measure", Proceedings of the National Academy of Sciences 21
 */
export function correlationRatio(groups: ArrayLike<number>, targets: ArrayLike<number>): number {
  const sums = new Map<number, { count: number; sum: number }>();
  let count = 0;
  let total = 0;
  for (let row = 0; row < targets.length; row++) {
    if (Number.isNaN(targets[row])) continue;
    const group = sums.get(groups[row]!) ?? { count: 0, sum: 0 };
    group.count++;
    group.sum += targets[row]!;
    sums.set(groups[row]!, group);
    count++;
    total += targets[row]!;
  }
  const mean = total / count;
  let all = 0;
  for (let row = 0; row < targets.length; row++) if (!Number.isNaN(targets[row])) all += (targets[row]! - mean) ** 2;
  let between = 0;
  for (const group of sums.values()) between += group.count * (group.sum / group.count - mean) ** 2;
  const free = count - sums.size;
  if (!(all > 0) || free <= 0) return 0;
  const within = (all - between) / free;
  return Math.sqrt(Math.max(0, (between - (sums.size - 1) * within) / all));
}

/** The options of the join as known that belongs to a join by event time. */
export const asKnownOptions = (service: FeatureService, options: HistoryOptions): HistoryOptions => ({
  ...options,
  path: undefined,
  leakage: undefined,
  asKnown: leakageJoin(service),
});
