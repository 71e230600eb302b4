import {
  type CallOptions,
  type Clock,
  createEvent,
  type Digest,
  type EventData,
  type EventId,
  type EventType,
  type IdSource,
  type JobEvent,
  type JobHandle,
  type JobResult,
  type JsonValue,
  type MillwrightEvent,
  type RunHandle,
  type TrialHandle,
} from "@millwright/contracts";
import { EventHistory } from "./event-history.ts";
import { heardError, inputInvalid, outOfMemory, runFailed, runStopped, type ToldError } from "./errors.ts";
import type { FiredRule } from "./debugger/rule-use.ts";
import type { Metrics } from "./metrics.ts";
import type { DeterminismLevel } from "./determinism/determinism-level.ts";
import type { MemoryReport } from "./memory/memory-guard.ts";
import { memoryOfCause } from "./memory/out-of-memory.ts";
import type { LossScaleState } from "./precision/loss-scale.ts";
import type { RunProfile } from "./profiler/run-profile.ts";
import type { WorkersReport } from "./parallel/run-workers.ts";
import type { ProgressLine } from "./progress-line.ts";
import type { BestCheckpoint, EpochReport, RunMessage, RunOutcome, RunSummary } from "./run-messages.ts";
import type { Spending } from "./run-spending.ts";
import { newestBundle } from "./watchdog/bundles.ts";
import type { StopReason } from "./stop-conditions.ts";
import type { CallbackFailure } from "./training-callback.ts";

export interface TrainingResult {
  readonly id: string;
  readonly outcome: RunOutcome;
  /** Why, where the outcome is `stopped`. */
  readonly stop?: StopReason | undefined;
  /** Of the final model on the validation data, or on the training data where there is none. */
  readonly metrics: Metrics;
  readonly epochs: readonly EpochReport[];
  /** From 1; the epoch whose weights the model has. */
  readonly bestEpoch: number;
  /** The model package; absent for a paused run. */
  readonly modelDirectory?: string | undefined;
  /** Of the package. */
  readonly digest?: Digest | undefined;
  /** SHA-256 of all weights: equal for runs that are equal bit for bit. */
  readonly weightsDigest: string;
  /** The folder of checkpoints that `resumeFrom` takes; absent where none were written. */
  readonly checkpoint?: string | undefined;
  /** Those kept for their metric, best first; absent where none were to be. */
  readonly bestCheckpoints?: readonly BestCheckpoint[] | undefined;
  /** Exceptions in callbacks whose `failures` are `"report"`; absent where there were none. */
  readonly callbackFailures?: readonly CallbackFailure[] | undefined;
  /** Rules that have fired, first first; absent where none has. */
  readonly firedRules?: readonly FiredRule[] | undefined;
  /** What the time of the last attempt went to; absent where it was not to be. */
  readonly profile?: RunProfile | undefined;
  /** What was declared, where something was. */
  readonly determinism?: DeterminismLevel | undefined;
  /** Where there is a guard of memory. */
  readonly memory?: MemoryReport | undefined;
  /** Where the loss was scaled: what it ended with. */
  readonly lossScale?: LossScaleState | undefined;
  /** Where several learned together. */
  readonly workers?: WorkersReport | undefined;
  /** Rows learned from a second, by the training steps alone. */
  readonly rowsPerSecond: number;
}

/** A run that goes on in a process of its own. */
export interface TrainingRun {
  readonly id: string;
  /** The run's folder: `checkpoints/`, `model/`. */
  readonly directory: string;
  /**
   * `run.started`, `run.progress`, `run.epoch`, `run.checkpointed`, `run.rule-fired`, `run.leak-suspected`, `run.stalled`, `run.worker-changed`, and at
   * the end `run.finished`, `run.failed` or `run.killed`, from the
   * beginning of the run, in their order. Of `run.progress` at least the last 1,000 are kept: who asks late, or reads slowly, misses older ones.
   */
  events(options?: CallOptions): AsyncIterable<MillwrightEvent>;
  /** Rejects with what the run failed of (`TRAINER_*`), with `TRAINER_RUN_STOPPED` where it was stopped. */
  result(options?: CallOptions): Promise<TrainingResult>;
  /** Saves a checkpoint and ends the run; resolves when its process is gone. On abort the waiting ends, not the stopping. */
  stop(reason?: string, options?: CallOptions): Promise<void>;
  /**
   * Ends the training after the step that runs, with a model package and the outcome `stopped`; resolves when the run has ended, however it has. Where
   * that takes longer than `graceMs`, it is stopped as by `stop`. On abort the waiting ends, not the finishing. Throws `TRAINER_INPUT_INVALID`.
   */
  finish(reason?: string, options?: FinishOptions): Promise<void>;
}

export interface FinishOptions extends CallOptions {
  /** Default: 60,000. */
  readonly graceMs?: number | undefined;
}

