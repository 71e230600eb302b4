import type { ErrorCategory } from "./error.ts";

/** What ended an attempt of a job that went wrong, for programs; `failureReason` says it for people. */
export type JobFailureCause =
  /** It was told that its machine or its turn is taken away, and may go on later. */
  | "interrupted"
  /** SIGKILL from outside. Where the kernel's count of memory kills can be read, one that is none of them. */
  | "killed"
  /** Another signal from outside that ended it, such as SIGTERM or SIGHUP. */
  | "terminated"
  /** A signal of its own making: SIGSEGV, SIGABRT, SIGBUS, … */
  | "crashed"
  /** No sign of life within the heartbeat's time. */
  | "hung"
  /** Over `limits.memoryBytes`. */
  | "memory-limit"
  /** Over its share of a device's memory, or over `limits.gpuMemoryBytes`. */
  | "gpu-memory-limit"
  /** The lease of its devices was lost: they may be another job's. */
  | "devices-lost"
  /** V8 had no more room in its heap. */
  | "heap-out-of-memory"
  /** The machine or the cgroup had no more memory, and the kernel killed the process. */
  | "kernel-out-of-memory"
  /** The machine refused an allocation. */
  | "host-out-of-memory"
  /** The accelerator refused an allocation. */
  | "gpu-out-of-memory"
  /** A try after it ran out of memory that would have taken as much again. */
  | "same-size"
  /** An error that the module threw. */
  | "error"
  /** An exit code other than 0. */
  | "exit-code"
  /** What it said was not of the worker protocol. */
  | "protocol"
  /** Its process could not be started. */
  | "not-started";

/** What `categories` of `JobRetries` may name: kinds of failures, and two causes with a rule of their own. */
export type JobRetryKind = Exclude<ErrorCategory, "user"> | "interruption" | "killed";

/**
 * When a job is started again. A failure of the category `user` never is: nothing will have changed. A failure of `capacity` that is one of memory is only
 * where the attempt said its `size`, and the next attempt ends at once unless it says a smaller one.
 */
export interface JobRetries {
  /** Most starts after the first, whatever for; at most 1,000. */
  readonly max: number;
  /**
   * Most of them for one kind of failure. Default: `max` for `transient`, `interruption`, for `capacity` with a smaller size, and for `killed` where
   * the kernel's count of memory kills rules those out; 0 for others, except those whose error says `retryable`.
   */
  readonly categories?: Partial<Readonly<Record<JobRetryKind, number>>> | undefined;
  /** Before the first one; doubled for each further one, less up to half of it at random. Default: the launcher's. */
  readonly delayMs?: number | undefined;
  /** Default: 30,000. */
  readonly maxDelayMs?: number | undefined;
}

/**
 * SageMaker's managed spot training: the job runs on what may be taken away at any time. An interruption starts it again as often as it takes (it uses up
 * none of `retries`), until it is done or one of the two times is up.
 */
export interface JobSpot {
  /** Most time in attempts, all of them together; then the job is `max-runtime-exceeded`. */
  readonly maxRuntimeMs: number;
  /** Most time from launch to end, waiting included, at least `maxRuntimeMs`; then it is `max-wait-time-exceeded`. */
  readonly maxWaitMs: number;
  /** What time on what may be taken away costs of what other time does, from 0 to 1: for the billable time. Default: 1. */
  readonly priceRatio?: number | undefined;
}

/** What an attempt is told of the one before it. */
export interface PreviousAttempt {
  readonly category: ErrorCategory;
  readonly cause: JobFailureCause;
  readonly reason: string;
  /** What it had said of its size, if it had. */
  readonly size?: number | undefined;
}
