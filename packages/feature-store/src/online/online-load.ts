import type { FeatureView } from "../definition/definition.ts";
import { historyRows, type HistoryRowsOptions } from "../history/history-rows.ts";
import { type HistorySource, readingHistory } from "../history/history-sql.ts";
import type { OnlineRecord } from "./online-store.ts";
import type { OnlineView } from "./online-view.ts";

/** The rows from a time on. Where some of those may have been dropped already, that stays known; what was dropped before is in the history. */
export function* rowsFrom(state: OnlineView, fromUs: number): IterableIterator<OnlineRecord> {
  for (const record of state.records(fromUs)) if (!("floorUs" in record) || record.floorUs > fromUs) yield record;
}

/** Adds what reads can need of the batches that are not among `numbers` yet, which then are. @returns how many rows. */
export async function addHistory(
  source: HistorySource,
  view: FeatureView,
  state: OnlineView,
  { numbers, ...options }: Omit<HistoryRowsOptions, "batches"> & { readonly numbers: Set<number> },
): Promise<number> {
  const listed = (await (await source.log(view.id)).batches()).map(({ number }) => number);
  const batches = new Set(listed.filter((number) => !numbers.has(number)));
  let added = 0;
  const load = async (): Promise<void> => {
    const { floorUs, rows } = await historyRows(source, view, { ...options, batches });
    state.add([{ floorUs }]);
    for await (const records of rows) {
      state.add(records);
      added += records.length;
    }
  };
  // All files are read, to be sorted, before the first row comes.
  await readingHistory(load, () => added === 0);
  for (const number of batches) numbers.add(number);
  return added;
}

/** @returns how many rows the records stand for. */
export function addKept(state: OnlineView, records: Iterable<OnlineRecord>): number {
  let rows = 0;
  for (const record of records) {
    rows += "timeUs" in record ? 1 : "tileUs" in record ? record.rows : 0;
    state.add([record]);
  }
  return rows;
}