export interface FollowOptions {
  readonly id: string;
  readonly directory: string;
  readonly job: JobHandle;
  readonly from: EventData["from"];
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly line: ProgressLine | undefined;
  readonly trial: TrialHandle | undefined;
  readonly tracked: RunHandle | undefined;
  readonly signals: readonly AbortSignal[];
  readonly spending: Spending | undefined;
}

class FollowedRun implements TrainingRun {
  readonly id: string;
  readonly directory: string;
  readonly #options: FollowOptions;
  readonly #events = new EventHistory();
  readonly #epochs = new Set<number>();
  readonly #rules = new Set<string>();
  /** How often each thing was measured. */
  readonly #measurements = new Map<string, number>();
  readonly #finished: Promise<TrainingResult>;
  #wakers: (() => void)[] = [];
  #ended = false;
  /** The first event: the cause of the others. */
  #began: EventId | undefined;
  #error: ToldError | undefined;
  /** What the run is to end for; each of its processes is told. */
  #asked: StopReason | undefined;
  #runs = false;

  constructor(options: FollowOptions) {
    this.id = options.id;
    this.directory = options.directory;
    this.#options = options;
    const stop = (): void => void this.stop("The signal of this run was aborted.");
    for (const signal of options.signals) {
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    }
    options.spending?.onExhausted((reason) => this.#ask({ cause: "budget", reason }));
    this.#finished = this.#follow().finally(() => {
      for (const signal of options.signals) signal.removeEventListener("abort", stop);
      options.line?.end();
    });
    this.#finished.catch(() => {}); // it is for whoever asks for the result
  }

  async *events({ signal }: CallOptions = {}): AsyncGenerator<MillwrightEvent> {
    for (let place = 0; ;) {
      signal?.throwIfAborted();
      const next = this.#events.from(place);
      if (next !== undefined) {
        yield next.event;
        place = next.place + 1;
      } else if (this.#ended) return;
      else await this.#changed(signal);
    }
  }

  result({ signal }: CallOptions = {}): Promise<TrainingResult> {
    if (signal === undefined) return this.#finished;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const stop = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", stop, { once: true });
      this.#finished.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
  }

  stop(reason = "stopped", options: CallOptions = {}): Promise<void> {
    return this.#options.job.stop(reason, options);
  }

  async finish(reason = "It was asked to end.", options: FinishOptions = {}): Promise<void> {
    const { graceMs = 60_000, signal } = options;
    signal?.throwIfAborted();
    if (!(graceMs >= 0)) throw inputInvalid("graceMs", graceMs, "a number from 0");
    this.#ask({ cause: "request", reason });
    const late = (): void => void this.stop(`It had not ended ${graceMs} ms after it was asked to.`);
    const timer = setTimeout(late, Math.min(graceMs, 2 ** 31 - 1));
    const ended = (): void => clearTimeout(timer);
    void this.#finished.then(ended, ended);
    await this.result({ signal }).catch(() => signal?.throwIfAborted());
  }

  #ask(reason: StopReason): void {
    this.#asked ??= reason;
    if (this.#runs && !this.#ended) this.#options.job.send({ finish: { ...this.#asked } });
  }

  async #resultOf(job: JobResult): Promise<TrainingResult> {
    if (job.state === "completed") return completedResult(this.id, job);
    throw jobFailure(this.id, job, this.#error, await newestBundle(this.directory, job.attempts));
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal?.reason as Error);
      signal?.addEventListener("abort", stop, { once: true });
      this.#wakers.push(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  #tell(type: EventType, data: EventData): void {
    const causationid = this.#began ?? this.#options.tracked?.eventId;
    const draft = { source: "millwright/trainer", type, subject: this.id, causationid, data };
    const event = createEvent(draft, this.#options);
    this.#began ??= event.id;
    this.#events.add(event);
    this.#wake();
  }

  #wake(): void {
    for (const waker of this.#wakers.splice(0)) waker();
  }

  async #follow(): Promise<TrainingResult> {
    const { job, tracked } = this.#options;
    try {
      for await (const event of job.events()) {
        if (event.kind === "state" && event.state === "starting") this.#error = undefined; // of the attempt before
        if (event.kind === "message") await this.#take(event.body as unknown as RunMessage);
        if (event.kind === "metric" && event.name.startsWith("system/")) this.#takeMeasurement(event);
      }
      const result = await this.#resultOf(await job.result());
      tracked?.logMetrics(
        Object.entries(result.metrics).map(([name, value]) => ({
          name: `final.${name}`,
          value,
          step: result.epochs.length,
        })),
      );
      await tracked?.end(result.outcome === "pruned" ? "killed" : "finished");
      const made = result.digest === undefined ? [] : [{ kind: "model" as const, id: result.digest }];
      this.#tell("run.finished", {
        made,
        from: this.#options.from,
        outcome: result.outcome,
        metrics: finite(result.metrics),
      });
      return result;
    } catch (error) {
      // Where it was a trial or tracker that threw, the process still runs.
      await job.stop("Following this run failed.");
      // An interrupted run may go on: what it has done is not what failed.
      const killed = job.state === "stopped" || job.state === "interrupted";
      await tracked?.end(killed ? "killed" : "failed").catch(() => {});
      this.#tell(killed ? "run.killed" : "run.failed", {
        reason: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
      try {
        await this.#options.spending?.end();
      } finally {
        this.#ended = true;
        this.#wake();
      }
    }
  }

  async #take(message: RunMessage): Promise<void> {
    this.#options.line?.show(message);
    const { kind: _kind, ...data } = message;
    switch (message.kind) {
      case "started":
        this.#runs = true;
        if (this.#asked !== undefined) this.#ask(this.#asked);
        return this.#tell("run.started", { ...data, from: this.#options.from });
      case "progress":
        return this.#tell("run.progress", data);
      case "checkpoint":
        return this.#tell("run.checkpointed", data);
      case "leak":
        return this.#tell("run.leak-suspected", JSON.parse(JSON.stringify(data)) as EventData);
      case "stalled":
        return this.#tell("run.stalled", data as unknown as EventData);
      case "rule":
        return this.#takeRule(message);
      case "worker":
        return this.#tell("run.worker-changed", data);
      case "memory":
        return this.#tell("run.micro-batch-halved", data);
      case "error":
        this.#error = message.error;
        return;
      case "epoch":
        return this.#takeEpoch(message);
    }
  }

  /** A rule that has fired; a run that goes on from before fires it again. */
  #takeRule(message: Extract<RunMessage, { kind: "rule" }>): void {
    const { kind: _kind, ...data } = message;
    const { rule, step, actions } = message;
    const key = `${rule} ${step}`;
    if (this.#rules.has(key)) return;
    this.#rules.add(key);
    this.#tell("run.rule-fired", JSON.parse(JSON.stringify(data)) as EventData);
    this.#options.tracked?.logMetrics([{ name: `rule.${rule}`, value: 1, step }]);
    if (actions.includes("mark"))
      this.#options.tracked?.logParams({ [`rule.${rule}`]: `step ${step}: ${message.message}` });
  }

  /** What the launcher measured of the run's process and devices: its steps are the measurements. */
  #takeMeasurement({ name, value, timeMs }: Extract<JobEvent, { kind: "metric" }>): void {
    const step = this.#measurements.get(name) ?? 0;
    this.#measurements.set(name, step + 1);
    this.#options.tracked?.logMetrics([{ name, value, step, timeMs }]);
  }

  async #takeEpoch(message: Extract<RunMessage, { kind: "epoch" }>): Promise<void> {
    const { epoch, step, trainLoss, metrics, value, checkpoint } = message;
    if (!this.#epochs.has(epoch)) {
      this.#epochs.add(epoch);
      this.#tell("run.epoch", { epoch, step, trainLoss, metrics: finite(metrics) });
      const points = Object.entries({ trainLoss, ...metrics }).map(([name, point]) => ({
        name,
        value: point,
        step: epoch,
      }));
      this.#options.tracked?.logMetrics(points.map((point) => ({ ...point, value: point.value ?? Number.NaN })));
    }
    if (message.again || this.#options.trial === undefined) return;
    const verdict = await this.#options.trial.report(epoch, value ?? Number.NaN, {
      checkpoint: checkpoint ?? undefined,
    });
    this.#options.job.send({ epoch, verdict });
  }
}

