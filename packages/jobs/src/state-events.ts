import type { EventDraft, EventId, EventLog, Logger } from "@millwright/contracts";
import type { JobRecord, StateLine } from "./job-record.ts";

/** Tells an event log of the states of jobs. */
export interface StateEvents {
  /**
   * Appends what the log lacks of the record's states, in their order; one record at a time. Never rejects: what a log that fails was not told, it
   * is told the next time.
   */
  tell(record: Pick<JobRecord, "spec" | "key" | "states">): Promise<void>;
}

/** What the log has of one job. */
interface Told {
  readonly states: number;
  readonly newest: EventId | undefined;
}

const source = "millwright/jobs";
const type = "job.state-changed";

/**
 * A job's record is written first, and the log is told what it lacks of it: the log itself says how far it was told, by the job's key and the
 * number of the state. So a crash between the two writes, or an append whose outcome is unknown, neither loses an event nor doubles one.
 */
export function createStateEvents(log: EventLog, logger: Logger): StateEvents {
  const told = new Map<string, Told>();
  let after = 0;
  /** Whether `told` is all that the log has: not before it was read, nor after an append failed, which may have come through all the same. */
  let sure = false;
  let turn: Promise<void> = Promise.resolve();

  const take = (key: unknown, number: unknown, newest: EventId): void => {
    if (typeof key === "string" && typeof number === "number") told.set(key, { states: number + 1, newest });
  };
  const catchUp = async (): Promise<void> => {
    for await (const { cursor, event } of log.read({ after, types: [type] })) {
      if (event.source === source) take(event.data["key"], event.data["number"], event.id);
      after = cursor;
    }
    sure = true;
  };
  const tellAll = async ({ spec, key, states }: Parameters<StateEvents["tell"]>[0]): Promise<void> => {
    if (!sure) await catchUp();
    for (;;) {
      const { states: number, newest } = told.get(key) ?? { states: 0, newest: spec.causedBy };
      const state = states[number];
      if (state === undefined) return;
      const draft = draftOf(spec, { key, number, state, previous: states[number - 1] }, newest);
      sure = false;
      const [logged] = await log.append([draft]);
      sure = true;
      if (logged !== undefined) take(key, number, logged.event.id);
    }
  };
  return {
    tell(record) {
      turn = turn
        .then(() => tellAll(record))
        .catch((error: unknown) =>
          logger.warn(
            { job: record.spec.id, error: String(error) },
            "The event log could not be told of a job's state.",
          ),
        );
      return turn;
    },
  };
}

interface Change {
  readonly key: string;
  /** From 0. */
  readonly number: number;
  readonly state: StateLine;
  readonly previous: StateLine | undefined;
}

function draftOf(
  { id, traceparent }: JobRecord["spec"],
  { key, number, state, previous }: Change,
  causationid: EventId | undefined,
): EventDraft {
  return {
    source,
    type,
    subject: id,
    ...(causationid === undefined ? {} : { causationid }),
    ...(traceparent === undefined ? {} : { traceparent }),
    data: {
      key,
      number,
      state: state.state,
      ...(previous === undefined ? {} : { previous: previous.state }),
      ...(state.reason === undefined ? {} : { reason: state.reason }),
      ...(state.failure === undefined ? {} : { category: state.failure.category, cause: state.failure.cause }),
      attempts: state.attempts,
      timeMs: state.timeMs,
    },
  };
}
