import type { FeatureStatus } from "@millwright/contracts";
import { compileAggregates, type AggregateResults, type CompiledAggregates } from "./aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { timeTooOld, valueRange } from "../errors.ts";
import { deleteOf, isDelete, type Kept, outranking, recordOf } from "./kept-row.ts";
import type { OnlineFloor, OnlineRecord, OnlineRow, OnlineTile, OnlineValue } from "./online-store.ts";
import { newestRow } from "../retrieval/point-in-time.ts";
import type { EntityRows } from "../windows/entity-rows.ts";
import { floorTo } from "../windows/time-window.ts";
import type { WindowValue } from "../windows/value-column.ts";

/** What is known of an entity at a time. */
export interface OnlineReading {
  readonly status: FeatureStatus;
  /** NaN where there is no row. */
  readonly ageMs: number;
  /** The newest row's features, where it is present. */
  readonly values: readonly OnlineValue[] | undefined;
  /** When the newest row expires; undefined: never, or there is none. */
  readonly expiresUs?: number | undefined;
}

/** The rows of a view as online reads need them: those that a window may still hold, and each entity's newest. */
export interface OnlineView {
  readonly aggregates: CompiledAggregates;
  /** Records kept: rows, tiles and retractions. */
  readonly size: number;
  /** Microseconds: the newest row's time less the lateness; −Infinity without rows. Answers for times up to it change only by rows that are late. */
  readonly watermarkUs: number;
  /** Throws `FEATURE_STORE_VALUE_RANGE` where the rows would take a sum out of the exact range. */
  check(rows: readonly OnlineRow[]): void;
  /** Takes rows in any order of time; records that say where the history stands are none of its. */
  add(records: Iterable<OnlineRecord>): void;
  /** Reads an entity and writes its aggregates to `results`. Throws `FEATURE_STORE_TIME_TOO_OLD`. */
  read(key: string | undefined, timeUs: number, results: AggregateResults): OnlineReading;
  /** The newest row of an entity, whatever it says; of a view without features, its time alone. */
  newest(key: string): OnlineRow | undefined;
  /**
   * Where rows can be told apart from those before: the time itself, or the start of the tile it falls in, where everything from there on is kept,
   * and may be in tiles.
   */
  boundaryAt(timeUs: number): number;
  /** All that is kept, to be added again elsewhere; with `fromUs`, only rows from that time on, and tiles that hold such alone. */
  records(fromUs?: number): IterableIterator<OnlineRecord>;
}

const ABSENT: OnlineReading = { status: "missing", ageMs: Number.NaN, values: undefined };
/** Rows an entity may have before the old ones are looked for. */
const SMALLEST_TRIM = 64;

/** @param options.aggregates The view's, where they were compiled before. */
export function createOnlineView(
  view: FeatureView,
  options: { readonly latenessMs: number; readonly aggregates?: CompiledAggregates | undefined },
): OnlineView {
  return new WindowedOnlineView(view, options.latenessMs * 1000, options.aggregates ?? compileAggregates(view));
}

class WindowedOnlineView implements OnlineView {
  readonly aggregates: CompiledAggregates;
  readonly #view: FeatureView;
  readonly #latenessUs: number;
  readonly #ttlUs: number;
  readonly #hasFeatures: boolean;
  /** Whether deletes take rows out of windows; else a delete is a row like any other, and says that the entity is gone where it is the newest. */
  readonly #hasWindows: boolean;
  readonly #entities = new Map<string, { readonly kept: EntityRows; trimAt: number }>();
  readonly #inputs: WindowValue[];
  #newestUs = Number.NEGATIVE_INFINITY;
  /** Every row from here on is kept by itself. */
  #floorUs = Number.NEGATIVE_INFINITY;
  /** Every row from here on is kept, by itself or in a tile. */
  #tilesFromUs = Number.NEGATIVE_INFINITY;
  #size = 0;

  constructor(view: FeatureView, latenessUs: number, aggregates: CompiledAggregates) {
    this.aggregates = aggregates;
    this.#view = view;
    this.#latenessUs = latenessUs;
    this.#ttlUs = view.ttlMs === undefined ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
    this.#hasFeatures = Object.keys(view.features).length > 0;
    this.#hasWindows = aggregates.names.length > 0;
    this.#inputs = this.aggregates.inputs.map(() => Number.NaN);
  }

  get size(): number {
    return this.#size;
  }

  get watermarkUs(): number {
    return this.#newestUs - this.#latenessUs;
  }

