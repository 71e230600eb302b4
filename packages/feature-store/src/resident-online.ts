import {
  unsupported,
  type CallOptions,
  type Clock,
  type FeatureRequest,
  type FeatureVectors,
  type Meter,
} from "@millwright/contracts";
import type { FeatureService, FeatureView } from "./definition.ts";
import { catchUp, type CatchUpTarget } from "./catch-up.ts";
import type { HistoryBatch } from "./history-log.ts";
import { historyRows, type HistoryRowsOptions } from "./history-rows.ts";
import { type HistorySource, readingHistory } from "./history-sql.ts";
import type { CatchUpOptions, ChangeOptions, Loaded, Online, OnlineChange } from "./online.ts";
import { createOnlineCursor, type OnlineCursor } from "./online-cursor.ts";
import type { OnlineMark, OnlineRecord, OnlineRow, OnlineStore } from "./online-store.ts";
import { createOnlineView, type OnlineReading, type OnlineView } from "./online-view.ts";
import { freshnessMeter, readVectors } from "./read-vectors.ts";
import { createKeyedTurns, createTurns, type Turns } from "./turns.ts";

export interface ResidentOnlineOptions {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly store: OnlineStore | undefined;
  readonly latenessMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** Appended records over those that count, before the store is asked to keep only the latter. */
const REWRITE_RATIO = 4;
const REWRITE_ROWS = 100_000;

interface Held {
  state: OnlineView;
  cursor: OnlineCursor;
  /** The last reload: the batches that it found, and up to when it took their rows. */
  reloaded: { readonly ids: ReadonlySet<string>; readonly upToUs: number } | undefined;
  /** Records the store has. */
  stored: number;
  readonly turns: Turns;
}

/** Keeps all rows that reads may need in this process, and appends them to a store that outlives it. */
export async function createResidentOnline(options: ResidentOnlineOptions): Promise<Online> {
  const { views, store, latenessMs } = options;
  const held = new Map<string, Held>();
  for (const view of views.values()) held.set(view.id, await load(view, store, latenessMs));
  return new ResidentOnline(options, held);
}

class ResidentOnline implements Online {
  readonly #options: ResidentOnlineOptions;
  readonly #held: ReadonlyMap<string, Held>;
  readonly #background = new Set<Promise<void>>();
  readonly #inTurnOfKey = createKeyedTurns();
  /** One load of a view at a time. */
  readonly #loading = createKeyedTurns();
  readonly #ages: ReturnType<typeof freshnessMeter>;

  constructor(options: ResidentOnlineOptions, held: ReadonlyMap<string, Held>) {
    this.#options = options;
    this.#held = held;
    this.#ages = freshnessMeter(options.meter);
  }

  read(service: FeatureService, request: FeatureRequest): FeatureVectors {
    const timeUs = Math.round((request.timeMs ?? this.#options.clock.nowMs()) * 1000);
    return readVectors(service, request, { timeUs, ages: this.#ages, stateOf: (view) => this.#of(view).state });
  }

  async add(
    view: FeatureView,
    rows: readonly OnlineRow[],
    signal: AbortSignal | undefined,
    mark?: OnlineMark,
  ): Promise<void> {
    const held = this.#of(view);
    await this.#marked(held, mark, () =>
      held.turns.among(async () => {
        const { ids, upToUs } = held.reloaded ?? {};
        // Its batch was loaded while this call waited.
        const isThere = mark !== undefined && ids?.has(mark.markedBatch) === true;
        const fresh = isThere ? rows.filter(({ timeUs }) => timeUs >= upToUs!) : rows;
        held.state.check(fresh);
        await this.#append(view, held, mark === undefined || isThere ? fresh : [...fresh, mark], signal);
      }),
    );
    this.#rewriteWhenLong(view, held);
  }

  async change(view: FeatureView, key: string, { decide, before, signal }: ChangeOptions): Promise<OnlineChange> {
    const held = this.#of(view);
    const work = async (): Promise<OnlineChange> => {
      signal?.throwIfAborted();
      const change = decide(held.state.newest(key));
      const mark = await before(change);
      const records: OnlineRecord[] = change.removes === true ? [{ removedKey: key }] : [];
      if (change.row !== undefined) records.push(change.row);
      if (mark !== undefined) records.push(mark);
      await this.#marked(held, mark, () => this.#append(view, held, records));
      return change;
    };
    return await this.#inTurnOfKey(`${view.id} ${key}`, () => held.turns.among(work));
  }

  async newest(view: FeatureView, keys: readonly string[]): Promise<(OnlineRow | undefined)[]> {
    const { state } = this.#of(view);
    return keys.map((key) => state.newest(key));
  }

  async readOne(view: FeatureView, key: string, timeUs: number): Promise<OnlineReading> {
    const { state } = this.#of(view);
    return state.read(key, timeUs, new Float64Array(state.aggregates.names.length));
  }

  isMarked(view: FeatureView, mark: OnlineMark): boolean {
    return this.#of(view).cursor.has(mark);
  }

  async reload(
    view: FeatureView,
    { upToMs, flush, signal }: CallOptions & { readonly upToMs: number; readonly flush: () => Promise<void> },
  ): Promise<Loaded> {
    const { source, store, latenessMs } = this.#options;
    const held = this.#of(view);
    const upToUs = Math.round(upToMs * 1000);
    const log = await source.log(view.id);
    const state = createOnlineView(view, { latenessMs });
    const numbers = new Set<number>();
    /** Loads batches that were not loaded yet. */
    const loadNew = async (): Promise<readonly HistoryBatch[]> => {
      const listed = await log.batches();
      const batches = new Set(listed.map(({ number }) => number).filter((number) => !numbers.has(number)));
      const options = { upToUs, latenessUs: latenessMs * 1000, batches, signal };
      if (batches.size > 0 || numbers.size === 0) {
        state.add(await readingHistory(() => fromHistory(source, view, options)));
      }
      for (const number of batches) numbers.add(number);
      return listed;
    };
    return await this.#loading(view.id, async () => {
      await loadNew();
      return await held.turns.alone(async () => {
        // What came into the history meanwhile is little. Rows of it that wait to be added are in it already.
        await flush();
        const listed = await loadNew();
        const rows = state.rows;
        state.add(rowsFrom(held.state, upToUs));
        const batches = held.cursor.pending(listed).length;
        const cursor = createOnlineCursor();
        for (const record of [...held.cursor.records(), held.cursor.after(listed)]) cursor.take(record);
        await store!.replace(view.id, recordsOf({ state, cursor }), { signal });
        Object.assign(held, {
          state,
          cursor,
          stored: state.rows,
          reloaded: { ids: new Set(listed.map(({ id }) => id)), upToUs },
        });
        return { rows, keptRows: state.rows - rows, batches };
      });
    });
  }

  async catchUp(view: FeatureView, { select = () => true, signal }: CatchUpOptions): Promise<Loaded> {
    const { source, latenessMs, clock } = this.#options;
    const held = this.#of(view);
    const run = { nowUs: Math.round(clock.nowMs() * 1000), latenessUs: latenessMs * 1000, select, signal };
    const loaded = await this.#loading(view.id, async () => {
      const keptRows = held.state.rows;
      const keep: CatchUpTarget["keep"] = (rows, { floor, cursor }) =>
        held.turns.among(async () => {
          held.state.check(rows);
          await this.#append(view, held, [...(floor === undefined ? [] : [floor]), ...rows, cursor], signal);
        });
      return { keptRows, ...(await catchUp(source, view, { cursor: held.cursor, keep }, run)) };
    });
    this.#rewriteWhenLong(view, held);
    return loaded;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#background);
  }

