import {
  type Batch,
  type CallOptions,
  type Clock,
  type PredictOptions,
  type RequestIdentity,
  type Tensors,
  isMillwrightError,
} from "@millwright/contracts";
import { overloaded } from "../admission/errors.ts";
import { modelFailed } from "../errors.ts";
import type { BatchCost } from "./batch-cost.ts";
import { type BatchQueue, type Bucket, createBatchQueue } from "./batch-queue.ts";
import { joinPayloads } from "./payloads.ts";
import { sliceRows } from "./tensor-rows.ts";
import type { Timings } from "./timings.ts";

/** What a model is asked: checked tensors, or columns that its transforms turn into tensors. */
export type Payload =
  | { readonly kind: "tensors"; readonly tensors: Tensors }
  | { readonly kind: "columns"; readonly batch: Batch };

/** Limits that may change while the batcher works. */
export interface BatchLimits {
  readonly maxBatchRows: number;
  readonly maxQueueRows: number;
  /** Batches are kept so short that three of them end within it, milliseconds: one that runs, one that waits, and a third for all else. Default: no such limit. */
  readonly latencyObjectiveMs?: number | undefined;
}

export interface BatcherOptions {
  /** How the endpoint and the model are called in messages. */
  readonly endpoint: string;
  readonly model: string;
  /** Asks the model once. */
  readonly run: (payload: Payload, options: PredictOptions) => Tensors | Promise<Tensors>;
  /** How many batches may be under way at once, asked before each. Default: 1. */
  readonly lanes?: (() => number) | undefined;
  readonly limits: BatchLimits;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly onBatch?: ((rows: number, modelMs: number) => void) | undefined;
  readonly onQueue?: ((rows: number) => void) | undefined;
}

export interface BatchRequest extends CallOptions, RequestIdentity {
  readonly payload: Payload;
  readonly rows: number;
  /** Requests of equal keys may share a batch; `undefined` keeps it alone. */
  readonly key: string | undefined;
  /** Is told `batchWaitMs` and `modelMs`. */
  readonly timings: Timings;
}

export interface Batcher {
  /**
   * Answers one request, in a batch with others. Throws `SERVING_OVERLOADED`, `SERVING_MODEL_FAILED`, what the model throws for its own rows, and the
   * reason of its signal.
   */
  answer(request: BatchRequest): Promise<Tensors>;
  readonly queuedRows: number;
  /** Turns away what waits, and aborts what runs. */
  abandon(reason: unknown): void;
}

/** A request that waits for its batch, or is in it. */
interface Waiting {
  readonly request: BatchRequest;
  readonly rows: number;
  readonly key: string | undefined;
  readonly sinceMs: number;
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Batches without a timer: what arrives in one turn of the event loop, or while a batch runs, makes the next batch. An idle model answers
 * at once; a busy one answers many rows for the price of a call. Where a batch fails it is halved until the bad row fails alone.
 */
export function createBatcher(options: BatcherOptions): Batcher {
  return new OpenBatcher(options);
}

class OpenBatcher implements Batcher {
  readonly #options: BatcherOptions;
  readonly #queue: BatchQueue<Waiting> = createBatchQueue();
  readonly #running = new Set<BatchCall>();
  #lanesBusy = 0;
  #scheduled = false;
  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#start();
  };

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get queuedRows(): number {
    return this.#queue.rows;
  }

