import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  abortable,
  type CallOptions,
  type Clock,
  closed,
  type EventLog,
  type IdSource,
  type JobHandle,
  type JobHistory,
  type JobLauncher,
  type JobSpec,
  jobUnknown,
  type Logger,
  silentLogger,
} from "@millwright/contracts";
import type { DeviceOptions } from "./devices/open-placement.ts";
import { eventsAlreadyWritten } from "./errors.ts";
import { openEventJournal } from "./event-journal.ts";
import type { NumberedEvent } from "./event-window.ts";
import { earlierEvents, folderOf } from "./job-folder.ts";
import { createJobRecord, type JobRecord, openJobRecord, readJobRecord } from "./job-record.ts";
import type { LogLine, LogOptions } from "./job-logs.ts";
import { checkOwnDevices, checkSpec } from "./job-spec.ts";
import { jobFolders } from "./recovery.ts";
import { createStateEvents } from "./state-events.ts";
import type { NoticeOptions } from "./supervision/interruption-notice.ts";
import type { WarmPoolStatus } from "./supervision/warm-pool.ts";
import { moveJob } from "./job-move.ts";
import { SupervisedJob } from "./supervised-job.ts";
import type { Supervisor } from "./supervisor.ts";

export interface JobsOptions extends DeviceOptions {
  /** A folder on a local disk that one launcher has for itself. It is made where there is none. */
  readonly directory: string;
  /** CPUs that jobs share; a job that names none takes one. Default: the machine's. */
  readonly maxCpus?: number | undefined;
  /** Before the first retry; doubled for each further one up to 30 s, less up to half of it at random. Default: 1,000. */
  readonly retryDelayMs?: number | undefined;
  /** Most bytes of a job's newest lines and messages kept in memory for who walks its events. Default: 8 MiB. */
  readonly maxEventBytes?: number | undefined;
  /** Most bytes of a job's lines and messages kept on disk. Default: 64 MiB. */
  readonly maxLogBytes?: number | undefined;
  /** Time between two looks at the memory of a job that has a limit. Default: 200. */
  readonly memoryPollMs?: number | undefined;
  /** Most processes that wait for another job, those of `keepAliveMs`. Default: 4. */
  readonly maxWarm?: number | undefined;
  /** What tells that this machine is about to be taken away. Default: SIGTERM to the process of a module. */
  readonly notice?: NoticeOptions | undefined;
  /** Of which a small safe part is given to jobs. Default: this process's environment. */
  readonly parentEnvironment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Takes one `job.state-changed` for each state of each job. Default: nobody is told, until `writeEvents`. */
  readonly events?: EventLog | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  /** Told where the event log fails. Default: nobody. */
  readonly logger?: Logger | undefined;
}

export interface InterruptOptions extends CallOptions {
  /** Default: `limits.graceMs` of the job. */
  readonly deadlineMs?: number | undefined;
}

/** Runs jobs as child processes on this machine. */
export interface Jobs extends JobLauncher, AsyncDisposable {
  /** Every state the job was in, with its time. Throws `PORT_JOB_UNKNOWN`. */
  history(id: string, options?: CallOptions): Promise<JobHistory>;
  /**
   * The newest lines of the job, as many as are kept, each with its job, attempt and trace; with `follow`, the coming ones too, until the job ends. Leaving
   * early is free. Throws `PORT_JOB_UNKNOWN`.
   */
  logs(id: string, options?: LogOptions): AsyncIterable<LogLine>;
  /**
   * Writes a `job.state-changed` to the log for each state that it lacks of the directory's jobs, and from here on for each that comes: what the option
   * `events` does, for a log that can be opened only later. Once for a launcher: a second log throws `JOBS_EVENTS_ALREADY_WRITTEN`. A call that was
   * aborted leaves the log the launcher's, and can be made again with it to tell the rest.
   */
  writeEvents(events: EventLog, options?: CallOptions): Promise<void>;
  /**
   * Interrupts the attempt of a job that runs, as if its machine were taken away: its signal aborts with `JOBS_INTERRUPTED` (a command is sent SIGTERM),
   * and what still runs after `deadlineMs` is killed. Resolves when the attempt is gone, at once where there is none; whether the job is started again is
   * its spec's to say. Throws `PORT_JOB_UNKNOWN`.
   */
  interrupt(id: string, reason: string, options?: InterruptOptions): Promise<void>;
  /** What became of the process of a job with `keepAliveMs`; undefined for others, and for those of launchers before. */
  warmPool(id: string): WarmPoolStatus | undefined;
  /** Interrupts the jobs that run, so that they can go on under the next launcher, and gives the directory back. */
  [Symbol.asyncDispose](): Promise<void>;
}

export class LocalJobs implements Jobs {
  readonly #options: JobsOptions;
  readonly #supervisor: Supervisor;
  readonly #unlock: () => Promise<void>;
  readonly #opening = new Map<string, Promise<SupervisedJob | undefined>>();
  readonly #running = new Set<SupervisedJob>();
  #closing: Promise<void> | undefined;
  /** The log of `writeEvents`, and whether it has been told of every job. */
  #log: EventLog | undefined;
  #allTold = false;

