import type { HistoryBatch } from "../history/history-log.ts";
import { numbersIn, type NumberRanges, rangesHave, rangesWith } from "./number-ranges.ts";
import type { OnlineCursorRecord, OnlineMark, OnlineRecord } from "./online-store.ts";

/**
 * Which batches of a view's history its online state has. Pure: whoever keeps online rows writes `OnlineCursorRecord`s and `OnlineMark`s together with the rows
 * that they speak of, and gives them back to `take` in their order.
 */
export interface OnlineCursor {
  /** The batches that are online or need not be. */
  readonly seen: NumberRanges;
  /** Takes note of a record; those of other kinds say nothing to it. */
  take(record: OnlineRecord): void;
  /** Takes a mark back that could not be kept. */
  drop(mark: OnlineMark): void;
  /** Whether rows came online with this mark; without `calls`: any of its batch. */
  has(mark: OnlineMark): boolean;
  /** The batches whose rows must still be brought online, by number. */
  pending(batches: readonly HistoryBatch[]): HistoryBatch[];
  /** Up to which row the batch is online already, counted from 0; −1: none. */
  doneRow(batch: HistoryBatch): number;
  /** What is to be kept together with rows of pending batches: those before are done, and one up to a row. */
  partway(
    done: readonly HistoryBatch[],
    at: { readonly batch: HistoryBatch; readonly row: number },
  ): OnlineCursorRecord;
  /** What is to be kept once all these batches are online or need not be. */
  after(batches: readonly HistoryBatch[]): OnlineCursorRecord;
  /** Whether a record says more than is known. */
  isNews(record: OnlineCursorRecord): boolean;
  /** All that it knows, to be taken again elsewhere. */
  records(): OnlineRecord[];
}

interface Marks {
  readonly ids: ReadonlyMap<string, NumberRanges>;
  add(mark: OnlineMark): void;
  drop(mark: OnlineMark): void;
  delete(id: string): void;
  has(mark: OnlineMark): boolean;
}

function createMarks(): Marks {
  const ids = new Map<string, NumberRanges>();
  return {
    ids,
    add({ markedBatch, calls = [] }) {
      ids.set(markedBatch, rangesWith(ids.get(markedBatch) ?? [], numbersIn(calls)));
    },
    drop({ markedBatch, calls = [] }) {
      const kept = numbersIn(ids.get(markedBatch) ?? []).filter((call) => !rangesHave(calls, call));
      if (kept.length === 0) ids.delete(markedBatch);
      else ids.set(markedBatch, rangesWith([], kept));
    },
    delete: (id) => void ids.delete(id),
    has({ markedBatch, calls = [] }) {
      const known = ids.get(markedBatch);
      return known !== undefined && numbersIn(calls).every((call) => rangesHave(known, call));
    },
  };
}

const numbersOf = (batches: readonly HistoryBatch[]): number[] => batches.map(({ number }) => number);

export function createOnlineCursor(): OnlineCursor {
  const marks = createMarks();
  let known: OnlineCursorRecord | undefined;
  const seen = (): NumberRanges => known?.seenBatches ?? [];
  return {
    get seen() {
      return seen();
    },
    take(record) {
      if ("markedBatch" in record) marks.add(record);
      if (!("seenBatches" in record)) return;
      for (const id of record.doneMarks ?? []) marks.delete(id);
      const { seenBatches, partway } = record;
      known = partway === undefined ? { seenBatches } : { seenBatches, partway };
    },
    drop: marks.drop,
    has: marks.has,
    pending: (batches) =>
      batches.filter(
        ({ id, number, origin }) => origin !== "compaction" && !rangesHave(seen(), number) && !marks.ids.has(id),
      ),
    doneRow: ({ number }) => (known?.partway?.batch === number ? known.partway.row : -1),
    partway: (done, { batch, row }) => ({
      seenBatches: rangesWith(seen(), numbersOf(done)),
      partway: { batch: batch.number, row },
    }),
    after(batches) {
      const doneMarks = batches.filter(({ id }) => marks.ids.has(id)).map(({ id }) => id);
      const seenBatches = rangesWith(seen(), numbersOf(batches));
      return doneMarks.length === 0 ? { seenBatches } : { seenBatches, doneMarks };
    },
    isNews: (record) => JSON.stringify(record) !== JSON.stringify(known),
    records: () => [
      ...(known === undefined ? [] : [known]),
      ...Array.from(marks.ids, ([markedBatch, calls]): OnlineMark => ({ markedBatch, calls })),
    ],
  };
}
