import { join } from "node:path";
import {
  abortable,
  type CallOptions,
  createRandom,
  hashSeed,
  isFinalJobState,
  type JobEvent,
  type JobHandle,
  type JobHistory,
  type JobResult,
  type JobState,
  type JsonValue,
} from "@millwright/contracts";
import { mkdir, rm } from "node:fs/promises";
import type { Attempt, AttemptOptions } from "./attempt-options.ts";
import { planAttempt } from "./attempt-plan.ts";
import type { EventJournal } from "./event-journal.ts";
import { handleOf } from "./job-handle.ts";
import { historyOf, moveJob } from "./job-move.ts";
import { type LogLine, type LogOptions, walkLogs } from "./job-logs.ts";
import type { JobRecord } from "./job-record.ts";
import { type AttemptVerdict, cutReason, judge, readFailure, resultOf } from "./outcome.ts";
import { type AttemptPlace, takePlace } from "./supervision/attempt-place.ts";
import { type Halt, watchDeadlines } from "./supervision/deadlines.ts";
import {
  type FailedAttempt,
  failuresOf,
  isTriedAgain,
  mayGoOn,
  previousOf,
  retriesOf,
  retryDelayMs,
  smallestFailedSize,
} from "./supervision/retry-policy.ts";
import type { Supervisor } from "./supervisor.ts";

