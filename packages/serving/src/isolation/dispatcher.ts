import type { Clock, Counter, Logger, PredictOptions, Tensors } from "@millwright/contracts";
import { closed } from "@millwright/contracts";
import { requestQuarantined, revived, workerLost, workersDown } from "./isolation-errors.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Call, PooledModel, Seat } from "./seat.ts";
import { packTensors } from "./tensor-body.ts";

export interface DispatcherOptions {
  readonly seats: ReadonlySet<Seat>;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly failovers: Counter;
  readonly quarantined: Counter;
  /** How long a request waits while no worker is up. */
  readonly waitMs: number;
}

/** Hands requests to workers that are free, in order, and to another one when a worker ends. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #queue: Call[] = [];
  #closed = false;
  /** Requests that were taken so far. */
  invocations = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Throws `SERVING_REQUEST_QUARANTINED`, `SERVING_WORKER_LOST`, `PORT_CLOSED`, and what the model throws. An aborted request is not sent; where it was, its
   * answer is dropped.
   */
  predict(model: PooledModel, inputs: Tensors, options: PredictOptions = {}): Promise<Tensors> {
    const { signal, requests } = options;
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.#closed) return Promise.reject(closed(`The model "${model.title}"`));
    const held = this.#options.quarantine.find(model.key, inputs);
    if (held !== undefined) {
      this.#options.quarantined.add(1);
      return Promise.reject(requestQuarantined(model.title, held));
    }
    this.invocations += 1;
    return new Promise<Tensors>((resolve, reject) => {
      const call: Call = {
        model,
        inputs,
        context: requests === undefined ? undefined : { requests },
        resolve,
        reject,
        sinceMs: this.#options.clock.monotonicMs(),
        failedOver: false,
        settled: false,
      };
      if (signal !== undefined) this.#heed(call, signal);
      this.#queue.push(call);
      this.pump();
    });
  }

  /** Gives waiting requests to the workers that are free. */
  pump(): void {
    if (this.#queue.length === 0) return;
    const full = new Set<string>();
    const left: Call[] = [];
    for (const [at, call] of this.#queue.entries()) {
      if (call.settled) continue;
      // What failed over needs a worker of its own: another of its model may fit where it does not.
      const seat = full.has(call.model.key) ? undefined : this.#freeSeat(call);
      if (seat !== undefined) this.#send(seat, call);
      else {
        left.push(call);
        if (!call.failedOver) full.add(call.model.key);
      }
      if (full.size > 0 && this.#noSeatIsFree()) {
        for (let rest = at + 1; rest < this.#queue.length; rest += 1) left.push(this.#queue[rest] as Call);
        break;
      }
    }
    this.#queue = left;
  }

  /** Turns away what has waited too long while there is no worker. */
  expire(): void {
    const { clock, waitMs } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const call of this.#queue) {
      if (call.settled || nowMs - call.sinceMs < waitMs || this.#isHeld(call.model)) continue;
      call.settled = true;
      call.reject(workersDown(call.model.title, waitMs));
    }
    this.#queue = this.#queue.filter(({ settled }) => !settled);
  }

  /** Turns away what waits; what runs is left to finish. */
  close(): void {
    this.#closed = true;
    for (const call of this.#queue) {
      call.settled = true;
      call.reject(closed(`The model "${call.model.title}"`));
    }
    this.#queue = [];
  }

  #freeSeat(call: Call): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.#options.seats) {
      if (!seat.takes(call)) continue;
      if (seat.running.size === 0) return seat;
      if (best === undefined || seat.running.size < best.running.size) best = seat;
    }
    return best;
  }

  #noSeatIsFree(): boolean {
    for (const seat of this.#options.seats) if (!seat.full) return false;
    return true;
  }

  #isHeld({ key }: PooledModel): boolean {
    for (const seat of this.#options.seats) if (!seat.worker.over && seat.models.has(key)) return true;
    return false;
  }

  #heed(call: Call, signal: AbortSignal): void {
    const stop = (): void => {
      if (call.settled) return;
      call.settled = true;
      for (const seat of this.#options.seats) {
        const id = seat.running.get(call);
        // The worker stays taken until it has answered: it may be unable to stop.
        if (id !== undefined) seat.worker.cancel(id);
      }
      call.reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    const off = (): void => signal.removeEventListener("abort", stop);
    const { resolve, reject } = call;
    Object.assign(call, {
      resolve: (outputs: Tensors) => {
        off();
        resolve(outputs);
      },
      reject: (error: unknown) => {
        off();
        reject(error);
      },
    });
  }

  #send(seat: Seat, call: Call): void {
    const { model, inputs, context } = call;
    call.sinceMs = this.#options.clock.monotonicMs();
    // Taken before it is asked: a worker that has ended says so at once.
    seat.running.set(call, 0);
    try {
      const { entries, body } = packTensors(inputs);
      const frame = { type: "predict", model: model.key, tensors: entries, context } as const;
      const id = seat.worker.ask(frame, body, {
        answer: (_, tensors) => this.#over(seat, call, () => call.resolve(tensors)),
        error: (error) => this.#over(seat, call, () => call.reject(revived(model.title, error))),
        lost: (how) => this.#lost(seat, call, how),
      });
      if (seat.running.has(call)) seat.running.set(call, id);
    } catch (error) {
      this.#leave(seat, call);
      call.settled = true;
      call.reject(new TypeError(`These are no tensors that can be sent to a worker: ${String(error)}`));
    }
  }

  #over(seat: Seat, call: Call, settle: () => void): void {
    this.#leave(seat, call);
    if (!call.settled) {
      call.settled = true;
      settle();
    }
    this.pump();
  }

  #leave(seat: Seat, call: Call): void {
    seat.running.delete(call);
    if (seat.running.size === 0) seat.idle?.();
  }

  /** The worker ended with this request: once more elsewhere, unless it was the second. */
  #lost(seat: Seat, call: Call, how: string): void {
    const { quarantine, logger, failovers, quarantined, clock } = this.#options;
    const { model, inputs } = call;
    this.#leave(seat, call);
    seat.struck = true;
    // The second time it ran alone: nobody else can have ended the worker.
    const poison = call.failedOver ? quarantine.hold(model.key, inputs) : undefined;
    if (poison !== undefined) {
      quarantined.add(1);
      logger.error({ model: model.title, digest: poison, how }, "a request ended two workers and is not asked again");
    }
    if (call.settled) return;
    if (poison === undefined && !this.#closed) {
      failovers.add(1);
      call.failedOver = true;
      call.sinceMs = clock.monotonicMs();
      this.#queue.unshift(call);
      // In a later turn: the pool first takes the dead worker out.
      queueMicrotask(() => this.pump());
      return;
    }
    call.settled = true;
    call.reject(poison === undefined ? workerLost(model.title, how) : requestQuarantined(model.title, poison));
  }
}
