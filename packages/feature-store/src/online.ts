import {
  unsupported,
  type Batch,
  type CallOptions,
  type Clock,
  type Column,
  type FeatureRequest,
  type FeatureStatus,
  type FeatureVectors,
  type ViewStatus,
} from "@millwright/contracts";
import { column, columnOf } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import { columnOfOthers } from "./aggregates.ts";
import { featureName, type FeatureService, type FeatureView } from "./definition.ts";
import { createOnDemand } from "./on-demand.ts";
import { withOnDemand } from "./on-demand-read.ts";
import { onlineRows } from "./online-rows.ts";
import type { OnlineRecord, OnlineRow, OnlineStore } from "./online-store.ts";
import { createOnlineView, type OnlineView } from "./online-view.ts";
import { nullWhereNaN } from "./point-in-time.ts";
import { checkBatch, entityKeysOf, sourceSchema } from "./source-columns.ts";
import { historySql, namingFile, type HistorySource } from "./training-set.ts";

export interface PushResult {
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
  /** Rows that came later than `latenessMs` behind the newest row there was before. They count where windows still reach, but answers given may have missed them. */
  readonly lateRows: number;
  /** UTC milliseconds: the newest row's event time less `latenessMs`; undefined without rows. No answer for a time up to it changes, except by late rows. */
  readonly watermarkMs: number | undefined;
}

export interface MaterializeOptions extends CallOptions {
  /** UTC milliseconds: history speaks for what happened before, pushes for what happened from then on. */
  readonly upToMs: number;
}

export interface MaterializeResult {
  /** Rows loaded from history. */
  readonly rows: number;
  /** Rows kept from pushes. */
  readonly keptRows: number;
  /**
   * UTC milliseconds: where history ended and pushes began. It is the `upToMs` asked for or, for a view with windows in tiles that was materialized
   * before, the start of the tile that falls in: what is in a tile cannot be told apart.
   */
  readonly upToMs: number;
}

/** The online side of the store. */
export interface Online {
  read(service: FeatureService, request: FeatureRequest): Promise<FeatureVectors>;
  push(view: FeatureView, batch: Batch, signal: AbortSignal | undefined): Promise<PushResult>;
  materialize(view: FeatureView, options: MaterializeOptions): Promise<MaterializeResult>;
  /** Waits for writes that go on in the background. */
  settle(): Promise<void>;
}

export interface OnlineOptions {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly store: OnlineStore | undefined;
  readonly latenessMs: number;
  readonly clock: Clock;
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

export async function createOnline(options: OnlineOptions): Promise<Online> {
  const { views, source, store, latenessMs, clock } = options;
  const held = new Map<string, Held>();
  for (const view of views.values()) held.set(view.name, await load(view, store, latenessMs));
  const onDemand = createOnDemand({ clock });
  const background = new Set<Promise<void>>();

  const stateOf = (view: FeatureView): Held => {
    if (store === undefined) {
      throw unsupported("Online reading and pushing without an online store", "Open the feature store with `online`.");
    }
    return held.get(view.name)!;
  };
  /** Leaves the store with what counts, once what was appended is much more. */
  const rewriteWhenLong = (view: FeatureView, target: Held): void => {
    if (target.stored < REWRITE_ROWS + target.state.size * REWRITE_RATIO) return;
    target.stored = target.state.size;
    const rewriting = target.turns
      .alone(() => store!.replace(view.name, target.state.records()))
      // The store then keeps more than it needs, which is no loss; what is wrong with it the next push will say.
      .catch(() => {})
      .finally(() => background.delete(rewriting));
    background.add(rewriting);
  };
  return {
    async read(service, request) {
      const timeUs = Math.round((request.timeMs ?? clock.nowMs()) * 1000);
      const stored = readStored(service, request, timeUs, (view) => stateOf(view).state);
      return service.onDemand.length === 0 ? stored : await withOnDemand(service, request, stored, onDemand);
    },
    async push(view, batch, signal) {
      const target = stateOf(view);
      checkBatch(`The rows pushed to the view "${view.name}"`, sourceSchema(view), batch);
      const rows = onlineRows(view, batch);
      const lateRows = await target.turns.among(async () => {
        target.state.check(rows);
        await store!.append(view.name, rows, { signal });
        target.stored += rows.length;
        return addPushed(target.state, rows);
      });
      rewriteWhenLong(view, target);
      const skippedRows = batch.length - rows.length;
      return { rows: rows.length, skippedRows, lateRows, watermarkMs: watermarkOf(target.state) };
    },
    async materialize(view, { upToMs, signal }) {
      const target = stateOf(view);
      const upToUs = target.state.boundaryAt(Math.round(upToMs * 1000));
      const state = createOnlineView(view, { latenessMs });
      const rows = await addHistory(source, view, state, { upToUs, latenessUs: latenessMs * 1000, signal });
      return await target.turns.alone(async () => {
        const keptRows = addKept(state, rowsFrom(target.state, upToUs));
        await store!.replace(view.name, state.records(), { signal });
        target.state = state;
        target.stored = state.size;
        return { rows, keptRows, upToMs: upToUs / 1000 };
      });
    },
    async settle() {
      await Promise.all(background);
    },
  };
}

/** Many may push at once, but nobody while all of a view's rows are put in place of others: a row pushed then would be in neither. */
interface Turns {
  among<Result>(work: () => Promise<Result>): Promise<Result>;
  alone<Result>(work: () => Promise<Result>): Promise<Result>;
}

function createTurns(): Turns {
  let running = 0;
  let idle: (() => void) | undefined;
  let last: Promise<unknown> | undefined;
  return {
    async among(work) {
      while (last !== undefined) await last;
      running++;
      try {
        return await work();
      } finally {
        if (--running === 0) idle?.();
      }
    },
    async alone(work) {
      while (last !== undefined) await last;
      const turn = (async () => {
        if (running > 0) await new Promise<void>((resolve) => (idle = resolve));
        idle = undefined;
        return await work();
      })();
      last = turn.catch(() => {}).finally(() => (last = undefined));
      return await turn;
    },
  };
}

/** Adds rows that come at once. @returns how many of them came too late. */
function addPushed(state: OnlineView, rows: readonly OnlineRow[]): number {
  const { watermarkUs } = state;
  state.add(rows);
  return rows.reduce((late, { timeUs }) => (timeUs < watermarkUs ? late + 1 : late), 0);
}

function watermarkOf({ watermarkUs }: OnlineView): number | undefined {
  return Number.isFinite(watermarkUs) ? watermarkUs / 1000 : undefined;
}

/** @returns how many rows the records stand for. */
function addKept(state: OnlineView, records: Iterable<OnlineRecord>): number {
  let rows = 0;
  for (const record of records) {
    rows += "floorUs" in record ? 0 : "tileUs" in record ? record.rows : 1;
    state.add([record]);
  }
  return rows;
}

/** The rows from a time on. Where some of those may have been dropped already, that stays known; what was dropped before is in the history. */
function* rowsFrom(state: OnlineView, fromUs: number): IterableIterator<OnlineRecord> {
  for (const record of state.records(fromUs)) if (!("floorUs" in record) || record.floorUs > fromUs) yield record;
}

async function load(view: FeatureView, store: OnlineStore | undefined, latenessMs: number): Promise<Held> {
  const state = createOnlineView(view, { latenessMs });
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.name)) {
      state.add([record]);
      stored++;
    }
  }
  return { state, stored, turns: createTurns() };
}