  answer(request: BatchRequest): Promise<Tensors> {
    return new Promise<Tensors>((resolve, reject) => {
      const { endpoint, limits, clock, onQueue } = this.#options;
      const { rows, key } = request;
      const queued = this.#queue.rows;
      if (queued > 0 && queued + rows > limits.maxQueueRows) {
        const problem = `its queue holds ${queued} rows, and its limit is ${limits.maxQueueRows}`;
        reject(overloaded(endpoint, problem, this.#queueMs()));
        return;
      }
      this.#queue.push({ request, rows, key, sinceMs: clock.monotonicMs(), resolve, reject });
      onQueue?.(this.#queue.rows);
      this.#schedule();
    });
  }

  abandon(reason: unknown): void {
    for (const { reject } of this.#queue.clear()) reject(reason);
    for (const call of this.#running) call.abort(reason);
  }

  /** How long the model takes for all that waits. */
  #queueMs(): number | undefined {
    const { rows } = this.#queue;
    const most = Math.min(rows, this.#options.limits.maxBatchRows);
    const batchMs = this.#queue.oldest()?.cost.expectedMs(most);
    return batchMs === undefined ? undefined : (batchMs * Math.ceil(rows / most)) / this.#lanes();
  }

  /** The end of this turn of the loop: whatever the sockets delivered in it shares the batch, and a long queue does not keep them waiting. */
  #schedule(): void {
    if (this.#scheduled || this.#lanesBusy >= this.#lanes()) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  #lanes(): number {
    return Math.max(1, this.#options.lanes?.() ?? 1);
  }

  #start(): void {
    for (let free = this.#lanes() - this.#lanesBusy; free > 0; free -= 1) {
      const bucket = this.#queue.oldest();
      if (bucket === undefined) return;
      const taken = wantedOf(bucket.take(this.#maxRows(bucket, free)));
      this.#options.onQueue?.(this.#queue.rows);
      const ending = taken.length === 0 ? undefined : this.#answerBatch(taken, bucket.cost);
      if (ending === undefined) {
        // Answered in this turn: the next batch takes the next one.
        if (this.#queue.size > 0) this.#schedule();
        return;
      }
      this.#lanesBusy += 1;
      void ending.then(() => {
        this.#lanesBusy -= 1;
        if (this.#queue.size > 0) this.#schedule();
      });
    }
  }

  /** As many rows as the limits let; where rows rather than calls cost the time, no more than a free lane's share of those that wait. */
  #maxRows({ cost, rows }: Bucket<Waiting>, freeLanes: number): number {
    const { maxBatchRows, latencyObjectiveMs } = this.#options.limits;
    let most = maxBatchRows;
    if (latencyObjectiveMs !== undefined) most = Math.min(most, cost.rowsWithin(latencyObjectiveMs / 3));
    if (freeLanes === 1) return most;
    const { fit } = cost;
    const shared = fit !== undefined && fit.perRowMs * rows > fit.perCallMs;
    return shared ? Math.min(most, Math.ceil(rows / freeLanes)) : most;
  }

  /** @returns `undefined` where the model answered without a promise. Never rejects. */
  #answerBatch(taken: readonly Waiting[], cost: BatchCost): Promise<void> | undefined {
    const { clock } = this.#options;
    const beginMs = clock.monotonicMs();
    for (const { request, sinceMs } of taken) {
      // A request of a batch that is halved has been in the model since.
      if (request.timings.batchWaitMs === 0) request.timings.batchWaitMs = beginMs - sinceMs;
    }
    const call = new BatchCall(taken);
    let answer: Tensors | Promise<Tensors>;
    try {
      answer = this.#options.run(call.payload, call);
    } catch (error) {
      call.close();
      return this.#onFailure(taken, error, cost, beginMs);
    }
    if (!(answer instanceof Promise)) {
      call.close();
      return this.#onAnswer(taken, answer, cost, beginMs);
    }
    this.#running.add(call);
    return answer
      .then(
        (outputs) => this.#onAnswer(taken, outputs, cost, beginMs),
        (error: unknown) => this.#onFailure(taken, error, cost, beginMs),
      )
      .finally(() => {
        this.#running.delete(call);
        call.close();
      });
  }

  #onAnswer(taken: readonly Waiting[], outputs: Tensors, cost: BatchCost, beginMs: number): Promise<void> | undefined {
    const { clock, model, onBatch } = this.#options;
    let rows = 0;
    for (const each of taken) rows += each.rows;
    const problem = outputsProblem(outputs, taken[0]?.key === undefined ? undefined : rows);
    if (problem !== undefined) return this.#onFailure(taken, modelFailed(model, problem), cost, beginMs);
    const modelMs = clock.monotonicMs() - beginMs;
    cost.observe(rows, modelMs);
    onBatch?.(rows, modelMs);
    let start = 0;
    for (const waiting of taken) {
      waiting.request.timings.modelMs += modelMs;
      if (isGone(waiting)) waiting.reject(waiting.request.signal?.reason);
      else if (taken.length === 1) waiting.resolve(outputs);
      else waiting.resolve(sliceRows(outputs, start, start + waiting.rows));
      start += waiting.rows;
    }
    return undefined;
  }

  #onFailure(taken: readonly Waiting[], error: unknown, cost: BatchCost, beginMs: number): Promise<void> | undefined {
    const failedMs = this.#options.clock.monotonicMs() - beginMs;
    for (const { request } of taken) request.timings.modelMs += failedMs;
    const wanted = wantedOf(taken);
    if (wanted.length === 0) return undefined;
    if (wanted.length === 1 || isEverybodys(error)) {
      const failure = ownFailure(this.#options.model, error);
      for (const { reject } of wanted) reject(failure);
      return undefined;
    }
    const middle = wanted.length >> 1;
    const first = this.#answerBatch(wanted.slice(0, middle), cost);
    const second = (): Promise<void> | undefined => this.#answerBatch(wanted.slice(middle), cost);
    return first === undefined ? second() : first.then(second);
  }
}

/** What a call of the model is given for a batch. Its members are made when a model asks for them: many never do, and every call would pay. */
class BatchCall implements PredictOptions {
  readonly #taken: readonly Waiting[];
  #controller: AbortController | undefined;
  #stop: (() => void) | undefined;

  constructor(taken: readonly Waiting[]) {
    this.#taken = taken;
  }

  get payload(): Payload {
    const taken = this.#taken;
    if (taken.length === 1) return (taken[0] as Waiting).request.payload;
    return joinPayloads(taken.map(({ request }) => request.payload));
  }

  /** Aborts when nobody waits for the batch any more. */
  get signal(): AbortSignal {
    return this.#control().signal;
  }

  get requests(): readonly RequestIdentity[] {
    return this.#taken.map(({ request: { requestId, traceparent } }) =>
      traceparent === undefined ? { requestId } : { requestId, traceparent },
    );
  }

  #control(): AbortController {
    if (this.#controller !== undefined) return this.#controller;
    const controller = new AbortController();
    this.#controller = controller;
    const signals = this.#taken.map(({ request }) => request.signal);
    if (signals.some((signal) => signal === undefined)) return controller;
    const stop = (): void => {
      if (signals.every((signal) => signal?.aborted === true)) controller.abort(signals.at(-1)?.reason);
    };
    this.#stop = stop;
    for (const signal of new Set(signals)) signal?.addEventListener("abort", stop, { once: true });
    stop();
    return controller;
  }

  /** The callers are told at once, whether or not the model heeds its signal. */
  abort(reason: unknown): void {
    this.#control().abort(reason);
    for (const { reject } of this.#taken) reject(reason);
  }

  close(): void {
    const stop = this.#stop;
    if (stop === undefined) return;
    for (const { request } of this.#taken) request.signal?.removeEventListener("abort", stop);
  }
}

/** Those whose callers still wait; the others are told that they do not. */
function wantedOf(taken: readonly Waiting[]): readonly Waiting[] {
  if (!taken.some(isGone)) return taken;
  for (const waiting of taken) if (isGone(waiting)) waiting.reject(waiting.request.signal?.reason);
  return taken.filter((waiting) => !isGone(waiting));
}

const isGone = ({ request: { signal } }: Waiting): boolean => signal?.aborted === true;

/** What a caller could not be handed, whatever a runtime gives. */
function outputsProblem(outputs: Tensors, rows: number | undefined): string | undefined {
  if (outputs === null || typeof outputs !== "object") return "its answer is no tensors by name";
  for (const name in outputs) {
    const { shape, data } = (outputs[name] ?? {}) as Partial<Tensors[string]>;
    if (shape === undefined || data === undefined) return `its output "${name}" is no tensor`;
    if (rows !== undefined && shape[0] !== rows)
      return `its output "${name}" has ${shape[0]} rows for ${rows} rows of inputs`;
  }
  return undefined;
}

/** A runtime that says it cannot work now would only be asked more often by halving. */
const isEverybodys = (error: unknown): boolean =>
  isMillwrightError(error) && (error.category === "transient" || error.category === "capacity");

/** Errors of the house speak for themselves; anything else is a failure of the model. */
const ownFailure = (model: string, error: unknown): unknown =>
  isMillwrightError(error)
    ? error
    : modelFailed(model, error instanceof Error ? error.message.replace(/\.$/, "") : String(error), error);
