import type { Batch, CallOptions } from "@millwright/contracts";
import type { IteratorState } from "./iterator-state.ts";

export interface ShuffleOptions {
  /** A whole number; another one gives another order. Default: 1. */
  readonly seed?: number | undefined;
  /** Rows that are shuffled among each other: what is held in memory. From 1; `Infinity` for all. Default: 65,536. */
  readonly bufferRows?: number | undefined;
  /**
   * Reads blocks of so many rows from all over the data, in a random order, several to a buffer: a dataset that is sorted is mixed too. It must have
   * `slice`. Default: none, buffers are of neighbouring rows.
   */
  readonly blockRows?: number | undefined;
}

/** What a function that is mapped over batches is told of each. */
export interface MappedBatch {
  readonly epoch: number;
  /** Of the epoch's batches, from 0, over all workers. */
  readonly batch: number;
  readonly signal: AbortSignal;
}

export interface IterateOptions<Item = Batch> extends CallOptions {
  /** Only these columns. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** Rows a batch; the last of an epoch may have fewer. Default: 1,024. */
  readonly batchRows?: number | undefined;
  /** Whether a last batch of fewer rows is left out. Default: false. */
  readonly dropLast?: boolean | undefined;
  /** Default: none, rows come as they stand. */
  readonly shuffle?: ShuffleOptions | undefined;
  /** From 0: each shuffles anew. Default: 0. */
  readonly epoch?: number | undefined;
  /** One of several that share the batches: it gets batches `index`, `index + count`, … of those that a single one would get. Default: a single one. */
  readonly worker?: { readonly index: number; readonly count: number } | undefined;
  /** Rows of the order, before it is shared out, that are left out at its beginning. Default: 0. */
  readonly skip?: number | undefined;
  /** Most rows of the order, after those that are skipped. Default: all. */
  readonly take?: number | undefined;
  /** Batches that are made before they are asked for; 0 also leaves reading the next buffer to when it is needed. Default: 2. */
  readonly prefetch?: number | undefined;
  /** Changes each batch, in this thread or, by a promise of what a worker thread answers, in others. Default: nothing is changed. */
  readonly map?: ((batch: Batch, context: MappedBatch) => Item | Promise<Item>) | undefined;
  /** Batches that are changed at once; with as many made ahead. Results keep their order. Default: 1. */
  readonly parallel?: number | undefined;
  /** Where another iterator of the same dataset and options was. Default: the beginning. */
  readonly state?: IteratorState | undefined;
}

const fault = (name: string, value: unknown, wanted: string): RangeError =>
  new RangeError(`${name} must be ${wanted}, not ${String(value)}.`);

function whole(name: string, value: number | undefined, least: number): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
    throw fault(name, value, `a whole number from ${least}`);
}

/** Throws a RangeError or a TypeError. */
export function checkIterateOptions(options: IterateOptions<unknown>): void {
  const { batchRows, shuffle, epoch, worker, skip, take, prefetch, map, parallel } = options;
  whole("batchRows", batchRows, 1);
  whole("epoch", epoch, 0);
  whole("skip", skip, 0);
  if (take !== Infinity) whole("take", take, 0);
  whole("prefetch", prefetch, 0);
  whole("parallel", parallel, 1);
  if (worker !== undefined) {
    whole("worker.count", worker.count, 1);
    whole("worker.index", worker.index, 0);
    if (!(worker.index < worker.count))
      throw fault("worker.index", worker.index, `less than its count, ${worker.count}`);
  }
  if (shuffle !== undefined) {
    if (shuffle.bufferRows !== Infinity) whole("shuffle.bufferRows", shuffle.bufferRows, 1);
    whole("shuffle.blockRows", shuffle.blockRows, 1);
    whole("shuffle.seed", shuffle.seed, Number.MIN_SAFE_INTEGER);
  }
  if (map !== undefined && typeof map !== "function") throw new TypeError("map must be a function.");
}
