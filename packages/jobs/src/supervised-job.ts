import { join } from "node:path";
import {
  abortable,
  type CallOptions,
  type Clock,
  createRandom,
  hashSeed,
  isFinalJobState,
  type IdSource,
  type JobEvent,
  type JobHandle,
  type JobHistory,
  type JobResult,
  type JobState,
  type JsonValue,
} from "@millwright/contracts";
import { mkdir, rm } from "node:fs/promises";
import { type Attempt, type AttemptOptions, startAttempt } from "./attempt.ts";
import { planAttempt } from "./attempt-plan.ts";
import type { EventJournal } from "./event-journal.ts";
import { handleOf } from "./job-handle.ts";
import { moveJob } from "./job-move.ts";
import { type LogLine, type LogOptions, walkLogs } from "./job-logs.ts";
import type { JobRecord } from "./job-record.ts";
import { type AttemptVerdict, cutReason, judge, readFailure, resultOf } from "./outcome.ts";
import type { Slot, Slots } from "./slots.ts";
import type { StateEvents } from "./state-events.ts";

/** What all jobs of a launcher share. */
export interface Supervisor {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly slots: Slots;
  readonly parentEnvironment: Readonly<Record<string, string | undefined>>;
  readonly retryDelayMs: number;
  readonly memoryPollMs: number;
  /** Told of every state after it is durable; undefined while there is no log. */
  events: StateEvents | undefined;
}

type Halt = { readonly kind: "stop" | "interrupt" | "wall-time"; readonly reason: string };

const longestTimerMs = 2 ** 31 - 1;
/** How long the end of a job waits for an event log that does not answer. */
const longestTellingMs = 5_000;

export class SupervisedJob implements JobHandle {
  readonly id: string;
  readonly #record: JobRecord;
  readonly #journal: EventJournal;
  readonly #supervisor: Supervisor;
  readonly #halting = new AbortController();
  #halt: Halt | undefined;
  #attempt: Attempt | undefined;
  #attempts: number;
  #unsent: JsonValue[] = [];
  #moving: Promise<void> = Promise.resolve();
  #telling: Promise<void> = Promise.resolve();
  #finished: Promise<JobResult>;
  /** What callers are given: the port, and none of what the launcher does with a job. */
  readonly handle: JobHandle;

  constructor(record: JobRecord, journal: EventJournal, supervisor: Supervisor) {
    this.id = record.spec.id;
    this.#record = record;
    this.#journal = journal;
    this.#supervisor = supervisor;
    this.#attempts = record.states.at(-1)?.attempts ?? 0;
    this.#finished = Promise.resolve(this.#storedResult());
    this.handle = handleOf(this);
  }

  get state(): JobState {
    return this.#record.states.at(-1)?.state ?? "pending";
  }