  constructor(options: JobsOptions, supervisor: Supervisor, unlock: () => Promise<void>) {
    supervisor.notice.onNotice((reason) => {
      for (const job of this.#running) void job.interruptAttempt(reason, supervisor.noticeOptions.deadlineMs);
    });
    this.#options = options;
    this.#supervisor = supervisor;
    this.#unlock = unlock;
  }

  async launch(spec: JobSpec, { signal }: CallOptions = {}): Promise<JobHandle> {
    this.#check(signal);
    checkSpec(spec);
    this.#supervisor.executor.check(spec);
    if (this.#supervisor.exclusiveDevices) checkOwnDevices(spec);
    this.#supervisor.slots.check(spec.resources ?? {});
    const job = (await this.#once(
      spec.id,
      async () => (await this.#read(spec.id)) ?? (await this.#create(spec)),
    )) as SupervisedJob;
    return job.handle;
  }

  async attach(id: string, { signal }: CallOptions = {}): Promise<JobHandle> {
    this.#check(signal);
    return (await this.#find(id)).handle;
  }

  async history(id: string, { signal }: CallOptions = {}): Promise<JobHistory> {
    this.#check(signal);
    return (await this.#find(id)).history;
  }

  async *logs(id: string, options: LogOptions = {}): AsyncGenerator<LogLine> {
    const { signal, tail } = options;
    this.#check(signal);
    if (tail !== undefined && !(Number.isInteger(tail) && tail >= 0))
      throw new RangeError(`tail must be a whole number from 0, not ${tail}.`);
    yield* (await this.#find(id)).logs(options);
  }

  async writeEvents(events: EventLog, { signal }: CallOptions = {}): Promise<void> {
    this.#check(signal);
    if (typeof events?.append !== "function" || typeof events.read !== "function")
      throw new TypeError("The events of a launcher go to an EventLog, with append and read.");
    if (this.#allTold || (this.#log !== undefined && this.#log !== events))
      throw eventsAlreadyWritten(this.#options.directory);
    this.#log = events;
    const told = (this.#supervisor.events ??= createStateEvents(events, this.#options.logger ?? silentLogger));
    for (const directory of await jobFolders(this.#options.directory)) {
      signal?.throwIfAborted();
      const record = await readJobRecord(directory);
      if (record === undefined) continue;
      await this.#opening.get(record.spec.id)?.catch(() => {});
      // A job that is at work here tells by itself: what was read of it may be older, or not durable yet.
      const running = [...this.#running].find((job) => job.id === record.spec.id);
      if (running === undefined) await abortable(told.tell(record), signal);
      else running.tell();
    }
    this.#allTold = true;
  }

  async interrupt(id: string, reason: string, { deadlineMs, signal }: InterruptOptions = {}): Promise<void> {
    this.#check(signal);
    if (deadlineMs !== undefined && !(deadlineMs >= 0))
      throw new RangeError(`deadlineMs must be from 0, not ${deadlineMs}.`);
    await abortable((await this.#find(id)).interruptAttempt(reason, deadlineMs), signal);
  }

  warmPool(id: string): WarmPoolStatus | undefined {
    return this.#supervisor.warm.status(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#supervisor.notice.close();
    await Promise.allSettled(this.#opening.values());
    await Promise.all([...this.#running].map((job) => job.interrupt("The launcher of this job was closed.")));
    await this.#supervisor.warm.close();
    await this.#unlock();
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closed("The launcher");
  }

  async #find(id: string): Promise<SupervisedJob> {
    const job = await this.#once(id, () => this.#read(id));
    if (job === undefined) throw jobUnknown(id);
    return job;
  }

  /** One opening of an id at a time; a job is remembered for as long as it runs. */
  async #once(id: string, open: () => Promise<SupervisedJob | undefined>): Promise<SupervisedJob | undefined> {
    for (;;) {
      const running = [...this.#running].find((job) => job.id === id);
      if (running !== undefined) return running;
      const earlier = this.#opening.get(id);
      if (earlier === undefined) break;
      await earlier.catch(() => {});
    }
    const opening = open().finally(() => this.#opening.delete(id));
    this.#opening.set(id, opening);
    return opening;
  }

  async #create(spec: JobSpec): Promise<SupervisedJob> {
    const directory = join(this.#options.directory, folderOf(spec.id));
    await rm(directory, { recursive: true, force: true }); // what a crash left before the job's first state
    const record = await createJobRecord(directory, spec, this.#supervisor.ids.next());
    const journal = this.#journalOf(record, []);
    try {
      await moveJob(record, journal, this.#supervisor.clock, "pending", { attempts: 0 });
    } catch (error) {
      await record.close();
      await rm(directory, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
    return this.#goOn(new SupervisedJob(record, journal, this.#supervisor));
  }

  async #read(id: string): Promise<SupervisedJob | undefined> {
    const record = await openJobRecord(join(this.#options.directory, folderOf(id)));
    if (record === undefined) return undefined;
    const journal = this.#journalOf(record, await earlierEvents(record));
    const job = new SupervisedJob(record, journal, this.#supervisor);
    if (job.canGoOn) return this.#goOn(job);
    await job.rest();
    return job;
  }

  #journalOf(record: JobRecord, earlier: readonly NumberedEvent[]): ReturnType<typeof openEventJournal> {
    const { maxEventBytes = 8 * 1024 * 1024, maxLogBytes = 64 * 1024 * 1024 } = this.#options;
    return openEventJournal({
      directory: record.directory,
      earlier,
      memoryBytes: maxEventBytes,
      diskBytes: maxLogBytes,
    });
  }

  #goOn(job: SupervisedJob): SupervisedJob {
    job.run();
    this.#running.add(job);
    void job
      .result()
      .catch(() => {})
      .finally(() => this.#running.delete(job));
    return job;
  }
}
