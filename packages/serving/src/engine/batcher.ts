import { type Clock, type PredictOptions, type Tensors, isMillwrightError } from "@millwright/contracts";
import { overloaded } from "../admission/errors.ts";
import { modelFailed } from "../errors.ts";
import { BatchCall, type BatchRequest, LoneCall, type Payload, type Waiting, isGone } from "./batch-call.ts";
import type { BatchCost } from "./batch-cost.ts";
import { type BatchQueue, type Bucket, createBatchQueue } from "./batch-queue.ts";
import { sliceRows } from "./tensor-rows.ts";

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

export interface Batcher {
  /**
   * Answers one request, in a batch with others, or at once where a batch would cost more than the call that it saves. Throws `SERVING_OVERLOADED`, `SERVING_MODEL_FAILED`, what the model throws for its own rows, and the
   * reason of its signal.
   */
  answer(request: BatchRequest, key: string | undefined): Tensors | Promise<Tensors>;
  readonly queuedRows: number;
  /** Turns away what waits, and aborts what runs. */
  abandon(reason: unknown): void;
}

/**
 * Batches without a timer: what arrives in one turn of the event loop, or while a batch runs, makes the next batch. An idle model answers
 * at once; a busy one answers many rows for the price of a call. Where a batch fails it is halved until the bad row fails alone. A model that answers without
 * a promise, in less time than it takes to wait for the end of the turn and to join and part rows, is asked for each request as it comes.
 */
export function createBatcher(options: BatcherOptions): Batcher {
  return new OpenBatcher(options);
}

/** What a request costs that goes through the queue, milliseconds: a call that is no dearer gains nothing from company. Measured: 15 to 30 µs. */
const batchingMs = 0.03;

class OpenBatcher implements Batcher {
  readonly #options: BatcherOptions;
  readonly #queue: BatchQueue<Waiting> = createBatchQueue();
  readonly #running = new Set<BatchCall>();
  /** Of the calls that were answered without a promise: another may have it. */
  #spare: AbortController | undefined;
  /** What calls cost while the model answers without a promise. */
  #immediate: BatchCost | undefined;
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

  answer(request: BatchRequest, key: string | undefined): Tensors | Promise<Tensors> {
    const { rows } = request;
    const cost = this.#immediate;
    if (cost !== undefined && this.#queue.size === 0 && this.#lanesBusy === 0) {
      const expectedMs = cost.expectedMs(rows);
      if (expectedMs !== undefined && expectedMs <= batchingMs) return this.#answerAtOnce(request, key, cost);
    }
    return this.#enqueue(request, key);
  }

  #enqueue(request: BatchRequest, key: string | undefined): Promise<Tensors> {
    return new Promise<Tensors>((resolve, reject) => {
      const { endpoint, limits, clock, onQueue } = this.#options;
      const { rows } = request;
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

  /** Throws what the model throws. */
  #answerAtOnce(request: BatchRequest, key: string | undefined, cost: BatchCost): Tensors | Promise<Tensors> {
    const { clock, model, run, onBatch } = this.#options;
    const { payload, rows, timings } = request;
    request.request.signal?.throwIfAborted();
    const beginMs = clock.monotonicMs();
    let outputs: Tensors | Promise<Tensors>;
    try {
      outputs = run(payload, new LoneCall(request));
    } catch (error) {
      timings.modelMs += clock.monotonicMs() - beginMs;
      throw ownFailure(model, error);
    }
    // It answers otherwise than it did: from here on by the queue, which knows how to wait.
    if (outputs instanceof Promise) {
      this.#immediate = undefined;
      return this.#awaitLone(request, outputs, cost, beginMs);
    }
    const modelMs = clock.monotonicMs() - beginMs;
    timings.modelMs += modelMs;
    cost.observe(rows, modelMs);
    const problem = outputsProblem(outputs, key === undefined ? undefined : rows);
    if (problem !== undefined) throw modelFailed(model, problem);
    onBatch?.(rows, modelMs);
    return outputs;
  }

  #awaitLone(request: BatchRequest, outputs: Promise<Tensors>, cost: BatchCost, beginMs: number): Promise<Tensors> {
    return new Promise<Tensors>((resolve, reject) => {
      const { rows } = request;
      const taken = [{ request, rows, key: undefined, sinceMs: beginMs, resolve, reject }];
      const call = new BatchCall(taken, undefined);
      this.#lanesBusy += 1;
      void this.#awaitAnswer(taken, call, outputs, cost, beginMs).then(() => this.#freeLane());
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
      void ending.then(() => this.#freeLane());
    }
  }

  #freeLane(): void {
    this.#lanesBusy -= 1;
    if (this.#queue.size > 0) this.#schedule();
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
    const call = new BatchCall(taken, this.#spare);
    this.#spare = undefined;
    let answer: Tensors | Promise<Tensors>;
    try {
      answer = this.#options.run(call.payload, call);
    } catch (error) {
      return this.#onFailure(taken, error, cost, beginMs);
    }
    if (!(answer instanceof Promise)) {
      this.#spare = call.controller;
      const ending = this.#onAnswer(taken, answer, cost, beginMs);
      this.#immediate = cost;
      return ending;
    }
    this.#immediate = undefined;
    return this.#awaitAnswer(taken, call, answer, cost, beginMs);
  }

  #awaitAnswer(
    taken: readonly Waiting[],
    call: BatchCall,
    answer: Promise<Tensors>,
    cost: BatchCost,
    beginMs: number,
  ): Promise<void> {
    this.#running.add(call);
    call.listen();
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
      if (isGone(waiting)) waiting.reject(waiting.request.request.signal?.reason);
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

/** Those whose callers still wait; the others are told that they do not. */
function wantedOf(taken: readonly Waiting[]): readonly Waiting[] {
  if (!taken.some(isGone)) return taken;
  for (const waiting of taken) if (isGone(waiting)) waiting.reject(waiting.request.request.signal?.reason);
  return taken.filter((waiting) => !isGone(waiting));
}

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
