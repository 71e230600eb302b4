import { setImmediate } from "node:timers/promises";
import { type EventDraft, abortable } from "@millwright/contracts";
import type { JournalEntry, StudyJournal } from "./journal.ts";
import type { StudyState } from "./study-state.ts";
import type { Trial } from "./trial.ts";

/** What a decision wants to append, and what it gives its caller once that is durable. */
export interface Decision<Result> {
  readonly entries: readonly JournalEntry[];
  /** @param trials As they are after the entries. */
  readonly result: (trials: readonly Trial[]) => Result;
}

export interface DeciderOptions {
  readonly study: string;
  readonly journal: StudyJournal;
  /** Brought up to date before each decision. */
  readonly state: StudyState;
  /** What is told of an entry, if anything. @param trials As they are before the entries. */
  readonly eventOf: (study: string, entry: JournalEntry, trials: readonly Trial[]) => EventDraft | undefined;
}

export type Decider = <Result>(
  make: () => Decision<Result> | Promise<Decision<Result>>,
  signal?: AbortSignal,
) => Promise<Result>;

/** Decides on the newest entries and appends; decides again where another process was quicker. One decision at a time in this process. */
export function createDecider({ study, journal, state, eventOf }: DeciderOptions): Decider {
  let turn: Promise<unknown> = Promise.resolve();
  return (make, signal) => {
    const attempt = async () => {
      for (;;) {
        // Hundreds of trials may end at once: each decision leaves the event loop a turn.
        await setImmediate();
        signal?.throwIfAborted();
        state.apply(await journal.read(study, state.position));
        const { entries, result } = await make();
        if (entries.length === 0) return result(state.trials);
        const writes = entries.map((entry) => ({ entry, event: eventOf(study, entry, state.trials) }));
        const written = await journal.append(study, state.position, writes);
        if (written === undefined) continue;
        state.apply(written);
        return result(state.trials);
      }
    };
    const before = turn;
    // Whoever gives up waiting does not decide; a decision that is being written is seen through, so that its outcome is known.
    const next = abortable(before, signal).then(attempt);
    turn = before.then(() => next).catch(() => {});
    return next;
  };
}
