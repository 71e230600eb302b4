import {
  type CallOptions,
  type LoadedModel,
  type ModelManifest,
  abortable,
  closed,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { LoadedAnswer } from "./frames.ts";
import { type IsolatedRuntime, type IsolatedRuntimeOptions, checkCount, programOf } from "./isolation-options.ts";
import { ModelWorker, type Program } from "./model-worker.ts";
import type { PooledModel } from "./seat.ts";
import { type PoolOptions, WorkerPool, type WorkerStatus } from "./worker-pool.ts";

/**
 * A runtime that runs others in worker threads or processes: a crash, a hang or a leak of a model stays in its worker. A worker that ends is replaced, with
 * growing pauses; requests that were in it are asked once more, by themselves; one that ends a second worker is answered `SERVING_REQUEST_QUARANTINED`
 * from then on, as are batches with it. `predict` rejects with `SERVING_WORKER_LOST` where no worker is up.
 * Throws `TypeError` and `RangeError` for options out of range; `load` throws `SERVING_WORKER_START_FAILED`, and what the runtime in the worker throws.
 */
export function isolatedRuntime(options: IsolatedRuntimeOptions): IsolatedRuntime {
  return new Isolation(programOf(options), options);
}

class Isolation implements IsolatedRuntime {
  readonly formats: readonly string[];
  readonly #options: IsolatedRuntimeOptions;
  readonly #program: Program;
  readonly #pools = new Set<WorkerPool>();
  readonly #spares: ModelWorker[] = [];
  #shared: { readonly pool: WorkerPool; readonly opened: Promise<void> } | undefined;
  #workers: number;
  #nextKey = 1;
  #before = 0;
  #closed = false;
  readonly #status = (): readonly WorkerStatus[] => this.workers();

  constructor(program: Program, options: IsolatedRuntimeOptions) {
    this.#program = program;
    this.#options = options;
    this.#workers = options.workers ?? 1;
    this.formats = [...options.formats];
    options.memory?.attach?.(this.#status);
  }

  async load(directory: string, manifest: ModelManifest, { signal }: CallOptions = {}): Promise<LoadedModel> {
    signal?.throwIfAborted();
    if (this.#closed) throw closed("The isolated runtime");
    const model: PooledModel = { key: `m${this.#nextKey}`, title: manifest.name, directory, manifest };
    this.#nextKey += 1;
    const shared = this.#options.sharing === "runtime";
    const pool = shared ? await this.#sharedPool(signal) : await this.#openPool(manifest.name, signal);
    const loading = pool.load(model);
    try {
      const answer = await abortable(loading, signal);
      return this.#loaded(pool, model, answer, shared);
    } catch (error) {
      if (!shared) await this.#closePool(pool);
      // An abort leaves the load under way.
      else void loading.then(() => pool.unload(model.key)).catch(() => {});
      throw error;
    }
  }

  workers(): readonly WorkerStatus[] {
    return [...this.#pools].flatMap(({ status }) => status);
  }

  async scale(workers: number, { signal }: CallOptions = {}): Promise<void> {
    checkCount("workers", workers, 1);
    signal?.throwIfAborted();
    this.#workers = workers;
    await Promise.all([...this.#pools].map((pool) => pool.scale(workers, { signal })));
  }

  quarantined(): readonly string[] {
    return [...this.#pools].flatMap(({ quarantined }) => quarantined);
  }

  traffic(): { readonly invocations: number; readonly running: number; readonly queued: number } {
    const pools = [...this.#pools];
    return {
      invocations: pools.reduce((sum, pool) => sum + pool.invocations, this.#before),
      running: pools.flatMap(({ status }) => status).reduce((sum, { running }) => sum + running, 0),
      queued: pools.reduce((sum, { queued }) => sum + queued, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#shared = undefined;
    this.#options.memory?.detach?.(this.#status);
    const spares = this.#spares.splice(0);
    await Promise.all([
      ...[...this.#pools].map((pool) => this.#closePool(pool)),
      ...spares.map((one) => one.close(1_000)),
    ]);
  }

  #loaded(
    pool: WorkerPool,
    model: PooledModel,
    { memoryBytes, missingText }: LoadedAnswer,
    shared: boolean,
  ): LoadedModel {
    let disposed: Promise<void> | undefined;
    return {
      memoryBytes,
      missingText,
      get lanes() {
        return pool.lanesOf(model.key);
      },
      predict: (inputs, options) => pool.predict(model, inputs, options),
      dispose: () => (disposed ??= shared ? pool.unload(model.key) : this.#closePool(pool)),
    };
  }

  async #sharedPool(signal: AbortSignal | undefined): Promise<WorkerPool> {
    if (this.#shared === undefined) {
      const pool = this.#makePool(this.formats.join(", "));
      this.#shared = { pool, opened: pool.open() };
      this.#shared.opened.catch(() => {
        // The next load tries again.
        this.#shared = undefined;
        void this.#closePool(pool);
      });
    }
    const { pool, opened } = this.#shared;
    await abortable(opened, signal);
    return pool;
  }

  async #openPool(title: string, signal: AbortSignal | undefined): Promise<WorkerPool> {
    const pool = this.#makePool(title);
    try {
      await pool.open({ signal });
      return pool;
    } catch (error) {
      await this.#closePool(pool);
      throw error;
    }
  }

  async #closePool(pool: WorkerPool): Promise<void> {
    await pool.close();
    if (this.#pools.delete(pool)) this.#before += pool.invocations;
  }

  #makePool(title: string): WorkerPool {
    const { memory, recycle = {}, backoffMs = { first: 100, most: 30_000 } } = this.#options;
    const options: PoolOptions = {
      title,
      workers: this.#workers,
      openWorker: () => this.#takeWorker(),
      aroundLoad: (model, load, given) => (memory === undefined ? load() : memory.load(model, load, given)),
      startTimeoutMs: this.#options.startTimeoutMs ?? 60_000,
      hangMs: this.#options.hangMs ?? 30_000,
      callTimeoutMs: this.#options.callTimeoutMs ?? 120_000,
      waitMs: this.#options.waitMs ?? 10_000,
      drainMs: this.#options.drainMs ?? 30_000,
      maxQuarantined: this.#options.maxQuarantined ?? 10_000,
      recheckMs: this.#options.recheckMs ?? Infinity,
      backoffMs,
      recycle,
      ...this.#surroundings(),
    };
    const pool = new WorkerPool(options);
    this.#pools.add(pool);
    return pool;
  }

  /** A worker that waits, with another one started in its place, or a new one. */
  #takeWorker(): ModelWorker {
    const { spares = 0 } = this.#options;
    let taken = this.#spares.shift();
    while (taken?.over === true) taken = this.#spares.shift();
    taken ??= this.#openWorker();
    while (!this.#closed && this.#spares.length < spares) this.#spares.push(this.#openWorker());
    return taken;
  }

  #openWorker(): ModelWorker {
    const { niceness = 5 } = this.#options;
    return new ModelWorker({ program: this.#program, niceness, ...this.#surroundings() });
  }

  #surroundings() {
    const { clock = systemClock, logger = silentLogger, meter = silentMeter } = this.#options;
    return { clock, logger, meter };
  }
}
