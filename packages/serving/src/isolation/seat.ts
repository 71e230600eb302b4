import type { CallOptions, Clock, ModelManifest, Tensors } from "@millwright/contracts";
import { abortable } from "@millwright/contracts";
import type { LoadedAnswer, PredictContext, WireError, WorkerMemory } from "./frames.ts";
import { revived, workerLost, workerStartFailed } from "./isolation-errors.ts";
import type { ModelWorker } from "./model-worker.ts";
import { packTensors } from "./tensor-body.ts";

/** A model that the workers of a pool hold. */
export interface PooledModel {
  /** Among the models of the pool. */
  readonly key: string;
  readonly title: string;
  readonly directory: string;
  readonly manifest: ModelManifest;
}

/** A request on its way to a worker, or waiting for one. */
export interface Call {
  readonly model: PooledModel;
  readonly inputs: Tensors;
  readonly context: PredictContext | undefined;
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: unknown) => void;
  /** When it began to wait, or to run: monotonic, milliseconds. */
  sinceMs: number;
  /** It was with a worker that ended: it is asked once more, with a worker of its own. */
  failedOver: boolean;
  /** Answered, or not wanted any more. */
  settled: boolean;
}

export interface SeatOptions {
  readonly worker: ModelWorker;
  readonly clock: Clock;
  /** How long a worker may take to come up, and to load a model. */
  readonly startTimeoutMs: number;
}

/** A worker with what it has loaded and what runs in it. */
export class Seat {
  readonly worker: ModelWorker;
  readonly models: Map<string, LoadedAnswer> = new Map();
  /** What runs in it, with the number that the worker knows it by. */
  readonly running: Map<Call, number> = new Map();
  /** How many models it has loaded since it began. */
  loads = 0;
  /** It takes no further requests. */
  retiring = false;
  /** It ended while it worked on a request. */
  struck = false;
  /** A ping is out. */
  pinged = false;
  memory: WorkerMemory | undefined;
  /** What it held when it took its first request. */
  startBytes = 0;
  idle: (() => void) | undefined;
  readonly #options: SeatOptions;

  private constructor(options: SeatOptions) {
    this.worker = options.worker;
    this.#options = options;
  }

  /** Waits for the worker's hello. Throws `SERVING_WORKER_START_FAILED`. */
  static async open(options: SeatOptions, title: string, { signal }: CallOptions): Promise<Seat> {
    const seat = new Seat(options);
    try {
      await abortable(seat.#timely(options.worker.ready, "it did not greet"), signal);
      return seat;
    } catch (error) {
      options.worker.kill("it is not wanted any more");
      signal?.throwIfAborted();
      throw workerStartFailed(title, String(error));
    }
  }

  /** Throws what the runtime throws, and `SERVING_WORKER_START_FAILED` where the worker ends or takes too long. */
  async load({ key, title, directory, manifest }: PooledModel): Promise<LoadedAnswer> {
    const { worker } = this;
    this.loads += 1;
    try {
      const asked = worker.request({ type: "load", model: key, directory, manifest });
      const { loaded } = await this.#timely(asked, `it did not load the model`);
      if (loaded === undefined) throw { message: "its answer to a load says nothing of the model" } satisfies WireError;
      this.models.set(key, loaded);
      this.memory = loaded.after ?? this.memory;
      return loaded;
    } catch (error) {
      if (typeof error === "string") throw workerStartFailed(title, `it ended while it loaded the model: ${error}`);
      if (error instanceof Error) throw error;
      const told = error as WireError;
      throw told.code === undefined ? workerStartFailed(title, told.message) : revived(title, told);
    }
  }

  /** Asks the model in this worker, whatever else runs in it. Rejects with what `revived` makes, or `SERVING_WORKER_LOST`. */
  ask({ key, title }: PooledModel, inputs: Tensors): Promise<Tensors> {
    return new Promise((resolve, reject) => {
      const { entries, body } = packTensors(inputs);
      this.worker.ask({ type: "predict", model: key, tensors: entries }, body, {
        answer: (_, tensors) => resolve(tensors),
        error: (error) => reject(revived(title, error)),
        lost: (how) => reject(workerLost(title, how)),
      });
    });
  }

  async unload(key: string): Promise<void> {
    if (!this.models.delete(key) || this.worker.over) return;
    try {
      await this.#timely(this.worker.request({ type: "dispose", model: key }), "it did not dispose a model");
    } catch {
      // A worker that has ended holds nothing; one that cannot give back is measured, and recycled.
    }
  }

  async measure(): Promise<WorkerMemory | undefined> {
    if (this.pinged || this.worker.over) return this.memory;
    this.pinged = true;
    try {
      this.memory = (await this.worker.request({ type: "ping" })).memory ?? this.memory;
    } catch {
      // It has ended.
    } finally {
      this.pinged = false;
    }
    return this.memory;
  }

  /** Resident bytes of a process, heap of a thread, as last measured. */
  get heldBytes(): number {
    return (this.worker.transport.pid === undefined ? this.memory?.heapBytes : this.memory?.rssBytes) ?? 0;
  }

  /** Whether it can take nothing now, whatever it is. */
  get full(): boolean {
    if (this.retiring || this.worker.over) return true;
    let most = 1;
    for (const { lanes = 1 } of this.models.values()) most = Math.max(most, lanes);
    return this.running.size >= most;
  }

  /** Whether it can take the call now. */
  takes({ model, failedOver }: Call): boolean {
    const loaded = this.models.get(model.key);
    if (this.retiring || this.worker.over || loaded === undefined) return false;
    if (this.running.size === 0) return true;
    // A suspect runs alone, so that nobody else is blamed or lost with it.
    if (failedOver || this.running.size >= (loaded.lanes ?? 1)) return false;
    for (const other of this.running.keys()) if (other.failedOver) return false;
    return true;
  }

  /** Lets what runs in it finish, and asks it to leave; ends it after the grace. */
  async retire(graceMs: number): Promise<void> {
    this.retiring = true;
    const { clock } = this.#options;
    if (this.running.size > 0 && !this.worker.over) {
      const finished = new Promise<void>((resolve) => (this.idle = resolve));
      const left = new AbortController();
      const late = clock.sleep(graceMs, { signal: left.signal }).catch(() => {});
      await Promise.race([finished, this.worker.ended, late]);
      left.abort();
    }
    await this.worker.close(graceMs);
  }

  /** Ends the worker where the promise takes too long. */
  async #timely<Value>(promise: Promise<Value>, problem: string): Promise<Value> {
    const { clock, startTimeoutMs, worker } = this.#options;
    const done = new AbortController();
    clock.sleep(startTimeoutMs, { signal: done.signal }).then(
      () => worker.kill(`${problem} within ${startTimeoutMs} ms`),
      () => {},
    );
    try {
      return await promise;
    } finally {
      done.abort();
    }
  }
}
