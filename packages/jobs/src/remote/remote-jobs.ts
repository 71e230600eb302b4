import { setMaxListeners } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type CallOptions,
  type Clock,
  closed,
  createIdSource,
  type EventLog,
  type IdSource,
  type JobHandle,
  type JobHistory,
  type JobLauncher,
  type JobSpec,
  jobUnknown,
  type Logger,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { lockDirectory } from "../directory-lock.ts";
import { writeFailure } from "../errors.ts";
import { openEventJournal } from "../event-journal.ts";
import { earlierEvents, folderOf } from "../job-folder.ts";
import type { LogLine, LogOptions } from "../job-logs.ts";
import { createJobRecord, type JobRecord, openJobRecord, readJobRecord } from "../job-record.ts";
import { checkSpec } from "../job-spec.ts";
import { jobFolders } from "../recovery.ts";
import { createStateEvents } from "../state-events.ts";
import { moveJob } from "../job-move.ts";
import { checkStart } from "./attempt-script.ts";
import type { Cluster } from "./cluster.ts";
import { RemoteJob, type RemoteSupervisor } from "./remote-job.ts";

export interface RemoteJobsOptions extends CallOptions {
  /** A folder that one launcher has for itself: what it knows of its jobs, across restarts. It is made where there is none. */
  readonly directory: string;
  /**
   * The same folder as the cluster's machines see it, on a file system shared with them: an absolute path. Without it modules get no messages, and `directory` of a
   * job is a temporary one, which the next attempt does not see.
   */
  readonly directoryOnCluster?: string | undefined;
  /** What runs modules there, from 20.19. Default: `node`. */
  readonly node?: string | undefined;
  /** Longest time between two looks at a job that runs. The first ones come sooner. Default: 2,000. */
  readonly pollMs?: number | undefined;
  /** Before the first retry; doubled for each further one up to 30 s, less up to half of it at random. Default: 1,000. */
  readonly retryDelayMs?: number | undefined;
  /** Most bytes of a job's newest lines and messages kept in memory for who walks its events. Default: 8 MiB. */
  readonly maxEventBytes?: number | undefined;
  /** Most bytes of a job's lines and messages kept on disk. Default: 64 MiB. */
  readonly maxLogBytes?: number | undefined;
  /** Takes one `job.state-changed` for each state of each job. Default: nobody is told. */
  readonly events?: EventLog | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  /** Told where the event log fails. Default: nobody. */
  readonly logger?: Logger | undefined;
}

/** Runs jobs in a cluster, and knows them again after a restart. */
export interface RemoteJobs extends JobLauncher, AsyncDisposable {
  /** Every state the job was in, with its time. Throws `PORT_JOB_UNKNOWN`. */
  history(id: string, options?: CallOptions): Promise<JobHistory>;
  /** The newest lines of the job, as many as are kept; with `follow`, the coming ones too, until the job ends. Throws `PORT_JOB_UNKNOWN`. */
  logs(id: string, options?: LogOptions): AsyncIterable<LogLine>;
  /** Follows the jobs no longer and gives the directory back; who waits for a result is told the state that the job is in. The jobs go on: the next launcher of the directory finds them by `launch` or `attach`. */
  [Symbol.asyncDispose](): Promise<void>;
}

class ClusterJobs implements RemoteJobs {
  readonly #options: RemoteJobsOptions;
  readonly #supervisor: RemoteSupervisor;
  readonly #leaving: AbortController;
  readonly #unlock: () => Promise<void>;
  readonly #opening = new Map<string, Promise<RemoteJob | undefined>>();
  readonly #running = new Map<string, RemoteJob>();
  #closing: Promise<void> | undefined;

  constructor(
    options: RemoteJobsOptions,
    supervisor: RemoteSupervisor,
    leaving: AbortController,
    unlock: () => Promise<void>,
  ) {
    this.#options = options;
    this.#supervisor = supervisor;
    this.#leaving = leaving;
    this.#unlock = unlock;
  }

