import type { TreeMemory } from "./tree-memory.ts";

/** Sums by bin of all columns, one column's bins after another's. */
export interface Histogram {
  /** Gradient and Hessian in turns; a whole number of 16 bytes. */
  readonly sums: Float64Array;
  /** Right behind the sums in memory; a whole number of 16 bytes. */
  readonly counts: Int32Array;
  /** Views of each column's part: made once, since views are dear beside small nodes. */
  readonly parts: readonly HistogramPart[];
}

/** One column's part of a histogram. */
export interface HistogramPart {
  readonly sums: Float64Array;
  readonly counts: Int32Array;
  /** Where they begin in a shared memory, in bytes. */
  readonly sumsAt: number;
  readonly countsAt: number;
}

/** A table in bins. */
export interface BinnedRows {
  readonly rows: number;
  /** One array for four columns, whose bins stand side by side, four bytes a row: of column c, `bins[c >> 2][row * 4 + (c & 3)]`. */
  readonly bins: readonly Uint8Array[];
  /** Where each column's bins begin in a histogram; and, last, how many there are. */
  readonly offsets: Int32Array;
}

/** Keeps histograms that were given back, since making one is dear. */
export interface HistogramPool {
  /** Zeroed. */
  take(): Histogram;
  give(histogram: Histogram): void;
}

/** Bytes of one histogram. */
export const histogramBytes = (bins: number): number => bins * 16 + Math.ceil(bins / 4) * 16;

/** @param offsets As those of the table. */
export function createHistogramPool(offsets: Int32Array, memory: TreeMemory): HistogramPool {
  const free: Histogram[] = [];
  return {
    take() {
      const held = free.pop();
      if (held === undefined) return makeHistogram(offsets, memory);
      held.sums.fill(0);
      held.counts.fill(0);
      return held;
    },
    give: (histogram) => void free.push(histogram),
  };
}

function makeHistogram(offsets: Int32Array, memory: TreeMemory): Histogram {
  const bins = offsets[offsets.length - 1] as number;
  const whole = memory.bytes(histogramBytes(bins));
  return histogramAt(whole.buffer, whole.byteOffset, offsets);
}

/** The histogram that lies in a memory. */
export function histogramAt(buffer: ArrayBufferLike, start: number, offsets: Int32Array): Histogram {
  const bins = offsets[offsets.length - 1] as number;
  const sums = new Float64Array(buffer, start, bins * 2);
  const counts = new Int32Array(buffer, start + bins * 16, Math.ceil(bins / 4) * 4);
  const parts = Array.from({ length: offsets.length - 1 }, (_, column): HistogramPart => {
    const [from, to] = [offsets[column] as number, offsets[column + 1] as number];
    return {
      sums: sums.subarray(from * 2, to * 2),
      counts: counts.subarray(from, to),
      sumsAt: sums.byteOffset + from * 16,
      countsAt: counts.byteOffset + from * 4,
    };
  });
  return { sums, counts, parts };
}
