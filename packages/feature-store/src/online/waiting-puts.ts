import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { FeatureView } from "../definition/definition.ts";
import { rowsOf } from "./journals.ts";
import { readRecordsNow } from "./log-file.ts";
import { numbersIn } from "./number-ranges.ts";
import type { OnlineMark, OnlineRow } from "./online-store.ts";
import { batchOf, LOG, PUTS_FOLDER } from "./put-journal.ts";
import { decodeRows, type PutRows } from "./put-rows.ts";

/** Rows that were put and are not in the history yet, as the journals of all processes have them. Reads them without waiting. */
export interface WaitingPuts {
  /** The rows of one entity in calls that came online; undefined where the journal of one is gone, because its batch is in the history. */
  rowsOf(key: string, marks: readonly OnlineMark[]): readonly OnlineRow[] | undefined;
  /** Whether a batch's rows still stand in a journal. */
  isWaiting(batch: string): boolean;
}

/** What was read of a journal so far. */
interface Read {
  readonly path: string;
  end: number;
  /** By call, by entity. */
  readonly calls: Map<number, ReadonlyMap<string, readonly OnlineRow[]>>;
}

/** @param directory The history's folder. */
export function openWaitingPuts(directory: string, view: FeatureView): WaitingPuts {
  const root = join(directory, view.id, PUTS_FOLDER);
  const journals = new Map<string, Read>();
  const readOn = (journal: Read): void => {
    const found = readRecordsNow(journal.path, journal.end);
    if (found === undefined) return;
    journal.end = found.end;
    for (const payload of found.payloads) {
      const { call, ...rows } = decodeRows(view, payload);
      journal.calls.set(call, byEntity(view, rows));
    }
  };
  const journalOf = (batch: string): Read | undefined => {
    const known = journals.get(batch);
    if (known !== undefined) return known;
    for (const id of existsSync(root) ? readdirSync(root) : []) {
      if (!journals.has(batchOf(id)))
        journals.set(batchOf(id), { path: join(root, id, LOG), end: 0, calls: new Map() });
    }
    return journals.get(batch);
  };
  return {
    rowsOf(key, marks) {
      const rows: OnlineRow[] = [];
      for (const { markedBatch, calls } of marks) {
        const journal = journalOf(markedBatch);
        // Without calls the mark is of a whole batch, which is in the history.
        if (journal === undefined || calls === undefined) return undefined;
        const wanted = numbersIn(calls);
        // A call is in its journal before it is online: what was not read yet is there now.
        if (!wanted.every((call) => journal.calls.has(call))) readOn(journal);
        for (const call of wanted) {
          const found = journal.calls.get(call);
          if (found === undefined) return undefined;
          rows.push(...(found.get(key) ?? []));
        }
      }
      return rows;
    },
    isWaiting: (batch) => existsSync(join(root, batch.slice(batchOf("").length))),
  };
}

function byEntity(view: FeatureView, rows: PutRows): Map<string, OnlineRow[]> {
  const found = new Map<string, OnlineRow[]>();
  for (const row of rowsOf(view, rows)) {
    // What had expired when it was put did not go online.
    if (rows.writtenUs >= (row.expiresUs ?? row.timeUs + (view.ttlMs ?? Infinity) * 1000)) continue;
    const known = found.get(row.key);
    if (known === undefined) found.set(row.key, [row]);
    else known.push(row);
  }
  return found;
}
