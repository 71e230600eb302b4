import type { CallOptions } from "./call-options.ts";
import type { EntityReference } from "./event.ts";
import type { Digest, EventId, RunId } from "./ids.ts";
import type { JsonValue } from "./json.ts";

export interface RunOptions extends CallOptions {
  readonly experiment: string;
  /** What people call it. Default: the id. */
  readonly name?: string | undefined;
  readonly parentRunId?: RunId | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** What the run is made from: datasets, code. */
  readonly from?: readonly EntityReference[] | undefined;
  /** Who starts it: a person's or a service's name. */
  readonly by?: string | undefined;
  /** The event that the run is begun because of, such as the start of its trial. */
  readonly causedBy?: EventId | undefined;
}

/** Keeps what happened in experiments. */
export interface RunTracker {
  startRun(options: RunOptions): Promise<RunHandle>;
  /**
   * Goes on with a run that was started before, by whomever; one that had ended is running again. A tracker without it can only start new runs.
   * @returns undefined where there is no such run.
   */
  resumeRun?(id: RunId, options?: CallOptions): Promise<RunHandle | undefined>;
}

export type RunStatus = "running" | "finished" | "failed" | "killed";

export interface MetricPoint {
  readonly name: string;
  /** NaN and infinities are kept as they are. */
  readonly value: number;
  readonly step: number;
  /** UTC, milliseconds. Default: now. */
  readonly timeMs?: number | undefined;
}

/** One run while it goes on. Logging buffers and returns at once; `flush` and `end` wait until everything is durable. */
export interface RunHandle {
  readonly id: RunId;
  /** The event that told of the run when this handle was made, where the tracker tells of runs: the cause of what is done for it. */
  readonly eventId?: EventId | undefined;
  logParams(params: Readonly<Record<string, JsonValue>>): void;
  logMetrics(points: readonly MetricPoint[]): void;
  logArtifact(path: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Digest>;
  flush(options?: CallOptions): Promise<void>;
  end(status: Exclude<RunStatus, "running">, options?: CallOptions): Promise<void>;
}
