import { type Clock, type Random, abortable, isMillwrightError } from "@millwright/contracts";
import { follow } from "../engine/following.ts";
import { type Allowance, type LatencyWindow, createAllowance, createLatencyWindow } from "./allowance.ts";
import { clientTimedOut } from "./client-errors.ts";

export interface RetryOptions {
  /** Most tries of one request, the first included. Default: 3. */
  readonly attempts?: number | undefined;
  /** The pause before try n+1 is drawn from 0 to `firstDelayMs` · 2ⁿ⁻¹ ("full jitter"), at least what `Retry-After` asks for. Default: 50. */
  readonly firstDelayMs?: number | undefined;
  /** The longest pause that is drawn. Default: 2000. */
  readonly mostDelayMs?: number | undefined;
  /** Most retries as a share of all requests of this client, beside ten at the beginning. Default: 0.2. */
  readonly budget?: number | undefined;
}

export interface HedgeOptions {
  /** When a second request is sent while the first is still out: after so many milliseconds, or the 95th percentile of the last answers, once 20 are known. Default: `p95`. */
  readonly afterMs?: number | "p95" | undefined;
  /** Most second requests as a share of all, from 0 to 1. Default: 0.05. */
  readonly share?: number | undefined;
}

export interface AttemptOptions {
  readonly deadlineMs: number;
  readonly attemptTimeoutMs: number | undefined;
  readonly retries: RetryOptions | false;
  readonly hedge: HedgeOptions | false;
  /** Whether a request may be answered twice without harm. */
  readonly repeatable: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ClientStats {
  readonly requests: number;
  /** Tries beyond the first, hedges aside. */
  readonly retries: number;
  /** Second requests while the first was out. */
  readonly hedges: number;
  /** Hedges that answered first. */
  readonly hedgesWon: number;
  readonly failures: number;
  /** Of the last 256 tries that were answered, milliseconds; absent before there are 20. */
  readonly p95Ms?: number | undefined;
}

export interface Attempted<Reply> {
  readonly reply: Reply;
  /** Tries, hedges aside. */
  readonly attempts: number;
  /** Whether a second request was sent while the first was out. */
  readonly hedged: boolean;
  readonly latencyMs: number;
}

/** Sends once; what it throws says whether the same may be sent again. */
export type Send<Reply> = (signal: AbortSignal, timeoutMs: number) => Promise<Reply>;

/** Codes of requests that no server has begun with. */
const notBegun = new Set(["SERVING_CLIENT_UNREACHABLE", "SERVING_CLIENT_BUSY"]);

const retryAfterOf = (error: unknown): number => {
  const afterMs = (error as { readonly retryAfterMs?: unknown }).retryAfterMs;
  return typeof afterMs === "number" ? afterMs : 0;
};

interface Deadline {
  readonly signal: AbortSignal;
  readonly endMs: number;
}

/** Sends requests with retries, time limits and hedges, by what the requests before have used up. */
export class Attempts {
  readonly #where: string;
  readonly #options: AttemptOptions;
  readonly #retries: Allowance;
  readonly #hedges: Allowance;
  readonly #latencies: LatencyWindow = createLatencyWindow();
  readonly #counted = { requests: 0, retries: 0, hedges: 0, hedgesWon: 0, failures: 0 };

  constructor(where: string, options: AttemptOptions) {
    const { retries, hedge } = options;
    this.#where = where;
    this.#options = options;
    this.#retries = createAllowance(retries === false ? 0 : (retries.budget ?? 0.2), 10);
    this.#hedges = createAllowance(hedge === false ? 0 : (hedge.share ?? 0.05), 0);
  }

