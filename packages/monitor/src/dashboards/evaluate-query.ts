import type { MetricHistory, MetricSeries, Point } from "./metric-history.ts";
import { type PanelQuery, usualWindowMs } from "./panel-query.ts";

/** A line of a panel. */
export interface PanelSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly Point[];
}

export interface PanelRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  /** What is chosen of the dashboard's variables. Default: everything. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
}

/** Prometheus looks back this long for the last point of a series. */
const lookbackMs = 300_000;
const mostSteps = 11_000;

/**
 * Computes a query as Prometheus 2 does the PromQL of `promqlOf`, its extrapolation of rates at the edges of a window and its interpolation within buckets
 * included (`extrapolatedRate` and `bucketQuantile` of promql/functions.go, promql/quantile.go).
 */
export function evaluateQuery(query: PanelQuery, history: MetricHistory, range: PanelRange): readonly PanelSeries[] {
  const { fromMs, toMs, stepMs } = range;
  if (!(stepMs > 0) || !((toMs - fromMs) / stepMs <= mostSteps))
    throw new RangeError(`A range of ${fromMs} to ${toMs} in steps of ${stepMs} ms has no or too many steps.`);
  const lines = new Map<string, { readonly labels: PanelSeries["labels"]; readonly points: Point[] }>();
  const select = (metric: string): readonly MetricSeries[] => selected(query, history.select(metric), range.variables);
  const at = instantOf(query, select);
  for (let timeMs = fromMs; timeMs <= toMs; timeMs += stepMs) {
    for (const [key, { labels, value }] of at(timeMs)) {
      const line = lines.get(key) ?? { labels, points: [] };
      lines.set(key, line);
      line.points.push([timeMs, value]);
    }
  }
  return [...lines].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
}

type Sample = { readonly labels: PanelSeries["labels"]; readonly value: number };
type Vector = Map<string, Sample>;

function selected(
  { match = {} }: PanelQuery,
  series: readonly MetricSeries[],
  variables: PanelRange["variables"] = {},
): readonly MetricSeries[] {
  return series.filter(({ labels }) =>
    Object.entries(match).every(([name, value]) => {
      const wanted = value.startsWith("$") ? variables[value.slice(1)] : value;
      return wanted === undefined || labels[name] === wanted;
    }),
  );
}

function instantOf(query: PanelQuery, select: (metric: string) => readonly MetricSeries[]): (timeMs: number) => Vector {
  const { kind, metric, by = [], windowMs = usualWindowMs } = query;
  const rate = (series: readonly MetricSeries[], labels: readonly string[]) => (timeMs: number) =>
    sumBy(series, labels, ({ points }) => extrapolatedRate(points, timeMs, windowMs));
  if (kind === "value") {
    const series = select(metric);
    return (timeMs) => aggregateBy(series, by, ({ points }) => lastBefore(points, timeMs), query.aggregate ?? "sum");
  }
  if (kind === "quantile") {
    const buckets = rate(select(`${metric}_bucket`), ["le", ...by]);
    return (timeMs) => quantilesOf(buckets(timeMs), query.quantile, by);
  }
  const grown = rate(select(metric), by);
  if (kind === "rate") return grown;
  if (kind === "increase") return (timeMs) => mapped(grown(timeMs), (value) => (value * windowMs) / 1_000);
  const total = rate(select(query.total), by);
  return (timeMs) => {
    const whole = total(timeMs);
    const both = [...grown(timeMs)].filter(([key]) => whole.has(key));
    const ratios: Vector = new Map(
      both.map(([key, { labels, value }]) => [key, { labels, value: value / (whole.get(key) as Sample).value }]),
    );
    return query.inverted === true ? mapped(ratios, (value) => 1 - value) : ratios;
  };
}

const mapped = (vector: Vector, change: (value: number) => number): Vector =>
  new Map(Array.from(vector, ([key, { labels, value }]) => [key, { labels, value: change(value) }]));

const sumBy = (
  series: readonly MetricSeries[],
  by: readonly string[],
  valueOf: (series: MetricSeries) => number | undefined,
): Vector => aggregateBy(series, by, valueOf, "sum");

