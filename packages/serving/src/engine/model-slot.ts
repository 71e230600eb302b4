import type {
  CallOptions,
  Clock,
  FeatureServiceDescription,
  FeatureSource,
  Logger,
  ModelRuntime,
  ModelSource,
  ResolvedModel,
} from "@millwright/contracts";
import { type OpenedModel, loadModel } from "@millwright/model";
import { type Soon } from "./settle.ts";
import { type Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
import { featureServiceMismatch } from "../errors.ts";
import { ModelStatistics } from "./model-statistics.ts";
import type { Provenance } from "./prediction.ts";
import { hasFixedShape, isBatchable } from "./signature.ts";
import type { WarmPath } from "./warm-path.ts";
import { warmUp } from "./warm-up.ts";

/** A model that was loaded and answered its golden requests, with what feeds it. */
export interface ServedModel {
  readonly resolved: ResolvedModel;
  /** The model as its answers name it: one object, for all of them. */
  readonly identity: Provenance["model"];
  readonly model: OpenedModel;
  readonly batcher: Batcher;
  readonly statistics: ModelStatistics;
  readonly batchable: boolean;
  /** Whether all requests have one shape but for their rows. */
  readonly fixedShape: boolean;
  readonly features: { readonly service: string; readonly description: FeatureServiceDescription } | undefined;
}

export interface SlotOptions {
  readonly endpoint: string;
  readonly source: ModelSource;
  readonly runtimes: readonly ModelRuntime[];
  readonly features: FeatureSource | undefined;
  readonly featureService: string | undefined;
  readonly onFeatureMismatch: "refuse" | "warn";
  readonly batching: Pick<BatcherOptions, "limits" | "onBatch" | "onQueue">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For how long a model is asked before it takes traffic; absent where it is not. */
  readonly warmUpMs?: number | undefined;
  /** What asks a model then. */
  readonly warmPath?: ((slot: ModelSlot) => Promise<WarmPath>) | undefined;
}

/** What people call a model: `late/4`, or its name where the source has no versions. */
export const titleOf = ({ name, version }: ResolvedModel): string =>
  version === undefined ? name : `${name}/${version}`;

/** A model, and how many requests it is being asked. */
interface Entry {
  readonly served: ServedModel;
  users: number;
  /** Called when the last of them has its answer. */
  retired: (() => void) | undefined;
}

/**
 * A place where one model serves and a newer one takes over: load, golden requests, swap, then the old one finishes what it has and is disposed.
 */
export class ModelSlot {
  readonly ref: string;
  readonly #options: SlotOptions;
  #current: Entry;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;

  private constructor(ref: string, options: SlotOptions, served: ServedModel) {
    this.ref = ref;
    this.#options = options;
    this.#current = { served, users: 0, retired: undefined };
  }

  /** Throws what `resolve` and `loadModel` throw, and `SERVING_FEATURE_SERVICE_MISMATCH`. */
  static async open(ref: string, options: SlotOptions, { signal }: CallOptions = {}): Promise<ModelSlot> {
    return ModelSlot.openResolved(ref, await options.source.resolve(ref, { signal }), options, { signal });
  }

  /** Opens with a package that the reference was found to mean. Throws what `loadModel` throws, and `SERVING_FEATURE_SERVICE_MISMATCH`. */
  static async openResolved(
    ref: string,
    resolved: ResolvedModel,
    options: SlotOptions,
    { signal }: CallOptions = {},
  ): Promise<ModelSlot> {
    return new ModelSlot(ref, options, await serve(resolved, options, { signal }));
  }

  /** Around a model that somebody else closes. */
  static around(served: ServedModel, options: SlotOptions): ModelSlot {
    return new ModelSlot(titleOf(served.resolved), options, served);
  }

  get served(): ServedModel {
    return this.#current.served;
  }

  /** Runs `work` with the model of this moment, which is not disposed before `work` settles. */
  use<Result>(work: (served: ServedModel) => Soon<Result>): Soon<Result> {
    const entry = this.#current;
    entry.users += 1;
    let result: Soon<Result>;
    try {
      result = work(entry.served);
    } catch (error) {
      leave(entry);
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => leave(entry));
    leave(entry);
    return result;
  }

  /** Follows the reference until `close`. */
  watch(): void {
    this.#watching ??= this.#follow();
  }

  /** Stops following, waits for the requests it has, and disposes the model. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#retire(this.#current);
  }

  async #follow(): Promise<void> {
    const { source, clock, logger, endpoint } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const resolved of source.watch(this.ref, { signal })) await this.#take(resolved);
      } catch (error) {
        logger.warn({ endpoint, model: this.ref, error }, "the watch of a model failed and is begun again");
      }
      if (!signal.aborted) await clock.sleep(1000, { signal }).catch(() => {});
    }
  }

  async #take(resolved: ResolvedModel): Promise<void> {
    const { logger, endpoint } = this.#options;
    if (resolved.digest === this.served.resolved.digest || this.#stop.signal.aborted) return;
    try {
      const served = await serve(resolved, this.#options, { signal: this.#stop.signal });
      const old = this.#current;
      this.#current = { served, users: 0, retired: undefined };
      logger.info({ endpoint, model: titleOf(resolved), before: titleOf(old.served.resolved) }, "a new model serves");
      void this.#retire(old);
    } catch (error) {
      if (!this.#stop.signal.aborted)
        logger.error({ endpoint, model: titleOf(resolved), error }, "a new model was refused; the old one goes on");
    }
  }

  async #retire(entry: Entry): Promise<void> {
    if (entry.users > 0) {
      await new Promise<void>((resolve) => {
        entry.retired = resolve;
      });
    }
    try {
      await entry.served.model.dispose();
    } catch (error) {
      this.#options.logger.warn({ endpoint: this.#options.endpoint, error }, "a model could not be disposed");
    }
  }
}

function leave(entry: Entry): void {
  entry.users -= 1;
  if (entry.users === 0) entry.retired?.();
}

async function serve(resolved: ResolvedModel, options: SlotOptions, { signal }: CallOptions): Promise<ServedModel> {
  const features = await feeding(resolved, options, { signal });
  // Features that the model's transforms cannot take would fail each request: they fail the load.
  const model = await loadModel(resolved, options.runtimes, { signal, schema: features?.description.features });
  const served = servedBy(model, resolved, features, options);
  if (options.warmUpMs === undefined) return served;
  // Asked through a batcher of its own: what is asked then is no traffic, and what it costs is no measure.
  const apart = servedBy(model, resolved, features, { ...options, batching: { limits: options.batching.limits } });
  await warm(apart, options, { signal });
  return served;
}

function servedBy(
  model: OpenedModel,
  resolved: ResolvedModel,
  features: ServedModel["features"],
  options: SlotOptions,
): ServedModel {
  const statistics = new ModelStatistics();
  const { onBatch } = options.batching;
  const batcher = createBatcher({
    ...options.batching,
    onBatch: (rows, modelMs) => {
      onBatch?.(rows, modelMs);
      statistics.batch(rows, modelMs);
    },
    endpoint: options.endpoint,
    model: titleOf(resolved),
    clock: options.clock,
    lanes: () => model.lanes ?? 1,
    run: (payload, call) =>
      payload.kind === "tensors" ? model.predict(payload.tensors, call) : model.predictBatch(payload.batch, call),
  });
  const { name, version, digest } = resolved;
  return {
    resolved,
    identity: { name, ...(version === undefined ? {} : { version }), digest },
    model,
    batcher,
    statistics,
    features,
    batchable: isBatchable(resolved.manifest.signature),
    fixedShape: hasFixedShape(resolved.manifest.signature),
  };
}

/** Asks a model before it takes traffic. Where that is aborted, it is disposed. */
async function warm(served: ServedModel, options: SlotOptions, { signal }: CallOptions): Promise<void> {
  const { warmUpMs: budgetMs = 0, warmPath, clock, logger, endpoint, batching } = options;
  const { model, resolved } = served;
  if (warmPath === undefined) return;
  const { maxBatchRows } = batching.limits;
  try {
    await using path = await warmPath(ModelSlot.around(served, options));
    const warmed = await warmUp(model, resolved.manifest, { clock, budgetMs, maxBatchRows, ask: path.ask, signal });
    logger.info({ endpoint, model: titleOf(resolved), ...warmed }, "a model is warm");
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** The feature service of the model, known to be the one it was trained on. */
async function feeding(
  resolved: ResolvedModel,
  options: SlotOptions,
  { signal }: CallOptions,
): Promise<ServedModel["features"]> {
  const trained = resolved.manifest.featureService;
  const service = options.featureService ?? trained?.name;
  if (options.features === undefined || service === undefined) return undefined;
  const description = await options.features.describe(service, { signal });
  if (trained !== undefined && trained.digest !== description.digest) {
    const mismatch = featureServiceMismatch(titleOf(resolved), service, trained.digest, description.digest);
    if (options.onFeatureMismatch === "refuse") throw mismatch;
    options.logger.warn({ endpoint: options.endpoint, error: mismatch }, "features differ from those of training");
  }
  return { service, description };
}
