import type { EventLog } from "@millwright/contracts";
import { type JournalEntry, type StudyJournal, tellEach } from "../journal.ts";

export interface MemoryStudyJournalOptions {
  /** Where the studies' events go. Default: nowhere. */
  readonly events?: EventLog | undefined;
}

/** Keeps studies in this process: for tests and for studies that need not survive it. */
export function openMemoryStudyJournal({ events: log }: MemoryStudyJournalOptions = {}): StudyJournal {
  const studies = new Map<string, JournalEntry[]>();
  // One append at a time: the log is told before the entries are kept.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    async read(study, position, { signal } = {}) {
      signal?.throwIfAborted();
      return structuredClone((studies.get(study) ?? []).slice(position));
    },
    append(study, position, writes, { signal } = {}) {
      const append = async () => {
        signal?.throwIfAborted();
        const kept = studies.get(study) ?? [];
        if (kept.length !== position) return undefined;
        const entries = await tellEach(writes, async (event) => (await log?.append([event]))?.[0]?.event.id);
        kept.push(...copyOf(entries));
        studies.set(study, kept);
        return entries;
      };
      const appended = turn.then(append);
      turn = appended.catch(() => {});
      return appended;
    },
  };
}

/** Throws TypeError for what is no data. */
function copyOf(entries: readonly JournalEntry[]): JournalEntry[] {
  try {
    return structuredClone([...entries]);
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause;
    throw new TypeError("An entry of a journal is data; a function or a symbol cannot be kept.", { cause });
  }
}
