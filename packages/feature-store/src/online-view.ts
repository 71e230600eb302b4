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
  /** When the newest row expires; undefined: never, or there is none. */
  readonly expiresUs?: number | undefined;
}

/** The rows of a view as online reads need them: those that a window may still hold, and each entity's newest. */
export interface OnlineView {
  readonly aggregates: CompiledAggregates;
  /** Rows kept. */
  readonly rows: number;
  /** Throws `FEATURE_STORE_VALUE_RANGE` where the rows would take a sum out of the exact range. */
  check(rows: readonly OnlineRow[]): void;
  /** Takes rows in any order of time; records that say where the history stands are none of its. */
  add(records: Iterable<OnlineRecord>): void;
  /** Reads an entity and writes its aggregates to `results`. Throws `FEATURE_STORE_TIME_TOO_OLD`. */
  read(key: string | undefined, timeUs: number, results: Float64Array): OnlineReading;
  /** The newest row of an entity, whatever it says; of a view without features, its time alone. */
  newest(key: string): OnlineRow | undefined;
  /** All that is kept, to be added again elsewhere; with `fromUs`, only rows from that time on. */
  records(fromUs?: number): IterableIterator<OnlineRecord>;
}

interface Kept {
  readonly createdUs: number;
  readonly values: readonly OnlineValue[];
  readonly expiresUs?: number | undefined;
  readonly isDeleted?: true | undefined;
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
      else if ("removedKey" in record) this.#remove(record.removedKey);
      else if ("key" in record) this.#addRow(record);
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
    const newestUs = window.timeAt(newest);
    const ageMs = (timeUs - newestUs) / 1000;
    const kept = this.#hasFeatures ? outranking(window, newest, this.#view.ties) : undefined;
    const expiresUs = kept?.expiresUs ?? newestUs + this.#ttlUs;
    if (timeUs >= expiresUs) return { status: "expired", ageMs, values: undefined, expiresUs };
    if (kept !== undefined && isDelete(this.#view, kept)) {
      return { status: "deleted", ageMs, values: undefined };
    }
    this.aggregates.evaluate(window, timeUs, results);
    const values = kept?.values;
    return Number.isFinite(expiresUs)
      ? { status: "present", ageMs, values, expiresUs }
      : { status: "present", ageMs, values };
  }

  newest(key: string): OnlineRow | undefined {
    const window = this.#entities.get(key)?.window;
    if (window === undefined || window.length === 0) return undefined;
    const kept = this.#hasFeatures ? outranking(window, window.length - 1, this.#view.ties) : undefined;
    return rowOf(key, window.timeAt(window.length - 1), [], kept);
  }

  *records(fromUs: number = Number.NEGATIVE_INFINITY): IterableIterator<OnlineRecord> {
    if (this.#floorUs > Number.NEGATIVE_INFINITY) yield { floorUs: this.#floorUs };
    for (const [key, { window }] of this.#entities) {
      for (const { timeUs, inputs, row } of window.rows()) {
        if (timeUs < fromUs) continue;
        yield rowOf(key, timeUs, inputs, row as Kept | undefined);
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
      ? {
          createdUs: row.createdUs ?? Number.NEGATIVE_INFINITY,
          values: row.values,
          expiresUs: row.expiresUs,
          isDeleted: row.isDeleted,
        }
      : undefined;
    const overflow = window.add(row.timeUs, this.#inputs, kept);
    if (overflow >= 0) {
      throw valueRange(this.#view.name, this.aggregates.inputs[overflow]!, this.#inputs[overflow]!);
    }
    this.#rows++;
    this.#newestUs = Math.max(this.#newestUs, row.timeUs);
    if (window.length >= entity.trimAt) entity.trimAt = this.#trim(window);
  }

  #remove(key: string): void {
    this.#rows -= this.#entities.get(key)?.window.length ?? 0;
    this.#entities.delete(key);
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

/** Whether a row says that its entity is gone. Logs from before the mark of its own have it after the features. */
export function isDelete(view: FeatureView, { isDeleted, values }: Pick<OnlineRow, "isDeleted" | "values">): boolean {
  if (isDeleted === true) return true;
  return view.deleted !== undefined && values.length > Object.keys(view.features).length && values.at(-1) === true;
}

/** Of the rows of one time, the one created last, and of those the one that came last, or first. */
function outranking(window: EventWindow, newest: number, ties: FeatureView["ties"]): Kept {
  let best = window.rowAt(newest) as Kept;
  const timeUs = window.timeAt(newest);
  for (let index = newest - 1; index >= 0 && window.timeAt(index) === timeUs; index--) {
    const other = window.rowAt(index) as Kept;
    if (other.createdUs > best.createdUs || (ties === "first" && other.createdUs === best.createdUs)) best = other;
  }
  return best;
}

function rowOf(key: string, timeUs: number, inputs: readonly number[], kept: Kept | undefined): OnlineRow {
  const { createdUs = Number.NEGATIVE_INFINITY, values = [], expiresUs, isDeleted } = kept ?? {};
  return {
    key,
    timeUs,
    createdUs: createdUs === Number.NEGATIVE_INFINITY ? null : createdUs,
    inputs: inputs.map((value) => (Number.isNaN(value) ? null : value)),
    values,
    ...(expiresUs === undefined ? {} : { expiresUs }),
    ...(isDeleted === undefined ? {} : { isDeleted }),
  };
}
