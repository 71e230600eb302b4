import { type Clock, type EventDraft, type IdSource, type Logger, isMillwrightError } from "@millwright/contracts";
import type { AsyncInstruments } from "./async-instruments.ts";
import { type AsyncOutcome, type JobRow, outcomeOf, specOf } from "./async-job.ts";
import type { AsyncBacklog, AsyncEndpointOptions } from "./async-options.ts";
import { type Attempted, attempt, stagedName } from "./attempt.ts";
import { type Capacity, createCapacity } from "./capacity.ts";
import type { Backlog, JobTable } from "./job-table.ts";
import type { PayloadStore } from "./payload-store.ts";

export interface WorkerSite {
  readonly table: JobTable;
  readonly payloads: PayloadStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly instruments: AsyncInstruments;
  readonly leaseMs: number;
  readonly pollMs: number;
  /** Called when a request has ended. */
  readonly onEnd: () => void;
}

const longestBackoffMs = 300_000;

/** Works at the requests of one endpoint, as many at once as it may. */
export class Worker {
  readonly #endpoint: string;
  readonly #options: AsyncEndpointOptions;
  readonly #site: WorkerSite;
  readonly #name: string;
  readonly #capacity: Capacity;
  /** Aborts all that is under way. */
  readonly #leave = new AbortController();
  readonly #active = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  #stopping = false;
  #wake = new AbortController();
  #loop: Promise<void> | undefined;
  #beatMs = Number.NEGATIVE_INFINITY;
  /** Whether the target was open when it was last looked at. */
  #seenOpen = false;

  constructor(
    endpoint: string,
    options: AsyncEndpointOptions & Required<Pick<AsyncEndpointOptions, "target">>,
    site: WorkerSite,
  ) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#site = site;
    this.#name = site.ids.next();
    const { clock, logger } = site;
    const target = options.target as NonNullable<AsyncEndpointOptions["target"]>;
    this.#capacity = createCapacity(target, { clock, logger, signal: this.#leave.signal });
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Looks at the queue now. */
  wake(): void {
    this.#wake.abort();
  }

