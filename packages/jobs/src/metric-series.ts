import type { CallOptions, JobEvent, JobHandle } from "@millwright/contracts";

/** One value of a metric. */
export interface MetricPoint {
  /** May be NaN or infinite. */
  readonly value: number;
  /** When the line was read or the module said it, UTC milliseconds. */
  readonly timeMs: number;
  readonly step?: number | undefined;
  readonly epoch?: number | undefined;
}

/** Points by the name of their metric, in the order they came. */
export type MetricSeries = Readonly<Record<string, readonly MetricPoint[]>>;

/** Most points that are kept of one metric. */
const mostPoints = 10_000;

/** Gathers points; of a metric that has too many, every second one is dropped, again and again, and the newest is kept. */
export function createSeriesBuilder(): { add(event: JobEvent): void; series(): MetricSeries } {
  const byName = new Map<string, MetricPoint[]>();
  return {
    add(event) {
      if (event.kind !== "metric") return;
      const { kind: _, name, ...point } = event;
      const points = byName.get(name) ?? [];
      points.push(point);
      byName.set(name, points.length > mostPoints ? points.filter((_each, index) => index % 2 === 0) : points);
    },
    series: () => Object.fromEntries(byName),
  };
}

/**
 * Waits for the job's end and gives what it said of its metrics: in its lines, by the definitions of its spec, and by its module. Of one metric at most 10,000
 * points: from there on, every second one is dropped. Rejects with `signal.reason` on abort; the job goes on.
 */
export async function readMetrics(job: Pick<JobHandle, "events">, { signal }: CallOptions = {}): Promise<MetricSeries> {
  signal?.throwIfAborted();
  const builder = createSeriesBuilder();
  for await (const event of job.events({ signal })) builder.add(event);
  return builder.series();
}

/** What JSON has no number for, as a text. */
export const toJsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

/** The series after their way through a file, where what is not finite stands as a text. */
export const seriesOfJson = (series: MetricSeries): MetricSeries =>
  Object.fromEntries(
    Object.entries(series).map(([name, points]) => [
      name,
      points.map((point) => ({ ...point, value: Number(point.value) })),
    ]),
  );
