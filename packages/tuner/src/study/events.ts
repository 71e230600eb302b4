import type { EventDraft, EventType } from "@millwright/contracts";
import type { JournalEntry } from "../journal.ts";
import type { Trial } from "../trial.ts";

/** The events that other parts of a platform follow: that a trial began or goes on, was given back, and how it ended; each caused by the one before. */
export function eventOf(study: string, entry: JournalEntry, trials: readonly Trial[]): EventDraft | undefined {
  if (entry.kind !== "begin" && entry.kind !== "end" && entry.kind !== "reclaim") return undefined;
  const { number } = entry;
  const { attempts = 0, eventId } = trials[number] ?? {};
  return {
    source: "millwright/tuner",
    type: typeOf(entry, attempts),
    subject: `${study}/${number}`,
    ...(eventId === undefined ? {} : { causationid: eventId }),
    data: {
      study,
      trial: number,
      ...(entry.kind === "end" ? { result: { ...entry.result } } : {}),
      ...(entry.kind === "reclaim" ? { reason: entry.reason } : {}),
    },
  };
}

/** @param attempts How often the trial was begun before. */
function typeOf(entry: Extract<JournalEntry, { kind: "begin" | "end" | "reclaim" }>, attempts: number): EventType {
  if (entry.kind === "end") return `trial.${entry.result.state}`;
  if (entry.kind === "reclaim") return "trial.paused";
  return attempts === 0 ? "trial.started" : "trial.resumed";
}
