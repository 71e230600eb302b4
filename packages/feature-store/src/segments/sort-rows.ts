import type { Batch, Column, ColumnType } from "@millwright/contracts";
import { asFloat64, concatColumns, takeRows } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { createGathering } from "./gather.ts";
import { groupByKey, indexRuns, type KeyIndex } from "./key-index.ts";
import { ascending } from "./row-order.ts";

/** Rows of a view as they were read. */
export interface ReadRows {
  readonly length: number;
  /** By column: its batches. They are taken from here as they are sorted. */
  readonly columns: Map<string, Column[]>;
}

export interface SortedRows {
  readonly index: KeyIndex;
  /** Takes a column, in order. */
  take(name: string): Column;
}

/**
 * Sorts rows by entity, time and rank: entities as they first come, and of two rows of one time the one that counts last. Columns are brought into order one by
 * one, so that hardly more than the rows themselves is in memory.
 */
export function sortRows(view: FeatureView, { length, columns }: ReadRows): SortedRows {
  const names = Object.keys(view.entity.keys);
  const whole = (name: string): Column => concatColumns(name, columns.get(name)!);
  const keys: Batch = { length, columns: Object.fromEntries(names.map((name) => [name, whole(name)])) };
  const { entities, first } = groupByKey(names, keys);
  const index = indexRuns(names, takeRows(keys, first), offsetsOf(entities, first.length));
  const order = ascending(entities, first.length);
  const created = columns.has("_created") ? asFloat64(whole("_created")) : undefined;
  const ranks = { times: asFloat64(whole("_time")), created, sequences: asFloat64(whole("_sequence")) };
  sortRuns(order, index.offsets, compareRanks(ranks, view.ties === "first"));
  const rows = new Int32Array(length);
  const places = new Int32Array(length);
  invert(order, rows, places);
  const present = new Uint8Array((length + 7) >> 3).fill(255);
  if ((length & 7) !== 0) present[length >> 3] = (1 << (length & 7)) - 1;
  return {
    index,
    take(name) {
      const parts = columns.get(name)!;
      if (!isKeptApart(view, name)) columns.delete(name);
      const gathering = createGathering(parts[0]!.type as ColumnType, length, present);
      let at = 0;
      for (const column of parts) {
        const end = at + column.length;
        gathering.add({ column, first: at, rows: rows.subarray(at, end), places: places.subarray(at, end) });
        at = end;
      }
      return gathering.finish();
    },
  };
}

/** A key may be a feature as well. */
const isKeptApart = (view: FeatureView, name: string): boolean => Object.hasOwn(view.entity.keys, name);

function offsetsOf(entities: Int32Array, length: number): Int32Array {
  const offsets = new Int32Array(length + 1);
  for (let row = 0; row < entities.length; row++) offsets[entities[row]! + 1]!++;
  for (let entity = 0; entity < length; entity++) offsets[entity + 1]! += offsets[entity]!;
  return offsets;
}

/** @param places By row: where it stands in the order. @param rows By row: itself. */
function invert(order: Int32Array, rows: Int32Array, places: Int32Array): void {
  for (let place = 0; place < order.length; place++) {
    places[order[place]!] = place;
    rows[place] = place;
  }
}

interface RowRanks {
  readonly times: Float64Array;
  /** NaN for none: older than any. */
  readonly created: Float64Array | undefined;
  readonly sequences: Float64Array;
}

function compareRanks({ times, created, sequences }: RowRanks, isFirstKept: boolean): (a: number, b: number) => number {
  const createdAt = (row: number): number => {
    const time = created?.[row] ?? Number.NaN;
    return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time;
  };
  return (a, b) => {
    if (times[a] !== times[b]) return times[a]! - times[b]!;
    const [one, other] = [createdAt(a), createdAt(b)];
    if (one !== other) return one < other ? -1 : 1;
    return (sequences[a]! - sequences[b]!) * (isFirstKept ? -1 : 1);
  };
}

/** Sorts each entity's rows, most of which stand in order already: files come by day, and in each its rows by time. */
function sortRuns(order: Int32Array, offsets: Int32Array, compare: (a: number, b: number) => number): void {
  for (let entity = 0; entity + 1 < offsets.length; entity++) {
    const [start, end] = [offsets[entity]!, offsets[entity + 1]!];
    for (let at = start + 1; at < end; at++) {
      if (compare(order[at - 1]!, order[at]!) <= 0) continue;
      order.subarray(start, end).sort(compare);
      break;
    }
  }
}
