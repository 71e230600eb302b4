import type { Batch, CallOptions, Column } from "@millwright/contracts";
import { asFloat64, columnOf, concatBatches, numericArray } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import type { FeatureType, FeatureView } from "../definition/definition.ts";
import { historySql, type HistorySource, namingFile, readingHistory } from "../history/history-sql.ts";
import { createKeyIndex, type KeyIndex } from "./key-index.ts";

/** Rows of a view in memory, by entity, then time, then rank: the last one of those at a time or before it counts. */
export interface Segment {
  readonly rows: number;
  readonly sizeBytes: number;
  readonly index: KeyIndex;
  /** Microseconds. */
  readonly times: Float64Array;
  /** Microseconds, NaN for none. Absent where the view has no created time. */
  readonly created: Float64Array | undefined;
  readonly sequences: Float64Array;
  /** Absent where no row is a delete or has a time to live of its own. */
  readonly marks: SegmentMarks | undefined;
  /** By name; utf8, bool and numbers. */
  readonly features: Readonly<Record<string, Column>>;
}

export interface SegmentMarks {
  /** A bitmap. */
  readonly deleted: Uint8Array;
  /** Microseconds at which a row expires; NaN: by the view's time to live. */
  readonly expires: Float64Array;
}

export interface LoadOptions extends CallOptions {
  /** The numbers of the batches whose rows are wanted. */
  readonly batches: ReadonlySet<number>;
  /** The segment may have so many bytes. */
  readonly limitBytes: number;
}

/**
 * Reads a view's rows into a segment. @returns undefined where they do not fit, or have times that a double does not hold to the microsecond (beyond the year 2255).
 * Throws `FEATURE_STORE_HISTORY_CORRUPT`.
 */
export async function loadSegment(
  source: HistorySource,
  view: FeatureView,
  options: LoadOptions,
): Promise<Segment | undefined> {
  return await readingHistory(() => readSegment(source, view, options));
}

async function readSegment(
  source: HistorySource,
  view: FeatureView,
  { batches, limitBytes, signal }: LoadOptions,
): Promise<Segment | undefined> {
  const range = { firstUs: Number.NEGATIVE_INFINITY, lastUs: Number.POSITIVE_INFINITY };
  const rows = await historySql(source, view, { range, batches });
  if (rows.mostRows * rowBytes(view) > limitBytes) return undefined;
  const held: Batch[] = [];
  let sizeBytes = 0;
  try {
    for await (const batch of source.duckdb.query(sortedSql(view, rows.sql, rows.hasMarks), { signal })) {
      for (const column of Object.values(batch.columns)) sizeBytes += sizeOf(column);
      if (sizeBytes > limitBytes) return undefined;
      held.push(batch);
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
  return held.length === 0 ? emptySegment(view) : segmentOf(view, concatBatches(held.splice(0)), limitBytes);
}

/** What a row takes at the least: its time and its sequence, and its values without texts and nulls. */
function rowBytes(view: FeatureView): number {
  const bytesOf = (type: FeatureType): number =>
    type === "utf8" ? 4 : type === "bool" ? 1 / 8 : numericArray(type, 0).BYTES_PER_ELEMENT;
  const features = Object.values(view.features).reduce((sum, type) => sum + bytesOf(type), 0);
  return 16 + (view.createdTime === undefined ? 0 : 8) + features;
}

function sortedSql(view: FeatureView, rows: string, hasMarks: boolean): string {
  const keys = Object.keys(view.entity.keys).map(identifier);
  const features = Object.keys(view.features).map(identifier);
  const columns = [
    ...new Set([...keys, ...features]),
    `CAST("_time" AS DOUBLE) AS "_time"`,
    `CAST("_sequence" AS DOUBLE) AS "_sequence"`,
    ...(view.createdTime === undefined ? [] : [`CAST("_created" AS DOUBLE) AS "_created"`]),
    ...(hasMarks ? [`coalesce("_deleted", FALSE) AS "_deleted"`, `CAST("_expires" AS DOUBLE) AS "_expires"`] : []),
  ];
  const created = view.createdTime === undefined ? "" : `r."_created" NULLS FIRST, `;
  return `SELECT ${columns.join(", ")} FROM (${rows}) AS r
    ORDER BY ${keys.join(", ")}, r."_time", ${created}r."_sequence"${view.ties === "first" ? " DESC" : ""}`;
}

function segmentOf(view: FeatureView, batch: Batch, limitBytes: number): Segment | undefined {
  const numbers = (name: string): Float64Array => columnOf(batch, name).values as Float64Array;
  const times = numbers("_time");
  const sequences = numbers("_sequence");
  if (!areExact(times) || !areExact(sequences)) return undefined;
  const created = view.createdTime === undefined ? undefined : asFloat64(columnOf(batch, "_created"));
  const hasMarks = batch.columns["_deleted"] !== undefined;
  const marks = hasMarks
    ? { deleted: columnOf(batch, "_deleted").values as Uint8Array, expires: asFloat64(columnOf(batch, "_expires")) }
    : undefined;
  const index = createKeyIndex(Object.keys(view.entity.keys), batch);
  const features = Object.fromEntries(Object.keys(view.features).map((name) => [name, columnOf(batch, name)]));
  const sizeBytes =
    index.sizeBytes +
    [times, sequences, created, marks?.deleted, marks?.expires].reduce(
      (sum, each) => sum + (each?.byteLength ?? 0),
      0,
    ) +
    Object.values(features).reduce((sum, column) => sum + sizeOf(column), 0);
  if (sizeBytes > limitBytes) return undefined;
  return { rows: batch.length, sizeBytes, index, times, created, sequences, marks, features };
}

const nothing: KeyIndex = {
  length: 0,
  offsets: new Int32Array(1),
  sizeBytes: 0,
  find: ({ length }) => new Int32Array(length).fill(-1),
};

function emptySegment(view: FeatureView): Segment {
  const none = new Float64Array(0);
  const created = view.createdTime === undefined ? undefined : none;
  return {
    rows: 0,
    sizeBytes: 0,
    index: nothing,
    times: none,
    created,
    sequences: none,
    marks: undefined,
    features: {},
  };
}

/** Whether doubles hold the numbers as they are. */
function areExact(numbers: Float64Array): boolean {
  for (const number of numbers) if (Math.abs(number) > Number.MAX_SAFE_INTEGER) return false;
  return true;
}

function sizeOf(column: Column): number {
  const validity = column.validity?.byteLength ?? 0;
  const offsets = "offsets" in column ? column.offsets.byteLength : 0;
  return validity + offsets + (ArrayBuffer.isView(column.values) ? column.values.byteLength : 0);
}
