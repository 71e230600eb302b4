import type { CallOptions, JobHandle } from "@millwright/contracts";
import { createSeriesBuilder, type MetricSeries } from "./metric-series.ts";

/** Whether something can be measured; where it cannot, nothing stands for it, and no 0. */
export interface TelemetryState {
  readonly state: "available" | "unavailable";
  /** Why it cannot. */
  readonly reason?: string | undefined;
  /** Since when, UTC milliseconds. */
  readonly timeMs: number;
}

/** What was measured of a job's processes and devices. */
export interface JobTelemetrySeries {
  /** By names like `system/gpu_0_utilization_percentage`. */
  readonly metrics: MetricSeries;
  /** The latest state of `system` (the job's processes), of `system/gpu_<n>` (its n-th device), and of each metric of a device. */
  readonly sources: Readonly<Record<string, TelemetryState>>;
}

/**
 * Waits for the job's end and gives what its launcher measured meanwhile: of its processes and of the devices that it was lent. Rejects with `signal.reason`
 * on abort; the job goes on.
 */
export async function readTelemetry(
  job: Pick<JobHandle, "events">,
  { signal }: CallOptions = {},
): Promise<JobTelemetrySeries> {
  signal?.throwIfAborted();
  const builder = createSeriesBuilder();
  const sources = new Map<string, TelemetryState>();
  for await (const event of job.events({ signal })) {
    if (event.kind === "metric" && event.name.startsWith("system/")) builder.add(event);
    if (event.kind !== "telemetry") continue;
    const { kind: _, source, ...state } = event;
    sources.set(source, state);
  }
  return { metrics: builder.series(), sources: Object.fromEntries(sources) };
}
