import type { FeatureStatus } from "@millwright/contracts";
import { compileAggregates, type CompiledAggregates } from "./aggregates.ts";
import type { FeatureView } from "./definition.ts";
import { timeTooOld, valueRange } from "./errors.ts";
import { createEventWindow, type EventWindow } from "./event-window.ts";
import type { OnlineRecord, OnlineRow, OnlineValue } from "./online-store.ts";
import { newestRow } from "./point-in-time.ts";

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
  /** Rows kept. */
  readonly rows: number;
  /** Throws `FEATURE_STORE_VALUE_RANGE` where the rows would take a sum out of the exact range. */
  check(rows: readonly OnlineRow[]): void;
  /** Takes rows in any order of time. */
  add(records: Iterable<OnlineRecord>): void;
  /** Reads an entity and writes its aggregates to `results`. Throws `FEATURE_STORE_TIME_TOO_OLD`. */
  read(key: string | undefined, timeUs: number, results: Float64Array): OnlineReading;
  /** All that is kept, to be added again elsewhere; with `fromUs`, only rows from that time on. */
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
  readonly #entities = new Map<string, { readonly window: EventWindow; trimAt: number }>();
  readonly #inputs: Float64Array;
  #newestUs = Number.NEGATIVE_INFINITY;
  /** Windows are whole only from here on. */
  #floorUs = Number.NEGATIVE_INFINITY;
  #rows = 0;

  constructor(view: FeatureView, latenessUs: number) {
    this.aggregates = compileAggregates(view);
    this.#view = view;
    this.#latenessUs = latenessUs;
    this.#ttlUs = view.ttlMs === undefined ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
    this.#hasFeatures = Object.keys(view.features).length > 0;
    this.#inputs = new Float64Array(this.aggregates.inputs.length);
  }

  get rows(): number {
    return this.#rows;
  }

  check(rows: readonly OnlineRow[]): void {
    for (let index = 0; index < this.#inputs.length; index++) {
      let amount = 0;
      for (const row of rows) amount += Math.abs(row.inputs[index] ?? 0);
      for (const { key } of rows) {
        if (this.#entities.get(key)?.window.hasRoom(index, amount) ?? amount <= Number.MAX_SAFE_INTEGER) continue;
        throw valueRange(this.#view.name, this.aggregates.inputs[index]!, amount);
      }
    }
  }

  add(records: Iterable<OnlineRecord>): void {
    for (const record of records) {
      if ("floorUs" in record) this.#floorUs = Math.max(this.#floorUs, record.floorUs);
      else this.#addRow(record);
    }
  }

  read(key: string | undefined, timeUs: number, results: Float64Array): OnlineReading {
    const oldest = this.#floorUs + this.aggregates.longestUs;
    if (timeUs < oldest) throw timeTooOld(this.#view.name, timeUs / 1000, oldest / 1000);
    results.fill(Number.NaN);
    const window = key === undefined ? undefined : this.#entities.get(key)?.window;
    if (window === undefined) return ABSENT;
    const newest = newestRow(window, timeUs, !this.#hasFeatures);
    if (newest < 0) return ABSENT;
    const ageUs = timeUs - window.timeAt(newest);
    if (ageUs >= this.#ttlUs) return { status: "expired", ageMs: ageUs / 1000, values: undefined };
    if (!this.#hasFeatures) {
      this.aggregates.evaluate(window, timeUs, results);
      return { status: "present", ageMs: ageUs / 1000, values: undefined };
    }
    const values = outranking(window, newest);
    // The mark of a delete stands after the features.
    if (this.#view.deleted !== undefined && values.at(-1) === true) {
      return { status: "deleted", ageMs: ageUs / 1000, values: undefined };
    }
    this.aggregates.evaluate(window, timeUs, results);
    return { status: "present", ageMs: ageUs / 1000, values };
  }

  *records(fromUs: number = Number.NEGATIVE_INFINITY): IterableIterator<OnlineRecord> {
    if (this.#floorUs > Number.NEGATIVE_INFINITY) yield { floorUs: this.#floorUs };
    for (const [key, { window }] of this.#entities) {
      for (const { timeUs, inputs, row } of window.rows()) {
        if (timeUs < fromUs) continue;
        const kept = row as Kept | undefined;
        const created = kept?.createdUs ?? Number.NEGATIVE_INFINITY;
        yield {
          key,
          timeUs,
          createdUs: created === Number.NEGATIVE_INFINITY ? null : created,
          inputs: inputs.map((value) => (Number.isNaN(value) ? null : value)),
          values: kept?.values ?? [],
        };
      }
    }
  }

  #addRow(row: OnlineRow): void {
    let entity = this.#entities.get(row.key);
    if (entity === undefined) {
      const window = createEventWindow(this.#inputs.length, { keepRows: this.#hasFeatures });
      this.#entities.set(row.key, (entity = { window, trimAt: SMALLEST_TRIM }));
    }
    const { window } = entity;
    for (let index = 0; index < this.#inputs.length; index++) this.#inputs[index] = row.inputs[index] ?? Number.NaN;
    const kept: Kept | undefined = this.#hasFeatures
      ? { createdUs: row.createdUs ?? Number.NEGATIVE_INFINITY, values: row.values }
      : undefined;
    const overflow = window.add(row.timeUs, this.#inputs, kept);
    if (overflow >= 0) {
      throw valueRange(this.#view.name, this.aggregates.inputs[overflow]!, this.#inputs[overflow]!);
    }
    this.#rows++;
    this.#newestUs = Math.max(this.#newestUs, row.timeUs);
    if (window.length >= entity.trimAt) entity.trimAt = this.#trim(window);
  }

  /** Drops what no read can ask for any more. @returns at how many rows to look again. */
  #trim(window: EventWindow): number {
    const before = window.length;
    const floor = this.#newestUs - this.aggregates.longestUs - this.#latenessUs;
    window.dropBefore(floor);
    if (window.length < before) {
      this.#floorUs = Math.max(this.#floorUs, floor);
      this.#rows -= before - window.length;
    }
    return Math.max(SMALLEST_TRIM, window.length * 2);
  }
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
