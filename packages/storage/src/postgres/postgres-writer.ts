import { type Clock, hasCode } from "@millwright/contracts";
import { WaitingSignals } from "./waiting-signals.ts";
import { PostgresTransaction, type TransactionOptions, type TransactionSource } from "./postgres-transaction.ts";

/** One write on its way. */
export interface PostgresJob {
  /** Does its part of the transaction. */
  readonly run: (transaction: PostgresTransaction) => Promise<unknown>;
  /** Whether it may be run again after it was undone, because nobody has seen it. */
  readonly repeatable: boolean;
  /** Whether it must be alone among the locked writes of all processes. */
  readonly locked: boolean;
  /** Whether its acknowledgement need not wait for the server's disk. */
  readonly relaxed: boolean;
  /** Keeps it from starting. */
  readonly signal: AbortSignal | undefined;
}

interface QueuedJob extends PostgresJob {
  state: "waiting" | "running" | "given up";
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface DoneJob {
  readonly job: QueuedJob;
  readonly value: unknown;
}

/** Most writes in one transaction, and how long it may stay open while more of them arrive. */
const groupBatches = 1024;
const groupWrites = 64;
const groupMs = 20;
/** How often a batch is sent anew that another transaction kept from being done. */
const mostCollisions = 20;

/**
 * Group commit: writes that arrive while others are under way share one transaction, and one wait for the server's disk. They run in the order they
 * were asked for. One that fails is undone alone. A write is acknowledged after the commit of its group.
 */
export class PostgresWriter {
  readonly #source: TransactionSource;
  readonly #clock: Clock;
  readonly #onCommit: () => void;
  readonly #jobs: QueuedJob[] = [];
  readonly #signals = new WaitingSignals();
  /** How many of the first jobs were run together and undone: now each gets a mark. */
  #undone = 0;
  #draining: Promise<void> | undefined;

  constructor(source: TransactionSource, clock: Clock, onCommit: () => void) {
    this.#source = source;
    this.#clock = clock;
    this.#onCommit = onCommit;
  }

  submit(job: PostgresJob): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#jobs.push(queuedJob(job, this.#signals, resolve, reject));
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when nothing is queued and nothing is under way. */
  async idle(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
  }

  async #drain(): Promise<void> {
    // Writes asked for in this same turn of the event loop come into the first group.
    await Promise.resolve();
    while (this.#jobs.length > 0) {
      const together = this.#undone === 0 && this.#jobs.every(({ repeatable }) => repeatable);
      if (together) await this.#runTogether(this.#jobs.splice(0, groupBatches));
      else await this.#runMarked();
    }
    this.#draining = undefined;
  }

  /** Batches as if they were one, without marks between them. Where one fails all are undone, and run again with marks. */
  async #runTogether(jobs: readonly QueuedJob[], collisions = 0): Promise<void> {
    const transaction = await this.#begin(jobs, {
      locked: jobs.some(({ locked }) => locked),
      marked: false,
      relaxed: jobs.every(({ relaxed }) => relaxed),
    });
    if (transaction === undefined) return;
    const done: DoneJob[] = [];
    try {
      for (const job of jobs) if (start(job)) done.push({ job, value: await job.run(transaction) });
    } catch (error) {
      await transaction.rollback();
      const rest = jobs.filter(({ state }) => state !== "given up");
      if (transaction.connection.lost !== undefined) for (const job of rest) job.reject(error);
      else if (rest.length === 1 && !isCollision(error)) rest[0]?.reject(error);
      else if (rest.length === 1 && collisions === mostCollisions) rest[0]?.reject(error);
      else if (rest.length === 1) await this.#runTogether(rest, collisions + 1);
      else this.#undone = this.#jobs.unshift(...rest) && rest.length;
      return;
    }
    await this.#commit(transaction, done);
  }

  async #runMarked(): Promise<void> {
    const transaction = await this.#begin(this.#jobs, { locked: true, marked: true, relaxed: false });
    if (transaction === undefined) return;
    const done: DoneJob[] = [];
    const collided: QueuedJob[] = [];
    const endMs = this.#clock.monotonicMs() + groupMs;
    while (transaction.connection.lost === undefined && done.length < groupWrites) {
      const job = this.#next();
      if (job === undefined) break;
      const outcome = await runJob(job, transaction);
      if ("value" in outcome) done.push({ job, value: outcome.value });
      else if (job.repeatable && isCollision(outcome.error)) collided.push(job);
      else job.reject(outcome.error);
      if (this.#clock.monotonicMs() >= endMs) break;
      transaction.mark();
    }
    await this.#commit(transaction, done);
    for (const job of collided) await this.#runTogether([job]);
  }

  #next(): QueuedJob | undefined {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      this.#undone = Math.max(0, this.#undone - 1);
      if (start(job)) return job;
    }
    return undefined;
  }

  /** @returns `undefined` where there is no transaction to be had: then the jobs have failed. */
  async #begin(jobs: readonly QueuedJob[], options: TransactionOptions): Promise<PostgresTransaction | undefined> {
    try {
      return await PostgresTransaction.begin(this.#source, options);
    } catch (error) {
      const failed = jobs === this.#jobs ? this.#jobs.splice(0) : jobs;
      this.#undone = 0;
      for (const job of failed) job.reject(error);
      return undefined;
    }
  }

  async #commit(transaction: PostgresTransaction, done: readonly DoneJob[]): Promise<void> {
    try {
      await transaction.commit();
    } catch (error) {
      for (const { job } of done) job.reject(error);
      return;
    }
    if (done.length === 0) return;
    this.#onCommit();
    for (const { job, value } of done) job.resolve(value);
  }
}

const isCollision = (error: unknown): boolean => hasCode(error, "STORAGE_WRITE_CONFLICT");

/** A job that gives up when its signal aborts before it has started. */
function queuedJob(
  job: PostgresJob,
  signals: WaitingSignals,
  resolve: (value: unknown) => void,
  reject: (error: unknown) => void,
): QueuedJob {
  const giveUp = (): void => {
    if (queued.state !== "waiting") return;
    queued.state = "given up";
    queued.reject(job.signal?.reason);
  };
  const forget = job.signal === undefined ? () => {} : signals.add(job.signal, giveUp);
  const queued: QueuedJob = {
    ...job,
    state: "waiting",
    resolve: (value) => {
      forget();
      resolve(value);
    },
    reject: (error) => {
      forget();
      reject(error);
    },
  };
  return queued;
}

/** @returns false of a job that has given up. */
function start(job: QueuedJob): boolean {
  if (job.state === "given up") return false;
  job.state = "running";
  return true;
}

/** Runs a job after a mark, and undoes it where it fails. */
async function runJob(
  job: QueuedJob,
  transaction: PostgresTransaction,
): Promise<{ readonly value: unknown } | { readonly error: unknown }> {
  let outcome: { readonly value: unknown } | { readonly error: unknown };
  try {
    const value = await job.run(transaction);
    // A callback that caught the failure of a statement: the server has undone what was before it as well.
    outcome = transaction.failure ?? { value };
  } catch (error) {
    outcome = { error };
  }
  if ("value" in outcome) transaction.unmark();
  else transaction.undo();
  return outcome;
}