/** Adds the rows before a time that reads from then on can need: a window's length back, and each entity's newest before that. @returns how many. */
async function addHistory(
  source: HistorySource,
  view: FeatureView,
  state: OnlineView,
  { upToUs, latenessUs, signal }: { upToUs: number; latenessUs: number; signal: AbortSignal | undefined },
): Promise<number> {
  const floorUs = upToUs - latenessUs - state.aggregates.longestUs;
  const rows = await historySql(source, view, { firstUs: upToUs - latenessUs, lastUs: upToUs - 1 });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const newestFirst = `"_time" DESC, "_created" DESC NULLS LAST, "_sequence" DESC`;
  const sql = `SELECT * FROM (${rows})
    QUALIFY "_time" >= ${floorUs} OR row_number() OVER (PARTITION BY ${keys}, "_time" >= ${floorUs} ORDER BY ${newestFirst}) = 1
    ORDER BY "_time", "_sequence"`;
  let added = 0;
  state.add([{ floorUs }]);
  try {
    for await (const batch of source.duckdb.query(sql, { signal })) {
      const columns = { time: columnOf(batch, "_time"), created: columnOf(batch, "_created") };
      const records = onlineRows(view, batch, columns);
      state.add(records);
      added += records.length;
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
  return added;
}

function readStored(
  service: FeatureService,
  request: FeatureRequest,
  timeUs: number,
  stateOf: (view: FeatureView) => OnlineView,
): FeatureVectors {
  const columns: Record<string, Column> = {};
  const views: Record<string, ViewStatus> = {};
  for (const view of service.views) {
    views[view.name] = readView(view, stateOf(view), request.entities, timeUs, columns);
  }
  return { features: { length: request.entities.length, columns }, views };
}

/** Reads a view for each entity, and adds its features to the columns. */
function readView(
  view: FeatureView,
  state: OnlineView,
  entities: Batch,
  timeUs: number,
  columns: Record<string, Column>,
): ViewStatus {
  checkBatch(
    "The entities",
    Object.entries(view.entity.keys).map(([name, type]) => ({ name, type })),
    entities,
  );
  const rows = entities.length;
  const keys = entityKeysOf(view.entity.keys, entities);
  const { types } = state.aggregates;
  const results = state.aggregates.createResults();
  const numbers = types.map(() => new Float64Array(rows));
  const others = types.map((): unknown[] => []);
  const features = Object.entries(view.features);
  const values = features.map((): unknown[] => []);
  const status: FeatureStatus[] = [];
  const ageMs = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const reading = state.read(keys[row], timeUs, results);
    status.push(reading.status);
    ageMs[row] = reading.ageMs;
    for (let index = 0; index < types.length; index++) {
      numbers[index]![row] = results.numbers[index]!;
      others[index]!.push(results.others[index]);
    }
    values.forEach((each, index) => each.push(reading.values?.[index] ?? null));
  }
  features.forEach(([name, type], index) => {
    columns[featureName(view, name)] = column(type, values[index] as Parameters<typeof column>[1]);
  });
  state.aggregates.names.forEach((name, index) => {
    const type = types[index]!;
    if (type === "utf8" || type === "list") {
      columns[featureName(view, name)] = columnOfOthers(type, others[index]!);
      return;
    }
    const floats = nullWhereNaN(numbers[index]!);
    columns[featureName(view, name)] = type === "int32" ? asInt32(floats) : floats;
  });
  return { status, ageMs };
}

function asInt32(floats: Column): Column {
  const { validity } = floats;
  const values = Int32Array.from(floats.values as Float64Array);
  const whole = { type: "int32" as const, length: floats.length, values };
  return validity === undefined ? whole : { ...whole, validity };
}