  async launch(spec: JobSpec, { signal }: CallOptions = {}): Promise<JobHandle> {
    this.#check(signal);
    checkSpec(spec);
    checkStart(spec);
    this.#supervisor.cluster.check(spec);
    const job = await this.#once(spec.id, async () => (await this.#read(spec.id)) ?? (await this.#create(spec)));
    return (job as RemoteJob).handle;
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
    const running = [...this.#running.values()].map((job) => job.result().catch(() => {}));
    this.#leaving.abort(closed("The launcher"));
    await Promise.all(running);
    await this.#unlock();
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closed("The launcher");
  }

  async #find(id: string): Promise<RemoteJob> {
    const job = await this.#once(id, () => this.#read(id));
    if (job === undefined) throw jobUnknown(id);
    return job;
  }

  /** One opening of an id at a time; a job is remembered for as long as it is followed. */
  async #once(id: string, open: () => Promise<RemoteJob | undefined>): Promise<RemoteJob | undefined> {
    for (;;) {
      const running = this.#running.get(id);
      if (running !== undefined) return running;
      const earlier = this.#opening.get(id);
      if (earlier === undefined) break;
      await earlier.catch(() => {});
    }
    const opening = open().finally(() => this.#opening.delete(id));
    this.#opening.set(id, opening);
    return opening;
  }

  async #create(spec: JobSpec): Promise<RemoteJob> {
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
    return this.#goOn(new RemoteJob(record, journal, [], this.#supervisor));
  }

  async #read(id: string): Promise<RemoteJob | undefined> {
    const record = await openJobRecord(join(this.#options.directory, folderOf(id)));
    if (record === undefined) return undefined;
    const earlier = await earlierEvents(record);
    const job = new RemoteJob(record, this.#journalOf(record, earlier), earlier, this.#supervisor);
    if (!job.isOver) return this.#goOn(job);
    await job.rest();
    return job;
  }

  #journalOf(
    record: JobRecord,
    earlier: Parameters<typeof openEventJournal>[0]["earlier"],
  ): ReturnType<typeof openEventJournal> {
    const { maxEventBytes: memoryBytes = 8 * 1024 * 1024, maxLogBytes: diskBytes = 64 * 1024 * 1024 } = this.#options;
    return openEventJournal({ directory: record.directory, earlier, memoryBytes, diskBytes });
  }

  #goOn(job: RemoteJob): RemoteJob {
    job.run();
    this.#running.set(job.id, job);
    void job
      .result()
      .catch(() => {})
      .finally(() => this.#running.delete(job.id));
    return job;
  }
}

/**
 * Opens the jobs of a directory that run in a cluster. The cluster is not asked for anything until a job is launched or attached to.
 * Throws `JOBS_DIRECTORY_IN_USE`, `JOBS_RECORD_CORRUPT`, `JOBS_WRITE_FAILED`.
 */
export async function openRemoteJobs(
  options: RemoteJobsOptions,
  cluster: Cluster,
  { ownTimeout }: { readonly ownTimeout: boolean },
): Promise<RemoteJobs> {
  const { directory, directoryOnCluster, clock = systemClock, pollMs = 2_000, retryDelayMs = 1_000, signal } = options;
  signal?.throwIfAborted();
  if (!(pollMs > 0)) throw new RangeError(`pollMs must be above 0, not ${pollMs}.`);
  if (!(retryDelayMs >= 0)) throw new RangeError(`retryDelayMs must be from 0, not ${retryDelayMs}.`);
  if (directoryOnCluster !== undefined && !directoryOnCluster.startsWith("/"))
    throw new TypeError(`directoryOnCluster must be an absolute path, not "${directoryOnCluster}".`);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const unlock = await lockDirectory(directory);
  const events =
    options.events === undefined ? undefined : createStateEvents(options.events, options.logger ?? silentLogger);
  try {
    // What a crash kept from the event log is told now.
    for (const folder of events === undefined ? [] : await jobFolders(directory)) {
      signal?.throwIfAborted();
      const record = await readJobRecord(folder);
      if (record !== undefined) await events?.tell(record);
    }
  } catch (error) {
    await unlock();
    throw error;
  }
  const leaving = new AbortController();
  setMaxListeners(0, leaving.signal); // each job that is followed listens
  const supervisor: RemoteSupervisor = {
    cluster,
    clock,
    ids: options.ids ?? createIdSource(clock),
    pollMs,
    retryDelayMs,
    directoryOnCluster,
    node: options.node ?? "node",
    ownTimeout,
    events,
    leaving: leaving.signal,
  };
  return new ClusterJobs(options, supervisor, leaving, unlock);
}
