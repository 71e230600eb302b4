import type { EventLog } from "@millwright/contracts";
import type { JournalEntry, StudyJournal } from "../journal.ts";

export interface MemoryStudyJournalOptions {
  /** Where the studies' events go. Default: nowhere. */
  readonly events?: EventLog | undefined;
}

/** Keeps studies in this process: for tests and for studies that need not survive it. */
export function openMemoryStudyJournal({ events: log }: MemoryStudyJournalOptions = {}): StudyJournal {
  const studies = new Map<string, JournalEntry[]>();
  return {
    async read(study, position, { signal } = {}) {
      signal?.throwIfAborted();
      return structuredClone((studies.get(study) ?? []).slice(position));
    },
    async append(study, position, entries, events, { signal } = {}) {
      signal?.throwIfAborted();
      const kept = studies.get(study) ?? [];
      if (kept.length !== position) return false;
      kept.push(...structuredClone([...entries]));
      studies.set(study, kept);
      if (events.length > 0) await log?.append(events);
      return true;
    },
  };
}
