import type { ErrorCategory, JobFailureCause, JobHistoryEntry, JobState, MillwrightEvent } from "@millwright/contracts";

/** A job, as the events of its states tell of it. */
export interface ToldJob {
  /** Chosen by whoever launched it. */
  readonly id: string;
  /** Tells it from others of its id. */
  readonly key: string;
  readonly history: readonly JobHistoryEntry[];
}

/** The histories of jobs from `job.state-changed` events, in the order of their first; other events are passed over. Pure. */
export function jobHistories(events: Iterable<MillwrightEvent>): readonly ToldJob[] {
  const jobs = new Map<string, { readonly id: string; readonly key: string; readonly history: JobHistoryEntry[] }>();
  for (const { type, subject, data } of events) {
    if (type !== "job.state-changed" || subject === undefined) continue;
    const { key, state, timeMs, reason, category, cause } = data;
    if (typeof key !== "string" || typeof state !== "string" || typeof timeMs !== "number") continue;
    const job = jobs.get(key) ?? { id: subject, key, history: [] };
    jobs.set(key, job);
    job.history.push({
      state: state as JobState,
      timeMs,
      ...(typeof reason === "string" ? { reason } : {}),
      ...(typeof category === "string" ? { category: category as ErrorCategory } : {}),
      ...(typeof cause === "string" ? { cause: cause as JobFailureCause } : {}),
    });
  }
  return [...jobs.values()];
}

/** One attempt of a job. */
export interface AttemptTimes {
  /** In `downloading`, `training`, `uploading` and `stopping`. */
  readonly trainingMs: number;
  /** Whether what it did was lost: it ended in a failure, not in an interruption, a stop or the job's end. */
  readonly lost: boolean;
}

/** The attempts of a job, first to last; one that goes on ends with the last state that is known. Pure. */
export function attemptsOf(history: readonly JobHistoryEntry[]): readonly AttemptTimes[] {
  const attempts: { trainingMs: number; lost: boolean }[] = [];
  for (const [index, { state, timeMs, cause }] of history.entries()) {
    const current = attempts.at(-1);
    if (state === "starting") attempts.push({ trainingMs: 0, lost: false });
    else if (current === undefined || state === "pending") continue;
    else if (state === "interrupted") current.lost = cause !== undefined && cause !== "interrupted";
    else if (state === "failed") current.lost = true;
    else current.trainingMs += Math.max(0, (history[index + 1]?.timeMs ?? timeMs) - timeMs);
  }
  return attempts;
}
