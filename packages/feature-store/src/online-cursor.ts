import type { HistoryBatch } from "./history-log.ts";
import { type NumberRanges, rangesHave, rangesWith } from "./number-ranges.ts";
import type { OnlineCursorRecord, OnlineMark, OnlineRecord } from "./online-store.ts";

/**
 * Which batches of a view's history its online state has. Pure: whoever keeps online rows writes `OnlineCursorRecord`s and `OnlineMark`s together with the rows
 * that they speak of, and gives them back to `take` in their order.
 */
export interface OnlineCursor {
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

export function createOnlineCursor(): OnlineCursor {
  let seen: NumberRanges = [];
  let partway: OnlineCursorRecord["partway"];
  let isKnown = false;
  const marks = new Map<string, NumberRanges>();
  const has: OnlineCursor["has"] = ({ markedBatch, calls = [] }) => {
    const known = marks.get(markedBatch);
    return known !== undefined && calls.every(([first, last]) => rangesHave(known, first) && rangesHave(known, last));
  };
  return {
    take(record) {
      if ("markedBatch" in record) {
        const numbers = (record.calls ?? []).flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, step) => first + step),
        );
        marks.set(record.markedBatch, rangesWith(marks.get(record.markedBatch) ?? [], numbers));
      } else if ("seenBatches" in record) {
        seen = record.seenBatches;
        partway = record.partway;
        isKnown = true;
        for (const id of record.doneMarks ?? []) marks.delete(id);
      }
    },
    drop({ markedBatch, calls = [] }) {
      const left = (marks.get(markedBatch) ?? []).flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, step) => first + step),
      );
      const kept = left.filter((call) => !rangesHave(calls, call));
      if (kept.length === 0) marks.delete(markedBatch);
      else marks.set(markedBatch, rangesWith([], kept));
    },
    has,
    pending: (batches) =>
      batches.filter(
        ({ id, number, origin }) => origin !== "compaction" && !rangesHave(seen, number) && !marks.has(id),
      ),
    doneRow: ({ number }) => (partway?.batch === number ? partway.row : -1),
    partway: (done, { batch, row }) => ({
      seenBatches: rangesWith(
        seen,
        done.map(({ number }) => number),
      ),
      partway: { batch: batch.number, row },
    }),
    after(batches) {
      const doneMarks = batches.filter(({ id }) => marks.has(id)).map(({ id }) => id);
      return {
        seenBatches: rangesWith(
          seen,
          batches.map(({ number }) => number),
        ),
        ...(doneMarks.length === 0 ? {} : { doneMarks }),
      };
    },
    isNews: ({ seenBatches, doneMarks }) =>
      !isKnown ||
      partway !== undefined ||
      doneMarks !== undefined ||
      JSON.stringify(seenBatches) !== JSON.stringify(seen),
    records() {
      const cursor = { seenBatches: seen, ...(partway === undefined ? {} : { partway }) };
      const all = Array.from(marks, ([markedBatch, calls]): OnlineMark => ({ markedBatch, calls }));
      return isKnown ? [cursor, ...all] : all;
    },
  };
}
