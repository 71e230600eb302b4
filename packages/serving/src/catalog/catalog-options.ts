import type { CallOptions, Digest, ResolvedModel } from "@millwright/contracts";

export interface ModelCatalogOptions {
  /** What all loaded models together may hold, bytes: `LoadedModel.memoryBytes` and `overheadBytes` of each. */
  readonly memoryBytes: number;
  /** What a client's target means to the source (`late/3`, `late@champion`); undefined where it means nothing. Default: the target, without `.tar.gz`. */
  readonly refOf?: ((target: string) => string | undefined) | undefined;
  /** Who may ask for which target. Default: whoever may call the endpoint. */
  readonly mayUse?: ((target: string, principal: string | undefined) => boolean) | undefined;
  /** Loaded when the endpoint opens, and never unloaded to make room. */
  readonly pins?: readonly string[] | undefined;
  /** `false` unloads a model when its last request is answered: SageMaker's `ModelCacheSetting` `Disabled`. Default: true. */
  readonly caching?: boolean | undefined;
  /** Whether a loaded model follows its alias. While a newer one takes over both hold memory, of which one is counted. Default: false. */
  readonly watch?: boolean | undefined;
  /** Loads at once. Default: 2. */
  readonly maxConcurrentLoads?: number | undefined;
  /** Loads that may wait for others before requests are turned away with `SERVING_OVERLOADED`. Default: 1,000. */
  readonly maxWaitingLoads?: number | undefined;
  /** How long a load waits for models in use to be answered, where nothing else can be unloaded; milliseconds. Default: 10,000. */
  readonly memoryWaitMs?: number | undefined;
  /** After a load failed, requests get its error at once for this long, milliseconds; each further failure doubles it. Default: 1,000. */
  readonly backoffMs?: number | undefined;
  /** Default: 60,000. */
  readonly maxBackoffMs?: number | undefined;
  /** What a model will hold, bytes, before it was ever loaded. Default: the bytes of its files, and what models of its format were seen to hold beyond. */
  readonly sizeOf?: ((resolved: ResolvedModel) => number) | undefined;
  /**
   * How long a package that was found and verified may be loaded again without looking anew, milliseconds: for folders to which nobody writes. An alias that moves is seen so
   * much later. Default: 0, each load verifies.
   */
  readonly verifiedMs?: number | undefined;
  /** Counted for each model beside what it says it holds: its objects on the heap. Default: 0. */
  readonly overheadBytes?: number | undefined;
  /** While the process holds more than this, as measured, each load lets one more model go. Default: not measured. */
  readonly maxProcessBytes?: number | undefined;
  /** Measures that. Default: the resident set of this process. */
  readonly measureBytes?: (() => number) | undefined;
  /** Whether the server has SageMaker's `/models` for this catalog: load, list, get, unload, invoke. Default: false. */
  readonly containerApi?: boolean | undefined;
  /** The folder below which `url` of `POST /models` must lie, such as `/opt/ml/models`. Default: a `url` is a reference to the source. */
  readonly root?: string | undefined;
  /** Told of each load, unload and failure. What it throws is logged. */
  readonly onEvent?: ((event: CatalogEvent) => void) | undefined;
}

export type CatalogEvent =
  | {
      readonly type: "loaded";
      readonly target: string;
      readonly model: CatalogModel["model"];
      readonly memoryBytes: number;
      readonly durationMs: number;
    }
  | { readonly type: "unloaded"; readonly target: string; readonly memoryBytes: number; readonly reason: UnloadReason }
  | { readonly type: "failed"; readonly target: string; readonly error: unknown };

/** Why a model was unloaded: for the memory, because somebody asked, because models are not kept, at the end. */
export type UnloadReason = "memory" | "asked" | "uncached" | "closing";

/** A model that is loaded. */
export interface CatalogModel {
  readonly target: string;
  /** What it was loaded from: the reference, or the folder. */
  readonly ref: string;
  readonly model: { readonly name: string; readonly version?: number | undefined; readonly digest: Digest };
  readonly memoryBytes: number;
  readonly pinned: boolean;
  /** Requests that are being answered by it or wait for it. */
  readonly users: number;
}

export interface CatalogStats {
  readonly loaded: number;
  readonly memoryBytes: number;
  /** Requests that found their model loaded, and those that did not. */
  readonly hits: number;
  readonly misses: number;
  readonly loads: number;
  readonly failures: number;
  /** Models unloaded to make room. */
  readonly evictions: number;
}

export interface CatalogLoadOptions extends CallOptions {
  /** What to load. Default: what `refOf` says. */
  readonly ref?: string | undefined;
  /** Whether others may be unloaded for it. Default: true. */
  readonly mayEvict?: boolean | undefined;
}

/**
 * The models of one endpoint that are loaded when they are asked for, by the request's `targetModel`, and unloaded when others need the memory:
 * the one used longest ago first, never one in use. Calls before the server opened it, and after it drained, throw `SERVING_DRAINING`.
 */
export interface ModelCatalog {
  /**
   * Loads a model that is not loaded. Throws `SERVING_MODEL_LOADED` where it is, `SERVING_MODEL_TOO_LARGE`, `SERVING_MODEL_MEMORY`, `SERVING_OVERLOADED`,
   * and what the source, the runtime and golden requests throw.
   */
  load(target: string, options?: CatalogLoadOptions): Promise<CatalogModel>;
  /** Waits for its requests and lets its memory go. Throws `SERVING_MODEL_NOT_LOADED`. On abort the waiting ends, not the unloading. */
  unload(target: string, options?: CallOptions): Promise<void>;
  /** Keeps a model, loading it where it is not: it is not unloaded to make room before `unpin`. Throws what `load` throws. */
  pin(target: string, options?: CallOptions): Promise<void>;
  unpin(target: string): void;
  /** Loads a model where it is not loaded, and counts it as used now, without a request. Throws what `load` throws, but `SERVING_MODEL_LOADED`. */
  warm(target: string, options?: CallOptions): Promise<void>;
  /** The models that are loaded, by what was used longest ago first. */
  models(): readonly CatalogModel[];
  /** The model, if it is loaded. */
  model(target: string): CatalogModel | undefined;
  stats(): CatalogStats;
}