function aggregateBy(
  series: readonly MetricSeries[],
  by: readonly string[],
  valueOf: (series: MetricSeries) => number | undefined,
  aggregate: "sum" | "max" | "min" | "avg",
): Vector {
  const groups = new Map<string, { readonly labels: PanelSeries["labels"]; readonly values: number[] }>();
  for (const each of series) {
    const value = valueOf(each);
    if (value === undefined) continue;
    const labels = Object.fromEntries(
      by.flatMap((name) => (each.labels[name] === undefined ? [] : [[name, each.labels[name]]])),
    );
    const key = JSON.stringify(by.map((name) => labels[name] ?? ""));
    const group = groups.get(key) ?? { labels, values: [] };
    groups.set(key, group);
    group.values.push(value);
  }
  return mapValues(groups, aggregate);
}

function mapValues(
  groups: ReadonlyMap<string, { readonly labels: PanelSeries["labels"]; readonly values: readonly number[] }>,
  aggregate: "sum" | "max" | "min" | "avg",
): Vector {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const by = {
    sum,
    max: (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value)),
    min: (values: readonly number[]) => values.reduce((least, value) => Math.min(least, value)),
    avg: (values: readonly number[]) => sum(values) / values.length,
  };
  return new Map(Array.from(groups, ([key, { labels, values }]) => [key, { labels, value: by[aggregate](values) }]));
}

/** The last point at or before the time, unless it is too old. */
function lastBefore(points: readonly Point[], timeMs: number): number | undefined {
  const found = points.findLast(([at]) => at <= timeMs);
  return found === undefined || found[0] < timeMs - lookbackMs ? undefined : found[1];
}

function extrapolatedRate(points: readonly Point[], timeMs: number, windowMs: number): number | undefined {
  const within = points.filter(([at]) => at >= timeMs - windowMs && at <= timeMs);
  const [first, last] = [within[0], within.at(-1)];
  if (first === undefined || last === undefined || within.length < 2) return undefined;
  let increase = last[1] - first[1];
  // A counter that fell started over at 0.
  for (let at = 1; at < within.length; at += 1) {
    const [before, now] = [within[at - 1] as Point, within[at] as Point];
    if (now[1] < before[1]) increase += before[1];
  }
  const sampledMs = last[0] - first[0];
  const averageMs = sampledMs / (within.length - 1);
  let toStartMs = first[0] - (timeMs - windowMs);
  const toEndMs = timeMs - last[0];
  if (increase > 0 && first[1] >= 0) toStartMs = Math.min(toStartMs, sampledMs * (first[1] / increase));
  const edge = (gapMs: number): number => (gapMs < averageMs * 1.1 ? gapMs : averageMs / 2);
  return (increase * ((sampledMs + edge(toStartMs) + edge(toEndMs)) / sampledMs)) / (windowMs / 1_000);
}

/** For each group of buckets, the quantile. */
function quantilesOf(buckets: Vector, quantile: number, by: readonly string[]): Vector {
  const groups = new Map<string, { readonly labels: PanelSeries["labels"]; readonly buckets: [number, number][] }>();
  for (const { labels, value } of buckets.values()) {
    const { le = "", ...rest } = labels;
    const key = JSON.stringify(by.map((name) => rest[name] ?? ""));
    const group = groups.get(key) ?? { labels: rest, buckets: [] };
    groups.set(key, group);
    group.buckets.push([le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), value]);
  }
  return new Map(
    Array.from(groups, ([key, group]) => [
      key,
      { labels: group.labels, value: bucketQuantile(group.buckets, quantile) },
    ]),
  );
}

function bucketQuantile(given: readonly (readonly [number, number])[], quantile: number): number {
  const buckets = given.toSorted(([a], [b]) => a - b);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (buckets.length < 2 || buckets.at(-1)?.[0] !== Number.POSITIVE_INFINITY || !(total > 0)) return Number.NaN;
  const rank = quantile * total;
  const at = buckets.findIndex(([, count]) => count >= rank);
  if (at === buckets.length - 1) return (buckets.at(-2) as readonly [number, number])[0];
  const [end, count] = buckets[at] as readonly [number, number];
  const [start, before] = at === 0 ? [0, 0] : (buckets[at - 1] as readonly [number, number]);
  if (at === 0 && end <= 0) return end;
  return start + (end - start) * ((rank - before) / (count - before));
}
