import {
  type CallOptions,
  type Clock,
  type Counter,
  type Logger,
  type Meter,
  type PredictOptions,
  type Tensors,
  closed,
} from "@millwright/contracts";
import { Dispatcher } from "./dispatcher.ts";
import type { LoadedAnswer, WorkerMemory } from "./frames.ts";
import type { LoadGuard } from "./isolation-options.ts";
import type { ModelWorker } from "./model-worker.ts";
import { Quarantine } from "./quarantine.ts";
import { type PooledModel, Seat } from "./seat.ts";
import { testSeat } from "./self-test.ts";
import { watchWorkers } from "./worker-watch.ts";

export interface PoolOptions {
  /** For messages: the model, or the runtime. */
  readonly title: string;
  readonly workers: number;
  readonly openWorker: () => ModelWorker;
  /** Around each load of a model into a worker. */
  readonly aroundLoad: LoadGuard["load"];
  readonly startTimeoutMs: number;
  readonly hangMs: number;
  readonly callTimeoutMs: number;
  readonly waitMs: number;
  readonly drainMs: number;
  readonly backoffMs: { readonly first: number; readonly most: number };
  readonly recycle: RecycleOptions;
  readonly recheckMs: number;
  readonly maxQuarantined: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** When a worker is replaced before it harms: first a new one is ready, then the old one finishes and ends. */
export interface RecycleOptions {
  /** After it has loaded as many models. Default: never. */
  readonly afterLoads?: number | undefined;
  /** When it holds as many bytes: the resident memory of a process, the heap of a thread. Default: never. */
  readonly atBytes?: number | undefined;
  /** How often workers are measured. Default: 5,000. */
  readonly checkMs?: number | undefined;
}

export interface WorkerStatus {
  readonly title: string;
  readonly pid: number | undefined;
  readonly models: readonly string[];
  readonly running: number;
  readonly loads: number;
  readonly retiring: boolean;
  readonly memory: WorkerMemory | undefined;
}

/** A worker that lived as long did not end because of how it began. */
const stableMs = 30_000;

/** Workers that hold the same models: as many as wanted, replaced when they end. */
export class WorkerPool {
  readonly seats: Set<Seat> = new Set();
  readonly options: PoolOptions;
  readonly #dispatcher: Dispatcher;
  readonly #quarantine: Quarantine;
  readonly #models = new Map<string, PooledModel>();
  readonly #over = new AbortController();
  readonly #ends: Counter;
  #wanted: number;
  #refilling: Promise<void> | undefined;
  #failures = 0;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #watching: Promise<void> | undefined;
  #recycling: Promise<void> | undefined;
  readonly #retirements = new Set<Promise<void>>();