/** JSON has no NaN: a metric that is none is left out of events. */
const finite = (metrics: Metrics): Record<string, JsonValue> =>
  Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));

function completedResult(id: string, job: JobResult): TrainingResult {
  const { format: _format, step: _step, callbackFailures = [], ...summary } = job.value as unknown as RunSummary;
  const { modelDirectory, digest, checkpoint } = summary;
  const failures = callbackFailures.length === 0 ? {} : { callbackFailures };
  return { id, ...summary, modelDirectory, digest, checkpoint, ...failures, metrics: numbers(summary.metrics) };
}

/** What a run whose job did not complete failed of. */
export function jobFailure(id: string, job: JobResult, told: ToldError | undefined, bundle?: string): Error {
  const seen = bundle === undefined ? "" : ` What the process was doing is in "${bundle}".`;
  const reason = `${job.failureReason ?? "no reason was given"}${seen}`;
  if (job.state !== "failed") return runStopped(id, job.state, reason);
  if (told !== undefined) return heardError(told);
  const memory = memoryOfCause(job.failureCause);
  return memory === undefined ? runFailed(id, reason, job.failureCategory ?? "user") : outOfMemory(memory, reason);
}

const numbers = (metrics: Metrics): Metrics =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value ?? Number.NaN]));

export const followRun = (options: FollowOptions): TrainingRun => new FollowedRun(options);
