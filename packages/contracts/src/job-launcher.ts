import type { CallOptions } from "./call-options.ts";
import type { ErrorCategory } from "./error.ts";
import type { EventId } from "./ids.ts";
import type { JobFailureCause, JobRetries, JobSpot } from "./job-failure.ts";
import type { JobState } from "./job-state.ts";
import type { JsonValue } from "./json.ts";

/** What to run. JSON-safe. */
export interface JobSpec {
  /** Chosen by the caller: launching the same id again attaches to the job there is. */
  readonly id: string;
  /** A module that speaks the worker protocol (file URL), or a command with its arguments. */
  readonly run:
    | { readonly module: string; readonly input?: JsonValue | undefined }
    | { readonly command: readonly [string, ...string[]] };
  /** Added to a small safe part of the parent's environment. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly workingDirectory?: string | undefined;
  readonly limits?: JobLimits | undefined;
  readonly resources?: JobResources | undefined;
  /** When it is started again; a number is short for `{ max }`. Default: 0. */
  readonly retries?: number | JobRetries | undefined;
  /** Runs on what may be taken away at any time. Default: an interruption uses up one of `retries`. */
  readonly spot?: JobSpot | undefined;
  /**
   * How long its process is kept after it completed, for another job of the same module, environment and resources; from 0 to 3,600,000. What the module
   * keeps in variables is there for that job too. Only for modules. Default: 0, and each job has a process of its own.
   */
  readonly keepAliveMs?: number | undefined;
  /** The trace that the job belongs to, as W3C Trace Context writes it: its process is told by `TRACEPARENT`, and its events and log lines carry it. */
  readonly traceparent?: string | undefined;
  /** What to read off the lines of the job, as metrics; at most 40. Default: nothing. */
  readonly metrics?: readonly MetricDefinition[] | undefined;
  /** The event that the job is launched because of: the cause of its first one. */
  readonly causedBy?: EventId | undefined;
}

/** What a job has for itself while it runs. Of `gpus`, `gpuMemoryBytes` and `gpuIds` a spec names one at most. */
export interface JobResources {
  /** Default: 1. */
  readonly cpus?: number | undefined;
  /** Whole devices; or, between 0 and 1, a share of one device, whose others are other jobs'. Default: 0. */
  readonly gpus?: number | undefined;
  /** A share of one device that has at least this much memory. */
  readonly gpuMemoryBytes?: number | undefined;
  /** These very devices, whole: each by its index, its UUID (`GPU-…`), or the id of a MIG instance (`MIG-…`). */
  readonly gpuIds?: readonly string[] | undefined;
}

/** SageMaker's metric definition: numbers that are read off the lines of a job. */
export interface MetricDefinition {
  /** 1 to 255 characters. */
  readonly name: string;
  /**
   * A regular expression of 1 to 500 characters, as Python or JavaScript writes it; every match in a line is a point. Its first group is the value, unless one
   * is named `value`; groups named `step` and `epoch` say where in the training it was. What is not a number (`NaN` and `inf` are) is no point.
   */
  readonly regex: string;
}

export interface JobLimits {
  /** From start to end, all attempts together. */
  readonly wallTimeMs?: number | undefined;
  /** Resident memory of the process tree. */
  readonly memoryBytes?: number | undefined;
  /** Device memory of the process tree, all devices together, where the launcher can see it. */
  readonly gpuMemoryBytes?: number | undefined;
  /** Between the stop frame and the kill, and from the notice of an interruption to the kill. Default: 10,000. */
  readonly graceMs?: number | undefined;
  /** A module that is silent for longer is taken as hung. Default: 60,000. */
  readonly heartbeatTimeoutMs?: number | undefined;
}

/** What a job says while it goes on. */
export type JobEvent =
  | {
      readonly kind: "state";
      readonly state: JobState;
      readonly timeMs: number;
      readonly reason?: string | undefined;
      /** What ended the attempt that ended with this state, where one failed. */
      readonly cause?: JobFailureCause | undefined;
    }
  | { readonly kind: "log"; readonly stream: "stdout" | "stderr"; readonly line: string; readonly timeMs: number }
  /** A number that was read off a line, or that the module said; it may be NaN or infinite. */
  | {
      readonly kind: "metric";
      readonly name: string;
      readonly value: number;
      readonly step?: number | undefined;
      readonly epoch?: number | undefined;
      readonly timeMs: number;
    }
  /** Whether something can be measured: of a device or a value that cannot, there are no metrics, and no 0 stands for them. */
  | {
      readonly kind: "telemetry";
      /** `system`, a device (`system/gpu_0`), or the name of a metric. */
      readonly source: string;
      readonly state: "available" | "unavailable";
      readonly reason?: string | undefined;
      readonly timeMs: number;
    }
  /** What the module sent through the protocol. */
  | { readonly kind: "message"; readonly body: JsonValue; readonly timeMs: number };

export interface JobResult {
  readonly state: JobState;
  /** What the module returned. */
  readonly value?: JsonValue | undefined;
  readonly exitCode?: number | undefined;
  readonly exitSignal?: string | undefined;
  /** The first 1,024 characters of what the job wrote as its failure. */
  readonly failureReason?: string | undefined;
  /** What kind of failure it was; present where the job failed and the launcher can tell. */
  readonly failureCategory?: ErrorCategory | undefined;
  /** What ended its last attempt; present where the job failed or was interrupted and the launcher can tell. */
  readonly failureCause?: JobFailureCause | undefined;
  readonly attempts: number;
}

export interface JobHandle {
  readonly id: string;
  readonly state: JobState;
  /** Every event from the first, then the coming ones; ends with the job. Can be walked by many. */
  events(options?: CallOptions): AsyncIterable<JobEvent>;
  /** Sends a message to the module. */
  send(body: JsonValue): void;
  /** Asks the job to stop, kills its whole process tree after the grace time; resolves when it is gone. On abort the waiting ends, not the stopping. */
  stop(reason: string, options?: CallOptions): Promise<void>;
  /** Resolves however the job ends: a failed job is a result, not a rejection. */
  result(options?: CallOptions): Promise<JobResult>;
}

/** Runs jobs under supervision. */
export interface JobLauncher {
  launch(spec: JobSpec, options?: CallOptions): Promise<JobHandle>;
  /** Throws `PORT_JOB_UNKNOWN`. */
  attach(id: string, options?: CallOptions): Promise<JobHandle>;
}
