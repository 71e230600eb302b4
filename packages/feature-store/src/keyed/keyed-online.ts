import type {
  CallOptions,
  Clock,
  Column,
  FeatureRequest,
  FeatureVectors,
  Histogram,
  Meter,
} from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { keyedNumbers } from "./keyed-numbers.ts";
import { catchUpKeyed, reloadKeyed } from "./keyed-catch-up.ts";
import { progressWith, withoutSettled } from "./entity-progress.ts";
import { holdView, type MarkedRows, writeRows, type HeldView } from "./keyed-held.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { boundaryOf } from "./keyed-materialize.ts";
import { emptyColumns, readKeyed } from "./keyed-read.ts";
import { notSynchronous, type KeyedOnlineStore, type Unpurged } from "./keyed-store.ts";
import { createKeyedView, type KeyedView } from "./keyed-view.ts";
import type {
  Arrival,
  CatchUpOptions,
  ChangeOptions,
  Loaded,
  Online,
  OnlineChange,
  ReloadOptions,
} from "../online/online.ts";
import { createOnDemand, type OnDemand } from "../online/on-demand.ts";
import { withOnDemand } from "../online/on-demand-read.ts";
import type { OnlineMark, OnlineRow } from "../online/online-store.ts";
import type { OnlineReading } from "../online/online-view.ts";
import { freshnessMeter } from "../online/read-vectors.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { createKeyedTurns } from "../online/turns.ts";
import type { ViewNumbers } from "../online/vector-reader.ts";
import { openWaitingPuts } from "../online/waiting-puts.ts";

export interface KeyedOnlineOptions {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly store: KeyedOnlineStore;
  readonly latenessMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** Keeps nothing in this process: each entity's rows stand in a keyed store, which other processes may read and write as well. */
export function createKeyedOnline(options: KeyedOnlineOptions): Online {
  return new KeyedOnline(options);
}

class KeyedOnline implements Online {
  readonly #options: KeyedOnlineOptions;
  readonly #views: ReadonlyMap<string, HeldView>;
  readonly #inTurnOfKey = createKeyedTurns();
  readonly #ages: Histogram;
  readonly #onDemand: OnDemand;
  /** One load of a view at a time. */
  readonly #loading = createKeyedTurns();
  readonly #empty = new WeakMap<FeatureService, Record<string, Column>>();
  readonly #viewOf = (view: FeatureView): KeyedView => this.#of(view).keyed;
  #generation = 0;

  constructor(options: KeyedOnlineOptions) {
    const { views, source, store, latenessMs, meter } = options;
    this.#options = options;
    this.#views = new Map(
      [...views.values()].map((view) => {
        const waiting = openWaitingPuts(source.directory, view);
        const { forgotten } = source;
        return [view.id, holdView(store, createKeyedView(view, latenessMs), { waiting, forgotten })];
      }),
    );
    this.#ages = freshnessMeter(meter);
    this.#onDemand = createOnDemand({ clock: options.clock });
  }

