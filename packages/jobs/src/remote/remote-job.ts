import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  abortable,
  type CallOptions,
  type Clock,
  type IdSource,
  isFinalJobState,
  type JobEvent,
  type JobHandle,
  type JobHistory,
  type JobResult,
  type JobState,
  type JsonValue,
  unsupported,
} from "@millwright/contracts";
import { createMask } from "../environment.ts";
import type { EventJournal } from "../event-journal.ts";
import type { NumberedEvent } from "../event-window.ts";
import { handleOf } from "../job-handle.ts";
import { type LogLine, type LogOptions, walkLogs } from "../job-logs.ts";
import type { JobRecord } from "../job-record.ts";
import { cutReason, resultOf } from "../outcome.ts";
import type { StateEvents } from "../state-events.ts";
import { type Halt, watchDeadlines } from "../supervision/deadlines.ts";
import {
  type FailedAttempt,
  failuresOf,
  isTriedAgain,
  mayGoOn,
  smallestFailedSize,
} from "../supervision/retry-policy.ts";
import { historyOf, moveJob } from "../job-move.ts";
import type { Cluster } from "./cluster.ts";
import { backOffMs, planOf } from "./planned-attempt.ts";
import { RemoteAttempt } from "./remote-attempt.ts";
import { positionsIn, RemoteLog } from "./remote-log.ts";
import type { RemoteVerdict } from "./verdict.ts";

/** What all jobs of a remote launcher share. */
export interface RemoteSupervisor {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly pollMs: number;
  readonly retryDelayMs: number;
  /** The launcher's directory as the cluster sees it; undefined where it does not. */
  readonly directoryOnCluster: string | undefined;
  readonly node: string;
  /** Whether the script around the program keeps the wall time: where the cluster cannot. */
  readonly ownTimeout: boolean;
  readonly events: StateEvents | undefined;
  /** Aborts when the launcher closes. */
  readonly leaving: AbortSignal;
}

const isWaiting = (state: JobState): boolean => state === "pending" || state === "interrupted";
const endStates = {
  stop: "stopped",
  interrupt: "stopped",
  "wall-time": "max-runtime-exceeded",
  "wait-time": "max-wait-time-exceeded",
} as const;

export class RemoteJob implements JobHandle {
  readonly id: string;
  readonly handle: JobHandle;
  readonly #record: JobRecord;
  readonly #journal: EventJournal;
  readonly #supervisor: RemoteSupervisor;
  /** What another process of ours read, until an attempt begins. */
  #earlier: readonly NumberedEvent[];
  #attempts: number;
  #attempt: RemoteAttempt | undefined;
  #halt: Halt | undefined;
  readonly #woken = new AbortController();
  /** Whether an attempt of an earlier process of ours may have been submitted without our knowing. */
  #mayRun = false;
  #unsent: JsonValue[] = [];
  #moving: Promise<void> = Promise.resolve();
  #telling: Promise<void> = Promise.resolve();
  #finished: Promise<JobResult>;

  constructor(
    record: JobRecord,
    journal: EventJournal,
    earlier: readonly NumberedEvent[],
    supervisor: RemoteSupervisor,
  ) {
    this.id = record.spec.id;
    this.#record = record;
    this.#journal = journal;
    this.#earlier = earlier;
    this.#supervisor = supervisor;
    this.#attempts = record.states.at(-1)?.attempts ?? 0;
    this.#finished = Promise.resolve({ state: this.state, attempts: this.#attempts, ...record.states.at(-1)?.result });
    this.handle = handleOf(this);
  }

  get state(): JobState {
    return this.#record.states.at(-1)?.state ?? "pending";
  }

