import type { CallOptions, ErrorCategory, JobFailureCause, JobSpec } from "@millwright/contracts";

/** One start of a job, as a cluster is asked for it. */
export interface ClusterAttempt {
  /** 1 to 52 lower-case letters, digits and `-`: the same for the same attempt of the same job, and of no other. */
  readonly name: string;
  readonly spec: JobSpec;
  /** What a POSIX shell is to run with the program and its arguments as its own: `sh -c SCRIPT millwright PROGRAM …`. */
  readonly script: string;
  readonly program: readonly [string, ...string[]];
  /** All of what the job's process is given by us. */
  readonly environment: Readonly<Record<string, string>>;
  /** What is left of the wall time, in seconds from 1. */
  readonly wallTimeSeconds: number | undefined;
  readonly graceSeconds: number;
  /** A folder for this attempt alone that the cluster sees under this name, where it sees the launcher's directory at all. */
  readonly folder: string | undefined;
}

/** How the cluster calls an attempt: by its name, and by what `submit` gave back, if that answer came. */
export type AttemptName = Pick<ClusterAttempt, "name" | "folder"> & { readonly reference: string | undefined };

/** Why an attempt ended, where the cluster knows more than an exit code. */
export interface ClusterCause {
  readonly kind: "failed" | "interrupted" | "over-time" | "stopped";
  /** Of what failed, where the cluster knows it better than the exit code tells. */
  readonly failure?: { readonly category: ErrorCategory; readonly cause: JobFailureCause } | undefined;
  readonly reason: string;
}

export type ClusterStatus =
  | { readonly kind: "waiting"; readonly why?: string | undefined }
  | { readonly kind: "running" }
  | { readonly kind: "ended"; readonly exitCode?: number | undefined; readonly cause?: ClusterCause | undefined }
  /** The cluster knows nothing of it (any more). */
  | { readonly kind: "unknown" };

/** Whole lines of an attempt's output, and where to go on after them. */
export interface LogPart {
  readonly stream: "stdout" | "stderr";
  readonly line: string;
  /** Opaque to others than the cluster. */
  readonly position: string;
}

/**
 * What a launcher asks of a cluster. Every method may be called again after its answer was lost. Throws `JOBS_CLUSTER_UNREACHABLE` where asking again
 * later may help, `JOBS_CLUSTER_REFUSED` where not.
 */
export interface Cluster {
  /** For messages: "Ray at http://127.0.0.1:8265". */
  readonly name: string;
  /** Whether an attempt that waits for its turn ends when it is stopped; else it ends when its turn comes. */
  readonly stopsWaiting: boolean;
  /** Throws for a spec that this cluster cannot run as it says. */
  check(spec: JobSpec): void;
  /** Starts the attempt unless one of its name was started before. @returns what the cluster calls it. */
  submit(attempt: ClusterAttempt, options?: CallOptions): Promise<string>;
  look(attempt: AttemptName, options?: CallOptions): Promise<ClusterStatus>;
  /** What there is to read after the positions of each stream. @param ended Whether the attempt is over: then the last line needs no line break. */
  readLog(
    attempt: AttemptName,
    after: ReadonlyMap<"stdout" | "stderr", string>,
    ended: boolean,
    options?: CallOptions,
  ): AsyncIterable<LogPart>;
  /** Begins to end the attempt; nothing where it is over or unknown. */
  stop(attempt: AttemptName, graceSeconds: number, options?: CallOptions): Promise<void>;
}
