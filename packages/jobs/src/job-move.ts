import {
  assertJobTransition,
  type Clock,
  type JobEvent,
  type JobHistory,
  type JobResult,
  type JobState,
} from "@millwright/contracts";
import type { EventJournal } from "./event-journal.ts";
import type { JobRecord, StateLine } from "./job-record.ts";
import type { FailedAttempt } from "./supervision/retry-policy.ts";

/** What a launcher tells of the states. */
export function historyOf(states: readonly StateLine[]): JobHistory {
  const entries = states.map(({ state, timeMs, reason, failure }) => ({
    state,
    timeMs,
    ...(reason === undefined ? {} : { reason }),
    ...(failure === undefined ? {} : { category: failure.category, cause: failure.cause }),
  }));
  return entries as unknown as JobHistory;
}

/** Appends one state to a job's record, then shows it. Throws `PORT_TRANSITION_ILLEGAL` and changes nothing. */
export async function moveJob(
  record: JobRecord,
  journal: EventJournal,
  clock: Clock,
  state: JobState,
  more: {
    readonly attempts: number;
    readonly reason?: string | undefined;
    readonly mark?: string;
    readonly failure?: FailedAttempt | undefined;
    readonly result?: JobResult;
  },
): Promise<void> {
  const last = record.states.at(-1);
  if (last !== undefined) assertJobTransition(last.state, state, `The job "${record.spec.id}"`);
  const timeMs = clock.nowMs();
  const event: JobEvent = {
    kind: "state",
    state,
    timeMs,
    ...(more.reason === undefined ? {} : { reason: more.reason }),
    ...(more.failure === undefined ? {} : { cause: more.failure.cause }),
  };
  await journal.pushState(event, (sequence) =>
    record.append({ formatVersion: 1, kind: "state", sequence, state, timeMs, ...more }),
  );
}
