import {
  unsupported,
  type CallOptions,
  type Clock,
  type FeatureRequest,
  type FeatureVectors,
  type Meter,
} from "@millwright/contracts";
import { catchUp, type CatchUpTarget } from "./catch-up.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { Unpurged } from "../keyed/keyed-store.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { Arrival, CatchUpOptions, ChangeOptions, Loaded, Online, OnlineChange, ReloadOptions } from "./online.ts";
import { addHistory, addKept, rowsFrom } from "./online-load.ts";
import { createOnlineCursor } from "./online-cursor.ts";
import type { OnlineMark, OnlineRecord, OnlineRow, OnlineStore } from "./online-store.ts";
import { createOnDemand, type OnDemand } from "./on-demand.ts";
import { withOnDemand } from "./on-demand-read.ts";
import { createOnlineView, type OnlineReading } from "./online-view.ts";
import { freshnessMeter, readStored } from "./read-vectors.ts";
import { type Held, loadHeld, marked, recordsOf } from "./resident-held.ts";
import { createKeyedTurns } from "./turns.ts";
import { writeReading, type ViewNumbers } from "./vector-reader.ts";

export interface ResidentOnlineOptions extends CallOptions {
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

/** Keeps all rows that reads may need in this process, and appends them to a store that outlives it. */
export async function createResidentOnline(options: ResidentOnlineOptions): Promise<Online> {
  const { views, store, latenessMs, signal } = options;
  const held = new Map<string, Held>();
  for (const view of views.values()) held.set(view.id, await loadHeld(view, { store, latenessMs, signal }));
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
  readonly #onDemand: OnDemand;

  constructor(options: ResidentOnlineOptions, held: ReadonlyMap<string, Held>) {
    this.#options = options;
    this.#held = held;
    this.#ages = freshnessMeter(options.meter);
    this.#onDemand = createOnDemand({ clock: options.clock });
  }

  async read(service: FeatureService, request: FeatureRequest): Promise<FeatureVectors> {
    const timeUs = Math.round((request.timeMs ?? this.#options.clock.nowMs()) * 1000);
    const reading = { timeUs, ages: this.#ages, stateOf: (view: FeatureView) => this.#of(view).state };
    const stored = readStored(service, request, reading);
    return service.onDemand.length === 0 ? stored : await withOnDemand(service, request, stored, this.#onDemand);
  }

  numbers(service: FeatureService): readonly ViewNumbers[] {
    return service.views.map((view): ViewNumbers => {
      const features = Object.keys(view.features).length;
      const held = this.#of(view);
      const results = held.state.aggregates.createResults();
      let found: OnlineReading;
      return {
        view,
        look: (key, timeUs) => (found = held.state.read(key, timeUs, results)),
        write: (target, at) => writeReading(found, features, results, target, at),
      };
    });
  }

  observe({ name }: FeatureView, ageMs: number): void {
    this.#ages.observe(ageMs / 1000, { view: name });
  }

  async add(
    view: FeatureView,
    rows: readonly OnlineRow[],
    signal: AbortSignal | undefined,
    mark?: OnlineMark,
  ): Promise<Arrival> {
    const held = this.#of(view);
    const work = async (): Promise<number> => {
      // Its batch may have been loaded while this call waited.
      const { ids, upToUs = 0 } = held.reloaded ?? {};
      const isThere = mark !== undefined && ids?.has(mark.markedBatch) === true;
      const fresh = isThere ? rows.filter(({ timeUs }) => timeUs >= upToUs) : rows;
      held.state.check(fresh);
      const { watermarkUs } = held.state;
      await this.#append(view, held, mark === undefined || isThere ? fresh : [...fresh, mark], signal);
      return rows.reduce((late, { timeUs }) => (timeUs < watermarkUs ? late + 1 : late), 0);
    };
    const lateRows = await marked(held, mark, () => held.turns.among(work, signal));
    this.#rewriteWhenLong(view, held);
    const { watermarkUs } = held.state;
    return { lateRows, watermarkMs: Number.isFinite(watermarkUs) ? watermarkUs / 1000 : undefined };
  }

  async change(view: FeatureView, key: string, { decide, before, signal }: ChangeOptions): Promise<OnlineChange> {
    const held = this.#of(view);
    const work = async (): Promise<OnlineChange> => {
      signal?.throwIfAborted();
      const change = decide(held.state.newest(key));
      const mark = await before(change);
      const records: OnlineRecord[] = change.removedUs !== undefined ? [{ removedKey: key }] : [];
      if (change.row !== undefined) records.push(change.row);
      if (mark !== undefined) records.push(mark);
      await marked(held, mark, () => this.#append(view, held, records));
      return change;
    };
    return await this.#inTurnOfKey(`${view.id} ${key}`, () => held.turns.among(work, signal));
  }

  async newest(view: FeatureView, keys: readonly string[]): Promise<(OnlineRow | undefined)[]> {
    const { state } = this.#of(view);
    return keys.map((key) => state.newest(key));
  }

  async readOne(view: FeatureView, key: string, timeUs: number): Promise<OnlineReading> {
    const { state } = this.#of(view);
    return state.read(key, timeUs, state.aggregates.createResults());
  }

  async isMarked(view: FeatureView, mark: OnlineMark): Promise<boolean> {
    return this.#of(view).cursor.has(mark);
  }

  async reload(view: FeatureView, { upToMs, flush, signal }: ReloadOptions): Promise<Loaded> {
    const { source, store, latenessMs } = this.#options;
    const held = this.#of(view);
    return await this.#loading(view.id, async () => {
      const upToUs = held.state.boundaryAt(Math.round(upToMs * 1000));
      const state = createOnlineView(view, { latenessMs });
      const options = { upToUs, latenessUs: latenessMs * 1000, signal };
      const numbers = new Set<number>();
      let rows = await addHistory(source, view, state, { ...options, numbers });
      return await held.turns.alone(async () => {
        // What came into the history meanwhile is little. Rows of it that wait to be added are in it already.
        await flush();
        rows += await addHistory(source, view, state, { ...options, numbers });
        const listed = (await (await source.log(view.id)).batches()).filter(({ number }) => numbers.has(number));
        const keptRows = addKept(state, rowsFrom(held.state, upToUs));
        const batches = held.cursor.pending(listed).length;
        const cursor = createOnlineCursor();
        for (const record of [...held.cursor.records(), held.cursor.after(listed)]) cursor.take(record);
        await store!.replace(view.id, recordsOf({ state, cursor }), { signal });
        const reloaded = { ids: new Set(listed.map(({ id }) => id)), upToUs };
        Object.assign(held, { state, cursor, reloaded, stored: state.size });
        return { rows, keptRows, batches, upToMs: upToUs / 1000 };
      }, signal);
    });
  }

  async catchUp(view: FeatureView, { select = () => true, signal }: CatchUpOptions): Promise<Loaded> {
    const { source, latenessMs, clock } = this.#options;
    const held = this.#of(view);
    const nowMs = clock.nowMs();
    const run = { nowUs: Math.round(nowMs * 1000), latenessUs: latenessMs * 1000, select, signal };
    const loaded = await this.#loading(view.id, async () => {
      const keptRows = held.state.size;
      const keep: CatchUpTarget["keep"] = ({ rows }, { floor, cursor }) =>
        held.turns.among(async () => {
          held.state.check(rows);
          await this.#append(view, held, [...(floor === undefined ? [] : [floor]), ...rows, cursor], signal);
        }, signal);
      return { keptRows, upToMs: nowMs, ...(await catchUp(source, view, { cursor: held.cursor, keep }, run)) };
    });
    this.#rewriteWhenLong(view, held);
    return loaded;
  }

  async forget(view: FeatureView, key: string, { signal }: CallOptions): Promise<string | undefined> {
    const held = this.#of(view);
    return await this.#loading(view.id, () =>
      held.turns.alone(async () => {
        const before = held.state.size;
        held.state.add([{ removedKey: key }]);
        // What was appended before stands in the store until that is written anew.
        await this.#options.store!.replace(view.id, recordsOf(held), { signal });
        held.stored = held.state.size;
        return held.state.size < before ? view.id : undefined;
      }, signal),
    );
  }

  /** What was appended went with the files that `forget` wrote anew. */
  async purge(): Promise<readonly Unpurged[]> {
    return [];
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

  async #append(view: FeatureView, held: Held, records: readonly OnlineRecord[], signal?: AbortSignal): Promise<void> {
    if (records.length === 0) return;
    await this.#options.store!.append(view.id, records, { signal });
    held.state.add(records);
    for (const record of records) held.cursor.take(record);
    held.stored += records.length;
  }

  /** Leaves the store with what counts, once what was appended is much more. */
  #rewriteWhenLong(view: FeatureView, held: Held): void {
    if (held.stored < REWRITE_ROWS + held.state.size * REWRITE_RATIO) return;
    held.stored = held.state.size;
    const rewriting = held.turns
      .alone(() => this.#options.store!.replace(view.id, recordsOf(held)))
      // The store then keeps more than it needs, which is no loss; what is wrong with it the next push will say.
      .catch(() => {})
      .finally(() => this.#background.delete(rewriting));
    this.#background.add(rewriting);
  }
}
