import { setMaxListeners } from "node:events";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CallOptions,
  type Clock,
  abortable,
  createRandom,
  digestOfJson,
  hashSeed,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { createEntityBody, type EntityBody } from "./entity-records.ts";
import { targetFailed, transformInvalid } from "./errors.ts";
import { objectsOf } from "./inputs.ts";
import { Invoker, reasonOf } from "./invoker.ts";
import { ledgerFolder, openJobLedger } from "./ledger.ts";
import { checkPace, Pace } from "./pace.ts";
import { writeDurableFile } from "./durable-files.ts";
import { compareManifests, createManifest, readManifest } from "./manifest.ts";
import { type ResolvedShape, type TransformOptions, payloadBytesOf, resolveShape } from "./options.ts";
import { Progress, type TransformState, type TransformStatus } from "./progress.ts";
import type { TransformSlis } from "./slis.ts";
import { createRecordProcessing, formatOf } from "./record-format.ts";
import type { ChunkSetting } from "./run-chunk.ts";
import { type ExecutionParameters, openModelTarget, type TransformTarget } from "./target.ts";
import type { TransformJob, TransformResult } from "./transform-job.ts";
import { TransformRun, type TransformRunOptions } from "./transform-run.ts";

/**
 * Transforms every record of every object of an input, and writes `<key>.out` for each, records in their order, whole or not at all. What is done is
 * written down chunk by chunk: a job that was killed, and is started again with the same name and options, does the rest.
 * Throws `SERVING_TRANSFORM_INVALID` for options that contradict each other; all else comes out of `result`.
 */
