import {
  unsupported,
  type CallOptions,
  type Clock,
  type FeatureRequest,
  type FeatureVectors,
  type Meter,
} from "@millwright/contracts";
import { columnOf } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import type { FeatureService, FeatureView } from "./definition.ts";
import { historySql, namingFile, readingHistory, type HistorySource } from "./history-sql.ts";
import type { ChangeOptions, MaterializeOptions, MaterializeResult, Online, OnlineChange } from "./online.ts";
import { onlineRows } from "./online-rows.ts";
import type { OnlineRecord, OnlineRow, OnlineStore } from "./online-store.ts";
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

  async add(view: FeatureView, rows: readonly OnlineRow[], signal: AbortSignal | undefined): Promise<void> {
    const held = this.#of(view);
    await held.turns.among(async () => {
      held.state.check(rows);
      await this.#append(view, held, rows, signal);
    });
    this.#rewriteWhenLong(view, held);
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

  async materialize(view: FeatureView, { upToMs, signal }: MaterializeOptions): Promise<MaterializeResult> {
    const { source, store, latenessMs } = this.#options;
    const held = this.#of(view);
    const upToUs = Math.round(upToMs * 1000);
    const records = await readingHistory(() =>
      fromHistory(source, view, { upToUs, latenessUs: latenessMs * 1000, signal }),
    );
    const state = createOnlineView(view, { latenessMs });
    state.add(records);
    const rows = state.rows;
    return await held.turns.alone(async () => {
      state.add(rowsFrom(held.state, upToUs));
      await store!.replace(view.id, state.records(), { signal });
      held.state = state;
      held.stored = state.rows;
      return { rows, keptRows: state.rows - rows };
    });
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
    if (held.stored < REWRITE_ROWS + held.state.rows * REWRITE_RATIO) return;
    held.stored = held.state.rows;
    const rewriting = held.turns
      .alone(() => this.#options.store!.replace(view.id, held.state.records()))
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
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.id)) {
      state.add([record]);
      stored++;
    }
  }
  return { state, stored, turns: createTurns() };
}

/** The rows before a time that reads from then on can need: a window's length back, and each entity's newest before that. */
async function fromHistory(
  source: HistorySource,
  view: FeatureView,
  { upToUs, latenessUs, signal }: CallOptions & { readonly upToUs: number; readonly latenessUs: number },
): Promise<OnlineRecord[]> {
  const { aggregates } = createOnlineView(view, { latenessMs: 0 });
  const floorUs = upToUs - latenessUs - aggregates.longestUs;
  const { sql: rows } = await historySql(source, view, {
    range: { firstUs: upToUs - latenessUs, lastUs: upToUs - 1 },
  });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const newestFirst = `"_time" DESC, "_created" DESC NULLS LAST, "_sequence" ${view.ties === "first" ? "ASC" : "DESC"}`;
  const sql = `SELECT * FROM (${rows})
    QUALIFY "_time" >= ${floorUs} OR row_number() OVER (PARTITION BY ${keys}, "_time" >= ${floorUs} ORDER BY ${newestFirst}) = 1
    ORDER BY "_time", "_sequence"`;
  const records: OnlineRecord[] = [{ floorUs }];
  try {
    for await (const batch of source.duckdb.query(sql, { signal })) {
      const columns = {
        time: columnOf(batch, "_time"),
        created: columnOf(batch, "_created"),
        deleted: columnOf(batch, "_deleted"),
        expires: columnOf(batch, "_expires"),
      };
      for (const row of onlineRows(view, batch, columns)) records.push(row);
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
  return records;
}
