import type { Batch, Column } from "@millwright/contracts";
import { asFloat64, columnOf } from "@millwright/data";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { gatherColumn, type GatherSource } from "./gather.ts";
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
    found.push({ reader, segment, ranks, rows: newestRows(segment, labels, times) });
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
  const names = Object.keys(view.features);
  const walks = found.map(({ reader, rows }) => ({ rows, columns: reader.columns(names, rows) }));
  const gathered: Record<string, Column> = {};
  try {
    for (const name of names) {
      const sources: GatherSource[] = [];
      for (const { rows, columns } of walks) {
        const { value } = await columns.next();
        sources.push({ column: value as Column, rows });
      }
      gathered[featureName(view, name)] = gatherColumn(view.features[name]!, length, sources);
    }
  } finally {
    for (const { columns } of walks) await columns.return(undefined);
  }
  return gathered;
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
}

/** By label: the last row of its entity at or before its time. */
function newestRows({ index, times }: Segment, labels: Batch, wanted: Float64Array): Int32Array {
  const rows = index.find(labels);
  const { offsets } = index;
  for (let label = 0; label < rows.length; label++) {
    const entity = rows[label]!;
    const time = wanted[label]!;
    if (entity < 0 || Number.isNaN(time)) {
      rows[label] = -1;
      continue;
    }
    const start = offsets[entity]!;
    let low = start;
    let high = offsets[entity + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (times[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    rows[label] = low === start ? -1 : low - 1;
  }
  return rows;
}

/** Of two rows of a label, one in each segment, only the one that outranks the other stays. */
function keepNewer({ ties }: FeatureView, a: Found, b: Found): void {
  for (let label = 0; label < a.rows.length; label++) {
    const [row, other] = [a.rows[label]!, b.rows[label]!];
    if (row < 0 || other < 0) continue;
    const order =
      a.segment.times[row]! - b.segment.times[other]! ||
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

function leaveOutDead({ ttlMs }: FeatureView, { segment, rows }: Found, wanted: Float64Array): void {
  const { times, marks } = segment;
  if (ttlMs === undefined && marks === undefined) return;
  const ttlUs = ttlMs === undefined ? Number.POSITIVE_INFINITY : Math.round(ttlMs * 1000);
  for (let label = 0; label < rows.length; label++) {
    const row = rows[label]!;
    if (row < 0) continue;
    const own = marks === undefined ? Number.NaN : marks.expires[row]!;
    const expires = Number.isNaN(own) ? times[row]! + ttlUs : own;
    const isDeleted = marks !== undefined && ((marks.deleted[row >> 3]! >> (row & 7)) & 1) === 1;
    if (isDeleted || !(wanted[label]! < expires)) rows[label] = -1;
  }
}
