import { type CallOptions, abortable } from "@millwright/contracts";
import type { Registry } from "prom-client";

/** A point in time, UTC milliseconds, and its value. */
export type Point = readonly [timeMs: number, value: number];

/** One series of a metric, as Prometheus would store it. */
export interface MetricSeries {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** In the order of time. */
  readonly points: readonly Point[];
}

/** What metrics stood at over time, in memory: for dashboards without a Prometheus. */
export interface MetricHistory {
  /** Notes what every metric stands at. Throws what the registry throws. */
  record(nowMs: number, options?: CallOptions): Promise<void>;
  /** Adds series of elsewhere. */
  add(series: readonly MetricSeries[]): void;
  /** The series of a name. */
  select(name: string): readonly MetricSeries[];
}

export interface MetricHistoryOptions {
  /** How long points are kept. Default: 6 hours. */
  readonly retainMs?: number | undefined;
  /** Most series; beyond, new ones are left out. Default: 10,000. */
  readonly maxSeries?: number | undefined;
}

interface Kept {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  points: Point[];
}

/** @param registry Whose metrics are recorded: that of `createMeter`, or any of prom-client's. Default: none, only what is added. */
export function createMetricHistory(
  registry: Pick<Registry, "getMetricsAsJSON"> | undefined,
  { retainMs = 21_600_000, maxSeries = 10_000 }: MetricHistoryOptions = {},
): MetricHistory {
  const kept = new Map<string, Map<string, Kept>>();
  let series = 0;
  const find = (name: string, labels: Readonly<Record<string, string>>): Kept | undefined => {
    const ofName = kept.get(name) ?? new Map<string, Kept>();
    kept.set(name, ofName);
    const key = JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const known = ofName.get(key);
    if (known !== undefined || series >= maxSeries) return known;
    const made = { name, labels, points: [] };
    ofName.set(key, made);
    series += 1;
    return made;
  };
  const put = (name: string, labels: Readonly<Record<string, string>>, point: Point): void => {
    const found = find(name, labels);
    // A clock that jumped back must not mix up the order.
    if (found === undefined || (found.points.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY) >= point[0]) return;
    found.points.push(point);
    const first = found.points.findIndex(([timeMs]) => timeMs >= point[0] - retainMs);
    if (first > 64) found.points = found.points.slice(first);
  };
  return {
    async record(nowMs, { signal } = {}) {
      signal?.throwIfAborted();
      if (registry === undefined) return;
      for (const metric of await abortable(registry.getMetricsAsJSON(), signal)) {
        for (const value of metric.values as readonly RegisteredValue[])
          put(value.metricName ?? metric.name, textsOf(value.labels), [nowMs, value.value]);
      }
    },
    add(given) {
      for (const { name, labels, points } of given) for (const point of points) put(name, labels, point);
    },
    select: (name) => [...(kept.get(name)?.values() ?? [])],
  };
}

interface RegisteredValue {
  readonly value: number;
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
}

const textsOf = (labels: RegisteredValue["labels"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, infinite(value)]));

const infinite = (value: string | number): string => (value === Number.POSITIVE_INFINITY ? "+Inf" : String(value));
