import { type CallOptions, type Clock, isMillwrightError } from "@millwright/contracts";
import { deadlineExceeded, overloaded, requestShed } from "./errors.ts";
import { hear } from "../engine/following.ts";
import { type AdaptiveConcurrency, type ConcurrencyLimit, createConcurrencyLimit } from "./concurrency-limit.ts";
import { type Applicant, type FairQueue, createFairQueue } from "./fair-queue.ts";

/** Who is let in to an endpoint, and who waits or is turned away. */
export interface AdmissionOptions {
  /**
   * Most requests under way: so many, or what is learnt from how long they take. Default: `{ type: "aimd" }` where the endpoint has a
   * `latencyObjectiveMs`, else `{ type: "gradient" }`.
   */
  readonly concurrency?: number | AdaptiveConcurrency | undefined;
  /** Most requests that wait to be let in. Default: 1,000. */
  readonly maxQueue?: number | undefined;
  /** Classes of requests, the most important first: one waits as long as a more important one does. Default: high, normal, low. */
  readonly priorities?: readonly string[] | undefined;
  /** The class of requests that name none, or none of these. Default: the second, or the only one. */
  readonly defaultPriority?: string | undefined;
  /** Shares of tenants within a class, relative to each other; who is not named has 1. All above 0. */
  readonly tenantWeights?: Readonly<Record<string, number>> | undefined;
}

/** What is asked of whoever wants in. */
export interface Application extends CallOptions {
  readonly startMs: number;
  readonly deadlineMs: number | undefined;
  readonly priority: string | undefined;
  readonly tenant: string | undefined;
  readonly rows: number;
}

export interface AdmissionTold {
  /** Why a request of a class was not let in: the queue was full, a better one came, or its time would have run out. */
  onShed(reason: "queue-full" | "displaced" | "deadline", priority: string): void;
  onState(waiting: number, inFlight: number, limit: number): void;
}

export interface AdmissionState {
  readonly waiting: number;
  readonly inFlight: number;
  readonly limit: number;
}

/** The door of an endpoint. */
export interface Admission {
  /** @returns `undefined` where there is room, else a promise of it. Throws and rejects with `SERVING_OVERLOADED`, `SERVING_REQUEST_SHED`, the signal's reason. Whoever was let in calls `leave`. */
  enter(application: Application): Promise<void> | undefined;
  /** @param enteredMs When it was let in. @param error What it failed with, where it did. */
  leave(enteredMs: number, error: unknown): void;
  /** Turns away all who wait. */
  close(reason: unknown): void;
  readonly state: AdmissionState;
}

interface Waiting extends Applicant {
  readonly application: Application;
  /** Until when it has to be let in. */
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** Takes the ear from its signal. */
  forget?: () => void;
}

export interface AdmissionSetting {
  readonly endpoint: string;
  readonly latencyObjectiveMs: number | undefined;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
  readonly told: AdmissionTold;
}

export function createAdmission(options: AdmissionOptions, setting: AdmissionSetting): Admission {
  return new Door(options, setting);
}

/** Who comes later may have less time than those who wait. */
const sweepMs = 100;

class Door implements Admission {
  readonly #setting: AdmissionSetting;
  readonly #limit: ConcurrencyLimit;
  readonly #queue: FairQueue<Waiting>;
  readonly #maxQueue: number;
  readonly #priorities: readonly string[];
  readonly #defaultPriority: number;
  readonly #closed = new AbortController();
  #inFlight = 0;
  #sweeping = false;
  /** How long a request takes once it is let in, smoothed, and how far off that usually is (Jacobson, 1988). */
  #serviceMs: number | undefined;
  #deviationMs = 0;

