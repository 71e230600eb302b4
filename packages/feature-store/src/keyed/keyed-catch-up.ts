import type { CallOptions, Clock } from "@millwright/contracts";
import { catchUp, type CatchUpTarget } from "../online/catch-up.ts";
import { type EntityProgress, hasRow, NO_PROGRESS, progressTo, withoutSettled } from "./entity-progress.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { historyRows, type HistoryRowsOptions, type PendingRows } from "../history/history-rows.ts";
import { type HistorySource, readingHistory } from "../history/history-sql.ts";
import type { HeldView } from "./keyed-held.ts";
import { loadKeyed, type LoadResult } from "./keyed-materialize.ts";
import { type Added, plainAdded } from "./plain-load.ts";
import { type KeyedLoad, type LoadOptions, numbersOf } from "./write-loaded.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView } from "./keyed-view.ts";
import type { CatchUpOptions, Loaded } from "../online/online.ts";
import { rangesHave } from "../online/number-ranges.ts";
import type { OnlineCursorRecord, OnlineRow } from "../online/online-store.ts";

export interface KeyedReload extends CallOptions {
  readonly load: KeyedLoad;
  readonly upToUs: number;
  readonly flush: () => Promise<void>;
}

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

/** Entities that are asked for by name in one query. */
const LATE_AT_ONCE = 500;

interface PieceOptions {
  /** What is known once the piece is there. */
  readonly record: OnlineCursorRecord;
  readonly listed: ReadonlyMap<number, HistoryBatch>;
  readonly floorUs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Adds rows of the history, each in one step with what its entity knows of the batches; rows that the entity has already stay away. */
async function writePiece(
  store: KeyedOnlineStore,
  { keyed, waiting, forgotten }: HeldView,
  piece: PendingRows,
  { record, listed, floorUs, signal }: PieceOptions,
): Promise<void> {
  const { numbers, places } = piece;
  const { byKey, rowAt, entryOf } = addedOf(keyed, piece, { record, floorUs });
  const keys = [...byKey.keys()];
  const isSettled = (id: string): boolean =>
    [...listed.values()].some((batch) => batch.id === id && rangesHave(record.seenBatches, batch.number)) &&
    !waiting.isWaiting(id);
  const next = createNext(record, isSettled);
  const untilUs = forgotten.reader(keyed.view);
  const change = (position: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[position]!;
    const indexes = byKey.get(key)!;
    const progress = keyed.progressOf(key, current);
    const { removedUs = Number.NEGATIVE_INFINITY } = progress;
    const goneUs = Math.max(removedUs, untilUs(key));
    if (goneUs === Number.NEGATIVE_INFINITY && listed.get(numbers[indexes[0]!]!)!.origin !== "put") {
      const entry = entryOf(key, indexes, current);
      if (entry !== undefined) return entry;
    }
    const fresh: OnlineRow[] = [];
    const calls = new Set<string>();
    for (const index of indexes) {
      const batch = listed.get(numbers[index]!)!;
      if (hasRow(progress, batch, places[index]!)) continue;
      const row = rowAt(key, index);
      if (row.timeUs <= goneUs) continue;
      fresh.push(row);
      if (batch.origin === "put") calls.add(batch.id);
    }
    if (fresh.length === 0) return undefined;
    const after = keyed.adding(keyed.rowsOf(key, current), fresh, floorUs);
    return keyed.withRows(current, after, next(progress, calls));
  };
  if (keys.length > 0) await store.update(keyed.group, keys, change, { signal });
}

function addedOf(
  keyed: KeyedView,
  piece: PendingRows,
  { record, floorUs }: Pick<PieceOptions, "record" | "floorUs">,
): Added {
  if (keyed.isPlain && piece.columns !== undefined) {
    return plainAdded(keyed, piece.columns, { floorUs, progress: progressTo(NO_PROGRESS, record) });
  }
  const { rows } = piece;
  const byKey = new Map<string, number[]>();
  rows.forEach(({ key }, index) => {
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [index]);
    else known.push(index);
  });
  return { byKey, rowAt: (_, index) => rows[index]!, entryOf: () => undefined };
}

/** @returns what an entity knows once rows are there, among them some of batches of calls. */
function createNext(
  record: OnlineCursorRecord,
  isSettled: (batch: string) => boolean,
): (progress: EntityProgress, calls: ReadonlySet<string>) => EntityProgress {
  const work = (progress: EntityProgress, calls: ReadonlySet<string>): EntityProgress => {
    const marks = Array.from(calls, (markedBatch) => ({ markedBatch }));
    return withoutSettled(progressTo(progress, record, marks), isSettled);
  };
  let last = NO_PROGRESS;
  let after = work(last, new Set());
  return (progress, calls) => {
    if (calls.size > 0 || progress.marks.length > 0) return work(progress, calls);
    // Entities that came in together mostly know the same.
    if (progress !== last) [last, after] = [progress, work(progress, calls)];
    return after;
  };
}

/** Loads what happened before a time anew, and notes which batches that were. */
export async function reloadKeyed({ load, upToUs, flush, signal }: KeyedReload, held: HeldView): Promise<Loaded> {
  const { source } = load;
  const { view } = held.keyed;
  const listing = async (): Promise<readonly HistoryBatch[]> => await (await source.log(view.id)).batches();
  const loading = async (options: Omit<LoadOptions, "upToUs" | "signal">): Promise<LoadResult> =>
    await readingHistory(() => loadKeyed(load, view, { ...options, upToUs, signal }));
  let listed = await listing();
  const first = await loading({ listed });
  await loadLate(loading, listing, first.late);
  return await held.turns.alone(async () => {
    // What came into the history meanwhile is little. Rows of it that wait to be added are in it already.
    await flush();
    const before = numbersOf(listed);
    listed = await listing();
    const added = new Set([...numbersOf(listed)].filter((number) => !before.has(number)));
    if (added.size > 0) {
      const { late } = await loading({ listed, entitiesOf: added });
      await loadLate(loading, listing, late);
    }
    const laterRows = added.size === 0 ? 0 : await countRows(load, held, { upToUs, batches: added, signal });
    const cursor = await held.cursor.read({ signal });
    const batches = cursor.pending(listed).length;
    await held.cursor.note(cursor.after(listed), { signal });
    const rows = first.rows + laterRows;
    return { rows, keptRows: first.keptRows, batches, upToMs: upToUs / 1000 };
  }, signal);
}

/** Loads entities that had rows of batches which came after those that were listed, until none is left. */
async function loadLate(
  loading: (options: Omit<LoadOptions, "upToUs" | "signal">) => Promise<LoadResult>,
  listing: () => Promise<readonly HistoryBatch[]>,
  found: ReadonlySet<string>,
): Promise<void> {
  let known = 0;
  for (let late = found; late.size > 0;) {
    const listed = await listing();
    const left = new Set<string>();
    const all = [...late];
    for (let at = 0; at < all.length; at += LATE_AT_ONCE) {
      const keys = all.slice(at, at + LATE_AT_ONCE);
      // Looked for twice in the same batches, and in no journal either time.
      for (const key of (await loading({ listed, keys, isLast: listed.length === known })).late) left.add(key);
    }
    known = listed.length;
    late = left;
  }
}

async function countRows(
  { source, latenessMs }: KeyedLoad,
  { keyed }: HeldView,
  options: Omit<HistoryRowsOptions, "latenessUs">,
): Promise<number> {
  return await readingHistory(async () => {
    let count = 0;
    const { rows } = await historyRows(source, keyed.view, { ...options, latenessUs: latenessMs * 1000 });
    for await (const each of rows) count += each.length;
    return count;
  });
}
