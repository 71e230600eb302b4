import {
  unsupported,
  type CallOptions,
  type Clock,
  type FeatureRequest,
  type FeatureVectors,
  type Meter,
} from "@millwright/contracts";
import type { FeatureView } from "./definition.ts";
import type { FeatureService } from "./service-definition.ts";
import { historyRows, type HistoryRowsOptions } from "./history-rows.ts";
import type { HistorySource } from "./history-sql.ts";
import type { Arrival, ChangeOptions, MaterializeOptions, MaterializeResult, Online, OnlineChange } from "./online.ts";
import type { OnlineRecord, OnlineRow, OnlineStore } from "./online-store.ts";
import { createOnDemand, type OnDemand } from "./on-demand.ts";
import { withOnDemand } from "./on-demand-read.ts";
import { createOnlineView, type OnlineReading, type OnlineView } from "./online-view.ts";
import { freshnessMeter, readStored } from "./read-vectors.ts";
import { createKeyedTurns, createTurns, type Turns } from "./turns.ts";
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

interface Held {
  state: OnlineView;
  /** Records the store has. */
  stored: number;
  readonly turns: Turns;
}

/** Keeps all rows that reads may need in this process, and appends them to a store that outlives it. */
export async function createResidentOnline(options: ResidentOnlineOptions): Promise<Online> {
  const { views, store, latenessMs, signal } = options;
  const held = new Map<string, Held>();
  for (const view of views.values()) held.set(view.id, await load(view, { store, latenessMs, signal }));
  return new ResidentOnline(options, held);
}

class ResidentOnline implements Online {
  readonly #options: ResidentOnlineOptions;
  readonly #held: ReadonlyMap<string, Held>;
  readonly #background = new Set<Promise<void>>();
  readonly #inTurnOfKey = createKeyedTurns();
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

  async add(view: FeatureView, rows: readonly OnlineRow[], signal: AbortSignal | undefined): Promise<Arrival> {
    const held = this.#of(view);
    const lateRows = await held.turns.among(async () => {
      held.state.check(rows);
      const { watermarkUs } = held.state;
      await this.#append(view, held, rows, signal);
      return rows.reduce((late, { timeUs }) => (timeUs < watermarkUs ? late + 1 : late), 0);
    }, signal);
    this.#rewriteWhenLong(view, held);
    const { watermarkUs } = held.state;
    return { lateRows, watermarkMs: Number.isFinite(watermarkUs) ? watermarkUs / 1000 : undefined };
  }

  async change(view: FeatureView, key: string, { decide, before, signal }: ChangeOptions): Promise<OnlineChange> {
    const held = this.#of(view);
    const work = async (): Promise<OnlineChange> => {
      signal?.throwIfAborted();
      const change = decide(held.state.newest(key));
      await before(change);
      if (change.removes === true) await this.#append(view, held, [{ removedKey: key }]);
      else if (change.row !== undefined) await this.#append(view, held, [change.row]);
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

  async materialize(view: FeatureView, { upToMs, signal }: MaterializeOptions): Promise<MaterializeResult> {
    const { source, store, latenessMs } = this.#options;
    const held = this.#of(view);
    const upToUs = held.state.boundaryAt(Math.round(upToMs * 1000));
    const state = createOnlineView(view, { latenessMs });
    const rows = await addHistory(source, view, state, { upToUs, latenessUs: latenessMs * 1000, signal });
    return await held.turns.alone(async () => {
      const keptRows = addKept(state, rowsFrom(held.state, upToUs));
      await store!.replace(view.id, state.records(), { signal });
      held.state = state;
      held.stored = state.size;
      return { rows, keptRows, upToMs: upToUs / 1000 };
    }, signal);
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
    await this.#options.store!.append(view.id, records, { signal });
    held.state.add(records);
    held.stored += records.length;
  }

  /** Leaves the store with what counts, once what was appended is much more. */
  #rewriteWhenLong(view: FeatureView, held: Held): void {
    if (held.stored < REWRITE_ROWS + held.state.size * REWRITE_RATIO) return;
    held.stored = held.state.size;
    const rewriting = held.turns
      .alone(() => this.#options.store!.replace(view.id, held.state.records()))
      // The store then keeps more than it needs, which is no loss; what is wrong with it the next push will say.
      .catch(() => {})
      .finally(() => this.#background.delete(rewriting));
    this.#background.add(rewriting);
  }
}

/** The rows from a time on. Where some of those may have been dropped already, that stays known; what was dropped before is in the history. */
export function* rowsFrom(state: OnlineView, fromUs: number): IterableIterator<OnlineRecord> {
  for (const record of state.records(fromUs)) if (!("floorUs" in record) || record.floorUs > fromUs) yield record;
}

async function load(
  view: FeatureView,
  { store, latenessMs, signal }: Pick<ResidentOnlineOptions, "store" | "latenessMs" | "signal">,
): Promise<Held> {
  const state = createOnlineView(view, { latenessMs });
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.id, { signal })) {
      state.add([record]);
      stored++;
    }
  }
  return { state, stored, turns: createTurns() };
}

/** Adds the rows of the history before a time that reads from then on can need. @returns how many. */
async function addHistory(
  source: HistorySource,
  view: FeatureView,
  state: OnlineView,
  options: HistoryRowsOptions,
): Promise<number> {
  const { floorUs, rows } = await historyRows(source, view, options);
  let added = 0;
  state.add([{ floorUs }]);
  for await (const records of rows) {
    state.add(records);
    added += records.length;
  }
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
