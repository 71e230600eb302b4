import { type Clock, type Digest, type Logger, digestOf, isMillwrightError } from "@millwright/contracts";
import type { Chunk } from "./chunks.ts";
import { errorRateExceeded } from "./errors.ts";
import type { TransformObject } from "./inputs.ts";
import type { ChunkEntry, JobLedger, ObjectSummary } from "./ledger.ts";
import { ObjectRun } from "./object-run.ts";
import type { ResolvedShape } from "./options.ts";
import type { ChunkSize, Pace } from "./pace.ts";
import type { Progress } from "./progress.ts";
import type { TransformCost } from "./slis.ts";
import { type ChunkResult, type ChunkSetting, runChunk } from "./run-chunk.ts";

export interface TransformRunOptions {
  readonly setting: ChunkSetting;
  readonly shape: ResolvedShape;
  readonly ledger: JobLedger;
  readonly output: string;
  readonly chunkBytes: number;
  readonly chunkRecords: number;
  readonly maxErrorRate: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly progress: Progress;
  /** Aborted from outside, and by what fails the whole job. */
  readonly cancelled: AbortController;
  readonly isStopping: () => boolean;
  /** Told why no further chunk is begun. */
  readonly stop: (reason: string) => void;
  readonly onChunk: () => void;
  readonly pace: Pace;
  readonly cost: TransformCost | undefined;
  readonly jobStartMs: number;
}

export interface RunOutcome {
  readonly summaries: readonly ObjectSummary[];
  /** Of the first object that failed. */
  readonly failure: { readonly error: unknown } | undefined;
  readonly isStopped: boolean;
}

/** A chunk to be transformed. */
interface Task {
  readonly run: ObjectRun;
  readonly chunk: Chunk;
  readonly digest: Digest;
}

/** What is wrong with an object, and not with the job. */
const ofData: ReadonlySet<string> = new Set([
  "SERVING_TRANSFORM_ANSWER_INVALID",
  "SERVING_TRANSFORM_INPUT_MISSING",
  "SERVING_TRANSFORM_RECORD_INVALID",
  "SERVING_TRANSFORM_RECORD_TOO_LARGE",
  "SERVING_TRANSFORM_TARGET_FAILED",
]);

/** A stream has no records to look at, and no chunk that could be found again. */
const streamed: Chunk = {
  index: 0,
  offset: 0,
  firstRecord: 0,
  prefix: Buffer.alloc(0),
  bytes: Buffer.alloc(0),
  starts: [0],
  ends: [0],
  cuts: [1],
};

const sizeOf = ({ starts, cuts }: Chunk): ChunkSize => ({ records: starts.length, invocations: cuts.length });

/** Several workers take chunks from one feed, of whichever object is next: one big file keeps them all busy, as many small ones do. */
export class TransformRun {
  readonly #options: TransformRunOptions;
  readonly #summaries = new Map<string, ObjectSummary>();
  #failure: { readonly error: unknown } | undefined;
  #isLeft = false;

  constructor(options: TransformRunOptions) {
    this.#options = options;
  }

