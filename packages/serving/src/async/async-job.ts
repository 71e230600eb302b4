import type { EventId } from "@millwright/contracts";

/** Waits for its turn or its next try; is worked at; has a result; was refused by the model; was not begun in time; was given up after its tries; was cancelled. */
export type AsyncState = "waiting" | "running" | "completed" | "failed" | "expired" | "dead" | "cancelled";

/** A request in the queue, and what became of it. */
export interface AsyncJob {
  readonly id: string;
  readonly endpoint: string;
  readonly state: AsyncState;
  /** The greatest first; those of equal priority in the order they came. */
  readonly priority: number;
  /** Tries that were begun since it was submitted or redriven. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly inputLocation: string;
  /** Where the result is once it is `completed`. */
  readonly outputLocation: string;
  /** Where the reason is, as JSON, once it is `failed`, `expired` or `dead`. */
  readonly failureLocation: string;
  readonly contentType: string;
  readonly accept?: string | undefined;
  /** UTC milliseconds, as the times below. */
  readonly submittedMs: number;
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  /** What is not begun by then expires. */
  readonly expiresMs: number;
  readonly timeoutMs: number;
  /** The status of the last answer. */
  readonly status?: number | undefined;
  /** Why it ended without a result, or why its last try did. */
  readonly errorCode?: string | undefined;
  readonly outputContentType?: string | undefined;
  readonly outputBytes?: number | undefined;
  /** Of its notification and its event: one for each end, however often it is told. */
  readonly notificationId?: EventId | undefined;
  /** Whether whoever is notified took it. */
  readonly notified: boolean;
}

/** What is fixed when it is submitted. */
export interface AsyncSpec {
  readonly contentType: string;
  readonly accept?: string | undefined;
  readonly attributes?: string | undefined;
  readonly inputLocation: string;
  /** Whether the input was written by `submit`, and goes with the request. */
  readonly owned: boolean;
  readonly outputLocation: string;
  readonly failureLocation: string;
  readonly timeoutMs: number;
  readonly ttlMs: number;
  readonly maxAttempts: number;
}

/** What is known of its last try. */
export interface AsyncOutcome {
  readonly end?: "completed" | "failed" | "expired" | "dead" | undefined;
  readonly status?: number | undefined;
  readonly errorCode?: string | undefined;
  readonly contentType?: string | undefined;
  readonly bytes?: number | undefined;
  /** What is to be moved to its place. */
  readonly staged?: string | undefined;
}

/** A row of the queue. `publishing`: the result is settled and is put in its place. */
export interface JobRow {
  readonly id: string;
  readonly endpoint: string;
  readonly state: AsyncState | "publishing";
  readonly priority: number;
  readonly submitted_ms: number;
  readonly available_ms: number;
  readonly expires_ms: number;
  readonly attempts: number;
  readonly fence: number;
  readonly lease_ms: number;
  readonly fingerprint: string;
  readonly spec: string;
  readonly outcome: string | null;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly notification_id: string | null;
  readonly notified: number;
  readonly notify_ms: number;
}

export const specOf = ({ spec }: Pick<JobRow, "spec">): AsyncSpec => JSON.parse(spec) as AsyncSpec;
export const outcomeOf = ({ outcome }: Pick<JobRow, "outcome">): AsyncOutcome =>
  outcome === null ? {} : (JSON.parse(outcome) as AsyncOutcome);

/** @param row As the database gives it. */
export function jobOf(row: JobRow): AsyncJob {
  const spec = specOf(row);
  const { status, errorCode, contentType, bytes } = outcomeOf(row);
  return {
    id: row.id,
    endpoint: row.endpoint,
    state: row.state === "publishing" ? "running" : row.state,
    priority: row.priority,
    attempts: row.attempts,
    maxAttempts: spec.maxAttempts,
    inputLocation: spec.inputLocation,
    outputLocation: spec.outputLocation,
    failureLocation: spec.failureLocation,
    contentType: spec.contentType,
    ...(spec.accept === undefined ? {} : { accept: spec.accept }),
    submittedMs: row.submitted_ms,
    ...(row.started_ms === null ? {} : { startedMs: row.started_ms }),
    ...(row.ended_ms === null ? {} : { endedMs: row.ended_ms }),
    expiresMs: row.expires_ms,
    timeoutMs: spec.timeoutMs,
    ...(status === undefined ? {} : { status }),
    ...(errorCode === undefined ? {} : { errorCode }),
    ...(contentType === undefined ? {} : { outputContentType: contentType }),
    ...(bytes === undefined ? {} : { outputBytes: bytes }),
    ...(row.notification_id === null ? {} : { notificationId: row.notification_id as EventId }),
    notified: row.notified === 1,
  };
}
