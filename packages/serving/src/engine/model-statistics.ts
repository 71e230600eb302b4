import type { Timings } from "./timings.ts";

/** How often something was, and how long it took in all. */
export interface Duration {
  readonly count: number;
  readonly ms: number;
}

/** What a loaded model has done since it was loaded. */
export interface ModelCounts {
  /** Requests that were answered, from asking to answering. */
  readonly success: Duration;
  readonly fail: Duration;
  /** Waiting: to be let in, and for the batch. */
  readonly queue: Duration;
  /** Reading features, checking and transforming inputs. */
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
  /** Rows that the model answered. */
  readonly rows: number;
  /** Batches that the model answered, in all and by their rows. */
  readonly batches: number;
  readonly byRows: ReadonlyMap<number, Duration>;
  /** When a request was last answered or failed, on the monotonic clock; negative infinity for never. */
  readonly lastMs: number;
}

/** So many sizes of batches are told apart; those that come later count in the sums alone. */
const mostSizes = 512;

type Parts = Pick<Timings, "queueMs" | "featuresMs" | "preprocessMs" | "batchWaitMs" | "modelMs">;

/** Counts what one loaded model does. */
export class ModelStatistics {
  #answered = 0;
  #answeredMs = 0;
  #failed = 0;
  #failedMs = 0;
  #queueMs = 0;
  #inputMs = 0;
  #modelMs = 0;
  #outputMs = 0;
  #rows = 0;
  #batches = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  readonly #byRows = new Map<number, { count: number; ms: number }>();

  /** The model has answered one batch. */
  batch(rows: number, modelMs: number): void {
    this.#rows += rows;
    this.#batches += 1;
    let size = this.#byRows.get(rows);
    if (size === undefined) {
      if (this.#byRows.size >= mostSizes) return;
      this.#byRows.set(rows, (size = { count: 0, ms: 0 }));
    }
    size.count += 1;
    size.ms += modelMs;
  }

  /** A request has been answered, or has failed. */
  request(answered: boolean, parts: Parts, totalMs: number, nowMs: number): void {
    this.#lastMs = nowMs;
    if (!answered) {
      this.#failed += 1;
      this.#failedMs += totalMs;
      return;
    }
    const queueMs = parts.queueMs + parts.batchWaitMs;
    const inputMs = parts.featuresMs + parts.preprocessMs;
    this.#answered += 1;
    this.#answeredMs += totalMs;
    this.#queueMs += queueMs;
    this.#inputMs += inputMs;
    this.#modelMs += parts.modelMs;
    this.#outputMs += Math.max(0, totalMs - queueMs - inputMs - parts.modelMs);
  }

  counts(): ModelCounts {
    const of = (ms: number): Duration => ({ count: this.#answered, ms });
    return {
      success: of(this.#answeredMs),
      fail: { count: this.#failed, ms: this.#failedMs },
      queue: of(this.#queueMs),
      computeInput: of(this.#inputMs),
      computeInfer: of(this.#modelMs),
      computeOutput: of(this.#outputMs),
      rows: this.#rows,
      batches: this.#batches,
      byRows: new Map([...this.#byRows].map(([rows, duration]) => [rows, { ...duration }])),
      lastMs: this.#lastMs,
    };
  }
}

const together = (left: Duration, right: Duration): Duration => ({
  count: left.count + right.count,
  ms: left.ms + right.ms,
});

/** What two of the same model have done together. */
export function addCounts(left: ModelCounts, right: ModelCounts): ModelCounts {
  const byRows = new Map(left.byRows);
  for (const [rows, duration] of right.byRows)
    byRows.set(rows, together(byRows.get(rows) ?? { count: 0, ms: 0 }, duration));
  return {
    success: together(left.success, right.success),
    fail: together(left.fail, right.fail),
    queue: together(left.queue, right.queue),
    computeInput: together(left.computeInput, right.computeInput),
    computeInfer: together(left.computeInfer, right.computeInfer),
    computeOutput: together(left.computeOutput, right.computeOutput),
    rows: left.rows + right.rows,
    batches: left.batches + right.batches,
    byRows,
    lastMs: Math.max(left.lastMs, right.lastMs),
  };
}