  #of(view: FeatureView): Held {
    if (this.#options.store === undefined) {
      throw unsupported("Online reading and pushing without an online store", "Open the feature store with `online`.");
    }
    return this.#held.get(view.id)!;
  }

  /** Does work whose rows carry a mark: from here on nobody else brings them online. */
  async #marked(held: Held, mark: OnlineMark | undefined, work: () => Promise<void>): Promise<void> {
    if (mark !== undefined) held.cursor.take(mark);
    try {
      await work();
    } catch (error) {
      if (mark !== undefined) held.cursor.drop(mark);
      throw error;
    }
  }

  async #append(view: FeatureView, held: Held, records: readonly OnlineRecord[], signal?: AbortSignal): Promise<void> {
    if (records.length === 0) return;
    await this.#options.store!.append(view.id, records, { signal });
    held.state.add(records);
    for (const record of records) held.cursor.take(record);
    held.stored += records.length;
  }

  /** Leaves the store with what counts, once what was appended is much more. */
  #rewriteWhenLong(view: FeatureView, held: Held): void {
    if (held.stored < REWRITE_ROWS + held.state.rows * REWRITE_RATIO) return;
    held.stored = held.state.rows;
    const rewriting = held.turns
      .alone(() => this.#options.store!.replace(view.id, recordsOf(held)))
      // The store then keeps more than it needs, which is no loss; what is wrong with it the next push will say.
      .catch(() => {})
      .finally(() => this.#background.delete(rewriting));
    this.#background.add(rewriting);
  }
}

/** The rows from a time on. Where some of those may have been dropped already, that stays known; what was dropped before is in the history. */
function* rowsFrom(state: OnlineView, fromUs: number): IterableIterator<OnlineRecord> {
  for (const record of state.records(fromUs)) if (!("floorUs" in record) || record.floorUs > fromUs) yield record;
}

async function load(view: FeatureView, store: OnlineStore | undefined, latenessMs: number): Promise<Held> {
  const state = createOnlineView(view, { latenessMs });
  const cursor = createOnlineCursor();
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.id)) {
      state.add([record]);
      cursor.take(record);
      stored++;
    }
  }
  return { state, cursor, reloaded: undefined, stored, turns: createTurns() };
}

/** All that is to be kept of a view. */
function* recordsOf({ state, cursor }: Pick<Held, "state" | "cursor">): IterableIterator<OnlineRecord> {
  yield* state.records();
  yield* cursor.records();
}

async function fromHistory(
  source: HistorySource,
  view: FeatureView,
  options: HistoryRowsOptions,
): Promise<OnlineRecord[]> {
  const { floorUs, rows } = await historyRows(source, view, options);
  const records: OnlineRecord[] = [{ floorUs }];
  for await (const batch of rows) for (const row of batch) records.push(row);
  return records;
}
