import type { CallOptions, Column } from "@millwright/contracts";
import { asFloat64, numericArray } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import type { FeatureType, FeatureView } from "../definition/definition.ts";
import { historySql, type HistorySource, namingFile, readingHistory } from "../history/history-sql.ts";
import type { KeyIndex } from "./key-index.ts";
import type { RowRun } from "./row-order.ts";
import { type ReadRows, sortRows } from "./sort-rows.ts";
import { bytesOf, columnSections } from "./segment-format.ts";

/** Rows of a view, by entity, then time, then rank: the last one of those at a time or before it counts. What finds them is in memory. */
export interface Segment {
  readonly rows: number;
  /** What of it is in memory. */
  readonly sizeBytes: number;
  /** Whether all of it is. */
  readonly isHeld: boolean;
  /** What of it is in memory once it is held. */
  readonly wholeBytes: number;
  readonly index: KeyIndex;
  /** Absent where no row is a delete or has a time to live of its own. */
  readonly marks: SegmentMarks | undefined;
  /** Brings all columns into memory, to stay there. */
  hold(): Promise<void>;
  /** Throws an error of the file system where it stands in a file that is gone. */
  open(): Promise<SegmentReader>;
}

/** A segment while a read of it goes on: its file stays, whoever puts another one in its place. */
export interface SegmentReader extends AsyncDisposable {
  readonly segment: Segment;
  /** What decides between rows of equal times in several segments. */
  ranks(): Promise<Ranks>;
  /**
   * Columns by name, `times` (microseconds, float64) or `feature/…`, one after another, in pieces. A piece is good until the next is asked for.
   * @param starts Ascending, as `ends`: each wants the rows from its start to before its end, and has them in one piece of a column.
   */
  pieces(names: readonly string[], starts: Int32Array, ends: Int32Array): AsyncIterable<SegmentPiece>;
}

/** Rows of one column. */
export interface SegmentPiece {
  readonly name: string;
  /** Its row 0 is the run's first. */
  readonly column: Column;
  readonly run: RowRun;
}

export interface Ranks {
  /** Microseconds, NaN for none. Absent where the view has no created time. */
  readonly created: Float64Array | undefined;
  readonly sequences: Float64Array;
}

/** A segment that was read from the history. */
export interface LoadedSegment extends Segment {
  /** By the names of pieces; utf8, bool and numbers. */
  readonly columns: ReadonlyMap<string, Column>;
  /** Its bytes as they stand in a file, by the names of the sections. */
  readonly sections: readonly (readonly [name: string, bytes: Uint8Array])[];
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
): Promise<LoadedSegment | undefined> {
  return await readingHistory(() => readSegment(source, view, options));
}

