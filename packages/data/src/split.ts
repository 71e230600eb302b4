import type { Batch, BytesColumn, Column, Dataset } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { isNull } from "./column.ts";
import { createDataset } from "./dataset.ts";
import { columnMissing, columnType } from "./errors.ts";
import { asFloat64 } from "./float64.ts";
import { hashBytes, hashText } from "./hash.ts";
import { takeRows } from "./rows.ts";
import { valueAt } from "./value.ts";

export interface TimeSplitOptions {
  /** A timestamp, date or other numeric column. */
  readonly column: string;
  /** Growing: part `i` holds the rows from boundary `i − 1` (inclusive) to boundary `i` (exclusive). Dates for timestamps and dates, else numbers in the column's unit. */
  readonly boundaries: readonly (Date | number | bigint)[];
}

/**
 * Cuts a dataset by time into `boundaries.length + 1` parts, the oldest first, each read lazily from the whole. Rows without a time are in no part.
 * Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, a RangeError unless the boundaries grow.
 */
export function splitByTime(dataset: Dataset, { column, boundaries }: TimeSplitOptions): readonly Dataset[] {
  const limits = boundaries.map(timeReader(dataset, column));
  if (limits.some((limit, index) => !(limit > (limits[index - 1] ?? Number.NEGATIVE_INFINITY)))) {
    throw new RangeError(`The boundaries must grow: ${boundaries.map(String).join(", ")}.`);
  }
  return [...limits, Number.POSITIVE_INFINITY].map((end, part) =>
    rowsWithin(dataset, column, limits[part - 1] ?? Number.NEGATIVE_INFINITY, end),
  );
}

/** The rows from `start` (inclusive) to `end` (exclusive). */
function rowsWithin(dataset: Dataset, column: string, start: number, end: number): Dataset {
  return filterRows(dataset, column, (each) => {
    const times = asFloat64(each);
    return (row) => (times[row] as number) >= start && (times[row] as number) < end;
  });
}

/** @returns what turns a point in time into the column's unit. Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`. */
function timeReader(dataset: Dataset, column: string): (time: Date | number | bigint) => number {
  const field = fieldNamed(dataset, column);
  if (["utf8", "binary", "dictionary", "list", "bool"].includes(field.type))
    throw columnType(column, field.type, "a time or a number");
  const unitsPerMs = field.type === "timestamp" ? 1000 : field.type === "date" ? 1 / 86_400_000 : 1;
  return (time) => (time instanceof Date ? time.getTime() * unitsPerMs : Number(time));
}

export interface RollingOriginOptions {
  /** A timestamp, date or other numeric column. */
  readonly column: string;
  /** Growing: where each validation begins. Dates for timestamps and dates, else numbers in the column's unit. */
  readonly origins: readonly (Date | number | bigint)[];
  /** How far a validation reaches, in the column's unit: microseconds for timestamps, days for dates. */
  readonly horizon: number;
  /** What is left out before each origin, in the same unit: as long as a label takes to become known. Default: 0. */
  readonly gap?: number | undefined;
  /** How far training reaches back, in the same unit. Default: to the first row. */
  readonly window?: number | undefined;
}

export interface TrainValidation {
  readonly train: Dataset;
  readonly validation: Dataset;
}

/**
 * One split for each origin: training on what lies before it (less the gap), validation on what follows within the horizon, as forecasts are judged
 * (Tashman, "Out-of-sample tests of forecasting accuracy", 2000). Read lazily. Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, a RangeError.
 */
export function splitByRollingOrigin(
  dataset: Dataset,
  { column, origins, horizon, gap = 0, window = Number.POSITIVE_INFINITY }: RollingOriginOptions,
): readonly TrainValidation[] {
  const starts = origins.map(timeReader(dataset, column));
  if (starts.some((start, index) => !(start > (starts[index - 1] ?? Number.NEGATIVE_INFINITY))))
    throw new RangeError(`The origins must grow: ${origins.map(String).join(", ")}.`);
  if (!(horizon > 0)) throw new RangeError(`The horizon must be above 0, not ${horizon}.`);
  if (!(gap >= 0)) throw new RangeError(`The gap must be at least 0, not ${gap}.`);
  if (!(window > 0)) throw new RangeError(`The window must be above 0, not ${window}.`);
  return starts.map((start) => ({
    train: rowsWithin(dataset, column, start - gap - window, start - gap),
    validation: rowsWithin(dataset, column, start, start + horizon),
  }));
}

