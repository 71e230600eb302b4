import { journalCorrupt } from "./errors.ts";
import type { CompletedResult, JournalEntry, Told, TrialResult } from "./journal.ts";
import type { Trial } from "./trial.ts";

/** What the entries of a study add up to. */
export interface StudyState {
  /** How many entries were applied. */
  readonly position: number;
  readonly header: Extract<JournalEntry, { kind: "study" }> | undefined;
  /** By number. */
  readonly trials: readonly Trial[];
  apply(entries: readonly JournalEntry[]): void;
}

export function createStudyState(study: string): StudyState {
  let position = 0;
  let header: StudyState["header"];
  const trials: Trial[] = [];
  const change = (number: number, edit: (trial: Trial) => Trial): void => {
    const trial = trials[number];
    if (trial === undefined)
      throw journalCorrupt(study, position, `it speaks of trial ${number}, which does not exist`);
    trials[number] = edit(trial);
  };
  const applyOne = (entry: JournalEntry): void => {
    if (entry.kind === "study") {
      if (entry.formatVersion !== 1)
        throw journalCorrupt(
          study,
          position,
          `its format version is ${String(entry.formatVersion)}, newer than this release`,
        );
      header = entry;
    } else if (entry.kind === "trial") {
      if (entry.number !== trials.length)
        throw journalCorrupt(study, position, `trial ${entry.number} follows trial ${trials.length - 1}`);
      const { number, params, explanation } = entry;
      trials.push({ number, params, explanation, state: "waiting", intermediates: [], attempts: 0 });
    } else {
      change(entry.number, (trial) => afterEntry(trial, entry));
    }
  };
  return {
    get position() {
      return position;
    },
    get header() {
      return header;
    },
    get trials() {
      return trials;
    },
    apply(entries) {
      for (const entry of entries) {
        applyOne(entry);
        position += 1;
      }
    },
  };
}

function afterEntry(trial: Trial, entry: Exclude<JournalEntry, { kind: "study" | "trial" }>): Trial {
  switch (entry.kind) {
    case "begin":
      return {
        ...trial,
        ...toldOf(entry),
        state: "running",
        worker: entry.worker,
        startedMs: entry.timeMs,
        attempts: trial.attempts + 1,
      };
    case "report":
      return {
        ...trial,
        intermediates: withReport(trial.intermediates, entry.step, entry.value),
        checkpoint: entry.checkpoint ?? trial.checkpoint,
      };
    case "end": {
      const { result } = entry;
      const outcome = result.state === "completed" ? outcomeOf(result) : stopOf(result);
      const ended = result.state === "paused" ? {} : { endedMs: entry.timeMs };
      return { ...trial, ...toldOf(entry), state: result.state, ...ended, ...outcome };
    }
    case "reclaim":
      return { ...trial, ...toldOf(entry), state: "waiting" };
  }
}

function outcomeOf({ value, values, constraints, attributes, cost }: CompletedResult): Partial<Trial> {
  return {
    ...(value === undefined ? {} : { value }),
    values: values ?? [value as number],
    ...(constraints === undefined ? {} : { constraintValues: constraints }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(cost === undefined ? {} : { cost }),
  };
}

function stopOf(result: Exclude<TrialResult, CompletedResult>): Partial<Trial> {
  const { verdict } = result.state === "failed" ? {} : result;
  return { reason: result.reason, ...(verdict === undefined ? {} : { verdict }) };
}

const toldOf = ({ eventId }: Told): Told => (eventId === undefined ? {} : { eventId });

/** A trial begun again reports earlier steps again: its last word counts. */
function withReport(intermediates: Trial["intermediates"], step: number, value: number): Trial["intermediates"] {
  return [...intermediates.filter(([at]) => at < step), [step, value]];
}