  stats(): ClientStats {
    return { ...this.#counted, p95Ms: this.#latencies.p95() };
  }

  /** Throws what `send` throws last, `SERVING_CLIENT_TIMED_OUT`, and the signal's reason. */
  async run<Reply>(
    send: Send<Reply>,
    signal: AbortSignal | undefined,
    deadlineMs: number = this.#options.deadlineMs,
  ): Promise<Attempted<Reply>> {
    signal?.throwIfAborted();
    const { clock } = this.#options;
    const beginMs = clock.monotonicMs();
    this.#counted.requests += 1;
    this.#retries.earn();
    this.#hedges.earn();
    const { controller, forget } = follow(signal);
    const done = new AbortController();
    const failure: { last?: unknown } = {};
    clock.sleep(deadlineMs, { signal: done.signal }).then(
      () => controller.abort(clientTimedOut(this.#where, "the request", deadlineMs, failure.last)),
      () => {},
    );
    try {
      const deadline = { signal: controller.signal, endMs: beginMs + deadlineMs };
      const { attempts, hedged, reply } = await this.#tries(send, deadline, failure);
      return { reply, attempts, hedged, latencyMs: clock.monotonicMs() - beginMs };
    } catch (error) {
      this.#counted.failures += 1;
      throw error;
    } finally {
      done.abort("done");
      forget();
    }
  }

  async #tries<Reply>(send: Send<Reply>, deadline: Deadline, failure: { last?: unknown }) {
    const state = { hedged: false };
    for (let attempts = 1; ; attempts += 1) {
      try {
        return { attempts, reply: await this.#hedged(send, deadline, state), hedged: state.hedged };
      } catch (error) {
        deadline.signal.throwIfAborted();
        failure.last = error;
        await this.#pause(error, attempts, deadline);
        this.#counted.retries += 1;
      }
    }
  }

  /** Waits before the next try, or throws the error again where there is none. */
  async #pause(error: unknown, attempts: number, { signal, endMs }: Deadline): Promise<void> {
    const { retries, clock, random } = this.#options;
    if (retries === false || attempts >= (retries.attempts ?? 3) || !this.#mayRepeat(error)) throw error;
    const most = Math.min(retries.mostDelayMs ?? 2000, (retries.firstDelayMs ?? 50) * 2 ** (attempts - 1));
    const delayMs = Math.max(retryAfterOf(error), random.next() * most);
    // Whoever would come too late need not wait for it, and uses up nothing.
    if (clock.monotonicMs() + delayMs >= endMs || !this.#retries.take()) throw error;
    await clock.sleep(delayMs, { signal });
  }

  #mayRepeat(error: unknown): boolean {
    if (!isMillwrightError(error) || !error.retryable) return false;
    return this.#options.repeatable || notBegun.has(error.code);
  }

  /** One try, and a second one beside it where the first is slow. */
  async #hedged<Reply>(send: Send<Reply>, deadline: Deadline, state: { hedged: boolean }): Promise<Reply> {
    const afterMs = this.#hedgeAfterMs();
    if (afterMs === undefined) return this.#once(send, deadline, deadline.signal);
    const { clock } = this.#options;
    const first = follow(deadline.signal);
    const second = follow(deadline.signal);
    const stop = new AbortController();
    const run = this.#once(send, deadline, first.controller.signal);
    try {
      const due = clock.sleep(afterMs, { signal: stop.signal }).then(
        () => true,
        () => false,
      );
      const slow = await Promise.race([run.then(() => false), due]);
      if (!slow || !this.#hedges.take()) return await run;
      state.hedged = true;
      this.#counted.hedges += 1;
      const other = this.#once(send, deadline, second.controller.signal);
      const won = await firstOf(run, other);
      if (won.by === other) this.#counted.hedgesWon += 1;
      return won.reply;
    } finally {
      stop.abort("done");
      run.catch(() => {});
      // Who lost is of no use any more.
      for (const each of [first, second]) {
        each.controller.abort("answered");
        each.forget();
      }
    }
  }

  #hedgeAfterMs(): number | undefined {
    const { hedge, repeatable } = this.#options;
    if (hedge === false || !repeatable) return undefined;
    return hedge.afterMs === undefined || hedge.afterMs === "p95" ? this.#latencies.p95() : hedge.afterMs;
  }

  async #once<Reply>(send: Send<Reply>, { endMs }: Deadline, signal: AbortSignal): Promise<Reply> {
    const { clock, attemptTimeoutMs = Number.POSITIVE_INFINITY } = this.#options;
    const beginMs = clock.monotonicMs();
    const leftMs = endMs - beginMs;
    const { controller, forget } = follow(signal);
    const done = new AbortController();
    if (attemptTimeoutMs < leftMs)
      clock.sleep(attemptTimeoutMs, { signal: done.signal }).then(
        () => controller.abort(clientTimedOut(this.#where, "the attempt", attemptTimeoutMs)),
        () => {},
      );
    try {
      const reply = await abortable(send(controller.signal, Math.min(leftMs, attemptTimeoutMs)), controller.signal);
      this.#latencies.add(clock.monotonicMs() - beginMs);
      return reply;
    } catch (error) {
      // A loser has taken at least so long: without it the percentile would sink with every hedge.
      if (signal.aborted) this.#latencies.add(clock.monotonicMs() - beginMs);
      controller.signal.throwIfAborted();
      throw error;
    } finally {
      done.abort("done");
      forget();
    }
  }
}

/** The first that answers. A refusal that would come again decides at once; else both must have failed. */
function firstOf<Reply>(
  run: Promise<Reply>,
  other: Promise<Reply>,
): Promise<{ readonly reply: Reply; readonly by: Promise<Reply> }> {
  let failures = 0;
  return new Promise((resolve, reject) => {
    for (const by of [run, other])
      by.then(
        (reply) => resolve({ reply, by }),
        (error: unknown) => {
          failures += 1;
          if (failures === 2 || !(isMillwrightError(error) && error.retryable)) reject(error as Error);
        },
      );
  });
}
