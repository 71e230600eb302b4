import {
  type CallOptions,
  type Clock,
  type LoadedModel,
  type Logger,
  type Meter,
  type ModelManifest,
  type ModelRuntime,
  type Tensors,
  closed,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { Stage } from "../engine/stage.ts";
import { concurrencyExceeded } from "./isolation-errors.ts";

export interface ServerlessOptions {
  /** SageMaker's `MemorySizeInMB`: 1024 to 6144 in steps of 1024. Default: 2048. */
  readonly memorySizeMb?: number | undefined;
  /** SageMaker's `MaxConcurrency`: how many requests of an endpoint may be under way at once, 1 to 200. Default: 20. */
  readonly maxConcurrency?: number | undefined;
  /** SageMaker's `ProvisionedConcurrency`, as far as it goes here: with any, the model stays loaded. Default: 0. */
  readonly provisionedConcurrency?: number | undefined;
  /** A model that was not asked for as long is disposed. Default: 300,000. */
  readonly idleMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** An endpoint that costs nothing while nobody asks. */
export interface Serverless {
  readonly memorySizeMb: number;
  /** The heap that belongs to a worker of this size, for `isolatedRuntime({ heapBytes })`: three quarters, the rest is for what lies outside of it. */
  readonly heapBytes: number;
  /** The runtime, whose models are disposed while nobody asks, and loaded again by the first request. */
  runtime(inner: ModelRuntime): ModelRuntime;
  /** Stands in `stages` of one endpoint: turns away, with 429, requests over `maxConcurrency`. */
  stage(): Stage;
  /** Models that are loaded now. */
  loaded(): number;
}

/**
 * A serverless endpoint as SageMaker has it: a size of memory, a limit of concurrency, scale to zero, and the time that the first request pays for the model, as the
 * histogram `millwright_serving_model_setup_seconds` (SageMaker's `ModelSetupTime`). Throws `RangeError` for options out of range.
 */
export function createServerless(options: ServerlessOptions = {}): Serverless {
  const { memorySizeMb = 2_048, maxConcurrency = 20, provisionedConcurrency = 0, idleMs = 300_000 } = options;
  if (!(memorySizeMb % 1_024 === 0 && memorySizeMb >= 1_024 && memorySizeMb <= 6_144))
    throw new RangeError(`memorySizeMb must be 1024, 2048, 3072, 4096, 5120 or 6144, not ${String(memorySizeMb)}.`);
  if (!(Number.isInteger(maxConcurrency) && maxConcurrency >= 1 && maxConcurrency <= 200))
    throw new RangeError(`maxConcurrency must be a whole number from 1 to 200, not ${String(maxConcurrency)}.`);
  if (
    !(
      Number.isInteger(provisionedConcurrency) &&
      provisionedConcurrency >= 0 &&
      provisionedConcurrency <= maxConcurrency
    )
  )
    throw new RangeError(
      `provisionedConcurrency must be from 0 to maxConcurrency, not ${String(provisionedConcurrency)}.`,
    );
  if (!(idleMs > 0)) throw new RangeError(`idleMs must be above 0, not ${String(idleMs)}.`);
  const { clock = systemClock, logger = silentLogger, meter = silentMeter } = options;
  const setup = meter.histogram("millwright_serving_model_setup_seconds", {
    help: "What the first request after a pause pays for the model.",
    labelNames: ["model"],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
  });
  const models = new Set<SleepingModel>();
  const keeping: Keeping = {
    idleMs: provisionedConcurrency > 0 ? Infinity : idleMs,
    clock,
    logger,
    onSetup: (model, seconds) => setup.observe(seconds, { model }),
  };
  return {
    memorySizeMb,
    heapBytes: memorySizeMb * 0.75 * 2 ** 20,
    runtime: (inner) => ({
      formats: inner.formats,
      async load(directory, manifest, { signal } = {}) {
        const model = new SleepingModel({ inner, directory, manifest }, keeping, () => models.delete(model));
        await model.wake({ signal });
        models.add(model);
        return model;
      },
    }),
    stage: () => concurrencyStage(maxConcurrency),
    loaded: () => [...models].filter(({ awake }) => awake).length,
  };
}

function concurrencyStage(maxConcurrency: number): Stage {
  let running = 0;
  return {
    name: "serverless",
    async request(call, next) {
      if (running >= maxConcurrency) throw concurrencyExceeded(call.endpoint, maxConcurrency);
      running += 1;
      try {
        return await next(call);
      } finally {
        running -= 1;
      }
    },
  };
}

interface Source {
  readonly inner: ModelRuntime;
  readonly directory: string;
  readonly manifest: ModelManifest;
}

interface Keeping {
  readonly idleMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSetup: (model: string, seconds: number) => void;
}

/** A model that is loaded while it is asked, and for a while after. */
class SleepingModel implements LoadedModel {
  readonly memoryBytes: number = 0;
  missingText: string | undefined;
  readonly #source: Source;
  readonly #keeping: Keeping;
  readonly #over = new AbortController();
  readonly #onDisposed: () => void;
  #loading: Promise<LoadedModel> | undefined;
  #loaded: LoadedModel | undefined;
  #giving: Promise<void> = Promise.resolve();
  #running = 0;
  #lastMs = 0;
  #watching: Promise<void> | undefined;

  constructor(source: Source, keeping: Keeping, onDisposed: () => void) {
    this.#source = source;
    this.#keeping = keeping;
    this.#onDisposed = onDisposed;
  }

  get awake(): boolean {
    return this.#loaded !== undefined;
  }

  get lanes(): number {
    return this.#loaded?.lanes ?? 1;
  }

  /** Loads the model where it sleeps; those who come meanwhile wait for the same load. */
  async wake({ signal }: CallOptions = {}): Promise<LoadedModel> {
    if (this.#over.signal.aborted) throw closed(`The model "${this.#source.manifest.name}"`);
    if (this.#loaded !== undefined) return this.#loaded;
    this.#loading ??= this.#load(signal).finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async predict(inputs: Tensors, options?: CallOptions): Promise<Tensors> {
    this.#running += 1;
    try {
      const sleeps = this.#loaded === undefined;
      const { clock, onSetup } = this.#keeping;
      const startMs = clock.monotonicMs();
      const model = await this.wake();
      if (sleeps) onSetup(this.#source.manifest.name, (clock.monotonicMs() - startMs) / 1_000);
      options?.signal?.throwIfAborted();
      return await model.predict(inputs, options);
    } finally {
      this.#running -= 1;
      this.#lastMs = this.#keeping.clock.monotonicMs();
    }
  }

  async dispose(): Promise<void> {
    this.#over.abort();
    this.#onDisposed();
    await this.#loading?.catch(() => {});
    await this.#watching;
    await this.#sleep();
  }

  async #load(signal: AbortSignal | undefined): Promise<LoadedModel> {
    const { inner, directory, manifest } = this.#source;
    // What is being given back is gone first: its memory is needed.
    await this.#giving;
    const loaded = await inner.load(directory, manifest, { signal });
    this.#loaded = loaded;
    this.missingText = loaded.missingText;
    this.#lastMs = this.#keeping.clock.monotonicMs();
    this.#watching = this.#watch();
    return loaded;
  }

  async #watch(): Promise<void> {
    const { clock, idleMs, logger } = this.#keeping;
    const { signal } = this.#over;
    while (!signal.aborted && Number.isFinite(idleMs)) {
      const leftMs = this.#running > 0 ? idleMs : this.#lastMs + idleMs - clock.monotonicMs();
      if (leftMs <= 0) {
        logger.info({ model: this.#source.manifest.name }, "a model that nobody asks is given back");
        await this.#sleep();
        return;
      }
      await clock.sleep(leftMs, { signal }).catch(() => {});
    }
  }

  #sleep(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    if (loaded !== undefined) this.#giving = loaded.dispose();
    return this.#giving;
  }
}
