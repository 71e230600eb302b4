import type { EventDraft, EventType } from "@millwright/contracts";
import type { JournalEntry } from "../journal.ts";
import type { Trial } from "../trial.ts";

/** The events that other parts of a platform follow: that a trial began or goes on, was given back, and how it ended; each caused by the one before. */
export function eventOf(study: string, entry: JournalEntry, trials: readonly Trial[]): EventDraft | undefined {
  if (!isTold(entry)) return undefined;
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
      ...("result" in entry && entry.result !== undefined ? { result: { ...entry.result } } : {}),
      ...(entry.kind === "reclaim" ? { reason: entry.reason } : {}),
    },
  };
}

/** What begins, ends or takes back a trial, and trials that are added with their result. */
type ToldEntry = Extract<JournalEntry, { kind: "begin" | "end" | "reclaim" | "trial" }>;

const isTold = (entry: JournalEntry): entry is ToldEntry =>
  entry.kind === "begin" ||
  entry.kind === "end" ||
  entry.kind === "reclaim" ||
  (entry.kind === "trial" && entry.result !== undefined);

/** @param attempts How often the trial was begun before. */
function typeOf(entry: ToldEntry, attempts: number): EventType {
  if (entry.kind === "end" || entry.kind === "trial") return `trial.${entry.result?.state ?? "completed"}`;
  if (entry.kind === "reclaim") return "trial.paused";
  return attempts === 0 ? "trial.started" : "trial.resumed";
}
