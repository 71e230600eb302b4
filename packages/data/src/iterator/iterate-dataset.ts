import type { Batch, Dataset } from "@millwright/contracts";
import { concatBatches } from "../concat.ts";
import { sliceBatch, takeRows } from "../rows.ts";
import { inOrder } from "./in-order.ts";
import { checkIterateOptions, type IterateOptions } from "./iterator-options.ts";
import { checkIteratorState, type IteratorState } from "./iterator-state.ts";
import { type ReadWindow, readWindows } from "./read-windows.ts";

/** The batches of one epoch, as they are wanted for learning. Leaving its loop, or disposing it, frees what it holds. */
export interface DatasetIterator<Item = Batch>
  extends AsyncIterableIterator<Item, undefined, undefined>, AsyncDisposable {
  /** What is left starts here: with it, an iterator of the same dataset and options gives the batch that this one would give next. */
  state(): IteratorState;
  [Symbol.asyncIterator](): DatasetIterator<Item>;
}

/** Which rows of the order this iterator gives, batch by batch. */
interface Share {
  readonly batchRows: number;
  readonly skip: number;
  /** The end of the order, or of what is taken of it. */
  readonly end: number;
  readonly first: number;
  readonly count: number;
}

const defaultBatchRows = 1_024;
const defaultBufferRows = 65_536;

/**
 * Iterates one epoch of a dataset in batches: shuffled, shared among workers, changed by a function, made ahead of need. Which rows come when is a pure
 * function of the options (`createRowOrder` has the formula), so that an iterator that is made again with its state goes on at the exact next row, on
 * any number of workers. It holds the rows of one buffer, of the next one where `prefetch` is not 0, and batches made ahead; with `blockRows`, twice a
 * buffer while it is put together. Throws `DATA_ITERATOR_DIVERGED`, a RangeError or TypeError; while iterating, what the dataset and the function throw.
 */
export function iterateDataset<Item = Batch>(
  dataset: Dataset,
  options: IterateOptions<Item> = {},
): DatasetIterator<Item> {
  checkIterateOptions(options);
  const {
    epoch = 0,
    worker: { index, count } = { index: 0, count: 1 },
    prefetch = 2,
    parallel = 1,
    map,
    state,
    signal,
  } = options;
  const order = describe(dataset, options);
  if (state !== undefined) checkIteratorState(state, epoch, order);
  signal?.throwIfAborted();
  const left = new AbortController();
  const within = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  let batches = state?.batches ?? 0;
  const source = numbered(readShare(dataset, options, batches + index, within), batches + index, count);
  const change = map ?? ((batch: Batch) => batch as Item);
  const made = inOrder(source, ([batch, number]) => change(batch, { epoch, batch: number, signal: within }), {
    ahead: Math.max(prefetch, parallel - 1),
    parallel,
  });
  let ended = false;
  const end = async (): Promise<{ readonly done: true; readonly value: undefined }> => {
    ended = true;
    left.abort();
    await made[Symbol.asyncDispose]();
    return { done: true, value: undefined };
  };
  const iterator: DatasetIterator<Item> = {
    async next() {
      if (ended) return { done: true, value: undefined };
      try {
        signal?.throwIfAborted();
        const result = await made.next();
        if (result.done === true) return await end();
        batches += count;
        return result;
      } catch (error) {
        await end();
        throw error;
      }
    },
    return: end,
    state: () => ({ formatVersion: 1, epoch, batches, order }),
    [Symbol.asyncIterator]: () => iterator,
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
  return iterator;
}

/** What decides which rows are in which batch. */
function describe(
  { rows }: Dataset,
  { batchRows = defaultBatchRows, dropLast = false, shuffle, skip = 0, take }: IterateOptions<unknown>,
): IteratorState["order"] {
  const { seed = 1, bufferRows = defaultBufferRows, blockRows } = shuffle ?? {};
  return {
    batchRows: String(batchRows),
    ...(rows === undefined ? {} : { rows: String(rows) }),
    ...(dropLast ? { dropLast: "true" } : {}),
    ...(skip === 0 ? {} : { skip: String(skip) }),
    ...(take === undefined || take === Infinity ? {} : { take: String(take) }),
    ...(shuffle === undefined ? {} : { seed: String(seed), bufferRows: String(bufferRows) }),
    ...(blockRows === undefined ? {} : { blockRows: String(blockRows) }),
  };
}

async function* numbered(
  batches: AsyncIterable<Batch>,
  first: number,
  count: number,
): AsyncGenerator<readonly [batch: Batch, number: number]> {
  let number = first;
  for await (const batch of batches) {
    yield [batch, number];
    number += count;
  }
}

/** The batches from `first` on, each `count`th. */
async function* readShare(
  dataset: Dataset,
  options: Omit<IterateOptions, "map">,
  first: number,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const {
    batchRows = defaultBatchRows,
    shuffle,
    epoch = 0,
    skip = 0,
    take = Infinity,
    dropLast = false,
    prefetch = 2,
  } = options;
  const { count } = options.worker ?? { count: 1 };
  const share: Share = { batchRows, skip, first, count, end: Math.min(dataset.rows ?? Infinity, skip + take) };
  const { seed = 1, bufferRows = defaultBufferRows, blockRows } = shuffle ?? {};
  const windows = readWindows(dataset, skip + first * batchRows, {
    columns: options.columns,
    shuffle: shuffle && { seed, bufferRows, blockRows },
    epoch,
    wants: (start, end) => wants(share, start, end),
    signal,
  });
  await using ahead = inOrder(windows, (window) => window, { ahead: prefetch === 0 ? 0 : 1, parallel: 1 });
  for await (const batch of cut(ahead, share)) if (!dropLast || batch.length === batchRows) yield batch;
}

/** Whether a batch of the share has rows at these places. */
function wants({ batchRows, skip, end, first, count }: Share, from: number, to: number): boolean {
  const start = Math.max(from, skip + first * batchRows);
  const stop = Math.min(to, end);
  if (start >= stop) return false;
  const batch = Math.floor((start - skip) / batchRows);
  const own = batch + ((((first - batch) % count) + count) % count);
  return skip + own * batchRows < stop;
}

async function* cut(
  windows: { next(): Promise<IteratorResult<ReadWindow, undefined>> },
  share: Share,
): AsyncGenerator<Batch> {
  const { batchRows, skip, end, count } = share;
  let number = share.first;
  let pieces: Batch[] = [];
  for (let read = await windows.next(); read.done !== true; read = await windows.next()) {
    const { start, batch, order } = read.value;
    const stop = Math.min(end, start + batch.length);
    for (;;) {
      const from = skip + number * batchRows;
      const to = from + batchRows;
      if (from >= stop) break;
      const [first, last] = [Math.max(from, start) - start, Math.min(to, stop) - start];
      pieces.push(order === undefined ? sliceBatch(batch, first, last) : takeRows(batch, order.subarray(first, last)));
      if (to > stop) break;
      yield pieces.length === 1 ? (pieces[0] as Batch) : concatBatches(pieces);
      pieces = [];
      number += count;
    }
    if (stop === end) break;
  }
  if (pieces.length > 0) yield pieces.length === 1 ? (pieces[0] as Batch) : concatBatches(pieces);
}