  async read(service: FeatureService, request: FeatureRequest): Promise<FeatureVectors> {
    const { store, clock } = this.#options;
    const timeUs = Math.round((request.timeMs ?? clock.nowMs()) * 1000);
    let empty = this.#empty.get(service);
    if (empty === undefined) this.#empty.set(service, (empty = emptyColumns(service)));
    const options = { store, timeUs, ages: this.#ages, viewOf: this.#viewOf, empty };
    const stored = readKeyed(service, request, options);
    if (service.onDemand.length === 0) return await stored;
    return await withOnDemand(service, request, await stored, this.#onDemand);
  }

  numbers(service: FeatureService): readonly ViewNumbers[] {
    const { store } = this.#options;
    if (!store.capabilities.synchronous) throw notSynchronous();
    return keyedNumbers(store, service.views.map(this.#viewOf));
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
    return await held.marked(mark, () =>
      held.turns.among(async () => {
        const newestUs = await addRows(this.#options, held, rows, { mark, signal });
        if (mark !== undefined) await held.cursor.note(mark);
        return this.#arrival(held, rows, newestUs);
      }, signal),
    );
  }

  /** @param beforeUs The newest of the entities' rows that were there. */
  #arrival(held: HeldView, rows: readonly OnlineRow[], beforeUs: number): Arrival {
    const { latenessMs } = this.#options;
    // Known of the view is what this process wrote, and what stands there of the same entities.
    const knownUs = Math.max(beforeUs, held.newestUs);
    const watermarkUs = knownUs - latenessMs * 1000;
    const lateRows = rows.reduce((late, { timeUs }) => (timeUs < watermarkUs ? late + 1 : late), 0);
    const newestUs = rows.reduce((newest, { timeUs }) => Math.max(newest, timeUs), knownUs);
    held.newestUs = newestUs;
    return { lateRows, watermarkMs: Number.isFinite(newestUs) ? newestUs / 1000 - latenessMs : undefined };
  }

  async isMarked(view: FeatureView, mark: OnlineMark): Promise<boolean> {
    return (await this.#of(view).cursor.read()).has(mark);
  }

  /**
   * Decides, does what comes before, and then changes the entity if its newest row is still the one decided on: where another process changed it
   * meanwhile, all is done again, on the newer row.
   */
  async change(view: FeatureView, key: string, options: ChangeOptions): Promise<OnlineChange> {
    const held = this.#of(view);
    const work = async (): Promise<OnlineChange> => {
      for (;;) {
        options.signal?.throwIfAborted();
        const newest = await this.#newestOf(held.keyed, key, options);
        const change = options.decide(newest);
        const mark = await options.before(change);
        const isApplied = await held.marked(mark, async () => {
          const done = await this.#applied(held.keyed, key, newest, { ...change, mark });
          if (done && mark !== undefined) await held.cursor.note(mark);
          return done;
        });
        if (isApplied) return change;
      }
    };
    return await this.#inTurnOfKey(`${view.id} ${key}`, () => held.turns.among(work, options.signal));
  }

  async newest(view: FeatureView, keys: readonly string[], options?: CallOptions): Promise<(OnlineRow | undefined)[]> {
    const { keyed } = this.#of(view);
    if (Object.keys(view.features).length === 0) return keys.map(() => undefined);
    const found = await this.#options.store.read(keyed.group, keys, options);
    return keys.map((key, index) => keyed.newest(key, keyed.rowsOf(key, found[index])));
  }

  async readOne(view: FeatureView, key: string, timeUs: number, options?: CallOptions): Promise<OnlineReading> {
    const { keyed } = this.#of(view);
    const [bytes] = await this.#options.store.read(keyed.group, [key], options);
    const results = keyed.aggregates.createResults();
    return keyed.read(key, keyed.rowsOf(key, bytes), timeUs, results);
  }

  async reload(view: FeatureView, { upToMs, flush, signal }: ReloadOptions): Promise<Loaded> {
    const { store, source, latenessMs, clock } = this.#options;
    const held = this.#of(view);
    return await this.#loading(view.id, async () => {
      this.#generation = Math.max(this.#generation + 1, Math.round(clock.nowMs() * 1000));
      const { keyed, waiting } = held;
      const outdated = (await held.cursor.read({ signal })).seen;
      const { forgotten } = source;
      const load = { keyed, waiting, forgotten, outdated, store, source, latenessMs, generation: this.#generation };
      const upToUs = await boundaryOf(load, Math.round(upToMs * 1000), signal);
      return await reloadKeyed({ load, upToUs, flush, signal }, held);
    });
  }

  async catchUp(view: FeatureView, options: CatchUpOptions): Promise<Loaded> {
    const held = this.#of(view);
    return await this.#loading(view.id, () => catchUpKeyed(this.#options, held, options));
  }

  async forget(view: FeatureView, key: string, { signal }: CallOptions): Promise<string | undefined> {
    const { keyed, turns } = this.#of(view);
    return await this.#loading(view.id, () =>
      turns.alone(async () => {
        let isThere = false;
        const change = (_: number, current: Uint8Array | undefined): null | undefined => {
          isThere = current !== undefined;
          return isThere ? null : undefined;
        };
        await this.#options.store.update(keyed.group, [key], change, { signal });
        return isThere ? keyed.group : undefined;
      }, signal),
    );
  }

  async purge(view: FeatureView, key: string, { signal }: CallOptions): Promise<readonly Unpurged[]> {
    const { store } = this.#options;
    const { group } = this.#of(view).keyed;
    if (store.purge !== undefined) return await store.purge(group, key, { signal });
    const { durable, shared } = store.capabilities;
    return durable || shared ? [unknownRest(group)] : [];
  }

  async settle(): Promise<void> {}

  #of(view: FeatureView): HeldView {
    return this.#views.get(view.id)!;
  }

  async #newestOf(keyed: KeyedView, key: string, { signal }: CallOptions): Promise<OnlineRow | undefined> {
    const [bytes] = await this.#options.store.read(keyed.group, [key], { signal });
    return keyed.newest(key, keyed.rowsOf(key, bytes));
  }

  /** @returns false where the newest row is another one than was decided on; nothing is changed then. */
  async #applied(
    keyed: KeyedView,
    key: string,
    decidedOn: OnlineRow | undefined,
    { row, removedUs, mark }: OnlineChange & { readonly mark: OnlineMark | undefined },
  ): Promise<boolean> {
    let isApplied = true;
    await this.#options.store.update(keyed.group, [key], (_, current) => {
      const kept = keyed.rowsOf(key, current);
      isApplied = isSameRow(keyed.newest(key, kept), decidedOn);
      if (!isApplied || (row === undefined && removedUs === undefined)) return undefined;
      const before = keyed.progressOf(key, current);
      const progress = mark === undefined ? before : progressWith(before, mark);
      // What is known of the history stays without rows too: nothing brings them back from there.
      const left = removedUs === undefined ? kept : { ...kept, rows: [], others: [] };
      const known = removedUs === undefined ? progress : { ...progress, removedUs };
      return keyed.withRows(current, row === undefined ? left : keyed.adding(left, [row]), known);
    });
    return isApplied;
  }
}