  /** Throws what fails the job as a whole: an abort, a target that is not there, the disk. */
  async run(objects: readonly TransformObject[]): Promise<RunOutcome> {
    const { shape, cancelled } = this.#options;
    const open = new Set<ObjectRun>();
    const feed = this.#feed(objects, open);
    const workers = Array.from({ length: shape.maxConcurrentTransforms }, () =>
      this.#work(feed).catch((error: unknown) => {
        // The others stop at once: what they have is done again.
        cancelled.abort(error);
        throw error;
      }),
    );
    const settled = await Promise.allSettled(workers);
    await feed.return();
    for (const run of open) await run.settle(true);
    if (cancelled.signal.aborted) throw cancelled.signal.reason;
    const lost = settled.find((each) => each.status === "rejected");
    if (lost !== undefined) throw lost.reason;
    return {
      summaries: objects.flatMap(({ key }) => this.#summaries.get(key) ?? []),
      failure: this.#failure,
      isStopped: this.#isLeft,
    };
  }

  async *#feed(objects: readonly TransformObject[], open: Set<ObjectRun>): AsyncGenerator<Task, void, undefined> {
    const { ledger, progress, output, shape, chunkBytes, chunkRecords, cancelled } = this.#options;
    const { signal } = cancelled;
    for (const object of objects) {
      if (this.#leaves()) return;
      const done = ledger.done.get(object.key);
      if (done !== undefined && done.version === object.version) {
        progress.addObject(done);
        this.#summaries.set(object.key, done);
        continue;
      }
      const run = await ObjectRun.open(
        { object, outputFolder: output, jobLedger: ledger, shape, chunkBytes, chunkRecords },
        { signal },
      );
      open.add(run);
      try {
        yield* shape.whole && shape.maxPayloadInMB === 0 ? this.#stream(run) : this.#chunksOf(run);
      } catch (error) {
        this.#fail(run, error);
      }
      await this.#settle(run);
    }
  }

  async *#stream(run: ObjectRun): AsyncGenerator<Task, void, undefined> {
    if (!(await this.#admits(streamed))) return;
    run.begin();
    yield { run, chunk: streamed, digest: digestOf("") };
  }

  async *#chunksOf(run: ObjectRun): AsyncGenerator<Task, void, undefined> {
    const { progress, cancelled, onChunk, pace } = this.#options;
    for await (const chunk of run.chunks({ signal: cancelled.signal })) {
      if (this.#leaves()) return;
      const digest = digestOf(chunk.bytes);
      const found = run.find(chunk, digest);
      if (found === undefined) {
        if (!(await this.#admits(chunk))) return;
        run.begin();
        yield { run, chunk, digest };
        continue;
      }
      progress.addChunk(found, true);
      pace.learn(found.durationMs);
      onChunk();
    }
  }

  /** Waits until a chunk may begin. @returns whether one may at all. */
  async #admits(chunk: Chunk): Promise<boolean> {
    const { pace, progress, cost, isStopping, stop, cancelled } = this.#options;
    const { signal } = cancelled;
    const refusal = await pace.admit(sizeOf(chunk), () => progress.costUsd(cost), isStopping, { signal });
    if (refusal !== undefined) stop(refusal);
    return !this.#leaves();
  }

  #leaves(): boolean {
    if (this.#options.isStopping()) this.#isLeft = true;
    return this.#isLeft || this.#options.cancelled.signal.aborted;
  }

  async #work(feed: AsyncGenerator<Task, void, undefined>): Promise<void> {
    for (;;) {
      const next = await feed.next();
      if (next.done === true) return;
      const { run } = next.value;
      try {
        if (run.error === undefined) await this.#transform(next.value);
      } catch (error) {
        this.#fail(run, error);
      } finally {
        run.end();
      }
      await this.#settle(run);
    }
  }

  async #transform({ run, chunk, digest }: Task): Promise<void> {
    const { clock, setting, progress, cancelled, onChunk, shape, jobStartMs, pace } = this.#options;
    const startMs = clock.nowMs();
    const startedAt = clock.monotonicMs();
    const { signal } = cancelled;
    const isStream = chunk === streamed;
    const done = isStream
      ? await this.#askStream(run)
      : { result: await runChunk(run.key, chunk, setting, { signal }), bytes: chunk.bytes.length, digest };
    const { output, failures, written, counts } = done.result;
    const told = Buffer.from(failures.map((failure) => `${JSON.stringify(failure)}\n`).join(""), "utf8");
    const entry: ChunkEntry = {
      index: chunk.index,
      offset: chunk.offset,
      bytes: done.bytes,
      digest: done.digest,
      records: chunk.starts.length,
      written,
      failed: failures.length,
      outputBytes: output.length,
      failureBytes: told.length,
      ...counts,
      startMs,
      durationMs: clock.monotonicMs() - startedAt,
      jobStartMs,
      workers: shape.maxConcurrentTransforms,
    };
    await run.add(entry, output, told);
    progress.addChunk(entry, false);
    pace.settle(sizeOf(chunk));
    pace.learn(entry.durationMs);
    this.#checkErrorRate();
    onChunk();
  }

  async #askStream(
    run: ObjectRun,
  ): Promise<{ readonly result: ChunkResult; readonly bytes: number; readonly digest: Digest }> {
    const { setting, cancelled } = this.#options;
    const { job, contentType, accept, assembleWith, invoker } = setting;
    const { signal } = cancelled;
    const { open, sent } = run.stream({ signal });
    const counts = { invocations: 0, retries: 0 };
    const requestId = `${job}/${run.key}`;
    const body = await invoker.ask(() => ({ body: open(), contentType, accept, requestId, signal }), counts);
    const ended = assembleWith === "None" || body.at(-1) === 0x0a;
    const output = ended ? body : Buffer.concat([body, Buffer.from("\n")]);
    return { result: { output, failures: [], written: 1, counts }, ...sent() };
  }

  #checkErrorRate(): void {
    const { maxErrorRate, progress, setting } = this.#options;
    const { failed, records } = progress.sums;
    if (records >= 100 && failed / records > maxErrorRate)
      throw errorRateExceeded(setting.job, failed, records, maxErrorRate);
  }

  /** What is wrong with the data fails its object; anything else the job. */
  #fail(run: ObjectRun, error: unknown): void {
    const ofObject = isMillwrightError(error) && !error.retryable && ofData.has(error.code);
    if (!ofObject) throw error;
    run.fail(error);
    this.#failure ??= { error };
  }

  async #settle(run: ObjectRun): Promise<void> {
    const summary = await run.settle(this.#options.cancelled.signal.aborted);
    if (summary === undefined) return;
    this.#summaries.set(run.key, summary);
    this.#options.progress.objectsDone += 1;
    this.#options.logger.info(
      { job: this.#options.setting.job, object: run.key, records: summary.records },
      "an object is transformed",
    );
  }
}
