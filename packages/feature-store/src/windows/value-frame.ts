import type { EventWindow } from "../online/event-window.ts";
import type { WindowValue } from "./value-column.ts";
import { rankOfShare } from "./values-partial.ts";

/**
 * The values of an input in a range of rows, counted or sorted. From one range to the next of the same window it takes in what has entered and lets go
 * what has left, so that a pass in order of time costs each row once; for another window, or after rows came late, it begins anew.
 */
export interface ValueFrame {
  moveTo(rows: EventWindow, from: number, to: number): void;
  /** How many distinct values there are. */
  distinct(): number;
  /** The smallest value that at least this share of all do not exceed; NaN without values. */
  quantile(share: number): number;
}

/** @param order Whether quantiles are asked for, or distinct values. */
export function createValueFrame(input: number, order: "counted" | "sorted"): ValueFrame {
  const held = order === "counted" ? createCounts() : createSorted();
  let window: EventWindow | undefined;
  let epoch = -1;
  let first = 0;
  let end = 0;
  return {
    moveTo(rows, from, to) {
      const [newFirst, newEnd] = [rows.dropped + from, rows.dropped + to];
      const moves = Math.abs(newFirst - first) + Math.abs(newEnd - end);
      const isNear = window === rows && epoch === rows.epoch && first >= rows.dropped && moves < to - from;
      if (isNear) {
        const index = (position: number): number => position - rows.dropped;
        for (const value of present(rows, input, index(end), index(newEnd))) held.add(value);
        for (const value of present(rows, input, index(newFirst), index(first))) held.add(value);
        for (const value of present(rows, input, index(first), index(newFirst))) held.delete(value);
        for (const value of present(rows, input, index(newEnd), index(end))) held.delete(value);
      } else held.restart(present(rows, input, from, to));
      [window, epoch, first, end] = [rows, rows.epoch, newFirst, newEnd];
    },
    distinct: () => held.distinct(),
    quantile: (share) => held.quantile(share),
  };
}

interface Held {
  restart(values: readonly WindowValue[]): void;
  add(value: WindowValue): void;
  delete(value: WindowValue): void;
  distinct(): number;
  quantile(share: number): number;
}

/** The values of the rows [from, to) that have one; none where the range is empty. */
function present(rows: EventWindow, input: number, from: number, to: number): WindowValue[] {
  const values: WindowValue[] = [];
  for (let index = from; index < to; index++) {
    const value = rows.valueAt(input, index);
    if (!Number.isNaN(value)) values.push(value);
  }
  return values;
}

function createCounts(): Held {
  const counts = new Map<WindowValue, number>();
  const add = (value: WindowValue): void => void counts.set(value, (counts.get(value) ?? 0) + 1);
  return {
    restart(values) {
      counts.clear();
      for (const value of values) add(value);
    },
    add,
    delete(value) {
      const left = counts.get(value)! - 1;
      if (left === 0) counts.delete(value);
      else counts.set(value, left);
    },
    distinct: () => counts.size,
    quantile: () => Number.NaN,
  };
}

function createSorted(): Held {
  let sorted: number[] = [];
  const placeOf = (value: number): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    restart(values) {
      sorted = Array.from(Float64Array.from(values as readonly number[]).sort());
    },
    add: (value) => void sorted.splice(placeOf(value as number), 0, value as number),
    delete: (value) => void sorted.splice(placeOf(value as number), 1),
    distinct: () => new Set(sorted).size,
    quantile: (share) => sorted[rankOfShare(share, sorted.length) - 1] ?? Number.NaN,
  };
}