  constructor(options: PoolOptions) {
    this.options = options;
    this.#wanted = options.workers;
    const { meter, clock, logger, waitMs } = options;
    this.#ends = meter.counter("millwright_serving_worker_ends_total", { help: "Workers that ended unasked." });
    this.#quarantine = new Quarantine({ maxRequests: options.maxQuarantined });
    this.#dispatcher = new Dispatcher({
      seats: this.seats,
      quarantine: this.#quarantine,
      clock,
      logger,
      waitMs,
      failovers: meter.counter("millwright_serving_worker_failovers_total", { help: "Requests asked once more." }),
      quarantined: meter.counter("millwright_serving_quarantined_total", {
        help: "Requests that were turned away because they end workers.",
      }),
    });
  }

  get quarantined(): readonly string[] {
    return this.#quarantine.digests;
  }

  get queued(): number {
    return this.#dispatcher.queued;
  }

  get invocations(): number {
    return this.#dispatcher.invocations;
  }

  get wanted(): number {
    return this.#wanted;
  }

  get status(): readonly WorkerStatus[] {
    return [...this.seats].map(({ worker, models, running, loads, retiring, memory }) => ({
      title: worker.transport.title,
      pid: worker.transport.pid,
      models: [...models.keys()].map((key) => this.#models.get(key)?.title ?? key),
      running: running.size,
      loads,
      retiring,
      memory,
    }));
  }

  lanesOf(key: string): number {
    let lanes = 0;
    for (const { models, retiring, worker } of this.seats)
      if (!retiring && !worker.over) lanes += models.has(key) ? (models.get(key)?.lanes ?? 1) : 0;
    return Math.max(1, lanes);
  }

  /** Starts the workers. Throws `SERVING_WORKER_START_FAILED`. */
  async open({ signal }: CallOptions = {}): Promise<void> {
    this.#watching ??= watchWorkers(this, this.#dispatcher, this.#over.signal);
    await this.#add(this.#wanted - this.seats.size, { signal });
  }

  /** Loads a model into every worker. Throws what the runtime throws, and `SERVING_WORKER_START_FAILED`. */
  async load(model: PooledModel): Promise<LoadedAnswer> {
    let answer: LoadedAnswer | undefined;
    // What is full already takes no further model.
    await this.#recycling;
    try {
      for (;;) {
        const lacking = [...this.seats].filter(({ models, retiring }) => !retiring && !models.has(model.key));
        if (lacking.length === 0 && answer !== undefined) break;
        // All workers have ended: the first that comes up again takes the model.
        if (lacking.length === 0) await this.#refilled();
        const answers = await Promise.all(lacking.map((seat) => this.#loadInto(seat, model)));
        answer ??= answers[0];
      }
    } catch (error) {
      await this.unload(model.key);
      throw error;
    }
    this.#models.set(model.key, model);
    this.#recycleWhere();
    return answer;
  }

  async unload(key: string): Promise<void> {
    this.#models.delete(key);
    await Promise.all([...this.seats].map((seat) => seat.unload(key)));
  }

  predict(model: PooledModel, inputs: Tensors, options?: PredictOptions): Promise<Tensors> {
    return this.#dispatcher.predict(model, inputs, options);
  }

  /** Sets how many workers there are; those that are too many finish first. */
  async scale(workers: number, { signal }: CallOptions = {}): Promise<void> {
    this.#wanted = workers;
    const active = [...this.seats].filter(({ retiring }) => !retiring);
    if (active.length < workers) return this.#add(workers - active.length, { signal });
    const idleFirst = active.toSorted((a, b) => a.running.size - b.running.size);
    await Promise.all(idleFirst.slice(0, active.length - workers).map((seat) => this.#retire(seat)));
  }

  /** Replaces a worker: a new one with the same models is ready before the old one takes its last request, and finishes by itself. */
  async replace(seat: Seat, reason: string): Promise<void> {
    const { logger, title } = this.options;
    logger.info({ worker: seat.worker.transport.title, title, reason }, "a worker is replaced");
    await this.#add(1, {});
    const retirement = this.#retire(seat).finally(() => this.#retirements.delete(retirement));
    this.#retirements.add(retirement);
  }

  /** Replaces, one after another, the workers that have loaded or hold too much. */
  recycle(): void {
    this.#recycleWhere();
  }

  /** Asks every worker its golden requests, and replaces those that answer otherwise than they did. */
  async recheck(): Promise<void> {
    for (const seat of this.seats) {
      try {
        for (const key of seat.models.keys()) {
          const model = this.#models.get(key);
          if (model !== undefined && !seat.retiring) await testSeat(seat, model);
        }
      } catch (error) {
        this.options.logger.error(
          { title: this.options.title, error },
          "a worker no longer answers its golden requests",
        );
        seat.worker.kill("it no longer answers its golden requests");
      }
    }
  }

  async close(): Promise<void> {
    this.#over.abort();
    this.#dispatcher.close();
    await Promise.all([...this.seats].filter(({ retiring }) => !retiring).map((seat) => this.#retire(seat)));
    await Promise.all(this.#retirements);
    await this.#recycling;
    await this.#refilling;
    await this.#watching;
  }

  /** Starts workers with every model of the pool, all at once. */
  async #add(count: number, { signal }: CallOptions): Promise<void> {
    if (count > 0) await Promise.all(Array.from({ length: count }, () => this.#start({ signal })));
  }

  async #start({ signal }: CallOptions): Promise<void> {
    const { clock, startTimeoutMs, title, openWorker } = this.options;
    if (this.#over.signal.aborted) throw closed(`The worker pool of "${title}"`);
    const seat = await Seat.open({ worker: openWorker(), clock, startTimeoutMs }, title, { signal });
    try {
      for (;;) {
        const [lacking] = [...this.#models.values()].filter(({ key }) => !seat.models.has(key));
        if (lacking === undefined) break;
        await this.#loadInto(seat, lacking);
        // It was given back meanwhile.
        if (!this.#models.has(lacking.key)) await seat.unload(lacking.key);
      }
      signal?.throwIfAborted();
      if (this.#over.signal.aborted) throw closed(`The worker pool of "${title}"`);
    } catch (error) {
      await seat.worker.close(1_000);
      throw error;
    }
    seat.startBytes = seat.heldBytes;
    this.seats.add(seat);
    void seat.worker.ended.then((how) => this.#left(seat, how));
    this.#dispatcher.pump();
  }

  async #loadInto(seat: Seat, model: PooledModel): Promise<LoadedAnswer> {
    const { aroundLoad } = this.options;
    const given = { title: model.title, manifest: model.manifest, first: seat.loads === 0 };
    const answer = await aroundLoad(given, () => seat.load(model), { signal: this.#over.signal });
    await testSeat(seat, model);
    return answer;
  }

  async #retire(seat: Seat): Promise<void> {
    await seat.retire(this.options.drainMs);
    this.seats.delete(seat);
  }

  #left(seat: Seat, how: string): void {
    this.seats.delete(seat);
    if (seat.retiring || this.#over.signal.aborted) return;
    const { logger, title, clock } = this.options;
    const nowMs = clock.monotonicMs();
    const before = nowMs - this.#lastEndMs > stableMs ? 0 : this.#failures + 1;
    // One that a request ended did come up: others should not wait for long because of it.
    this.#failures = seat.struck ? Math.min(1, before) : before;
    this.#lastEndMs = nowMs;
    this.#ends.add(1);
    logger.error({ title, worker: seat.worker.transport.title, how }, "a worker ended and is replaced");
    void this.#refilled();
  }

  /** Brings the number of workers back up, with growing pauses while they keep ending. */
  #refilled(): Promise<void> {
    this.#refilling ??= this.#refill().finally(() => (this.#refilling = undefined));
    return this.#refilling;
  }

  async #refill(): Promise<void> {
    const { backoffMs, clock, logger, title } = this.options;
    const { signal } = this.#over;
    while (!signal.aborted && [...this.seats].filter(({ retiring }) => !retiring).length < this.#wanted) {
      if (this.#failures > 0) {
        const pauseMs = Math.min(backoffMs.most, backoffMs.first * 2 ** (this.#failures - 1));
        await clock.sleep(pauseMs, { signal }).catch(() => {});
      }
      if (signal.aborted) return;
      try {
        await this.#start({ signal });
      } catch (error) {
        this.#failures += 1;
        if (!signal.aborted) logger.error({ title, error }, "a worker could not be replaced, and is tried again");
      }
    }
  }

  #recycleWhere(): void {
    this.#recycling ??= this.#recycleAll().finally(() => (this.#recycling = undefined));
  }

  async #recycleAll(): Promise<void> {
    const { logger, title } = this.options;
    for (const seat of this.seats) {
      const reason = this.#excessOf(seat);
      if (reason === undefined || this.#over.signal.aborted) continue;
      try {
        await this.replace(seat, reason);
      } catch (error) {
        logger.error({ title, error }, "a worker that should be recycled could not be replaced, and goes on");
        return;
      }
    }
  }

  #excessOf(seat: Seat): string | undefined {
    const { loads, retiring, worker } = seat;
    const { afterLoads = Infinity, atBytes = Infinity } = this.options.recycle;
    if (retiring || worker.over) return undefined;
    const bytes = seat.heldBytes;
    // What a worker must load to hold the pool's models is not counted against it.
    if (loads >= afterLoads + this.#models.size) return `it has loaded ${loads} models`;
    // A new one would hold no less than this one did at its start.
    return bytes >= atBytes && bytes > seat.startBytes * 1.1 ? `it holds ${bytes} bytes` : undefined;
  }
}