  get history(): JobHistory {
    return historyOf(this.#record.states);
  }

  /** Whether nothing more comes of it: it ended, or was interrupted with no starts left. */
  get isOver(): boolean {
    const { spec, states } = this.#record;
    return isFinalJobState(this.state) || (this.state === "interrupted" && !mayGoOn(spec, failuresOf(states)));
  }

  /** Follows the job to its end. Call it once, and only where it is not over. */
  run(): void {
    this.#tell();
    const stopping = this.#record.states.at(-1);
    if (stopping?.state === "stopping")
      this.#halt = { kind: stopping.mark === undefined ? "stop" : "wall-time", reason: stopping.reason ?? "stopped" };
    this.#finished = this.#run().finally(() => this.#close());
    this.#finished.catch(() => {});
  }

  async rest(): Promise<void> {
    this.#tell();
    await this.#close();
  }

  logs(options: LogOptions): AsyncIterable<LogLine> {
    return walkLogs(this.#record, this.#journal, options);
  }

  events(options?: CallOptions): AsyncIterable<JobEvent> {
    return this.#journal.walk(options);
  }

  send(body: JsonValue): void {
    if (this.#supervisor.directoryOnCluster === undefined)
      throw unsupported(
        `${this.#supervisor.cluster.name} sends no messages to modules.`,
        "Open the launcher with directoryOnCluster, on a file system that both sides see.",
      );
    if (this.#attempt !== undefined) this.#attempt.send(body);
    else if (!this.isOver) this.#unsent.push(body);
  }

  async stop(reason: string, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#haltFor({ kind: "stop", reason });
    await abortable(
      this.#finished.catch(() => {}),
      signal,
    );
  }

  async result({ signal }: CallOptions = {}): Promise<JobResult> {
    signal?.throwIfAborted();
    return abortable(this.#finished, signal);
  }

  #tell(): void {
    this.#telling = this.#supervisor.events?.tell(this.#record) ?? this.#telling;
  }

  #move(state: JobState, more: Partial<Parameters<typeof moveJob>[4]> = {}): Promise<void> {
    const attempts = this.#attempts;
    const moved = this.#moving.then(() =>
      moveJob(this.#record, this.#journal, this.#supervisor.clock, state, { ...more, attempts }),
    );
    this.#moving = moved.then(
      () => this.#tell(),
      () => {},
    );
    return moved;
  }

  #haltFor(halt: Halt): void {
    if (this.#halt !== undefined || isFinalJobState(this.state)) return;
    this.#halt = halt;
    const reason = cutReason(halt.reason);
    // The next launcher reads off the mark which it was.
    const mark = halt.kind === "stop" ? {} : { mark: halt.kind };
    if (halt.kind !== "wait-time" || !isWaiting(this.state))
      this.#move("stopping", { reason, ...mark }).catch(() => {});
    this.#attempt?.halt(halt.reason);
    this.#woken.abort();
  }

  async #run(): Promise<JobResult> {
    try {
      return await this.#follow();
    } catch (error) {
      if (!this.#supervisor.leaving.aborted) throw error;
      await this.#moving;
      return {
        state: this.state,
        failureReason: "The launcher was closed; the job goes on.",
        attempts: this.#attempts,
      };
    }
  }

  async #follow(): Promise<JobResult> {
    const done = new AbortController();
    const { clock, leaving } = this.#supervisor;
    const { spec, states } = this.#record;
    const signal = AbortSignal.any([done.signal, leaving]);
    watchDeadlines(spec, { clock, history: () => this.history, halt: (halt) => this.#haltFor(halt), signal });
    try {
      for (;;) {
        const verdict = await this.#try();
        await this.#moving;
        if (this.#halt !== undefined) return await this.#end(endStates[this.#halt.kind], verdict, this.#halt.reason);
        if (verdict === undefined) continue;
        if (verdict.good) return await this.#end("completed", verdict);
        if (verdict.ended === "over-time") return await this.#end("max-runtime-exceeded", verdict);
        if (verdict.ended === "stopped") return await this.#end("stopped", verdict);
        const { category, cause, retryable, size } = verdict;
        const failure: FailedAttempt = { category, cause, retryable, ...(size === undefined ? {} : { size }) };
        const goesOn = isTriedAgain(spec, [...failuresOf(states), failure]);
        if (!goesOn && (cause !== "interrupted" || this.#attempts === 0)) return await this.#end("failed", verdict);
        const reason = cutReason(verdict.reason);
        const result = goesOn ? undefined : resultOf("interrupted", verdict, reason, this.#attempts);
        await this.#move("interrupted", { reason, failure, ...(result === undefined ? {} : { result }) });
        if (result !== undefined) return result;
        await this.#backOff();
      }
    } finally {
      done.abort();
    }
  }

  async #try(): Promise<RemoteVerdict | undefined> {
    const { clock, cluster, leaving, pollMs, retryDelayMs } = this.#supervisor;
    const { attempt, mark, reference } = await this.#planned();
    if (this.#halt !== undefined && reference === undefined && this.#attempts < attempt && !this.#mayRun)
      return undefined;
    const positions = positionsIn(this.#earlier);
    this.#earlier = [];
    const log = new RemoteLog({
      cluster,
      record: this.#record,
      journal: this.#journal,
      clock,
      mask: createMask(this.#record.spec.environment ?? {}),
      positions,
      mark,
      onPhase: (phase) => void this.#move(phase).catch(() => {}),
    });
    const running = new RemoteAttempt({
      cluster,
      plan: planOf(this.#record, this.#supervisor, { attempt, mark }),
      failedSize: smallestFailedSize(failuresOf(this.#record.states)),
      attempt,
      reference,
      unsure: this.#mayRun,
      log,
      directory: this.#record.directory,
      clock,
      pollMs,
      retryDelayMs,
      leaving,
      onSubmitted: (given) =>
        this.#record.append({ formatVersion: 1, kind: "remote", attempt, mark, reference: given }),
      onRunning: () => this.#begin(attempt),
      onNote: (event) => this.#journal.push(event),
    });
    this.#attempt = running;
    for (const body of this.#unsent.splice(0)) running.send(body);
    if (this.#halt !== undefined) running.halt(this.#halt.reason);
    try {
      return await running.follow();
    } finally {
      this.#attempt = undefined;
    }
  }

  /** The attempt that is in the cluster already or may be, else a new one; on disk before anything is asked of the cluster. */
  async #planned(): Promise<{
    readonly attempt: number;
    readonly mark: string;
    readonly reference?: string | undefined;
  }> {
    const last = this.#record.remote;
    const over = this.state === "interrupted" || this.state === "pending" ? this.#attempts : this.#attempts - 1;
    if (last !== undefined && last.attempt > over) {
      this.#mayRun = last.reference === undefined;
      return last;
    }
    this.#mayRun = false;
    const planned = { attempt: this.#attempts + 1, mark: this.#supervisor.ids.next() };
    if (this.#halt === undefined) {
      const output = join(this.#record.directory, "work", "output");
      await mkdir(output, { recursive: true });
      await rm(join(output, "failure"), { force: true });
      await this.#record.append({ formatVersion: 1, kind: "remote", ...planned });
    }
    return planned;
  }

  async #begin(attempt: number): Promise<void> {
    if (this.#attempts >= attempt) return;
    this.#attempts = attempt;
    if (this.#halt !== undefined) return; // it says "stopping" already
    await this.#move("starting").catch(() => {});
    if ("command" in this.#record.spec.run) await this.#move("training").catch(() => {});
  }

  async #backOff(): Promise<void> {
    const { clock, leaving } = this.#supervisor;
    const delayMs = backOffMs(this.#record, this.#attempts, this.#supervisor.retryDelayMs);
    const signal = AbortSignal.any([leaving, this.#woken.signal]);
    await clock.sleep(delayMs, { signal }).catch(() => {});
    leaving.throwIfAborted();
  }

  async #end(state: JobState, verdict: RemoteVerdict | undefined, why?: string): Promise<JobResult> {
    const reason = why ?? (verdict?.good === false ? verdict.reason : undefined);
    const result = resultOf(state, verdict, reason, this.#attempts);
    const failed = state === "failed" && verdict?.good === false ? verdict : undefined;
    const failure = failed && { category: failed.category, cause: failed.cause, retryable: failed.retryable };
    await this.#move(state, { result, failure, ...(reason === undefined ? {} : { reason: cutReason(reason) }) });
    return result;
  }

  async #close(): Promise<void> {
    await this.#moving;
    const done = new AbortController();
    await Promise.race([this.#telling, this.#supervisor.clock.sleep(5_000, { signal: done.signal }).catch(() => {})]);
    done.abort();
    await this.#journal.end();
    await this.#record.close();
  }
}