const isWaiting = (state: JobState): boolean => state === "pending" || state === "interrupted";
const endStates = {
  stop: "stopped",
  "wall-time": "max-runtime-exceeded",
  "wait-time": "max-wait-time-exceeded",
} as const;
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
    return historyOf(this.#record.states);
  }

  /** Whether the job would go on if it were run: it waits, or was interrupted with starts left. */
  get canGoOn(): boolean {
    if (this.state === "pending") return true;
    return this.state === "interrupted" && mayGoOn(this.#record.spec, failuresOf(this.#record.states));
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

  /** Ends the attempt that runs, if one does, as if its machine were taken away; resolves when it is gone. */
  async interruptAttempt(reason: string, graceMs?: number): Promise<void> {
    this.#attempt?.interrupt(reason, graceMs);
    await this.#attempt?.ending;
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
      ...(last?.failure === undefined ? {} : { failureCause: last.failure.cause }),
    };
  }

  /** Moves are made one after another, each durable before it is seen. */
  #move(state: JobState, more: Partial<Parameters<typeof moveJob>[4]> = {}): Promise<void> {
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
    const waits = halt.kind === "wait-time" && isWaiting(this.state);
    // Said at once, so that who watches sees that the stop was heard; interruptions have no state in between.
    if (halt.kind !== "interrupt" && !waits) this.#move("stopping", { reason: halt.reason }).catch(() => {});
    this.#halting.abort();
    if (halt.kind === "interrupt") this.#attempt?.interrupt(halt.reason);
    else this.#attempt?.stop(halt.reason);
  }

  async #run(): Promise<JobResult> {
    const over = new AbortController();
    const { clock } = this.#supervisor;
    const { spec, states } = this.#record;
    watchDeadlines(spec, {
      clock,
      history: () => this.history,
      halt: (halt) => this.#haltFor(halt),
      signal: over.signal,
    });
    try {
      for (;;) {
        const verdict = await this.#try();
        if (this.#halt !== undefined) return await this.#endHalted(this.#halt, verdict);
        if (verdict === undefined) continue;
        if (verdict.good) return await this.#end("completed", verdict);
        const { category, cause, retryable, size } = verdict;
        const failure: FailedAttempt = { category, cause, retryable, ...(size === undefined ? {} : { size }) };
        const goesOn = isTriedAgain(spec, [...failuresOf(states), failure]);
        if (!goesOn && cause !== "interrupted") return await this.#end("failed", verdict);
        const reason = cutReason(verdict.reason);
        const result = goesOn ? undefined : resultOf("interrupted", verdict, reason, this.#attempts);
        await this.#move("interrupted", { reason, failure, ...(result === undefined ? {} : { result }) });
        if (result !== undefined) return result;
        await this.#backOff();
      }
    } finally {
      over.abort();
    }
  }

  /** One attempt, from waiting for its slot to the end of its process tree; undefined where it was halted before it began. */
  async #try(): Promise<AttemptVerdict | undefined> {
    let place: AttemptPlace;
    try {
      place = await takePlace(this.#supervisor, this.#record.spec, this.#halting.signal);
    } catch (error) {
      if (this.#halt !== undefined) return undefined;
      throw error;
    }
    try {
      // Devices that were lost while the job waited for CPUs are waited for anew.
      return place.slot.lost?.aborted === true ? undefined : await this.#attemptAt(place);
    } finally {
      this.#attempt = undefined;
      await place.leave();
    }
  }

  async #attemptAt(place: AttemptPlace): Promise<AttemptVerdict | undefined> {
    const { slot, warm } = place;
    const mark = warm?.mark ?? this.#supervisor.ids.next();
    const work = join(this.#record.directory, "work");
    const failurePath = join(work, "output", "failure");
    await mkdir(join(work, "output"), { recursive: true });
    await rm(failurePath, { force: true });
    if (this.#halt !== undefined || this.#supervisor.notice.standing !== undefined) return undefined;
    this.#attempts += 1;
    await this.#move("starting", { mark });
    if (this.#halt !== undefined) return undefined;
    const telemetry = this.#supervisor.watch(slot, this.#record.spec.limits, this.#journal);
    const endAtOnce = AbortSignal.any(slot.lost === undefined ? [telemetry.over] : [telemetry.over, slot.lost]);
    const options = { ...this.#optionsOf(place, mark, work), endAtOnce };
    const attempt = this.#supervisor.executor.start(options);
    place.begun(attempt.identity?.pid);
    this.#attempt = attempt;
    for (const body of this.#unsent.splice(0)) attempt.send(body);
    if (this.#supervisor.notice.standing !== undefined)
      attempt.interrupt(this.#supervisor.notice.standing, this.#supervisor.noticeOptions.deadlineMs);
    if (attempt.identity !== undefined) {
      telemetry.start(attempt.identity.pid);
      await this.#record.append({ formatVersion: 1, kind: "process", ...attempt.identity });
    }
    const ending = await attempt.ending;
    telemetry.stop();
    await this.#moving;
    const written = await readFailure(failurePath);
    const verdict = judge(ending, written === undefined ? undefined : options.mask(written));
    return { ...verdict, exitCode: ending.exitCode, exitSignal: ending.exitSignal, size: ending.size };
  }

  #optionsOf({ slot, warm, keep }: AttemptPlace, mark: string, work: string): Omit<AttemptOptions, "endAtOnce"> {
    const { clock, parentEnvironment, memoryPollMs, noticeOptions } = this.#supervisor;
    const { spec, states } = this.#record;
    const failures = failuresOf(states);
    return {
      ...planAttempt(spec, {
        attempt: this.#attempts,
        slot,
        mark,
        work,
        parentEnvironment,
        previous: previousOf(states),
        failedSize: smallestFailedSize(failures),
        noticeSignals: noticeOptions.signals ?? ["SIGTERM"],
        warm: {
          again: warm !== undefined,
          stayMark: keep === undefined ? undefined : this.#supervisor.ids.next(),
        },
      }),
      warm,
      keep,
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
    const { spec, states } = this.#record;
    const failures = failuresOf(states).filter(({ cause }) => spec.spot === undefined || cause !== "interrupted");
    const { retryDelayMs: launcherMs, clock } = this.#supervisor;
    const delayMs = retryDelayMs(retriesOf(spec), Math.max(1, failures.length), launcherMs, random.next());
    await clock.sleep(delayMs, { signal: this.#halting.signal }).catch(() => {});
  }

  async #endHalted(halt: Halt, verdict: AttemptVerdict | undefined): Promise<JobResult> {
    await this.#moving;
    if (halt.kind === "interrupt") {
      if (verdict?.good === true) return this.#end("completed", verdict);
      if (!isWaiting(this.state)) await this.#move("interrupted", { reason: halt.reason });
      return this.#storedResult();
    }
    if (halt.kind === "wait-time" && this.state !== "stopping" && !isWaiting(this.state))
      await this.#move("stopping", { reason: halt.reason });
    return this.#end(endStates[halt.kind], verdict, halt.reason);
  }

  async #end(state: JobState, verdict: AttemptVerdict | undefined, why?: string): Promise<JobResult> {
    const reason = why ?? (verdict?.good === false ? verdict.reason : undefined);
    const result = resultOf(state, verdict, reason, this.#attempts);
    const failed = state === "failed" && verdict?.good === false ? verdict : undefined;
    const failure = failed && { category: failed.category, cause: failed.cause, retryable: failed.retryable };
    await this.#move(state, { result, failure, ...(reason === undefined ? {} : { reason: cutReason(reason) }) });
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
