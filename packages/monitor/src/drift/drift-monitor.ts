import type { Batch } from "@millwright/contracts";
import type { Profile } from "@millwright/data";
import type { DriftReport } from "./compare.ts";

/** What was seen in a span of time, `[startMs, endMs)`, UTC milliseconds. */
export interface DriftWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly profile: Profile;
  /** The rows themselves in the order of their arrival, for monitors that need more than a profile; of live windows a sample of them, in random order. */
  readonly rows?: Batch | undefined;
}

/** Judges the windows of one stream in the order of time. What it remembers of earlier windows is its own: the same windows give the same reports. */
export interface DriftMonitor {
  judge(window: DriftWindow): DriftReport;
}

/** Makes a monitor from windows in which nothing was wrong, the oldest first. */
export interface DriftMonitorFactory {
  (history: readonly DriftWindow[]): DriftMonitor;
  /** How many rows of each window it looks at: live windows have so many kept for it. Default: none, profiles are enough. */
  readonly rows?: number | undefined;
}