export function startTransform(options: TransformOptions): TransformJob {
  checkOptions(options);
  const job = new RunningTransform(options);
  job.start();
  return job;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function checkOptions(options: TransformOptions): void {
  const { model, target, name = "transform", maxErrorRate = 1, chunkBytes = 1, chunkRecords = 1 } = options;
  if ((model === undefined) === (target === undefined))
    throw transformInvalid(
      "it has not exactly one of `model` and `target`",
      "Give a model package, or what else to ask.",
    );
  if (!namePattern.test(name))
    throw transformInvalid(
      `\`name\` is ${JSON.stringify(name)}`,
      "Give letters, digits, dots, dashes and underscores, at most 63.",
    );
  if (!(maxErrorRate >= 0 && maxErrorRate <= 1))
    throw transformInvalid(`\`maxErrorRate\` is ${maxErrorRate}`, "Give a share from 0 to 1.");
  if (!(chunkBytes >= 1 && chunkRecords >= 1))
    throw transformInvalid("a chunk would hold nothing", "Give `chunkBytes` and `chunkRecords` from 1.");
  checkPace(options);
}

class RunningTransform implements TransformJob {
  readonly name: string;
  readonly #options: TransformOptions;
  readonly #progress = new Progress();
  readonly #cancelled = new AbortController();
  #state: TransformState = "running";
  #objects = 0;
  #totalBytes: number | undefined;
  #stopReason: string | undefined;
  readonly #clock: Clock;
  #startedAtMs = 0;
  #pace: Pace | undefined;
  #outcome: Promise<TransformResult> | undefined;
  #changed = nextChange();

  constructor(options: TransformOptions) {
    this.name = options.name ?? "transform";
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    const { signal, interruption } = this.#options;
    const interrupt = (): void => this.#stop("the machine is wanted back");
    if (interruption?.aborted === true) interrupt();
    else interruption?.addEventListener("abort", interrupt, { once: true });
    // Each chunk under way listens, and there may be many.
    setMaxListeners(0, this.#cancelled.signal);
    const cancel = (): void => this.#cancelled.abort(signal?.reason);
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
    this.#outcome = this.#run()
      .then(
        (result) => {
          this.#state = result.state;
          return Object.assign(result, { status: this.status() });
        },
        (error: unknown) => {
          this.#state = "failed";
          throw error;
        },
      )
      .finally(() => {
        signal?.removeEventListener("abort", cancel);
        interruption?.removeEventListener("abort", interrupt);
        this.#changed.resolve();
      });
    // Who never asks for the result does not bring the process down.
    this.#outcome.catch(() => {});
  }

  status(): TransformStatus {
    const { sums, chunksReused, objectsDone } = this.#progress;
    const pace = this.#state === "running" ? this.#pace : undefined;
    const elapsedMs = pace === undefined ? 0 : this.#clock.monotonicMs() - this.#startedAtMs - pace.waitedMs;
    const etaMs = pace === undefined ? undefined : this.#progress.etaMs(this.#totalBytes, elapsedMs);
    const slisNow = (): TransformSlis => this.#progress.slis(this.#options.cost);
    let slis: TransformSlis | undefined;
    return {
      name: this.name,
      state: this.#state,
      objects: this.#objects,
      objectsDone,
      chunksReused,
      ...(this.#totalBytes === undefined ? {} : { totalBytes: this.#totalBytes }),
      ...sums,
      ...(etaMs === undefined ? {} : { etaMs }),
      // Only where it is looked at: it takes the durations of all chunks.
      get slis() {
        slis ??= slisNow();
        return slis;
      },
    };
  }

  async *progress({ signal }: CallOptions = {}): AsyncGenerator<TransformStatus, void, undefined> {
    signal?.throwIfAborted();
    while (this.#state === "running") {
      await abortable(this.#changed.promise, signal);
      yield this.status();
    }
  }

  async result({ signal }: CallOptions = {}): Promise<TransformResult> {
    signal?.throwIfAborted();
    return abortable(this.#outcome as Promise<TransformResult>, signal);
  }

  async stop(reason = "it was told to stop", { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#stop(reason);
    await abortable(
      (this.#outcome as Promise<TransformResult>).then(
        () => {},
        () => {},
      ),
      signal,
    );
  }

  #stop(reason: string): void {
    if (this.#state === "running") this.#stopReason ??= reason;
  }

  async #run(): Promise<TransformResult> {
    const { model, target } = this.#options;
    const { signal } = this.#cancelled;
    signal.throwIfAborted();
    if (target !== undefined) return this.#runWith(target);
    await using opened = await openModelTarget(model as NonNullable<typeof model>, { signal });
    return await this.#runWith(opened);
  }

  async #runWith(target: TransformTarget): Promise<TransformResult> {
    const options = this.#options;
    const { signal } = this.#cancelled;
    const clock = this.#clock;
    const { restart = false, featuresAsOfMs } = options;
    const startedMs = clock.nowMs();
    this.#startedAtMs = clock.monotonicMs();
    this.#pace = new Pace(options, clock);
    const output = resolve(options.output instanceof URL ? fileURLToPath(options.output) : options.output);
    const objects = await objectsOf(options.input, { output, signal });
    this.#objects = objects.length;
    const sizes = objects.map(({ sizeBytes }) => sizeBytes ?? Number.NaN);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    this.#totalBytes = Number.isNaN(total) || options.compression === "Gzip" ? undefined : total;
    const shape = resolveShape(options, await this.#told(target), objects);
    const optionsDigest = digestOfJson(deciding(options, shape));
    const ledger = await openJobLedger({
      job: this.name,
      directory: ledgerFolder(output, this.name),
      fingerprint: digestOfJson([target.model?.digest ?? target.name, optionsDigest, featuresAsOfMs ?? null]),
      restart,
      signal,
    });
    try {
      const run = this.#createRun(target, shape, { ledger, output, pace: this.#pace, jobStartMs: startedMs });
      const { summaries, failure, isStopped } = await run.run(objects);
      if (failure !== undefined) throw failure.error;
      const status = this.status();
      if (isStopped) return { state: "stopped", reason: this.#stopReason, objects: summaries, status };
      const parts = {
        job: this.name,
        model: target.model,
        target: target.name,
        optionsDigest,
        featuresAsOfMs,
        startedMs,
      };
      const manifest = createManifest({ ...parts, finishedMs: clock.nowMs(), summaries });
      const path = join(output, `${this.name}.manifest.json`);
      const before = await readManifest(path);
      await writeDurableFile(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
      await ledger.remove();
      const comparison = before === undefined ? undefined : compareManifests(before, manifest);
      return { state: "completed", objects: summaries, manifest, comparison, status };
    } finally {
      await ledger[Symbol.asyncDispose]();
    }
  }

  /** What the target says of how it wants to be asked. Throws `SERVING_TRANSFORM_TARGET_FAILED` where it is not there. */
  async #told(target: TransformTarget): Promise<ExecutionParameters | undefined> {
    const { signal } = this.#cancelled;
    try {
      return await target.executionParameters?.({ signal });
    } catch (error) {
      signal.throwIfAborted();
      throw targetFailed(target.name, reasonOf(error), true, error);
    }
  }

  #createRun(
    target: TransformTarget,
    shape: ResolvedShape,
    place: Pick<TransformRunOptions, "ledger" | "output" | "pace" | "jobStartMs">,
  ): TransformRun {
    const options = this.#options;
    const clock = this.#clock;
    const { logger = silentLogger, random = createRandom(hashSeed(this.name)) } = options;
    const { maxErrorRate = 1, chunkBytes = 1 << 20, chunkRecords = 1024, onRecordError = "fail" } = options;
    const { contentType, accept } = shape;
    const setting: ChunkSetting = {
      ...shape,
      job: this.name,
      target: target.name,
      invoker: new Invoker({ target, policy: options, clock, random }),
      processing: createRecordProcessing(options, contentType, accept),
      entityBody: entityBodyOf(options, shape),
      onRecordError,
      maxPayloadBytes: payloadBytesOf(shape),
    };
    return new TransformRun({
      setting,
      shape,
      ...place,
      cost: options.cost,
      chunkBytes,
      chunkRecords,
      maxErrorRate,
      clock,
      logger,
      progress: this.#progress,
      cancelled: this.#cancelled,
      isStopping: () => this.#stopReason !== undefined,
      stop: (reason) => this.#stop(reason),
      onChunk: () => this.#tell(),
    });
  }

  #tell(): void {
    const { onProgress, logger = silentLogger } = this.#options;
    const told = this.#changed;
    this.#changed = nextChange();
    told.resolve();
    try {
      onProgress?.(this.status());
    } catch (error) {
      logger.warn({ job: this.name, error }, "the listener to a job's progress failed");
    }
  }
}

function entityBodyOf({ entities, inputFilter = "$" }: TransformOptions, shape: ResolvedShape): EntityBody | undefined {
  if (entities === undefined) return undefined;
  if (inputFilter !== "$" || shape.whole || shape.splitType !== "Line")
    throw transformInvalid(
      "`entities` are named by whole records of a line each",
      "Leave `inputFilter` out, and split by lines.",
    );
  return createEntityBody(entities, formatOf(shape.contentType), shape.csvHeader);
}

/** A promise that somebody else resolves. */
function nextChange(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolveIt = (): void => {};
  const promise = new Promise<void>((resolveNow) => {
    resolveIt = resolveNow;
  });
  return { promise, resolve: resolveIt };
}

/** What decides the bytes that are written, beside the model and the data. */
function deciding(options: TransformOptions, shape: ResolvedShape): unknown {
  const { inputFilter = "$", joinSource = "None", outputFilter = "$", onRecordError = "fail" } = options;
  const { chunkBytes = 1 << 20, chunkRecords = 1024 } = options;
  // How many are under way at once decides nothing.
  const { maxConcurrentTransforms: _, ...rest } = shape;
  const { entities } = options;
  return {
    ...rest,
    entities,
    inputFilter,
    joinSource,
    outputFilter,
    onRecordError,
    chunkBytes,
    chunkRecords,
  };
}