  get history(): JobHistory {
    const entries = this.#record.states.map(({ state, timeMs, reason }) =>
      reason === undefined ? { state, timeMs } : { state, timeMs, reason },
    );
    return entries as unknown as JobHistory;
  }

  /** Whether the job would go on if it were run: it waits, or was interrupted with starts left. */
  get canGoOn(): boolean {
    if (this.state === "pending") return true;
    return this.state === "interrupted" && this.#attempts <= (this.#record.spec.retries ?? 0);
  }

  /** Runs the job to its end. Call it once, and only where `canGoOn`. */
  run(): void {
    this.tell();
    this.#finished = this.#run().finally(() => this.#close());
    // Whoever asks for the result is told of a failure of the supervisor itself; that nobody asks is not an error.
    this.#finished.catch(() => {});
  }

  /** Tells the event log, if there is one, what it lacks of this job's states. */
  tell(): void {
    // The job does not wait for the log: its own record is what counts. Its end waits, below.
    this.#telling = this.#supervisor.events?.tell(this.#record) ?? this.#telling;
  }

  /** Ends the events and the files of a job that does not go on. */
  async rest(): Promise<void> {
    this.tell();
    await this.#close();
  }

  logs(options: LogOptions): AsyncIterable<LogLine> {
    return walkLogs(this.#record, this.#journal, options);
  }

  events(options?: CallOptions): AsyncIterable<JobEvent> {
    return this.#journal.walk(options);
  }

  send(body: JsonValue): void {
    if (this.#attempt !== undefined) this.#attempt.send(body);
    else if (!isFinalJobState(this.state)) this.#unsent.push(body);
  }

  async stop(reason: string, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#haltFor({ kind: "stop", reason });
    await abortable(
      this.#finished.catch(() => {}),
      signal,
    );
  }

  /** Ends the job so that it can go on under another launcher. */
  async interrupt(reason: string): Promise<void> {
    this.#haltFor({ kind: "interrupt", reason });
    await this.#finished.catch(() => {});
  }

  async result({ signal }: CallOptions = {}): Promise<JobResult> {
    signal?.throwIfAborted();
    return abortable(this.#finished, signal);
  }

  #storedResult(): JobResult {
    const last = this.#record.states.at(-1);
    if (last?.result !== undefined) return last.result;
    return {
      state: this.state,
      attempts: this.#attempts,
      ...(last?.reason === undefined ? {} : { failureReason: last.reason }),
    };
  }

  /** Moves are made one after another, each durable before it is seen. */
  #move(state: JobState, more: { reason?: string | undefined; mark?: string; result?: JobResult } = {}): Promise<void> {
    const moved = this.#moving.then(() =>
      moveJob(this.#record, this.#journal, this.#supervisor.clock, state, { ...more, attempts: this.#attempts }),
    );
    this.#moving = moved.then(
      () => this.tell(),
      () => {},
    );
    return moved;
  }

  #haltFor(halt: Halt): void {
    if (this.#halt !== undefined || isFinalJobState(this.state)) return;
    this.#halt = halt;
    // Said at once, so that who watches sees that the stop was heard; interruptions have no state in between.
    if (halt.kind !== "interrupt") this.#move("stopping", { reason: halt.reason }).catch(() => {});
    this.#halting.abort();
    this.#attempt?.stop(halt.reason);
  }

  async #run(): Promise<JobResult> {
    const timer = this.#watchWallTime();
    try {
      for (;;) {
        const verdict = await this.#try();
        if (this.#halt !== undefined) return await this.#endHalted(this.#halt, verdict);
        if (verdict === undefined) continue;
        if (verdict.good) return await this.#end("completed", verdict);
        if (!verdict.retryable || this.#attempts > (this.#record.spec.retries ?? 0)) {
          return await this.#end("failed", verdict);
        }
        await this.#move("interrupted", { reason: verdict.reason });
        await this.#backOff();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** One attempt, from waiting for its slot to the end of its process tree; undefined where it was halted before it began. */
  async #try(): Promise<AttemptVerdict | undefined> {
    const { resources } = this.#record.spec;
    let slot: Slot;
    try {
      slot = await this.#supervisor.slots.take(
        { cpus: resources?.cpus ?? 1, gpus: resources?.gpus ?? 0 },
        this.#halting.signal,
      );
    } catch (error) {
      if (this.#halt !== undefined) return undefined;
      throw error;
    }
    try {
      return await this.#attemptWith(slot);
    } finally {
      this.#attempt = undefined;
      slot.release();
    }
  }

  async #attemptWith(slot: Slot): Promise<AttemptVerdict | undefined> {
    const mark = this.#supervisor.ids.next();
    const work = join(this.#record.directory, "work");
    const failurePath = join(work, "output", "failure");
    await mkdir(join(work, "output"), { recursive: true });
    await rm(failurePath, { force: true });
    if (this.#halt !== undefined) return undefined;
    this.#attempts += 1;
    await this.#move("starting", { mark });
    if (this.#halt !== undefined) return undefined;
    const options = this.#optionsOf(slot, mark, work);
    const attempt = startAttempt(options);
    this.#attempt = attempt;
    for (const body of this.#unsent.splice(0)) attempt.send(body);
    if (attempt.identity !== undefined) {
      await this.#record.append({ formatVersion: 1, kind: "process", ...attempt.identity });
    }
    const ending = await attempt.ending;
    await this.#moving;
    const written = await readFailure(failurePath);
    const verdict = judge(ending, written === undefined ? undefined : options.mask(written));
    return { ...verdict, exitCode: ending.exitCode, exitSignal: ending.exitSignal };
  }

  #optionsOf(slot: Slot, mark: string, work: string): AttemptOptions {
    const { clock, parentEnvironment, memoryPollMs } = this.#supervisor;
    return {
      ...planAttempt(this.#record.spec, { attempt: this.#attempts, gpus: slot.gpus, mark, work, parentEnvironment }),
      clock,
      memoryPollMs,
      journal: this.#journal,
      onPhase: (phase) => {
        // A phase that comes after the stop, or backwards, tells nothing new.
        this.#move(phase).catch(() => {});
      },
    };
  }

  async #backOff(): Promise<void> {
    const random = createRandom(hashSeed(`${this.id}:${this.#attempts}`));
    const ceilingMs = Math.min(30_000, this.#supervisor.retryDelayMs * 2 ** (this.#attempts - 1));
    const delayMs = ceilingMs * (0.5 + 0.5 * random.next());
    await this.#supervisor.clock.sleep(delayMs, { signal: this.#halting.signal }).catch(() => {});
  }

  #watchWallTime(): NodeJS.Timeout | undefined {
    const limitMs = this.#record.spec.limits?.wallTimeMs;
    if (limitMs === undefined) return undefined;
    const startedMs = this.#record.states.find(({ state }) => state === "starting")?.timeMs;
    const spentMs = startedMs === undefined ? 0 : this.#supervisor.clock.nowMs() - startedMs;
    const reason = `The job took longer than ${limitMs} ms.`;
    return setTimeout(
      () => this.#haltFor({ kind: "wall-time", reason }),
      Math.min(longestTimerMs, Math.max(0, limitMs - spentMs)),
    );
  }

  async #endHalted(halt: Halt, verdict: AttemptVerdict | undefined): Promise<JobResult> {
    await this.#moving;
    if (halt.kind === "interrupt") {
      if (verdict?.good === true) return this.#end("completed", verdict);
      if (this.state !== "pending" && this.state !== "interrupted")
        await this.#move("interrupted", { reason: halt.reason });
      return this.#storedResult();
    }
    const state = halt.kind === "stop" ? "stopped" : "max-runtime-exceeded";
    return this.#end(state, verdict, halt.reason);
  }

  async #end(state: JobState, verdict: AttemptVerdict | undefined, why?: string): Promise<JobResult> {
    const reason = why ?? (verdict?.good === false ? verdict.reason : undefined);
    const result = resultOf(state, verdict, reason, this.#attempts);
    await this.#move(state, { result, ...(reason === undefined ? {} : { reason: cutReason(reason) }) });
    return result;
  }

  /** Waits until the event log was told, but not for ever: a job's end must not hang on it. */
  async #told(): Promise<void> {
    const done = new AbortController();
    const late = this.#supervisor.clock.sleep(longestTellingMs, { signal: done.signal }).catch(() => {});
    await Promise.race([this.#telling, late]);
    done.abort();
  }

  async #close(): Promise<void> {
    await this.#moving;
    await this.#told();
    await this.#journal.end();
    await this.#record.close();
  }
}
