import {
  abortable,
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
import { aggregateType, featureName, type FeatureService, type FeatureView } from "./definition.ts";
import { computeOnDemand } from "./on-demand.ts";
import { onlineRows } from "./online-rows.ts";
import type { OnlineRecord, OnlineStore } from "./online-store.ts";
import { createOnlineView, type OnlineView } from "./online-view.ts";
import { nullWhereNaN } from "./point-in-time.ts";
import { checkBatch, entityKeysOf, sourceSchema } from "./source-columns.ts";
import { historySql, namingFile, type HistorySource } from "./training-set.ts";

export interface PushResult {
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
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
}

/** The online side of the store. */
export interface Online {
  read(service: FeatureService, request: FeatureRequest): FeatureVectors;
  push(view: FeatureView, batch: Batch, signal: AbortSignal | undefined): Promise<PushResult>;
  materialize(view: FeatureView, options: MaterializeOptions): Promise<MaterializeResult>;
  /** Waits for writes that go on in the background. */
  settle(): Promise<void>;
}

export interface OnlineOptions extends CallOptions {
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
  const { views, source, store, latenessMs, clock, signal: opening } = options;
  const held = new Map<string, Held>();
  for (const view of views.values()) held.set(view.name, await load(view, store, latenessMs, opening));
  const background = new Set<Promise<void>>();

  const stateOf = (view: FeatureView): Held => {
    if (store === undefined) {
      throw unsupported("Online reading and pushing without an online store", "Open the feature store with `online`.");
    }
    return held.get(view.name)!;
  };
  /** Leaves the store with what counts, once what was appended is much more. */
  const rewriteWhenLong = (view: FeatureView, target: Held): void => {
    if (target.stored < REWRITE_ROWS + target.state.rows * REWRITE_RATIO) return;
    target.stored = target.state.rows;
    const rewriting = target.turns
      .alone(() => store!.replace(view.name, target.state.records()))
      // The store then keeps more than it needs, which is no loss; what is wrong with it the next push will say.
      .catch(() => {})
      .finally(() => background.delete(rewriting));
    background.add(rewriting);
  };
  return {
    read(service, request) {
      const timeUs = Math.round((request.timeMs ?? clock.nowMs()) * 1000);
      return readVectors(service, request, timeUs, (view) => stateOf(view).state);
    },
    async push(view, batch, signal) {
      const target = stateOf(view);
      checkBatch(`The rows pushed to the view "${view.name}"`, sourceSchema(view), batch);
      const rows = onlineRows(view, batch);
      await target.turns.among(async () => {
        target.state.check(rows);
        await store!.append(view.name, rows, { signal });
        target.state.add(rows);
        target.stored += rows.length;
      }, signal);
      rewriteWhenLong(view, target);
      return { rows: rows.length, skippedRows: batch.length - rows.length };
    },
    async materialize(view, { upToMs, signal }) {
      const target = stateOf(view);
      const upToUs = Math.round(upToMs * 1000);
      const records = await fromHistory(source, view, upToUs, latenessMs * 1000, signal);
      const state = createOnlineView(view, { latenessMs });
      state.add(records);
      const rows = state.rows;
      return await target.turns.alone(async () => {
        state.add(rowsFrom(target.state, upToUs));
        await store!.replace(view.name, state.records(), { signal });
        target.state = state;
        target.stored = state.rows;
        return { rows, keptRows: state.rows - rows };
      }, signal);
    },
    async settle() {
      await Promise.all(background);
    },
  };
}

/** Many may push at once, but nobody while all of a view's rows are put in place of others: a row pushed then would be in neither. */
interface Turns {
  among<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
  alone<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
}

function createTurns(): Turns {
  let running = 0;
  let idle: (() => void) | undefined;
  let last: Promise<unknown> | undefined;
  return {
    async among(work, signal) {
      while (last !== undefined) await abortable(last, signal);
      running++;
      try {
        return await work();
      } finally {
        if (--running === 0) idle?.();
      }
    },
    async alone(work, signal) {
      while (last !== undefined) await abortable(last, signal);
      const turn = (async () => {
        if (running > 0) await new Promise<void>((resolve) => (idle = resolve));
        idle = undefined;
        signal?.throwIfAborted();
        return await work();
      })();
      last = turn.catch(() => {}).finally(() => (last = undefined));
      return await turn;
    },
  };
}

/** The rows from a time on. Where some of those may have been dropped already, that stays known; what was dropped before is in the history. */
function* rowsFrom(state: OnlineView, fromUs: number): IterableIterator<OnlineRecord> {
  for (const record of state.records(fromUs)) if (!("floorUs" in record) || record.floorUs > fromUs) yield record;
}

async function load(
  view: FeatureView,
  store: OnlineStore | undefined,
  latenessMs: number,
  signal: AbortSignal | undefined,
): Promise<Held> {
  const state = createOnlineView(view, { latenessMs });
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.name, { signal })) {
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
  upToUs: number,
  latenessUs: number,
  signal: AbortSignal | undefined,
): Promise<OnlineRecord[]> {
  const { aggregates } = createOnlineView(view, { latenessMs: 0 });
  const floorUs = upToUs - latenessUs - aggregates.longestUs;
  const rows = await historySql(source, view, { firstUs: upToUs - latenessUs, lastUs: upToUs - 1 });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const newestFirst = `"_time" DESC, "_created" DESC NULLS LAST, "_sequence" DESC`;
  const sql = `SELECT * FROM (${rows})
    QUALIFY "_time" >= ${floorUs} OR row_number() OVER (PARTITION BY ${keys}, "_time" >= ${floorUs} ORDER BY ${newestFirst}) = 1
    ORDER BY "_time", "_sequence"`;
  const records: OnlineRecord[] = [{ floorUs }];
  try {
    for await (const batch of source.duckdb.query(sql, { signal })) {
      const columns = { time: columnOf(batch, "_time"), created: columnOf(batch, "_created") };
      for (const row of onlineRows(view, batch, columns)) records.push(row);
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
  return records;
}

function readVectors(
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
  if (service.onDemand.length > 0) {
    const given = {
      length: request.entities.length,
      columns: { ...request.entities.columns, ...request.request?.columns },
    };
    checkBatch("The request inputs", service.requestInputs, given);
    Object.assign(columns, computeOnDemand(service, given));
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
  const { names } = state.aggregates;
  const results = new Float64Array(names.length);
  const aggregates = names.map(() => new Float64Array(rows));
  const features = Object.entries(view.features);
  const values = features.map((): unknown[] => []);
  const status: FeatureStatus[] = [];
  const ageMs = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const reading = state.read(keys[row], timeUs, results);
    status.push(reading.status);
    ageMs[row] = reading.ageMs;
    for (let index = 0; index < results.length; index++) aggregates[index]![row] = results[index]!;
    values.forEach((each, index) => each.push(reading.values?.[index] ?? null));
  }
  features.forEach(([name, type], index) => {
    columns[featureName(view, name)] = column(type, values[index] as Parameters<typeof column>[1]);
  });
  Object.entries(view.aggregates).forEach(([name, aggregate], index) => {
    const floats = nullWhereNaN(aggregates[index]!);
    columns[featureName(view, name)] = aggregateType(aggregate) === "int32" ? asInt32(floats) : floats;
  });
  return { status, ageMs };
}

function asInt32(floats: Column): Column {
  const { validity } = floats;
  const values = Int32Array.from(floats.values as Float64Array);
  const whole = { type: "int32" as const, length: floats.length, values };
  return validity === undefined ? whole : { ...whole, validity };
}