  constructor(options: AdmissionOptions, setting: AdmissionSetting) {
    const { maxQueue = 1000, priorities = ["high", "normal", "low"], defaultPriority, tenantWeights = {} } = options;
    const { latencyObjectiveMs } = setting;
    const { concurrency = { type: latencyObjectiveMs === undefined ? "gradient" : "aimd" } } = options;
    this.#setting = setting;
    this.#limit = createConcurrencyLimit(concurrency, latencyObjectiveMs);
    this.#maxQueue = maxQueue;
    this.#priorities = priorities;
    const named = defaultPriority === undefined ? -1 : priorities.indexOf(defaultPriority);
    this.#defaultPriority = named >= 0 ? named : Math.min(1, priorities.length - 1);
    this.#queue = createFairQueue(priorities.length, (tenant) =>
      Object.hasOwn(tenantWeights, tenant) ? (tenantWeights[tenant] ?? 1) : 1,
    );
  }

  get state(): AdmissionState {
    return { waiting: this.#queue.size, inFlight: this.#inFlight, limit: this.#limit.limit };
  }

  enter(application: Application): Promise<void> | undefined {
    if (this.#inFlight < this.#limit.limit && this.#queue.size === 0) {
      this.#inFlight += 1;
      return undefined;
    }
    return this.#wait(application);
  }

  leave(enteredMs: number, error: unknown): void {
    const nowMs = this.#setting.clock.monotonicMs();
    const latencyMs = nowMs - enteredMs;
    const refused = isMillwrightError(error) && error.category === "capacity";
    // What fails before the model, or because its caller left, says nothing of how long an answer takes.
    if (error === undefined || refused) {
      this.#limit.observe(latencyMs, this.#inFlight, nowMs, refused);
      if (!refused) this.#learn(latencyMs);
    }
    this.#inFlight -= 1;
    this.#admit(nowMs);
  }

  close(reason: unknown): void {
    this.#closed.abort();
    for (const waiting of this.#queue.items()) {
      this.#queue.remove(waiting);
      waiting.reject(reason);
    }
  }

  #learn(latencyMs: number): void {
    if (this.#serviceMs === undefined) {
      this.#serviceMs = latencyMs;
      this.#deviationMs = latencyMs / 2;
      return;
    }
    const off = latencyMs - this.#serviceMs;
    this.#serviceMs += off / 8;
    this.#deviationMs += (Math.abs(off) - this.#deviationMs) / 4;
  }

  /** How long the queue takes for so many, by Little's law: as many leave in the time of one as are under way. */
  #waitMs(places: number): number {
    return ((this.#serviceMs ?? 0) * places) / Math.max(1, this.#limit.limit);
  }

  /** When a request must be let in so that it is likely to be answered in time. */
  #untilMs({ startMs, deadlineMs }: Application): number {
    const longestMs = Math.min(
      deadlineMs ?? Number.POSITIVE_INFINITY,
      // A tenth is for what is not seen from here: the network, and bodies being read and written.
      (this.#setting.latencyObjectiveMs ?? Number.POSITIVE_INFINITY) * 0.9,
    );
    // What a request takes with four mean deviations, as retransmission timers have it (RFC 6298): more than 99 of 100 take.
    return startMs + longestMs - (this.#serviceMs ?? 0) - 4 * this.#deviationMs;
  }

  #wait(application: Application): Promise<void> {
    const { endpoint, clock, told } = this.#setting;
    const { signal, tenant = "", rows } = application;
    const at = this.#priorities.indexOf(application.priority ?? "");
    const priority = at >= 0 ? at : this.#defaultPriority;
    const { promise, resolve, reject } = withResolvers();
    const untilMs = this.#untilMs(application);
    const waiting: Waiting = { application, priority, tenant, cost: rows, untilMs, resolve, reject };
    const ahead = this.#queue.ahead(waiting);
    // The one that a request waits for at the least is whoever leaves next.
    if (clock.monotonicMs() + this.#waitMs(ahead + 1) > untilMs && this.#inFlight > 0) {
      told.onShed("deadline", this.#priorities[priority] ?? "");
      throw requestShed(endpoint, "it would not be answered in time", this.#retryAfterMs());
    }
    if (this.#queue.size >= this.#maxQueue) {
      const victim = this.#queue.victimFor(waiting);
      if (victim === undefined) {
        told.onShed("queue-full", this.#priorities[priority] ?? "");
        throw overloaded(endpoint, `${this.#queue.size} requests wait, and no more may`, this.#retryAfterMs());
      }
      this.#turnAway(victim, "displaced");
    }
    this.#queue.push(waiting);
    this.#listen(waiting, signal);
    this.#tell();
    void this.#sweep();
    // There may be room: the queue had somebody in it whose turn is now.
    this.#admit(clock.monotonicMs());
    return promise;
  }

  #listen(waiting: Waiting, signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const stop = (): void => {
      if (!this.#queue.remove(waiting)) return;
      waiting.reject(signal.reason);
      this.#tell();
    };
    // A signal may outlive the request by far: a caller's may stand for many.
    waiting.forget = hear(signal, stop);
  }

  /** Lets in as many as there is room for; whose time has run out is turned away instead. */
  #admit(nowMs: number): void {
    while (this.#inFlight < this.#limit.limit) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      if (next.untilMs < nowMs) this.#reject(next, "deadline");
      else {
        this.#inFlight += 1;
        next.forget?.();
        next.resolve();
      }
    }
    this.#tell();
  }

  #turnAway(waiting: Waiting, reason: "displaced" | "deadline"): void {
    if (this.#queue.remove(waiting)) this.#reject(waiting, reason);
  }

  #reject({ priority, application, reject, forget }: Waiting, reason: "displaced" | "deadline"): void {
    forget?.();
    const { endpoint, told, clock } = this.#setting;
    told.onShed(reason, this.#priorities[priority] ?? "");
    const { startMs, deadlineMs } = application;
    if (deadlineMs !== undefined && clock.monotonicMs() - startMs >= deadlineMs) {
      reject(deadlineExceeded(endpoint, deadlineMs));
      return;
    }
    const why = reason === "displaced" ? "others came first" : "it would not be answered in time";
    reject(requestShed(endpoint, why, this.#retryAfterMs()));
  }

  /** While anybody waits, those whose time runs out are told so, though nobody else comes or leaves. */
  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const { clock } = this.#setting;
    const { signal } = this.#closed;
    while (this.#queue.size > 0 && !signal.aborted) {
      const nowMs = clock.monotonicMs();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const waiting of this.#queue.items()) {
        if (waiting.untilMs < nowMs) this.#turnAway(waiting, "deadline");
        else nextMs = Math.min(nextMs, waiting.untilMs);
      }
      if (nextMs === Number.POSITIVE_INFINITY) break;
      await clock.sleep(Math.min(sweepMs, Math.max(1, nextMs - nowMs + 1)), { signal }).catch(() => {});
    }
    this.#sweeping = false;
  }

  /** When those who wait now will have been let in. */
  #retryAfterMs(): number {
    return Math.ceil(this.#waitMs(this.#queue.size + this.#inFlight));
  }

  #tell(): void {
    this.#setting.told.onState(this.#queue.size, this.#inFlight, this.#limit.limit);
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } {
  let resolve = (): void => {};
  let reject = (_reason: unknown): void => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
