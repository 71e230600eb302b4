import type {
  CallOptions,
  Clock,
  Column,
  FeatureRequest,
  FeatureVectors,
  Histogram,
  Meter,
} from "@millwright/contracts";
import type { FeatureView } from "./definition.ts";
import type { HistorySource } from "./history-sql.ts";
import { keyedNumbers } from "./keyed-numbers.ts";
import { materializeKeyed } from "./keyed-materialize.ts";
import { emptyColumns, readKeyed } from "./keyed-read.ts";
import { notSynchronous, type KeyedOnlineStore } from "./keyed-store.ts";
import { createKeyedView, type KeyedView } from "./keyed-view.ts";
import type { Arrival, ChangeOptions, MaterializeOptions, MaterializeResult, Online, OnlineChange } from "./online.ts";
import { createOnDemand, type OnDemand } from "./on-demand.ts";
import { withOnDemand } from "./on-demand-read.ts";
import type { OnlineRow } from "./online-store.ts";
import type { OnlineReading } from "./online-view.ts";
import { freshnessMeter } from "./read-vectors.ts";
import type { FeatureService } from "./service-definition.ts";
import { createKeyedTurns } from "./turns.ts";
import type { ViewNumbers } from "./vector-reader.ts";

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
  readonly #views: ReadonlyMap<string, KeyedView>;
  readonly #inTurnOfKey = createKeyedTurns();
  readonly #ages: Histogram;
  readonly #onDemand: OnDemand;
  /** The newest event time of each view that this process has seen, in microseconds. */
  readonly #newestUs = new Map<string, number>();
  readonly #empty = new WeakMap<FeatureService, Record<string, Column>>();
  readonly #viewOf = (view: FeatureView): KeyedView => this.#of(view);
  #generation = 0;

  constructor(options: KeyedOnlineOptions) {
    const { views, latenessMs, meter } = options;
    this.#options = options;
    this.#views = new Map([...views.values()].map((view) => [view.id, createKeyedView(view, latenessMs)]));
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

  async add(view: FeatureView, rows: readonly OnlineRow[], signal: AbortSignal | undefined): Promise<Arrival> {
    const { store, latenessMs } = this.#options;
    const keyed = this.#of(view);
    const byKey = new Map<string, OnlineRow[]>();
    for (const row of rows) {
      const known = byKey.get(row.key);
      if (known === undefined) byKey.set(row.key, [row]);
      else known.push(row);
    }
    const keys = [...byKey.keys()];
    const added = [...byKey.values()];
    // Known of the view is what this process wrote, and what stands there of the same entities.
    let newestUs = this.#newestUs.get(view.id) ?? Number.NEGATIVE_INFINITY;
    await store.update(
      keyed.group,
      keys,
      (index, current) => {
        const kept = keyed.rowsOf(keys[index]!, current);
        for (const { timeUs } of kept.rows) newestUs = Math.max(newestUs, timeUs);
        return keyed.withRows(current, keyed.adding(kept, added[index]!));
      },
      { signal },
    );
    const watermarkUs = newestUs - latenessMs * 1000;
    const lateRows = rows.reduce((late, { timeUs }) => (timeUs < watermarkUs ? late + 1 : late), 0);
    for (const { timeUs } of rows) newestUs = Math.max(newestUs, timeUs);
    this.#newestUs.set(view.id, Math.max(newestUs, this.#newestUs.get(view.id) ?? Number.NEGATIVE_INFINITY));
    return { lateRows, watermarkMs: Number.isFinite(newestUs) ? newestUs / 1000 - latenessMs : undefined };
  }

  /**
   * Decides, does what comes before, and then changes the entity if its newest row is still the one decided on: where another process changed it
   * meanwhile, all is done again, on the newer row.
   */
  async change(view: FeatureView, key: string, options: ChangeOptions): Promise<OnlineChange> {
    const keyed = this.#of(view);
    return await this.#inTurnOfKey(`${view.id} ${key}`, async () => {
      for (;;) {
        options.signal?.throwIfAborted();
        const newest = await this.#newestOf(keyed, key, options);
        const change = options.decide(newest);
        await options.before(change);
        if (await this.#applied(keyed, key, newest, change)) return change;
      }
    });
  }

  async newest(view: FeatureView, keys: readonly string[], options?: CallOptions): Promise<(OnlineRow | undefined)[]> {
    const keyed = this.#of(view);
    if (Object.keys(view.features).length === 0) return keys.map(() => undefined);
    const found = await this.#options.store.read(keyed.group, keys, options);
    return keys.map((key, index) => keyed.newest(key, keyed.rowsOf(key, found[index])));
  }

  async readOne(view: FeatureView, key: string, timeUs: number, options?: CallOptions): Promise<OnlineReading> {
    const keyed = this.#of(view);
    const [bytes] = await this.#options.store.read(keyed.group, [key], options);
    const results = keyed.aggregates.createResults();
    return keyed.read(key, keyed.rowsOf(key, bytes), timeUs, results);
  }

  async materialize(view: FeatureView, options: MaterializeOptions): Promise<MaterializeResult> {
    const { store, source, latenessMs, clock } = this.#options;
    this.#generation = Math.max(this.#generation + 1, Math.round(clock.nowMs() * 1000));
    const load = { keyed: this.#of(view), store, source, latenessMs, generation: this.#generation };
    return await materializeKeyed(load, view, options);
  }

  async settle(): Promise<void> {}

  #of(view: FeatureView): KeyedView {
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
    { row, removes = false }: OnlineChange,
  ): Promise<boolean> {
    let isApplied = true;
    await this.#options.store.update(keyed.group, [key], (_, current) => {
      const kept = keyed.rowsOf(key, current);
      isApplied = isSameRow(keyed.newest(key, kept), decidedOn);
      if (!isApplied || (row === undefined && !removes)) return undefined;
      if (removes)
        return current === undefined ? undefined : keyed.withRows(current, { ...kept, rows: [], others: [] });
      return keyed.withRows(current, keyed.adding(kept, [row!]));
    });
    return isApplied;
  }
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