export interface HashSplitOptions<Part extends string> {
  /** The entity's column: rows of one entity always go to one part. Rows without it are taken as one entity. */
  readonly key: string;
  /** Share of the entities by part; they sum to 1. */
  readonly shares: Readonly<Record<Part, number>>;
  /** Another seed cuts elsewhere. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Cuts a dataset by the hash of an entity, so that an entity's rows never fall on two sides; the same on every machine, in every release, and for every
 * dataset that holds the entity. Numbers and the texts that write them (`7`, `"7"`) are one entity.
 * Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, a RangeError unless the shares sum to 1.
 */
export function splitByHash<Part extends string>(
  dataset: Dataset,
  { key, shares, seed = 0 }: HashSplitOptions<Part>,
): Readonly<Record<Part, Dataset>> {
  const field = fieldNamed(dataset, key);
  if (field.type === "list" || field.type === "float32" || field.type === "float64") {
    throw columnType(key, field.type, "text, bytes, an integer or a boolean");
  }
  const parts = sharesOf(shares);
  let start = 0;
  const split = parts.map(([name, share], index) => {
    const from = start;
    // The last part reaches the end, whatever rounding left.
    const to = index === parts.length - 1 ? 2 ** 32 : Math.min(2 ** 32, from + share * 2 ** 32);
    start = to;
    return [name, filterRows(dataset, key, (each) => inRange(each, seed, from, to))] as const;
  });
  return Object.fromEntries(split) as Record<Part, Dataset>;
}

/** Throws a RangeError unless the shares sum to 1 and none is negative. */
export function sharesOf(shares: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  const parts = Object.entries<number>(shares);
  const total = parts.reduce((sum, [, share]) => sum + share, 0);
  if (!(Math.abs(total - 1) < 1e-9)) throw new RangeError(`The shares must sum to 1, not ${total}.`);
  const negative = parts.find(([, share]) => !(share >= 0));
  if (negative !== undefined)
    throw new RangeError(`The share of "${negative[0]}" must be at least 0, not ${negative[1]}.`);
  return parts;
}

function inRange(column: Column, seed: number, from: number, to: number): (row: number) => boolean {
  const hash = hasherOf(column, seed);
  return (row) => {
    const hashed = hash(row);
    return hashed >= from && hashed < to;
  };
}

/** @returns the 32-bit hash of a row's value as text. */
export function hasherOf(column: Column, seed: number): (row: number) => number {
  const bytesAt = (texts: BytesColumn, row: number): number =>
    hashBytes(texts.values, texts.offsets[row] as number, texts.offsets[row + 1] as number, seed);
  const hash = ((): ((row: number) => number) => {
    if (column.type === "utf8" || column.type === "binary") return (row) => bytesAt(column, row);
    if (column.type === "dictionary") {
      const hashes = Uint32Array.from({ length: column.dictionary.length }, (_, entry) =>
        bytesAt(column.dictionary, entry),
      );
      return (row) => hashes[column.values[row] as number] as number;
    }
    return (row) => hashText(String(valueAt(column, row)), seed);
  })();
  return (row) => (isNull(column, row) ? hashText("", seed ^ 0x9e3779b9) : hash(row));
}

/**
 * The rows of a dataset for which the predicate holds, read lazily.
 * @param predicate Given the column of each batch, says which rows stay; pure.
 */
export function filterRows(
  dataset: Dataset,
  column: string,
  predicate: (column: Column) => (row: number) => boolean,
): Dataset {
  fieldNamed(dataset, column);
  const keep = (batch: Batch): Batch => {
    const stays = predicate(columnOf(batch, column));
    const rows = new Int32Array(batch.length);
    let kept = 0;
    for (let row = 0; row < batch.length; row += 1) if (stays(row)) rows[kept++] = row;
    return kept === batch.length ? batch : takeRows(batch, rows.subarray(0, kept));
  };
  return createDataset({
    schema: dataset.schema,
    async *walk({ columns, signal }) {
      const read = columns.includes(column) ? columns : [...columns, column];
      for await (const batch of dataset.batches({ columns: read, signal })) {
        const kept = keep(batch);
        if (kept.length > 0) yield kept;
      }
    },
  });
}

export function fieldNamed({ schema }: Dataset, name: string): Dataset["schema"][number] {
  const field = schema.find((each) => each.name === name);
  if (field === undefined)
    throw columnMissing(
      name,
      schema.map((each) => each.name),
    );
  return field;
}
