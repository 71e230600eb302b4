import type { FeatureStatus } from "@millwright/contracts";
import { compileAggregates, type AggregateResults, type CompiledAggregates } from "./aggregates.ts";
import type { FeatureView } from "./definition.ts";
import { timeTooOld, valueRange } from "./errors.ts";
import type { EventWindow, WindowRow } from "./event-window.ts";
import type { OnlineFloor, OnlineRecord, OnlineRow, OnlineTile, OnlineValue } from "./online-store.ts";
import { newestRow } from "./point-in-time.ts";
import type { EntityRows } from "./windows/entity-rows.ts";
import { floorTo } from "./windows/time-window.ts";
import type { WindowValue } from "./windows/value-column.ts";

/** What is known of an entity at a time. */
export interface OnlineReading {
  readonly status: FeatureStatus;
  /** NaN where there is no row. */
  readonly ageMs: number;
  /** The newest row's features, where it is present. */
  readonly values: readonly OnlineValue[] | undefined;
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
  /** Takes rows in any order of time. */
  add(records: Iterable<OnlineRecord>): void;
  /** Reads an entity and writes its aggregates to `results`. Throws `FEATURE_STORE_TIME_TOO_OLD`. */
  read(key: string | undefined, timeUs: number, results: AggregateResults): OnlineReading;
  /**
   * Where rows can be told apart from those before: the time itself, or the start of the tile it falls in, where everything from there on is kept,
   * and may be in tiles.
   */
  boundaryAt(timeUs: number): number;
  /** All that is kept, to be added again elsewhere; with `fromUs`, only rows from that time on, and tiles that hold such alone. */
  records(fromUs?: number): IterableIterator<OnlineRecord>;
}

interface Kept {
  readonly createdUs: number;
  readonly values: readonly OnlineValue[];
}

const ABSENT: OnlineReading = { status: "missing", ageMs: Number.NaN, values: undefined };
/** Rows an entity may have before the old ones are looked for. */
const SMALLEST_TRIM = 64;

export function createOnlineView(view: FeatureView, { latenessMs }: { readonly latenessMs: number }): OnlineView {
  return new WindowedOnlineView(view, latenessMs * 1000);
}

class WindowedOnlineView implements OnlineView {
  readonly aggregates: CompiledAggregates;
  readonly #view: FeatureView;
  readonly #latenessUs: number;
  readonly #ttlUs: number;
  readonly #hasFeatures: boolean;
  readonly #entities = new Map<string, { readonly kept: EntityRows; trimAt: number }>();
  readonly #inputs: WindowValue[];
  #newestUs = Number.NEGATIVE_INFINITY;
  /** Every row from here on is kept by itself. */
  #floorUs = Number.NEGATIVE_INFINITY;
  /** Every row from here on is kept, by itself or in a tile. */
  #tilesFromUs = Number.NEGATIVE_INFINITY;
  #size = 0;

  constructor(view: FeatureView, latenessUs: number) {
    this.aggregates = compileAggregates(view);
    this.#view = view;
    this.#latenessUs = latenessUs;
    this.#ttlUs = view.ttlMs === undefined ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
    this.#hasFeatures = Object.keys(view.features).length > 0;
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
      else this.#addRow(record);
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
    if (newest < 0) return ABSENT;
    const ageUs = timeUs - window.timeAt(newest);
    if (ageUs >= this.#ttlUs) return { status: "expired", ageMs: ageUs / 1000, values: undefined };
    if (!this.#hasFeatures) {
      this.aggregates.evaluate(kept, timeUs, results);
      return { status: "present", ageMs: ageUs / 1000, values: undefined };
    }
    const values = outranking(window, newest);
    // The mark of a delete stands after the features.
    if (this.#view.deleted !== undefined && values.at(-1) === true) {
      return { status: "deleted", ageMs: ageUs / 1000, values: undefined };
    }
    this.aggregates.evaluate(kept, timeUs, results);
    return { status: "present", ageMs: ageUs / 1000, values };
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

  #addRow(row: OnlineRow): void {
    const entity = this.#entity(row.key);
    const { kept } = entity;
    const before = kept.size;
    for (let index = 0; index < this.#inputs.length; index++) this.#inputs[index] = row.inputs[index] ?? Number.NaN;
    if (this.#view.retracted !== undefined && row.values.at(-1) === true) kept.retract(row.timeUs, this.#inputs);
    else {
      const values: Kept | undefined = this.#hasFeatures
        ? { createdUs: row.createdUs ?? Number.NEGATIVE_INFINITY, values: row.values }
        : undefined;
      const overflow = kept.add(row.timeUs, this.#inputs, values);
      if (overflow >= 0) {
        throw valueRange(this.#view.name, this.aggregates.inputs[overflow]!, this.#inputs[overflow]! as number);
      }
    }
    this.#newestUs = Math.max(this.#newestUs, row.timeUs);
    if (kept.rows.length >= entity.trimAt) entity.trimAt = this.#trim(kept);
    this.#size += kept.size - before;
  }

  /** Drops what no read can ask for any more, and puts into tiles what windows need only there. @returns at how many rows to look again. */
  #trim(kept: EntityRows): number {
    const { rowsUs, tiles } = this.aggregates;
    const before = kept.rows.length;
    const floor = this.watermarkUs - rowsUs;
    kept.foldBefore(floor);
    if (kept.rows.length < before) this.#floorUs = Math.max(this.#floorUs, floor);
    if (tiles !== undefined) {
      const tilesFrom = floorTo(Math.floor(this.watermarkUs - tiles.reachUs), tiles.widthUs);
      const length = kept.tiles!.length;
      kept.tiles!.dropBefore(tilesFrom);
      if (kept.tiles!.length < length) this.#tilesFromUs = Math.max(this.#tilesFromUs, tilesFrom);
    }
    return Math.max(SMALLEST_TRIM, kept.rows.length * 2);
  }
}

const ceilingTo = (timeUs: number, stepUs: number): number => -floorTo(-timeUs, stepUs);

/** A row as it is kept elsewhere. */
function recordOf(key: string, { timeUs, inputs, row }: WindowRow): OnlineRow {
  const kept = row as Kept | undefined;
  const created = kept?.createdUs ?? Number.NEGATIVE_INFINITY;
  return {
    key,
    timeUs,
    createdUs: created === Number.NEGATIVE_INFINITY ? null : created,
    inputs: inputs.map((value) => (Number.isNaN(value) ? null : value)),
    values: kept?.values ?? [],
  };
}

/** Of the rows of one time, the one created last, and of those the one that came last. */
function outranking(window: EventWindow, newest: number): readonly OnlineValue[] {
  let best = window.rowAt(newest) as Kept;
  const timeUs = window.timeAt(newest);
  for (let index = newest - 1; index >= 0 && window.timeAt(index) === timeUs; index--) {
    const other = window.rowAt(index) as Kept;
    if (other.createdUs > best.createdUs) best = other;
  }
  return best.values;
}