const unknownRest = (group: string): Unpurged => ({
  path: `online/${group}`,
  reason: "the store does not say what deleted entries leave behind in it",
  remedy: "Look into what its engine offers, or load the views into a new store and delete this one.",
});

/** @returns the newest time that stood there before. */
async function addRows(
  { store, source }: KeyedOnlineOptions,
  held: HeldView,
  rows: readonly OnlineRow[],
  { mark, signal }: MarkedRows,
): Promise<number> {
  const { newestUs, unsure, crowded } = await writeRows(store, held, rows, { mark, signal });
  if (mark === undefined || unsure.size + crowded.length === 0) return newestUs;
  const batches = await (await source.log(held.keyed.view.id)).batches();
  if (unsure.size > 0) {
    const number = batches.find(({ id }) => id === mark.markedBatch)?.number ?? -1;
    const left = rows.filter(({ key }) => unsure.has(key));
    await writeRows(store, held, left, { mark, number, signal });
  }
  if (crowded.length > 0) await forgetSettled(store, held, { keys: crowded, batches, signal });
  return newestUs;
}

/** Takes out of what entities know the batches of calls of which nothing comes again: neither from a journal nor out of the history. */
async function forgetSettled(
  store: KeyedOnlineStore,
  { keyed, cursor, waiting }: HeldView,
  {
    keys,
    batches,
    signal,
  }: CallOptions & { readonly keys: readonly string[]; readonly batches: readonly HistoryBatch[] },
): Promise<void> {
  const pending = new Set((await cursor.read({ signal })).pending(batches));
  const settled = new Set(batches.filter((batch) => !pending.has(batch)).map(({ id }) => id));
  const isSettled = (batch: string): boolean => settled.has(batch) && !waiting.isWaiting(batch);
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const before = keyed.progressOf(keys[index]!, current);
    const after = withoutSettled(before, isSettled);
    return after === before ? undefined : keyed.withRows(current, keyed.rowsOf(keys[index]!, current), after);
  };
  await store.update(keyed.group, keys, change, { signal });
}

const isSameRow = (one: OnlineRow | undefined, other: OnlineRow | undefined): boolean =>
  one === other ||
  (one !== undefined &&
    other !== undefined &&
    one.timeUs === other.timeUs &&
    one.createdUs === other.createdUs &&
    one.expiresUs === other.expiresUs &&
    one.isDeleted === other.isDeleted &&
    one.values.every((value, index) => Object.is(value, other.values[index])));
