import { type FeatureStatus, unsupported } from "@millwright/contracts";
import type { AggregateResults } from "./aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { columnMissing, columnType } from "../errors.ts";
import type { OnlineReading } from "./online-view.ts";
import { servedStatus } from "./read-vectors.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { SourceRow } from "../definition/source-columns.ts";

export interface ReadNowOptions {
  /** Where in `target` the vector starts. Default: 0. */
  readonly offset?: number | undefined;
  /** UTC milliseconds. Default: the clock's time. */
  readonly timeMs?: number | undefined;
}

/**
 * Reads the features of one entity after another as numbers, into memory that the caller has: the fastest way to a model's input. Of a service whose
 * features are all numbers or bools, with none on demand.
 */
export interface VectorReader {
  /** The features in the order of the vector: the service's. */
  readonly featureNames: readonly string[];
  /**
   * Writes a number a feature: NaN for null, 0 and 1 for bools, the nearest double for 64-bit integers; timestamps are microseconds.
   * @returns how each view stands, in the order of the service's views; the next call writes to the same array.
   * Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE` for keys that do not fit, `FEATURE_STORE_STALE`, `FEATURE_STORE_TIME_TOO_OLD`,
   * and a `RangeError` where the target is too short.
   */
  readNow(keys: SourceRow, target: Float64Array, options?: ReadNowOptions): readonly FeatureStatus[];
}

/** Reads one view of the entity that was last looked at. */
export interface ViewNumbers {
  readonly view: FeatureView;
  /** How the entity stands, and its row's age; NaN without one. */
  look(key: string, timeUs: number): { readonly status: FeatureStatus; readonly ageMs: number };
  /** Writes what `look` found. */
  write(target: Float64Array, at: number): void;
}

export interface VectorReaderParts {
  /** Called before each read. */
  readonly begin: () => void;
  readonly nowUs: () => number;
  /** One a view of the service, in order. */
  readonly numbers: readonly ViewNumbers[];
  readonly observe: (view: FeatureView, ageMs: number) => void;
}

interface Slot {
  readonly numbers: ViewNumbers;
  readonly keyOf: (keys: SourceRow) => string;
  readonly at: number;
  readonly defaults: Float64Array;
}

export function createVectorReader(
  service: FeatureService,
  { begin, nowUs, numbers, observe }: VectorReaderParts,
): VectorReader {
  const slots: Slot[] = [];
  let length = 0;
  for (const each of numbers) {
    const { view } = each;
    const defaults = Float64Array.from(view.featureNames, (name) => Number(view.defaults[name] ?? Number.NaN));
    slots.push({ numbers: each, keyOf: keyTextOf(view), at: length, defaults });
    length += defaults.length;
  }
  const statuses = slots.map((): FeatureStatus => "missing");
  return {
    featureNames: service.featureNames,
    readNow(keys, target, { offset = 0, timeMs } = {}) {
      begin();
      if (!(offset >= 0 && offset + length <= target.length)) {
        throw new RangeError(`${length} numbers from ${offset} on do not fit into a target of ${target.length}.`);
      }
      const timeUs = timeMs === undefined ? nowUs() : Math.round(timeMs * 1000);
      for (let index = 0; index < slots.length; index++) {
        const { numbers: of, keyOf, at, defaults } = slots[index]!;
        const key = keyOf(keys);
        const found = of.look(key, timeUs);
        if (!Number.isNaN(found.ageMs)) observe(of.view, found.ageMs);
        const status = servedStatus(of.view, found, key);
        statuses[index] = status;
        if (status === "present" || status === "stale") of.write(target, offset + at);
        else if (status === "defaulted") target.set(defaults, offset + at);
        else target.fill(Number.NaN, offset + at, offset + at + defaults.length);
      }
      return statuses;
    },
  };
}

/** Writes a reading's features, and behind them its aggregates. */
export function writeReading(
  { values }: OnlineReading,
  features: number,
  { numbers }: AggregateResults,
  target: Float64Array,
  at: number,
): void {
  for (let index = 0; index < features; index++) {
    const value = values?.[index] ?? null;
    target[at + index] = value === null ? Number.NaN : Number(value);
  }
  target.set(numbers, at + features);
}

/** Throws `PORT_UNSUPPORTED` where a service's features are not all numbers. */
export function checkNumbers(service: FeatureService): void {
  const text = service.features.find(({ type }) => type === "utf8" || type === "list" || type === "binary");
  const what = `A vector reader of the service "${service.name}"`;
  if (text !== undefined) {
    throw unsupported(`${what}, whose feature "${text.name}" is no number,`, "Use `read`, or a service of numbers.");
  }
  if (service.onDemand.length > 0) {
    throw unsupported(`${what}, which computes features on demand,`, "Use `read`, or a service without them.");
  }
}

/** The text that stands for an entity, as `entityKeysOf` makes it of columns. */
function keyTextOf({ name, entity }: FeatureView): (keys: SourceRow) => string {
  const where = `The keys of an entity of "${name}"`;
  const fields = Object.entries(entity.keys);
  const textOf = (keys: SourceRow, field: string, type: string): string => {
    const value = keys[field];
    if (typeof value === "string" && type === "utf8") return value;
    const isWhole = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
    if (isWhole && type !== "utf8") return String(value);
    if (value === undefined) throw columnMissing(where, field, Object.keys(keys));
    throw columnType(where, field, value === null ? "null" : typeof value, type);
  };
  const [first] = fields;
  if (fields.length === 1 && first !== undefined) return (keys) => textOf(keys, first[0], first[1]);
  return (keys) => {
    let key = "";
    for (const [field, type] of fields) {
      const text = textOf(keys, field, type);
      key += `${text.length}:${text}`;
    }
    return key;
  };
}
