import type { CallOptions } from "@millwright/contracts";
import { compileAggregates } from "./aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { type PendingRows, pendingRows } from "../history/history-rows.ts";
import { type HistorySource, readingHistory } from "../history/history-sql.ts";
import type { OnlineCursor } from "./online-cursor.ts";
import type { OnlineCursorRecord, OnlineFloor } from "./online-store.ts";

/** Where rows of the history are brought online. */
export interface CatchUpTarget {
  readonly cursor: OnlineCursor;
  /** Keeps rows and what is said of them together or not at all, and gives the record to the cursor. */
  keep(
    piece: PendingRows,
    said: { readonly floor?: OnlineFloor | undefined; readonly cursor: OnlineCursorRecord },
  ): Promise<void>;
}

export interface CatchUpRun extends CallOptions {
  readonly nowUs: number;
  readonly latenessUs: number;
  readonly select: (batch: HistoryBatch) => boolean;
}

/**
 * Brings the batches that are not online yet there, in pieces: with each the cursor says up to which row it went, so that a run that was stopped is gone on with,
 * and no row comes twice. Nothing else may do the same for the view meanwhile.
 */
export async function catchUp(
  source: HistorySource,
  view: FeatureView,
  { cursor, keep }: CatchUpTarget,
  { nowUs, latenessUs, select, signal }: CatchUpRun,
): Promise<{ readonly rows: number; readonly batches: number }> {
  const listed = (await (await source.log(view.id)).batches()).filter(select);
  const batches = cursor.pending(listed).length;
  const floorUs = nowUs - latenessUs - compileAggregates(view).longestUs;
  let rows = 0;
  const copy = async (): Promise<void> => {
    // Anew at each try: batches that are through must not come again.
    const pending = cursor.pending(listed);
    const numbers = new Set(pending.map(({ number }) => number));
    for await (const found of await pendingRows(source, view, { batches: numbers, floorUs, signal })) {
      signal?.throwIfAborted();
      const piece = newOnes(cursor, pending, found);
      if (piece === undefined) continue;
      await keep(piece.found, { floor: { floorUs }, cursor: piece.cursor });
      rows += piece.found.numbers.length;
    }
  };
  if (batches > 0) await readingHistory(copy);
  const after = cursor.after(listed);
  if (cursor.isNews(after)) await keep(NOTHING, { cursor: after });
  return { rows, batches };
}

const NOTHING: PendingRows = { rows: [], numbers: new Float64Array(0), places: new Float64Array(0) };

/** The rows after those that came in an earlier run, and what the cursor says once they are kept. */
function newOnes(
  cursor: OnlineCursor,
  pending: readonly HistoryBatch[],
  found: PendingRows,
): { readonly found: PendingRows; readonly cursor: OnlineCursorRecord } | undefined {
  const { numbers, places } = found;
  const batches = new Map(pending.map((each) => [each.number, each]));
  const isFresh = (_: unknown, index: number): boolean =>
    places[index]! > cursor.doneRow(batches.get(numbers[index]!)!);
  const fresh = numbers.filter(isFresh);
  const last = numbers.length - 1;
  const batch = batches.get(numbers[last]!);
  if (fresh.length === 0 || batch === undefined) return undefined;
  const done = pending.filter(({ number }) => number < batch.number);
  return {
    found:
      fresh.length === numbers.length
        ? found
        : { rows: found.rows.filter(isFresh), numbers: fresh, places: places.filter(isFresh) },
    cursor: cursor.partway(done, { batch, row: places[last]! }),
  };
}
