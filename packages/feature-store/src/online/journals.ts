import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, IdSource } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { IngestTarget } from "../ingestion/ingest.ts";
import type { OnlineMark } from "./online-store.ts";
import { onlineRows } from "./online-rows.ts";
import type { Online } from "./online.ts";
import { openPutJournal, PUTS_FOLDER, type PutJournal, recoverJournals } from "./put-journal.ts";
import type { PutRows } from "./put-rows.ts";

/** The journals of a store's views. */
export interface Journals {
  of(view: FeatureView): Promise<PutJournal>;
  /** Writes what is in the journal of a view, or in all, to the history. */
  flush(view: FeatureView | undefined, options: CallOptions): Promise<void>;
  /** Writes what processes that died since left in journals of a view to the history. */
  recover(view: FeatureView): Promise<void>;
  close(): Promise<void>;
}

export interface JournalsOptions {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  /** Where rows of a view are ingested. */
  readonly targetOf: (view: FeatureView) => Promise<IngestTarget>;
  readonly ids: IdSource;
  readonly online: Online;
  /** Whether there is anywhere to read from online. */
  readonly hasOnline: boolean;
}

/** Opens a view's journal when its first row is put, or at once where a process that died left one. */
export async function openJournals(options: JournalsOptions): Promise<Journals> {
  const { views, source } = options;
  const journals = new Map<string, Promise<PutJournal>>();
  const of = (view: FeatureView): Promise<PutJournal> => {
    let opened = journals.get(view.id);
    if (opened === undefined) {
      journals.set(view.id, (opened = openJournal(options, view)));
      opened.catch(() => journals.delete(view.id));
    }
    return opened;
  };
  for (const view of views.values()) {
    const left = await readdir(join(source.directory, view.id, PUTS_FOLDER)).catch(() => []);
    if (left.length > 0) await of(view);
  }
  return {
    of,
    async flush(view, { signal }) {
      const wanted = view === undefined ? [...journals.values()] : [journals.get(view.id)];
      for (const journal of wanted) await (await journal)?.flush({ signal });
    },
    async recover(view) {
      const target = await options.targetOf(view);
      await recoverJournals(target, (rows, mark) => recoverRows(options, view, rows, mark));
    },
    async close() {
      for (const opened of journals.values()) {
        const journal = await opened;
        try {
          await journal.flush();
        } finally {
          await journal.close();
        }
      }
    },
  };
}

async function openJournal(options: JournalsOptions, view: FeatureView): Promise<PutJournal> {
  return await openPutJournal(await options.targetOf(view), {
    newId: () => options.ids.next(),
    recover: (rows, mark) => recoverRows(options, view, rows, mark),
  });
}

async function recoverRows(
  { source, online, hasOnline }: JournalsOptions,
  view: FeatureView,
  rows: PutRows,
  mark: OnlineMark,
): Promise<void> {
  if (!hasOnline || (await online.isMarked(view, mark))) return;
  const left = rowsOf(view, rows).filter(({ key, timeUs }) => timeUs > source.forgotten.untilUs(view, key));
  await online.add(view, left, undefined, mark);
}

/** Rows as they are kept online. */
export function rowsOf(view: FeatureView, { batch, expiresUs, isDeleted }: PutRows): ReturnType<typeof onlineRows> {
  const expires = expiresUs?.some((us) => us !== null) === true ? expiresUs : undefined;
  return onlineRows(view, batch).map((row, index) => ({
    ...row,
    ...(expires?.[index] == null ? {} : { expiresUs: expires[index] }),
    ...(isDeleted === undefined ? {} : { isDeleted }),
  }));
}
