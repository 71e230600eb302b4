import type { Clock } from "@millwright/contracts";
import { catchUp, type CatchUpTarget } from "../online/catch-up.ts";
import { hasRow, progressTo } from "./entity-progress.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { historyRows, type PendingRows } from "../history/history-rows.ts";
import { type HistorySource, readingHistory } from "../history/history-sql.ts";
import type { HeldView } from "./keyed-held.ts";
import { type KeyedLoad, loadKeyed, type LoadOptions } from "./keyed-materialize.ts";
import { addPlain } from "./plain-load.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { CatchUpOptions, Loaded, ReloadOptions } from "../online/online.ts";
import type { OnlineCursorRecord, OnlineRow } from "../online/online-store.ts";

interface CatchUpParts {
  readonly source: HistorySource;
  readonly store: KeyedOnlineStore;
  readonly latenessMs: number;
  readonly clock: Clock;
}

/** Adds the batches that are not online yet; processes that do so at once, or a run after one that was killed, add each row once between them. */
export async function catchUpKeyed(
  { source, store, latenessMs, clock }: CatchUpParts,
  held: HeldView,
  { select = () => true, signal }: CatchUpOptions,
): Promise<Loaded> {
  const { view } = held.keyed;
  const nowMs = clock.nowMs();
  const cursor = await held.cursor.read({ signal });
  const listed = new Map((await (await source.log(view.id)).batches()).map((batch) => [batch.number, batch]));
  const keep: CatchUpTarget["keep"] = (piece, { floor, cursor: record }) =>
    held.turns.among(async () => {
      await writePiece(store, held, piece, { record, listed, floorUs: floor?.floorUs, signal });
      await held.cursor.note(record, { signal });
      cursor.take(record);
    }, signal);
  const found = await catchUp(
    source,
    view,
    { cursor, keep },
    {
      nowUs: Math.round(nowMs * 1000),
      latenessUs: latenessMs * 1000,
      select: (batch) => listed.has(batch.number) && select(batch) && !held.isComing(batch.id),
      signal,
    },
  );
  return { keptRows: 0, upToMs: nowMs, ...found };
}

interface PieceOptions {
  /** What is known once the piece is there. */
  readonly record: OnlineCursorRecord;
  readonly listed: ReadonlyMap<number, HistoryBatch>;
  readonly floorUs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

async function writePiece(
  store: KeyedOnlineStore,
  { keyed }: HeldView,
  piece: PendingRows,
  { record, listed, floorUs, signal }: PieceOptions,
): Promise<void> {
  // Of a plain view a row may come twice, and nothing is noted beside it.
  if (keyed.isPlain && piece.columns !== undefined) {
    await addPlain(store, keyed, piece.columns, { floorUs, signal });
    return;
  }
  const { rows, numbers, places } = piece;
  const byKey = new Map<string, number[]>();
  rows.forEach(({ key }, index) => {
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [index]);
    else known.push(index);
  });
  const keys = [...byKey.keys()];
  const change = (position: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[position]!;
    const progress = keyed.progressOf(key, current);
    const fresh: OnlineRow[] = [];
    const calls = new Set<string>();
    for (const index of byKey.get(key)!) {
      const batch = listed.get(numbers[index]!)!;
      if (hasRow(progress, batch, places[index]!)) continue;
      fresh.push(rows[index]!);
      if (batch.origin === "put") calls.add(batch.id);
    }
    if (fresh.length === 0) return undefined;
    const marks = Array.from(calls, (markedBatch) => ({ markedBatch }));
    const after = keyed.adding(keyed.rowsOf(key, current), fresh, floorUs);
    return keyed.withRows(current, after, progressTo(progress, record, marks));
  };
  if (keys.length > 0) await store.update(keyed.group, keys, change, { signal });
}

/** Loads what happened before a time anew, and notes which batches that were. */
export async function reloadKeyed(
  load: KeyedLoad,
  held: HeldView,
  { upToUs, flush, signal }: Pick<ReloadOptions, "flush" | "signal"> & { readonly upToUs: number },
): Promise<Loaded> {
  const { source } = load;
  const { view } = held.keyed;
  const listed = async (): Promise<readonly HistoryBatch[]> => await (await source.log(view.id)).batches();
  const options: LoadOptions = { upToUs, batches: numbersOf(await listed()), signal };
  const { rows, keptRows } = await readingHistory(() => loadKeyed(load, view, options));
  return await held.turns.alone(async () => {
    // What came into the history meanwhile is little. Rows of it that wait to be added are in it already.
    await flush();
    const all = await listed();
    const batches = numbersOf(all);
    const added = new Set([...batches].filter((number) => !options.batches.has(number)));
    const later = { ...options, batches, entitiesOf: added };
    if (added.size > 0) await readingHistory(() => loadKeyed(load, view, later));
    const laterRows = added.size === 0 ? 0 : await countRows(load, held, { upToUs, batches: added, signal });
    const cursor = await held.cursor.read({ signal });
    const pending = cursor.pending(all).length;
    await held.cursor.note(cursor.after(all), { signal });
    held.reloaded = { ids: new Set(all.map(({ id }) => id)), upToUs };
    return { rows: rows + laterRows, keptRows, batches: pending, upToMs: upToUs / 1000 };
  }, signal);
}

async function countRows(
  { source, latenessMs }: KeyedLoad,
  { keyed }: HeldView,
  options: LoadOptions,
): Promise<number> {
  return await readingHistory(async () => {
    let count = 0;
    const { rows } = await historyRows(source, keyed.view, { ...options, latenessUs: latenessMs * 1000 });
    for await (const each of rows) count += each.length;
    return count;
  });
}

const numbersOf = (batches: readonly HistoryBatch[]): Set<number> => new Set(batches.map(({ number }) => number));