  /** Ends the work at a request that is not ours any more. */
  drop(id: string): void {
    this.#active.get(id)?.abort.abort(cancelled);
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.wake();
    await this.#loop;
    const timer = new AbortController();
    const active = Promise.all([...this.#active.values()].map(({ done }) => done)).then(() => timer.abort());
    if (this.#active.size > 0) {
      await this.#site.clock.sleep(graceMs, { signal: timer.signal }).catch(() => undefined);
      this.#leave.abort(cancelled);
      await active;
    }
    await this.#capacity.close();
    await this.#site.table.leave(this.#name).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock, logger, pollMs } = this.#site;
    while (!this.#stopping) {
      this.#wake = new AbortController();
      const { signal } = this.#wake;
      try {
        while (!this.#stopping && (await this.#takeOne()));
        await this.#tend();
        await this.#beat();
      } catch (error) {
        logger.warn({ endpoint: this.#endpoint, error }, "the queue of async requests could not be read");
      }
      if (!this.#stopping) await clock.sleep(pollMs, { signal }).catch(() => undefined);
    }
  }

  /** @returns whether there may be another. */
  async #takeOne(): Promise<boolean> {
    const { maxConcurrent = 4 } = this.#options;
    if (this.#active.size >= maxConcurrent) return false;
    const { table, clock, leaseMs } = this.#site;
    const row = await table.claim(this.#endpoint, clock.nowMs(), leaseMs);
    if (row === undefined) return false;
    const abort = new AbortController();
    const done = this.#work(row, abort).finally(() => {
      this.#active.delete(row.id);
      this.wake();
    });
    this.#active.set(row.id, { abort, done });
    return true;
  }

  async #tend(): Promise<void> {
    await this.#capacity.tend();
    if (!this.#seenOpen || this.#capacity.open) return;
    this.#seenOpen = false;
    this.#beatMs = Number.NEGATIVE_INFINITY;
    await this.#site.table.leave(this.#name);
  }

  async #beat(): Promise<void> {
    const { table, clock, leaseMs, instruments } = this.#site;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#beatMs < leaseMs / 3) return;
    this.#beatMs = nowMs;
    if (this.#capacity.open) await table.beat(this.#name, this.#endpoint, clock.nowMs() + leaseMs);
    instruments.backlog(this.#endpoint, backlogOf(await table.backlog(this.#endpoint, clock.nowMs()), clock.nowMs()));
  }

  /** Never throws: what it could not do is done by whoever takes the request over. */
  async #work(row: JobRow, abort: AbortController): Promise<void> {
    const { clock, leaseMs, logger, table } = this.#site;
    const stopRenewing = new AbortController();
    const renewing = (async () => {
      for (;;) {
        await clock.sleep(leaseMs / 3, { signal: stopRenewing.signal });
        try {
          if (!(await table.renew(row, clock.nowMs() + leaseMs))) abort.abort(cancelled);
        } catch (error) {
          logger.warn({ endpoint: this.#endpoint, id: row.id, error }, "the lease of an async request was not renewed");
        }
      }
    })().catch(() => undefined);
    try {
      await this.#answer(row, AbortSignal.any([abort.signal, this.#leave.signal]));
    } catch (error) {
      if (error !== cancelled)
        logger.warn({ endpoint: this.#endpoint, id: row.id, error }, "an async request is left to be taken over");
    } finally {
      stopRenewing.abort();
      await renewing;
    }
  }

  async #answer(row: JobRow, signal: AbortSignal): Promise<void> {
    if (row.state === "publishing") return this.#publish(row, outcomeOf(row));
    const { maxAttempts } = specOf(row);
    if (this.#site.clock.nowMs() >= row.expires_ms && row.attempts === 1)
      return this.#fail(row, "expired", { errorCode: "EXPIRED" }, "It was not begun within its time to live.");
    if (row.attempts > maxAttempts)
      return this.#fail(
        row,
        "dead",
        { errorCode: "WORKER_LOST" },
        "Each process that worked at it ended before it had an answer.",
      );
    let came: Attempted;
    try {
      came = await this.#capacity.use((target) => {
        if (!this.#seenOpen) this.#beatMs = Number.NEGATIVE_INFINITY;
        this.#seenOpen = true;
        return attempt(row, { payloads: this.#site.payloads, clock: this.#site.clock, target }, signal);
      });
    } catch (error) {
      if (signal.aborted) return this.#giveBack(row, row.attempts - 1, 0, {});
      const errorCode = isMillwrightError(error) ? error.code : "none";
      came = { kind: "retry", outcome: { errorCode }, reason: error instanceof Error ? error.message : String(error) };
    }
    if (came.kind === "answered") return this.#settle(row, came.outcome);
    if (came.kind === "refused") return this.#fail(row, "failed", came.outcome, came.reason);
    if (row.attempts >= maxAttempts) return this.#fail(row, "dead", came.outcome, came.reason);
    this.#site.instruments.retried(this.#endpoint);
    const { backoffMs = 1000 } = this.#options;
    return this.#giveBack(
      row,
      row.attempts,
      Math.min(longestBackoffMs, backoffMs * 2 ** (row.attempts - 1)),
      came.outcome,
    );
  }

  async #giveBack(row: JobRow, attempts: number, waitMs: number, outcome: AsyncOutcome): Promise<void> {
    const { table, clock, payloads } = this.#site;
    await payloads.delete(stagedName(row)).catch(() => undefined);
    await table.giveBack(row, { availableMs: clock.nowMs() + waitMs, attempts, outcome });
  }

  async #fail(row: JobRow, end: "failed" | "dead" | "expired", outcome: AsyncOutcome, reason: string): Promise<void> {
    const told = {
      inferenceId: row.id,
      endpoint: row.endpoint,
      state: end,
      attempts: row.attempts,
      ...outcome,
      message: reason,
    };
    const staged = stagedName(row);
    const bytes = Buffer.from(`${JSON.stringify(told)}\n`, "utf8");
    await this.#site.payloads.write(staged, oneOf(bytes));
    return this.#settle(row, { ...outcome, end, staged });
  }

  async #settle(row: JobRow, outcome: AsyncOutcome): Promise<void> {
    const { table, clock, leaseMs, payloads } = this.#site;
    if (await table.settle(row, outcome, clock.nowMs() + leaseMs)) return this.#publish(row, outcome);
    // Somebody else has it, or it was cancelled.
    await payloads.delete(stagedName(row)).catch(() => undefined);
  }

  /** Puts what was settled in its place, and tells of it; done again by another after a crash it comes to the same. */
  async #publish(row: JobRow, outcome: AsyncOutcome): Promise<void> {
    const { table, clock, payloads, instruments, onEnd } = this.#site;
    const { end = "failed", staged } = outcome;
    const { outputLocation, failureLocation, owned, inputLocation } = specOf(row);
    if (staged !== undefined) await payloads.move(staged, end === "completed" ? outputLocation : failureLocation);
    const nowMs = clock.nowMs();
    const change = { state: end, from: ["publishing" as const], fence: row.fence, outcome, nowMs };
    const ended = await table.end(row.id, change, endedEvent);
    if (ended === undefined) return;
    if (owned && end === "completed") await payloads.delete(inputLocation).catch(() => undefined);
    instruments.ended(row.endpoint, end, {
      inBacklogMs: (ended.started_ms ?? nowMs) - row.submitted_ms,
      totalMs: nowMs - row.submitted_ms,
    });
    onEnd();
  }
}

const cancelled = new DOMException("The work at the request is not wanted any more.", "AbortError");

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

/** What the log is told, in the transaction of the end. */
export function endedEvent(row: JobRow): EventDraft {
  const { outputLocation, failureLocation } = specOf(row);
  const { status, errorCode } = outcomeOf(row);
  return {
    source: "millwright/serving",
    type: "job.inference-ended",
    subject: row.id,
    data: {
      endpoint: row.endpoint,
      state: row.state,
      location: row.state === "completed" ? outputLocation : failureLocation,
      attempts: row.attempts,
      ...(status === undefined ? {} : { status }),
      ...(errorCode === undefined ? {} : { errorCode }),
    },
  };
}

/** What the table counts, by the names of the metrics. */
export function backlogOf({ waiting, running, instances, oldestMs }: Backlog, nowMs: number): AsyncBacklog {
  const size = waiting + running;
  return {
    approximateBacklogSize: size,
    approximateBacklogSizePerInstance: size / Math.max(1, instances),
    hasBacklogWithoutCapacity: waiting > 0 && instances === 0,
    instances,
    waiting,
    running,
    oldestAgeMs: oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs),
  };
}