async function readSegment(
  source: HistorySource,
  view: FeatureView,
  { batches, limitBytes, signal }: LoadOptions,
): Promise<LoadedSegment | undefined> {
  const range = { firstUs: Number.NEGATIVE_INFINITY, lastUs: Number.POSITIVE_INFINITY };
  const rows = await historySql(source, view, { range, batches });
  if (rows.mostRows * rowBytes(view) > limitBytes) return undefined;
  const columns = new Map<string, Column[]>();
  let length = 0;
  let sizeBytes = 0;
  try {
    for await (const batch of source.duckdb.query(selectedSql(view, rows.sql, rows.hasMarks), { signal })) {
      length += batch.length;
      for (const [name, column] of Object.entries(batch.columns)) {
        sizeBytes += columnBytes(column);
        const parts = columns.get(name);
        if (parts === undefined) columns.set(name, [column]);
        else parts.push(column);
      }
      if (sizeBytes > limitBytes) return undefined;
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
  return length === 0 ? emptySegment(view) : segmentOf(view, { length, columns }, limitBytes);
}

/** What a row takes at the least: its time and its sequence, and its values without texts and nulls. */
function rowBytes(view: FeatureView): number {
  const bytesOf = (type: FeatureType): number =>
    type === "utf8" ? 4 : type === "bool" ? 1 / 8 : numericArray(type, 0).BYTES_PER_ELEMENT;
  const features = Object.values(view.features).reduce((sum, type) => sum + bytesOf(type), 0);
  return 16 + (view.createdTime === undefined ? 0 : 8) + features;
}

function selectedSql(view: FeatureView, rows: string, hasMarks: boolean): string {
  const keys = Object.keys(view.entity.keys).map(identifier);
  const features = Object.keys(view.features).map(identifier);
  const columns = [
    ...new Set([...keys, ...features]),
    `CAST("_time" AS DOUBLE) AS "_time"`,
    `CAST("_sequence" AS DOUBLE) AS "_sequence"`,
    ...(view.createdTime === undefined ? [] : [`CAST("_created" AS DOUBLE) AS "_created"`]),
    ...(hasMarks ? [`coalesce("_deleted", FALSE) AS "_deleted"`, `CAST("_expires" AS DOUBLE) AS "_expires"`] : []),
  ];
  return `SELECT ${columns.join(", ")} FROM (${rows}) AS r`;
}

function segmentOf(view: FeatureView, read: ReadRows, limitBytes: number): LoadedSegment | undefined {
  const numbers = [...read.columns.get("_time")!, ...read.columns.get("_sequence")!];
  if (!numbers.every(({ values }) => areExact(values as Float64Array))) return undefined;
  if (![...read.columns.values()].every(isOneColumn)) return undefined;
  const sorted = sortRows(view, read);
  const columns = new Map<string, Column>();
  for (const name of Object.keys(view.features)) columns.set(`feature/${name}`, sorted.take(name));
  const hasMarks = read.columns.has("_deleted");
  const marks = hasMarks
    ? { deleted: sorted.take("_deleted").values as Uint8Array, expires: asFloat64(sorted.take("_expires")) }
    : undefined;
  const created = view.createdTime === undefined ? undefined : asFloat64(sorted.take("_created"));
  columns.set("times", sorted.take("_time"));
  const ranks = { created, sequences: asFloat64(sorted.take("_sequence")) };
  const segment = heldSegment({ rows: read.length, index: sorted.index, marks, columns, ranks });
  return segment.sizeBytes > limitBytes ? undefined : segment;
}

type SegmentParts = Pick<LoadedSegment, "rows" | "index" | "marks" | "columns"> & { readonly ranks: Ranks };

function heldSegment({ ranks, ...parts }: SegmentParts): LoadedSegment {
  const { rows, index, marks, columns } = parts;
  const arrays = Object.entries({ offsets: index.offsets, ...ranks, ...marks }).flatMap(([name, values]) =>
    values === undefined ? [] : [[name, bytesOf(values)] as const],
  );
  const sections = [
    ...Object.entries(index.keys.columns).flatMap(([name, column]) => columnSections(`key/${name}`, column)),
    ...arrays,
    ...[...columns].flatMap(([name, column]) => columnSections(name, column)),
  ];
  const sizeBytes =
    index.sizeBytes -
    index.offsets.byteLength +
    arrays.reduce((sum, [, { byteLength }]) => sum + byteLength, 0) +
    [...columns.values()].reduce((sum, column) => sum + columnBytes(column), 0);
  const segment: LoadedSegment = {
    ...parts,
    sizeBytes,
    isHeld: true,
    wholeBytes: sizeBytes,
    sections,
    hold: async () => {},
    open: async () => ({
      segment,
      ranks: async () => ranks,
      pieces: (names, { length }) => wholeColumns(columns, names, { rows, wanted: length }),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
  return segment;
}

/** Columns in memory, each as one piece. */
export async function* wholeColumns(
  columns: ReadonlyMap<string, Column>,
  names: readonly string[],
  { rows, wanted }: { readonly rows: number; readonly wanted: number },
): AsyncGenerator<SegmentPiece> {
  const run = { first: 0, end: rows, from: 0, to: wanted };
  if (wanted > 0) for (const name of names) yield { name, column: columns.get(name)!, run };
}

const nothing: KeyIndex = {
  length: 0,
  offsets: new Int32Array(1),
  keys: { length: 0, columns: {} },
  sizeBytes: 0,
  find: ({ length }) => new Int32Array(length).fill(-1),
};

function emptySegment(view: FeatureView): LoadedSegment {
  const none = new Float64Array(0);
  const created = view.createdTime === undefined ? undefined : none;
  const ranks = { created, sequences: none };
  return heldSegment({ rows: 0, index: nothing, marks: undefined, columns: new Map(), ranks });
}

/** Whether the parts are one column's worth: texts end where offsets of 32 bits do. */
const isOneColumn = (parts: readonly Column[]): boolean =>
  parts.reduce((sum, column) => sum + columnBytes(column), 0) < 2 ** 31 || parts[0]?.type !== "utf8";

/** Whether doubles hold the numbers as they are. */
function areExact(numbers: Float64Array): boolean {
  for (const number of numbers) if (Math.abs(number) > Number.MAX_SAFE_INTEGER) return false;
  return true;
}

export function columnBytes(column: Column): number {
  const validity = column.validity?.byteLength ?? 0;
  const offsets = "offsets" in column ? column.offsets.byteLength : 0;
  return validity + offsets + (ArrayBuffer.isView(column.values) ? column.values.byteLength : 0);
}
