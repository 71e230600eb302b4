import type { Batch, Dataset } from "@millwright/contracts";
import { concatBatches } from "../concat.ts";
import { sliceBatch } from "../rows.ts";
import { createRowOrder, orderWithin } from "./row-order.ts";

/** Rows that stand in the order one after another from `start` on. */
export interface ReadWindow {
  readonly start: number;
  readonly batch: Batch;
  /** Their order; absent where they come as they stand. */
  readonly order: Int32Array | undefined;
}

export interface ReadOptions {
  readonly columns: readonly string[] | undefined;
  readonly shuffle:
    | { readonly seed: number; readonly bufferRows: number; readonly blockRows: number | undefined }
    | undefined;
  readonly epoch: number;
  /** Whether rows at these places are wanted at all. */
  readonly wants: (start: number, end: number) => boolean;
  readonly signal: AbortSignal;
}

const readRows = 65_536;

async function* walk(
  dataset: Dataset,
  start: number,
  { columns, signal }: ReadOptions,
  batchRows: number,
): AsyncGenerator<Batch> {
  const rest = start === 0 ? undefined : dataset.slice?.(start, Infinity);
  let left = rest === undefined ? start : 0;
  for await (const batch of (rest ?? dataset).batches({ columns, batchRows, signal })) {
    const skipped = Math.min(left, batch.length);
    left -= skipped;
    if (skipped < batch.length) yield sliceBatch(batch, skipped);
  }
}

/** The rows from `place` on, as they stand. */
async function* inTurn(dataset: Dataset, place: number, options: ReadOptions): AsyncGenerator<ReadWindow> {
  let start = place;
  for await (const batch of walk(dataset, place, options, readRows)) {
    if (options.wants(start, start + batch.length)) yield { start, batch, order: undefined };
    start += batch.length;
  }
}

/** Buffers of neighbouring rows, read one after another, from the one that holds `place` on. How many rows there are need not be known. */
async function* neighbours(
  dataset: Dataset,
  place: number,
  options: ReadOptions,
  shuffle: NonNullable<ReadOptions["shuffle"]>,
): AsyncGenerator<ReadWindow> {
  const { seed, bufferRows } = shuffle;
  let index = bufferRows === Infinity ? 0 : Math.floor(place / bufferRows);
  let start = index === 0 ? 0 : index * bufferRows;
  let held: Batch[] = [];
  let rows = 0;
  const taken = (): ReadWindow | undefined => {
    const window = options.wants(start, start + rows)
      ? { start, batch: concatBatches(held), order: orderWithin(index, rows, options.epoch, seed) }
      : undefined;
    start += rows;
    index += 1;
    held = [];
    rows = 0;
    return window;
  };
  for await (const batch of walk(dataset, start, options, Math.min(readRows, bufferRows))) {
    for (let from = 0; from < batch.length;) {
      const piece = sliceBatch(batch, from, Math.min(batch.length, from + bufferRows - rows));
      from += piece.length;
      rows += piece.length;
      held.push(piece);
      if (rows < bufferRows) continue;
      const window = taken();
      if (window !== undefined) yield window;
    }
  }
  const window = rows === 0 ? undefined : taken();
  if (window !== undefined) yield window;
}

/** Buffers of blocks from all over the data. */
async function* blocks(
  dataset: Dataset,
  place: number,
  options: ReadOptions,
  shuffle: NonNullable<ReadOptions["shuffle"]>,
): AsyncGenerator<ReadWindow> {
  const { columns, epoch, signal } = options;
  const { rows, slice } = dataset;
  if (rows === undefined || slice === undefined)
    throw new TypeError(
      "Blocks can only be read of a dataset that has slice and knows its rows: leave blockRows out, or write the rows as Parquet.",
    );
  const order = createRowOrder({ ...shuffle, rows, epoch });
  for (let index = order.windowAt(place); index < order.windows; index += 1) {
    const window = order.window(index);
    if (!options.wants(window.start, window.start + window.rows)) continue;
    const held: Batch[] = [];
    for (const { start, end } of window.ranges)
      for await (const batch of slice(start, end).batches({ columns, signal })) held.push(batch);
    yield { start: window.start, batch: concatBatches(held), order: window.order };
  }
}

/** Reads the rows of an epoch in their order, from the window that holds `place` on. */
export function readWindows(dataset: Dataset, place: number, options: ReadOptions): AsyncGenerator<ReadWindow> {
  const { shuffle } = options;
  if (shuffle === undefined) return inTurn(dataset, place, options);
  return (shuffle.blockRows === undefined ? neighbours : blocks)(dataset, place, options, shuffle);
}