  check(rows: readonly OnlineRow[]): void {
    for (let index = 0; index < this.#inputs.length; index++) {
      if (this.aggregates.needs[index]?.sums !== true) continue;
      let amount = 0;
      for (const row of rows) amount += Math.abs((row.inputs[index] as number | null) ?? 0);
      for (const { key } of rows) {
        if (this.#entities.get(key)?.kept.rows.hasRoom(index, amount) ?? amount <= Number.MAX_SAFE_INTEGER) continue;
        throw valueRange(this.#view.name, this.aggregates.inputs[index]!, amount);
      }
    }
  }

  add(records: Iterable<OnlineRecord>): void {
    for (const record of records) {
      if ("floorUs" in record) this.#addFloor(record);
      else if ("tileUs" in record) this.#addTile(record);
      else if ("removedKey" in record) this.#remove(record.removedKey);
      else if ("key" in record) this.#addRow(record);
    }
  }

  read(key: string | undefined, timeUs: number, results: AggregateResults): OnlineReading {
    const { rowsUs, tiles } = this.aggregates;
    const oldest = Math.max(
      this.#floorUs + rowsUs,
      tiles === undefined ? -Infinity : this.#tilesFromUs + tiles.reachUs,
    );
    if (timeUs < oldest) throw timeTooOld(this.#view.name, timeUs / 1000, oldest / 1000);
    results.numbers.fill(Number.NaN);
    results.others.fill(undefined);
    const kept = key === undefined ? undefined : this.#entities.get(key)?.kept;
    if (kept === undefined) return ABSENT;
    const window = kept.rows;
    const newest = newestRow(window, timeUs, !this.#hasFeatures);
    const newestUs = newest < 0 ? Number.NEGATIVE_INFINITY : window.timeAt(newest);
    const deletedUs = kept.deletedUs(timeUs, !this.#hasFeatures);
    if (deletedUs > Number.NEGATIVE_INFINITY && deletedUs >= newestUs) return this.#gone(timeUs, deletedUs);
    if (newest < 0) return ABSENT;
    const ageMs = (timeUs - newestUs) / 1000;
    const row = this.#hasFeatures ? outranking(window, newest, this.#view.ties) : undefined;
    const expiresUs = row?.expiresUs ?? newestUs + this.#ttlUs;
    if (timeUs >= expiresUs) return { status: "expired", ageMs, values: undefined, expiresUs };
    if (row !== undefined && isDelete(this.#view, row)) return { status: "deleted", ageMs, values: undefined };
    this.aggregates.evaluate(kept, timeUs, results);
    const values = row?.values;
    return Number.isFinite(expiresUs)
      ? { status: "present", ageMs, values, expiresUs }
      : { status: "present", ageMs, values };
  }

  /** What is read of an entity that was deleted: a delete expires as a row does. */
  #gone(timeUs: number, deletedUs: number): OnlineReading {
    const expiresUs = deletedUs + this.#ttlUs;
    const ageMs = (timeUs - deletedUs) / 1000;
    if (timeUs >= expiresUs) return { status: "expired", ageMs, values: undefined, expiresUs };
    return { status: "deleted", ageMs, values: undefined };
  }

  newest(key: string): OnlineRow | undefined {
    const kept = this.#entities.get(key)?.kept;
    const window = kept?.rows;
    const deletedUs = kept?.deletes.at(-1) ?? Number.NEGATIVE_INFINITY;
    const newestUs =
      window === undefined || window.length === 0 ? Number.NEGATIVE_INFINITY : window.timeAt(window.length - 1);
    if (deletedUs > Number.NEGATIVE_INFINITY && deletedUs >= newestUs) return deleteOf(key, deletedUs);
    if (window === undefined || window.length === 0) return undefined;
    const row = this.#hasFeatures ? outranking(window, window.length - 1, this.#view.ties) : undefined;
    return recordOf(key, { timeUs: window.timeAt(window.length - 1), inputs: [], row });
  }

  boundaryAt(timeUs: number): number {
    const { tiles } = this.aggregates;
    if (tiles === undefined || !Number.isFinite(this.#tilesFromUs)) return timeUs;
    const startUs = floorTo(timeUs, tiles.widthUs);
    return startUs < this.#tilesFromUs ? timeUs : startUs;
  }

  *records(fromUs: number = Number.NEGATIVE_INFINITY): IterableIterator<OnlineRecord> {
    if (this.#floorUs > Number.NEGATIVE_INFINITY) yield this.#floor(fromUs);
    for (const [key, { kept }] of this.#entities) {
      for (const tile of kept.tiles?.texts(fromUs) ?? []) yield { key, ...tile };
      for (const row of kept.rows.rows()) if (row.timeUs >= fromUs) yield recordOf(key, row);
      for (const { timeUs, inputs } of kept.retractions) {
        if (timeUs >= fromUs) yield { ...recordOf(key, { timeUs, inputs, row: undefined }), values: [true] };
      }
      for (const timeUs of kept.deletes) if (timeUs >= fromUs) yield deleteOf(key, timeUs);
    }
  }

  #floor(fromUs: number): OnlineFloor {
    const floorUs = this.#floorUs;
    const { tiles } = this.aggregates;
    if (tiles === undefined) return { floorUs };
    const knownUs = this.#tilesFromUs > fromUs ? this.#tilesFromUs : Number.NEGATIVE_INFINITY;
    // A tile with rows on both sides of `fromUs` is left out, with what it holds from then on.
    const isCut = [...this.#entities.values()].some(({ kept }) => kept.tiles?.isCutAt(fromUs) === true);
    const tilesFromUs = isCut ? Math.max(knownUs, ceilingTo(fromUs, tiles.widthUs)) : knownUs;
    return { floorUs, tilesFromUs: Number.isFinite(tilesFromUs) ? Math.min(tilesFromUs, floorUs) : null };
  }

  #addFloor({ floorUs, tilesFromUs = floorUs }: OnlineFloor): void {
    this.#floorUs = Math.max(this.#floorUs, floorUs);
    this.#tilesFromUs = Math.max(this.#tilesFromUs, tilesFromUs ?? Number.NEGATIVE_INFINITY);
  }

  #addTile({ key, ...tile }: OnlineTile): void {
    const { kept } = this.#entity(key);
    const before = kept.size;
    // What it holds is out of reach for the windows there are now.
    if (!kept.addTile(tile)) {
      this.#tilesFromUs = Math.max(this.#tilesFromUs, tile.tileUs + tile.widthUs);
    }
    this.#size += kept.size - before;
  }

  #entity(key: string): { readonly kept: EntityRows; trimAt: number } {
    let entity = this.#entities.get(key);
    if (entity === undefined) {
      const kept = this.aggregates.createRows({ keepRows: this.#hasFeatures });
      this.#entities.set(key, (entity = { kept, trimAt: SMALLEST_TRIM }));
    }
    return entity;
  }

  #remove(key: string): void {
    this.#size -= this.#entities.get(key)?.kept.size ?? 0;
    this.#entities.delete(key);
  }

  #addRow(row: OnlineRow): void {
    const entity = this.#entity(row.key);
    const { kept } = entity;
    const before = kept.size;
    for (let index = 0; index < this.#inputs.length; index++) this.#inputs[index] = row.inputs[index] ?? Number.NaN;
    if (this.#hasWindows && row.isDeleted === true) kept.delete(row.timeUs);
    else if (this.#view.retracted !== undefined && row.values.at(-1) === true) kept.retract(row.timeUs, this.#inputs);
    else {
      const overflow = kept.add(row.timeUs, this.#inputs, this.#keptOf(row));
      if (overflow >= 0) {
        throw valueRange(this.#view.name, this.aggregates.inputs[overflow]!, this.#inputs[overflow]! as number);
      }
    }
    this.#newestUs = Math.max(this.#newestUs, row.timeUs);
    if (kept.rows.length + kept.deletes.length >= entity.trimAt) entity.trimAt = this.#trim(kept);
    this.#size += kept.size - before;
  }

  /** What is kept of a row beside its inputs: its features, or when it was created, where that tells which of two rows of one event counts. */
  #keptOf({ createdUs, values, expiresUs, isDeleted }: OnlineRow): Kept | undefined {
    if (this.#hasFeatures) return { createdUs: createdUs ?? Number.NEGATIVE_INFINITY, values, expiresUs, isDeleted };
    return createdUs === null || this.#view.eventId.length === 0 ? undefined : { createdUs, values: [] };
  }

  /** Drops what no read can ask for any more, and puts into tiles what windows need only there. @returns at how many rows to look again. */
  #trim(kept: EntityRows): number {
    const { rowsUs, tiles } = this.aggregates;
    const before = kept.rows.length;
    const floor = this.watermarkUs - rowsUs;
    kept.foldBefore(floor);
    const isDeleted = kept.deletes.length > 0 && kept.deletes[0]! < floor;
    if (kept.rows.length < before || isDeleted) this.#floorUs = Math.max(this.#floorUs, floor);
    if (tiles !== undefined) {
      const tilesFrom = floorTo(Math.floor(this.watermarkUs - tiles.reachUs), tiles.widthUs);
      const length = kept.tiles!.length;
      kept.tiles!.dropBefore(tilesFrom);
      if (kept.tiles!.length < length) this.#tilesFromUs = Math.max(this.#tilesFromUs, tilesFrom);
    }
    return Math.max(SMALLEST_TRIM, (kept.rows.length + kept.deletes.length) * 2);
  }
}

const ceilingTo = (timeUs: number, stepUs: number): number => -floorTo(-timeUs, stepUs);
