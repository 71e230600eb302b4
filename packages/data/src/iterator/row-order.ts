import { createRandom, hashSeed } from "@millwright/contracts";

/** Where the rows of an order stand in the data: `start` to `end`, exclusive. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** Rows that are shuffled among each other, one after another in the order. */
export interface RowWindow {
  /** The place in the order of its first row. */
  readonly start: number;
  readonly rows: number;
  /** What is to be read, in this order. */
  readonly ranges: readonly RowRange[];
  /** The rows that were read, by their place in what was read: a permutation of 0 … `rows` − 1; absent where they stay as they are. */
  readonly order?: Int32Array | undefined;
}

export interface RowOrderOptions {
  readonly rows: number;
  /** Whole numbers; each epoch has an order of its own. */
  readonly seed: number;
  readonly epoch: number;
  /** Rows that are shuffled among each other; `Infinity` for all. */
  readonly bufferRows: number;
  /** Rows of the blocks that come in a random order, several to a buffer; absent: buffers are of neighbouring rows. */
  readonly blockRows?: number | undefined;
}

/** The rows of one epoch in their order, window by window. */
export interface RowOrder {
  readonly windows: number;
  /** @returns the number of the window that holds the place; `windows` for those past the end. */
  windowAt(place: number): number;
  window(index: number): RowWindow;
}

/**
 * 0 … `length` − 1 in a random order that is a pure function of label and seed (Fisher–Yates, Durstenfeld 1964).
 * @param length At most 2^31 − 1.
 */
export function permutation(length: number, label: string, seed: number): Int32Array {
  const random = createRandom(hashSeed(label, seed));
  const order = new Int32Array(length);
  for (let row = 0; row < length; row += 1) order[row] = row;
  for (let last = length - 1; last > 0; last -= 1) {
    const other = random.integer(last + 1);
    const moved = order[last] as number;
    order[last] = order[other] as number;
    order[other] = moved;
  }
  return order;
}

/** The order within a window. */
export const orderWithin = (window: number, rows: number, epoch: number, seed: number): Int32Array =>
  permutation(rows, window === 0 ? `order:${epoch}` : `order:${epoch}:${window}`, seed);

/**
 * The order of the rows of an epoch, a pure function of its options. The rows are cut into blocks of `blockRows`, the last one shorter; blocks come in the
 * order `permutation(blocks, "blocks:" + epoch, seed)`, as many to a window as `bufferRows` holds, at least one; without `blockRows`, windows are of
 * `bufferRows` neighbouring rows; where one window holds all, blocks stay where they are. Rows of window `w` come in the order
 * `permutation(rows, "order:" + epoch + ":" + w, seed)`, the first one's without its `":0"`. Throws a RangeError.
 */
export function createRowOrder(options: RowOrderOptions): RowOrder {
  const { rows, seed, epoch, bufferRows, blockRows } = options;
  for (const [name, value, least] of [
    ["rows", rows, 0],
    ["bufferRows", bufferRows, 1],
    ["blockRows", blockRows ?? 1, 1],
  ] as const)
    if (!(value >= least && (Number.isSafeInteger(value) || (name === "bufferRows" && value === Infinity))))
      throw new RangeError(`${name} must be a whole number from ${least}, not ${String(value)}.`);
  if (rows <= bufferRows || blockRows === undefined) return neighbours({ rows, seed, epoch, bufferRows });
  const blocks = Math.ceil(rows / blockRows);
  const perWindow = Math.max(1, Math.floor(bufferRows / blockRows));
  const order = permutation(blocks, `blocks:${epoch}`, seed);
  const windows = Math.ceil(blocks / perWindow);
  const missing = blocks * blockRows - rows;
  const short = Math.floor(order.indexOf(blocks - 1) / perWindow);
  const startOf = (index: number): number =>
    Math.min(rows, index * perWindow * blockRows - (index > short ? missing : 0));
  return {
    windows,
    windowAt(place) {
      if (place >= rows) return windows;
      const guess = Math.min(windows - 1, Math.floor(place / (perWindow * blockRows)));
      return guess + 1 < windows && startOf(guess + 1) <= place ? guess + 1 : guess;
    },
    window(index) {
      const start = startOf(index);
      const held = startOf(index + 1) - start;
      const ranges = [...order.subarray(index * perWindow, (index + 1) * perWindow)].map((block) => ({
        start: block * blockRows,
        end: Math.min(rows, (block + 1) * blockRows),
      }));
      return { start, rows: held, ranges, order: orderWithin(index, held, epoch, seed) };
    },
  };
}

function neighbours({ rows, seed, epoch, bufferRows }: Omit<RowOrderOptions, "blockRows">): RowOrder {
  const size = Math.min(rows, bufferRows);
  const windows = rows === 0 ? 0 : Math.ceil(rows / size);
  return {
    windows,
    windowAt: (place) => (place >= rows ? windows : Math.floor(place / size)),
    window(index) {
      const start = index * size;
      const end = Math.min(rows, start + size);
      return {
        start,
        rows: end - start,
        ranges: [{ start, end }],
        order: orderWithin(index, end - start, epoch, seed),
      };
    },
  };
}
