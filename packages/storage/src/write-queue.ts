import type { Clock } from "@millwright/contracts";
import type { SqliteThread } from "./sqlite-thread.ts";

/** One write on its way. `run` posts its requests; it resolves when its part is ready to be committed, and rejects when it was undone. */
interface Job {
  /** True when `run` posts everything at once, so that the next write need not wait for its answer. */
  readonly pipelined: boolean;
  /** True where its acknowledgement need not wait for the disk. */
  readonly relaxed: boolean;
  readonly run: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** Most writes in one transaction, and how long it may stay open while more of them arrive. */
const groupWrites = 1024;
const groupMs = 20;

/**
 * Group commit: writes that arrive while others are under way share one transaction, and one wait for the disk. Each has its own savepoint,
 * so one that fails is undone alone. A write is acknowledged after the commit of its group.
 */
export class WriteQueue {
  readonly #thread: SqliteThread;
  readonly #clock: Clock;
  readonly #onCommit: () => void;
  #jobs: Job[] = [];
  #draining: Promise<void> | undefined;

  constructor(thread: SqliteThread, clock: Clock, onCommit: () => void) {
    this.#thread = thread;
    this.#clock = clock;
    this.#onCommit = onCommit;
  }

  submit<Result>(
    { pipelined, relaxed = false }: { readonly pipelined: boolean; readonly relaxed?: boolean | undefined },
    run: () => Promise<Result>,
  ): Promise<Result> {
    const settled = new Promise<unknown>((resolve, reject) => {
      this.#jobs.push({ pipelined, relaxed, run, resolve, reject });
    });
    this.#draining ??= this.#drain();
    return settled as Promise<Result>;
  }

  /** Resolves when nothing is queued and nothing is under way. */
  async idle(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
  }

  async #drain(): Promise<void> {
    // Writes asked for in this same turn of the event loop come into the first group.
    await Promise.resolve();
    while (this.#jobs.length > 0) await this.#commitGroup();
    this.#draining = undefined;
  }

  async #commitGroup(): Promise<void> {
    const group: { readonly job: Job; readonly outcome: Promise<Outcome> }[] = [];
    const relaxed = this.#jobs[0]?.relaxed ?? false;
    const begun = outcomeOf(() => this.#thread.request({ op: "begin", relaxed }));
    const endMs = this.#clock.monotonicMs() + groupMs;
    while (this.#jobs.length > 0) {
      const jobs = this.#jobs.splice(0, groupWrites - group.length);
      for (let index = 0; index < jobs.length; index += 1) {
        const job = jobs[index] as Job;
        if (job.relaxed !== relaxed) {
          this.#jobs = [...jobs.slice(index), ...this.#jobs];
          break;
        }
        const outcome = outcomeOf(job.run);
        group.push({ job, outcome });
        if (!job.pipelined) await outcome;
        if (this.#clock.monotonicMs() >= endMs) {
          this.#jobs = [...jobs.slice(index + 1), ...this.#jobs];
          break;
        }
      }
      if (group.length >= groupWrites || this.#clock.monotonicMs() >= endMs) break;
      if (this.#jobs.length > 0 && this.#jobs[0]?.relaxed !== relaxed) break;
    }
    const committed = await outcomeOf(() => this.#thread.request({ op: "commit" }));
    const opened = await begun;
    if (committed.ok) this.#onCommit();
    for (const { job, outcome } of group) settle(job, await outcome, opened.ok ? committed : opened);
  }
}

function settle(job: Job, outcome: Outcome, committed: Outcome): void {
  if (!outcome.ok) job.reject(outcome.error);
  else if (!committed.ok) job.reject(committed.error);
  else job.resolve(outcome.value);
}

/** What throws at once fails like what rejects: a queue that it ended would keep every later write waiting. */
async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error };
  }
}
