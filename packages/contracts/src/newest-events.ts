import { abortable } from "./abortable.ts";
import type { CallOptions } from "./call-options.ts";
import type { MillwrightEvent } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { EventId } from "./ids.ts";

export interface NewestEventsOptions<Kept = EventId> {
  /** Only events of these types are looked at; `model.*` takes a family. */
  readonly types: readonly string[];
  /** What an event is about, in whatever words are asked for later; none where it does not matter. */
  readonly subjectsOf: (event: MillwrightEvent) => readonly string[];
  /** What is kept of an event. Default: its id. */
  readonly keep?: ((event: MillwrightEvent) => Kept) | undefined;
}

/** Answers which event told of something last: the cause of what happens next. */
export interface NewestEvents<Kept = EventId> {
  /** Reads what the log has got since the last question. Throws what the log throws, or the signal's reason, also while it waits for another's reading. @returns `undefined` where no event is about the subject. */
  find(subject: string, options?: CallOptions): Promise<Kept | undefined>;
}

/** A view of a log that knows the newest event about each subject. It reads each event once, and keeps one a subject in memory. */
export function createNewestEvents<Kept = EventId>(
  log: Pick<EventLog, "read">,
  { types, subjectsOf, keep = ({ id }) => id as Kept }: NewestEventsOptions<Kept>,
): NewestEvents<Kept> {
  const newest = new Map<string, Kept>();
  let after = 0;
  let turn: Promise<void> = Promise.resolve();
  const catchUp = async (options: CallOptions): Promise<void> => {
    for await (const { cursor, event } of log.read({ ...options, after, types })) {
      const subjects = subjectsOf(event);
      if (subjects.length > 0) {
        const kept = keep(event);
        for (const subject of subjects) newest.set(subject, kept);
      }
      after = cursor;
    }
  };
  return {
    async find(subject, options = {}) {
      // One walk at a time: two would read the same events.
      const caughtUp = turn.then(() => catchUp(options));
      turn = caughtUp.catch(() => {});
      await abortable(caughtUp, options.signal);
      return newest.get(subject);
    },
  };
}
