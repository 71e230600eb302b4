import { argsort } from "./argsort.ts";
import type { Axis } from "./parzen-axes.ts";

/** More new rows than this are sorted anew, not put in one by one. */
const INSERTED_AT_MOST = 16;

/** Some rows by one coordinate; good until the next question. The arrays may be longer than there are rows. */
export interface AxisOrder {
  readonly count: number;
  /** Positions of the rows by their coordinate, equal ones by position. */
  readonly positions: Int32Array;
  /** The coordinates in that order. */
  readonly values: Float64Array;
}

/**
 * Rows of one space by the order of each numeric coordinate, kept from one suggestion to the next: a new trial is put into its place. It tells the same
 * as sorting anew, only sooner.
 */
export interface AxisOrders {
  /** Forgets rows, once they are many more than those that are still wanted. */
  forget(wanted: number): void;
  /** Chooses what `order` is about: rows with values on all axes that will be asked for. */
  select(rows: readonly Float64Array[]): void;
  order(axis: Axis): AxisOrder;
}

interface Column {
  readonly column: number;
  readonly slots: Int32Array;
  readonly values: Float64Array;
  readonly count: number;
}

interface Store {
  known: Float64Array[];
  columns: Map<number, Column>;
}

/** @param slotColumn The place in a row where its number here is kept. */
export function createAxisOrders(axes: readonly Axis[], slotColumn: number): AxisOrders {
  const store: Store = { known: [], columns: emptyColumns(axes) };
  let positions = new Int32Array(64).fill(-1);
  let selected: readonly Float64Array[] = [];
  let scratch = { positions: new Int32Array(64), values: new Float64Array(64) };
  let repeated = false;
  const slotOf = (row: Float64Array): number => row[slotColumn] as number;
  return {
    forget(wanted) {
      if (store.known.length <= 4 * wanted + 1024) return;
      for (const row of selected) positions[slotOf(row)] = -1;
      selected = [];
      store.known = [];
      store.columns = emptyColumns(axes);
    },
    select(rows) {
      for (const row of selected) positions[slotOf(row)] = -1;
      addRows(store, rows, slotColumn);
      if (store.known.length > positions.length) positions = new Int32Array(2 * store.known.length).fill(-1);
      repeated = false;
      selected = rows;
      for (let index = 0; index < rows.length; index += 1) {
        const slot = slotOf(rows[index] as Float64Array);
        if (positions[slot] !== -1) repeated = true;
        positions[slot] = index;
      }
    },
    order({ column }) {
      // Rows that stand for several trials have one place here only.
      if (repeated) return sortedAnew(column, selected);
      const count = selected.length;
      if (count > scratch.positions.length)
        scratch = { positions: new Int32Array(2 * count), values: new Float64Array(2 * count) };
      gather(store.columns.get(column) as Column, positions, count, scratch);
      return { count, ...scratch };
    },
  };
}

const emptyColumns = (axes: readonly Axis[]): Map<number, Column> =>
  new Map(
    axes.map(({ column }) => [column, { column, slots: new Int32Array(0), values: new Float64Array(0), count: 0 }]),
  );

function addRows(store: Store, rows: readonly Float64Array[], slotColumn: number): void {
  const { known } = store;
  const first = known.length;
  for (const row of rows) {
    if (known[row[slotColumn] as number] === row) continue;
    row[slotColumn] = known.length;
    known.push(row);
  }
  const added = known.length - first;
  if (added === 0) return;
  for (const [key, column] of store.columns) {
    let next = added > INSERTED_AT_MOST ? sortAll(column.column, known) : column;
    if (next === column) for (let slot = first; slot < known.length; slot += 1) next = insert(next, slot, known);
    store.columns.set(key, next);
  }
}

function gather(
  { slots, values, count }: Column,
  positions: Int32Array,
  wanted: number,
  { positions: order, values: ordered }: { readonly positions: Int32Array; readonly values: Float64Array },
): void {
  let filled = 0;
  let ties = false;
  let before = -1;
  let last = NaN;
  for (let rank = 0; rank < count && filled < wanted; rank += 1) {
    const position = positions[slots[rank] as number] as number;
    if (position < 0) continue;
    const value = values[rank] as number;
    if (value === last && position < before) ties = true;
    order[filled] = position;
    ordered[filled] = value;
    last = value;
    before = position;
    filled += 1;
  }
  if (ties) sortTies(order, ordered, wanted);
}

function sortTies(order: Int32Array, values: Float64Array, count: number): void {
  for (let start = 0, end = 1; end <= count; end += 1) {
    if (end < count && values[end] === values[start]) continue;
    if (end - start > 1) order.subarray(start, end).sort();
    start = end;
  }
}

function sortedAnew(column: number, rows: readonly Float64Array[]): AxisOrder {
  const values = Float64Array.from(rows, (row) => row[column] as number);
  const positions = argsort(values);
  return {
    count: rows.length,
    positions,
    values: Float64Array.from(positions, (position) => values[position] as number),
  };
}

/** Rows without a value on the axis have no place in its order. */
function sortAll(column: number, known: readonly Float64Array[]): Column {
  const slots: number[] = [];
  for (const [slot, row] of known.entries()) if (!Number.isNaN(row[column] as number)) slots.push(slot);
  const { positions, values } = sortedAnew(
    column,
    slots.map((slot) => known[slot] as Float64Array),
  );
  return { column, slots: positions.map((position) => slots[position] as number), values, count: slots.length };
}

/** Behind those that are equal. */
function insert(own: Column, slot: number, known: readonly Float64Array[]): Column {
  const value = (known[slot] as Float64Array)[own.column] as number;
  if (Number.isNaN(value)) return own;
  const { slots, values, count } = own.count < own.slots.length ? own : grown(own);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  slots.copyWithin(low + 1, low, count);
  values.copyWithin(low + 1, low, count);
  slots[low] = slot;
  values[low] = value;
  return { column: own.column, slots, values, count: count + 1 };
}

function grown({ column, slots, values, count }: Column): Column {
  const size = 2 * count + 32;
  const more = { column, slots: new Int32Array(size), values: new Float64Array(size), count };
  more.slots.set(slots.subarray(0, count));
  more.values.set(values.subarray(0, count));
  return more;
}
