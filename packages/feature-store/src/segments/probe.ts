import type { Batch, Column } from "@millwright/contracts";
import { asFloat64, columnOf } from "@millwright/data";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { createGathering } from "./gather.ts";
import { ascending, type RowRun } from "./row-order.ts";
import type { Ranks, Segment, SegmentReader } from "./segment.ts";

/** Timestamps that are infinite stand at the ends of the 64-bit integers. */
const INFINITE_US = 2 ** 63;

/**
 * The view's features for a batch of labels, under the names they have in a training set: of each label's entity the newest row at or before its time that is
 * neither a delete nor expired.
 */
export async function probeSegments(
  view: FeatureView,
  readers: readonly SegmentReader[],
  labels: Batch,
  labelTime: string,
): Promise<Record<string, Column>> {
  const times = labelTimes(labels, labelTime);
  const found: Found[] = [];
  for (const reader of readers) {
    const { segment } = reader;
    if (segment.rows === 0) continue;
    // Of one segment nothing is to be compared.
    const ranks = readers.length === 1 ? undefined : await reader.ranks();
    found.push({ reader, segment, ranks, ...(await newestRows(reader, labels, times)) });
  }
  for (let index = 1; index < found.length; index++) {
    for (let before = 0; before < index; before++) keepNewer(view, found[before]!, found[index]!);
  }
  for (const each of found) leaveOutDead(view, each, times);
  return await gatherFeatures(view, found, labels.length);
}

async function gatherFeatures(
  view: FeatureView,
  found: readonly Found[],
  length: number,
): Promise<Record<string, Column>> {
  const present = new Uint8Array((length + 7) >> 3);
  const wanted = found.map(({ reader, segment, rows }) => {
    const places = ascending(rows, segment.rows);
    return { reader, places, ...rowsAt(rows, places, present) };
  });
  const gatherings = new Map(
    Object.entries(view.features).map(([name, type]) => [`feature/${name}`, createGathering(type, length, present)]),
  );
  for (const { reader, places, rows, ends } of wanted) {
    for await (const { name, column, run } of reader.pieces([...gatherings.keys()], rows, ends)) {
      const { first, from, to } = run;
      const piece = { column, first, rows: rows.subarray(from, to), places: places.subarray(from, to) };
      gatherings.get(name)!.add(piece);
    }
  }
  const columns = Object.keys(view.features).map((name) => {
    return [featureName(view, name), gatherings.get(`feature/${name}`)!.finish()] as const;
  });
  return Object.fromEntries(columns);
}

/** The rows at places, and the ones after them. @param present Its bits at the places are set. */
function rowsAt(
  rows: Int32Array,
  places: Int32Array,
  present: Uint8Array,
): { readonly rows: Int32Array; readonly ends: Int32Array } {
  const sorted = new Int32Array(places.length);
  const ends = new Int32Array(places.length);
  for (let index = 0; index < places.length; index++) {
    const place = places[index]!;
    const row = rows[place]!;
    sorted[index] = row;
    ends[index] = row + 1;
    present[place >> 3]! |= 1 << (place & 7);
  }
  return { rows: sorted, ends };
}

/** Microseconds, NaN where a label has no finite time. */
function labelTimes(labels: Batch, labelTime: string): Float64Array {
  const times = asFloat64(columnOf(labels, labelTime)).slice();
  for (let row = 0; row < times.length; row++) if (Math.abs(times[row]!) >= INFINITE_US) times[row] = Number.NaN;
  return times;
}

interface Found {
  readonly reader: SegmentReader;
  readonly segment: Segment;
  readonly ranks: Ranks | undefined;
  /** By label: the row of the segment, −1 for none. */
  readonly rows: Int32Array;
  /** By label: the row's time, microseconds. */
  readonly times: Float64Array;
}

/** By label: the last row of its entity at or before its time, and that row's time. */
async function newestRows(
  reader: SegmentReader,
  labels: Batch,
  wanted: Float64Array,
): Promise<Pick<Found, "rows" | "times">> {
  const { index, rows: most } = reader.segment;
  const rows = index.find(labels);
  leaveOutTimeless(rows, wanted);
  // Entity after entity: what is looked at for one label is near what was looked at for the one before.
  const order = ascending(rows, index.length);
  const [starts, ends] = [new Int32Array(order.length), new Int32Array(order.length)];
  entityRows(index.offsets, { rows, order, starts, ends });
  const times = new Float64Array(most === 0 ? 0 : labels.length);
  for await (const { column, run } of reader.pieces(["times"], starts, ends)) {
    searchTimes(column.values as Float64Array, run, { wanted, order, starts, ends, rows, times });
  }
  return { rows, times };
}

function leaveOutTimeless(rows: Int32Array, wanted: Float64Array): void {
  for (let label = 0; label < rows.length; label++) if (Number.isNaN(wanted[label]!)) rows[label] = -1;
}

interface EntityRows {
  /** By label: its entity. */
  readonly rows: Int32Array;
  readonly order: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

function entityRows(offsets: Int32Array, { rows, order, starts, ends }: EntityRows): void {
  for (let at = 0; at < order.length; at++) {
    const entity = rows[order[at]!]!;
    starts[at] = offsets[entity]!;
    ends[at] = offsets[entity + 1]!;
  }
}

interface Search extends EntityRows {
  /** By label. */
  readonly wanted: Float64Array;
  /** By label: what is found. */
  readonly times: Float64Array;
}

function searchTimes(known: Float64Array, run: RowRun, { wanted, order, starts, ends, rows, times }: Search): void {
  const { first, from, to } = run;
  for (let at = from; at < to; at++) {
    const label = order[at]!;
    const time = wanted[label]!;
    const start = starts[at]! - first;
    let low = start;
    let high = ends[at]! - first;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (known[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    rows[label] = low === start ? -1 : low - 1 + first;
    if (low > start) times[label] = known[low - 1]!;
  }
}

/** Of two rows of a label, one in each segment, only the one that outranks the other stays. */
function keepNewer({ ties }: FeatureView, a: Found, b: Found): void {
  for (let label = 0; label < a.rows.length; label++) {
    const [row, other] = [a.rows[label]!, b.rows[label]!];
    if (row < 0 || other < 0) continue;
    const order =
      a.times[label]! - b.times[label]! ||
      compare(createdOf(a, row), createdOf(b, other)) ||
      (a.ranks!.sequences[row]! - b.ranks!.sequences[other]!) * (ties === "first" ? -1 : 1);
    if (order > 0) b.rows[label] = -1;
    else a.rows[label] = -1;
  }
}

/** No created time is older than any. */
function createdOf({ ranks }: Found, row: number): number {
  const time = ranks?.created?.[row] ?? Number.NaN;
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time;
}

const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);

function leaveOutDead({ ttlMs }: FeatureView, { segment, rows, times }: Found, wanted: Float64Array): void {
  const { marks } = segment;
  if (ttlMs === undefined && marks === undefined) return;
  const ttlUs = ttlMs === undefined ? Number.POSITIVE_INFINITY : Math.round(ttlMs * 1000);
  for (let label = 0; label < rows.length; label++) {
    const row = rows[label]!;
    if (row < 0) continue;
    const own = marks === undefined ? Number.NaN : marks.expires[row]!;
    const expires = Number.isNaN(own) ? times[label]! + ttlUs : own;
    const isDeleted = marks !== undefined && ((marks.deleted[row >> 3]! >> (row & 7)) & 1) === 1;
    if (isDeleted || !(wanted[label]! < expires)) rows[label] = -1;
  }
}
