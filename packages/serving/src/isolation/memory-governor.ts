import { totalmem } from "node:os";
import {
  type CallOptions,
  type LoadedModel,
  type Logger,
  type Meter,
  type ModelManifest,
  type ModelRuntime,
  silentLogger,
  silentMeter,
} from "@millwright/contracts";
import type { LoadedAnswer, WorkerMemory } from "./frames.ts";
import { memoryExhausted } from "./isolation-errors.ts";
import type { LoadGuard } from "./isolation-options.ts";

export interface MemoryGovernorOptions {
  /** Bytes that the server and its workers may have together. Default: the limit of the control group, else the machine's memory. */
  readonly limitBytes?: number | undefined;
  /** The part of the limit that loads may fill; the rest is for requests. From 0 to 1. Default: 0.9. */
  readonly share?: number | undefined;
  /** What a load of a model is taken to need before one was measured, in multiples of its files. Default: 3. */
  readonly factor?: number | undefined;
  /** Asked to give memory back before a load is refused: by disposing models that can be loaded again. Default: nothing is evicted. */
  readonly evict?: ((neededBytes: number, options?: CallOptions) => Promise<void> | void) | undefined;
  /** Bytes in use. Default: the resident memory of this process and of the worker processes it knows. */
  readonly usedBytes?: (() => number) | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** What a load did to the memory of where it ran. */
export interface LoadReport {
  readonly model: string;
  /** The first load of its worker, or of its runtime in this process: libraries allocate then what they keep. */
  readonly first: boolean;
  readonly estimatedBytes: number;
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** The most there was during the load, as far as the system tells. */
  readonly peakBytes: number;
  /** The peak over the memory before: what must be free for a load like it. */
  readonly spikeBytes: number;
}

/** Watches over memory: given to `isolatedRuntime` as `memory`, and put around runtimes of this process by `guard`. */
export interface MemoryGovernor extends LoadGuard {
  /** The runtime, its loads measured and admitted. */
  guard(runtime: ModelRuntime): ModelRuntime;
  /** Loads that were measured, the oldest first; the last 1,000. */
  loads(): readonly LoadReport[];
  /** The greatest spike of a first load, in bytes: 0 before one was measured. */
  firstLoadSpikeBytes(): number;
  usage(): { readonly limitBytes: number; readonly usedBytes: number; readonly reservedBytes: number };
}

const rememberedLoads = 1_000;

/**
 * Measures what loads do to resident memory, and refuses one, after asking for evictions, that would go over the limit: `SERVING_MEMORY_EXHAUSTED`, instead
 * of the kernel's killing. Throws `RangeError` for options out of range.
 */
export function createMemoryGovernor(options: MemoryGovernorOptions = {}): MemoryGovernor {
  const { share = 0.9, factor = 3, limitBytes = machineLimit() } = options;
  if (!(share > 0 && share <= 1)) throw new RangeError(`share must be above 0 and at most 1, not ${String(share)}.`);
  if (!(factor >= 0 && Number.isFinite(factor)))
    throw new RangeError(`factor must be at least 0, not ${String(factor)}.`);
  if (!(limitBytes > 0)) throw new RangeError(`limitBytes must be above 0, not ${String(limitBytes)}.`);
  return new Governor(options, { share, factor, limitBytes });
}

/** The control group's limit where there is one: without, the system tells none, or more than the machine has. */
function machineLimit(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

interface Model {
  readonly title: string;
  readonly manifest: ModelManifest;
  readonly first: boolean;
}

type Bounds = Required<Pick<MemoryGovernorOptions, "share" | "factor" | "limitBytes">> & {
  readonly [Name in "share" | "factor" | "limitBytes"]: number;
};

class Governor implements MemoryGovernor {
  readonly #options: MemoryGovernorOptions;
  readonly #bounds: Bounds;
  readonly #workers = new Set<
    () => readonly { readonly pid?: number | undefined; readonly memory?: WorkerMemory | undefined }[]
  >();
  readonly #needs = new Map<string, number>();
  readonly #gauges: Readonly<Record<"used" | "spike" | "load", (bytes: number) => void>>;
  #loads: LoadReport[] = [];
  #firstSpike = 0;
  #reserved = 0;

  constructor(options: MemoryGovernorOptions, bounds: Bounds) {
    this.#options = options;
    this.#bounds = bounds;
    const { meter = silentMeter } = options;
    const gauge = (name: string, help: string) => {
      const made = meter.gauge(`millwright_serving_${name}`, { help });
      return (bytes: number) => made.set(bytes);
    };
    this.#gauges = {
      used: gauge("memory_used_bytes", "Resident memory of the server and its workers."),
      spike: gauge("first_load_spike_bytes", "The greatest spike of memory of a first load."),
      load: gauge("model_load_bytes", "What the last load of a model left in memory."),
    };
  }

  attach(
    workers: () => readonly { readonly pid?: number | undefined; readonly memory?: WorkerMemory | undefined }[],
  ): void {
    this.#workers.add(workers);
  }

  detach(
    workers: () => readonly { readonly pid?: number | undefined; readonly memory?: WorkerMemory | undefined }[],
  ): void {
    this.#workers.delete(workers);
  }

  async load(model: Model, work: () => Promise<LoadedAnswer>, { signal }: CallOptions = {}): Promise<LoadedAnswer> {
    return this.#governed(model, signal, async () => {
      const loaded = await work();
      const { before, after } = loaded;
      return { value: loaded, before, after };
    });
  }

  guard(runtime: ModelRuntime): ModelRuntime {
    let first = true;
    return {
      formats: runtime.formats,
      load: (directory, manifest, { signal } = {}) => {
        const model = { title: manifest.name, manifest, first };
        first = false;
        return this.#governed<LoadedModel>(model, signal, async () => {
          const before = ownMemory();
          return { value: await runtime.load(directory, manifest, { signal }), before, after: ownMemory() };
        });
      },
    };
  }

  loads(): readonly LoadReport[] {
    return this.#loads;
  }

  firstLoadSpikeBytes(): number {
    return this.#firstSpike;
  }

  usage(): { readonly limitBytes: number; readonly usedBytes: number; readonly reservedBytes: number } {
    return { limitBytes: this.#bounds.limitBytes, usedBytes: this.#used(), reservedBytes: this.#reserved };
  }

  async #governed<Value>(
    model: Model,
    signal: AbortSignal | undefined,
    work: () => Promise<{
      readonly value: Value;
      readonly before: WorkerMemory | undefined;
      readonly after: WorkerMemory | undefined;
    }>,
  ): Promise<Value> {
    signal?.throwIfAborted();
    const estimatedBytes = this.#estimate(model);
    await this.#admit(model, estimatedBytes, signal);
    try {
      const { value, before, after } = await work();
      this.#note(model, estimatedBytes, before, after);
      return value;
    } finally {
      this.#reserved -= estimatedBytes;
    }
  }

  /** Reserves the bytes in the moment in which they are seen to be there. Throws `SERVING_MEMORY_EXHAUSTED`. */
  async #admit({ title }: Model, neededBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const most = this.#bounds.limitBytes * this.#bounds.share;
    const lacking = (): number => this.#used() + this.#reserved + neededBytes - most;
    if (lacking() > 0) {
      const { evict, logger = silentLogger } = this.#options;
      logger.warn({ model: title, neededBytes, ...this.usage() }, "a load lacks memory");
      await evict?.(lacking(), { signal });
      signal?.throwIfAborted();
      if (lacking() > 0) throw memoryExhausted(title, neededBytes, this.#used() + this.#reserved, most);
    }
    this.#reserved += neededBytes;
  }

  /** What the model needed when it was last loaded, else by its files. */
  #estimate({ title, manifest }: Model): number {
    const known = this.#needs.get(title);
    if (known !== undefined) return known;
    return manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) * this.#bounds.factor;
  }

  #note(model: Model, estimatedBytes: number, before: WorkerMemory | undefined, after: WorkerMemory | undefined): void {
    if (before?.rssBytes === undefined || after?.rssBytes === undefined) return;
    const { rssBytes: beforeBytes } = before;
    const { rssBytes: afterBytes, peakBytes: highest = 0 } = after;
    // A peak of before the load says nothing of the load.
    const grew = highest > (before.peakBytes ?? 0);
    const peakBytes = Math.max(beforeBytes, afterBytes, grew ? highest : 0);
    const spikeBytes = peakBytes - beforeBytes;
    const { title, first } = model;
    this.#loads.push({ model: title, first, estimatedBytes, beforeBytes, afterBytes, peakBytes, spikeBytes });
    if (this.#loads.length > rememberedLoads) this.#loads = this.#loads.slice(-rememberedLoads);
    this.#needs.delete(title);
    this.#needs.set(title, spikeBytes);
    if (first && spikeBytes > this.#firstSpike) {
      this.#firstSpike = spikeBytes;
      this.#gauges.spike(spikeBytes);
      this.#options.logger?.info({ model: title, spikeBytes }, "a first load took the most memory so far");
    }
    this.#gauges.load(afterBytes - beforeBytes);
    this.#gauges.used(this.#used());
  }

  #used(): number {
    const { usedBytes } = this.#options;
    if (usedBytes !== undefined) return usedBytes();
    let sum = process.memoryUsage.rss();
    // Threads are in the memory of this process.
    for (const workers of this.#workers)
      for (const { pid, memory } of workers()) if (pid !== undefined) sum += memory?.rssBytes ?? 0;
    return sum;
  }
}

function ownMemory(): WorkerMemory {
  return { rssBytes: process.memoryUsage.rss(), peakBytes: process.resourceUsage().maxRSS * 1024 };
}
