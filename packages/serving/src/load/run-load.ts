import {
  type CallOptions,
  type Clock,
  type Random,
  createRandom,
  isMillwrightError,
  systemClock,
} from "@millwright/contracts";
import { follow } from "../engine/following.ts";
import type { Arrivals } from "./arrivals.ts";
import { type LatencySummary, createLatencyRecorder } from "./latencies.ts";

export interface LoadOutcome {
  /** Names what was wrong with the answer: `HTTP_503`. Absent where it was good. */
  readonly failure?: string | undefined;
}

/** Asks once. What it throws is a failure too, counted by its `code`, else by its name. */
export type LoadTarget = (index: number, options: { readonly signal: AbortSignal }) => Promise<LoadOutcome>;

export interface LoadProgress {
  readonly elapsedMs: number;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly inFlight: number;
}

export interface LoadOptions extends CallOptions {
  readonly target: LoadTarget;
  readonly arrivals: Arrivals;
  /** How long requests become due. What is under way then is waited for. */
  readonly durationMs: number;
  /** Requests that become due before this are sent and not counted. Default: 0. */
  readonly warmUpMs?: number | undefined;
  /** A request without an answer for so long has failed with `TIMEOUT`. Default: 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Requests beyond so many under way are not sent and count as failed with `UNSENT`: the report says where the generator gave out. Default: 10,000. */
  readonly maxInFlight?: number | undefined;
  /** Default: of seed 0. */
  readonly random?: Random | undefined;
  readonly clock?: Clock | undefined;
  /** Told every second. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface LoadReport {
  readonly arrivals: string;
  /** Of the counted part: without the warm-up, until the last request was due. */
  readonly durationMs: number;
  /** Requests that became due. */
  readonly due: number;
  readonly answered: number;
  readonly failed: number;
  /** Failed requests by the code or name of what was thrown. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests due, and answered without failure, by second of the counted part. */
  readonly offeredPerSecond: number;
  readonly answeredPerSecond: number;
  /**
   * Answered requests, from the moment each was due. A server that stalls makes those wait that were due meanwhile: leaving them out, as generators do that
   * send the next request after the last answer, is coordinated omission.
   */
  readonly latencyMs: LatencySummary;
  /** The same from the moment each was sent. */
  readonly serviceMs: LatencySummary;
  /** How late requests were sent. Where this is large, the generator was too slow and `latencyMs` is partly its own. */
  readonly lagMs: LatencySummary;
  readonly mostInFlight: number;
}

/** Open-loop load: requests are sent when they are due, whether or not earlier ones are answered. On abort it throws the signal's reason, once nothing is under way. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { arrivals, durationMs, warmUpMs = 0, clock = systemClock, random = createRandom(0), signal } = options;
  checkLoad(options);
  signal?.throwIfAborted();
  const run = new LoadRun(options, clock, clock.monotonicMs());
  try {
    let beforeMs = 0;
    for (const dueMs of arrivals.times(random)) {
      if (!(dueMs >= beforeMs)) throw new RangeError(`A request is due at ${dueMs} ms, after one at ${beforeMs} ms.`);
      if (dueMs >= durationMs) break;
      beforeMs = dueMs;
      await run.until(dueMs);
      run.send(dueMs, dueMs >= warmUpMs);
    }
    // The load lasts its time, also where the last arrivals leave some of it free.
    await run.until(durationMs);
  } finally {
    await run.end();
  }
  return run.report();
}

function checkLoad({ target, durationMs, warmUpMs = 0, timeoutMs = 1, maxInFlight = 1 }: LoadOptions): void {
  if (typeof target !== "function") throw new TypeError("target is no function.");
  if (!(durationMs > 0 && Number.isFinite(durationMs)))
    throw new RangeError(`durationMs must be above 0, not ${durationMs}.`);
  if (!(warmUpMs >= 0 && warmUpMs < durationMs))
    throw new RangeError(`warmUpMs must be from 0 to less than durationMs, not ${warmUpMs}.`);
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, not ${timeoutMs}.`);
  if (!(maxInFlight >= 1)) throw new RangeError(`maxInFlight must be 1 or more, not ${maxInFlight}.`);
}

/** A timer may come a millisecond late; what is due by then goes with it. */
const timerMs = 1;

class LoadRun {
  readonly #options: LoadOptions;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #latency = createLatencyRecorder();
  readonly #service = createLatencyRecorder();
  readonly #lag = createLatencyRecorder();
  readonly #failures = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #index = 0;
  #due = 0;
  #answered = 0;
  #mostInFlight = 0;
  #toldMs = 0;

  constructor(options: LoadOptions, clock: Clock, startMs: number) {
    this.#options = options;
    this.#clock = clock;
    this.#startMs = startMs;
  }

  async until(dueMs: number): Promise<void> {
    const { signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const elapsedMs = this.#clock.monotonicMs() - this.#startMs;
      this.#tell(elapsedMs);
      if (elapsedMs >= dueMs) return;
      const waitMs = Math.min(dueMs - elapsedMs, 1000);
      await this.#clock.sleep(Math.max(timerMs, waitMs), { signal });
    }
  }

  send(dueMs: number, counted: boolean): void {
    const { maxInFlight = 10_000 } = this.#options;
    if (counted) this.#due += 1;
    if (this.#underWay.size >= maxInFlight) {
      if (counted) this.#fail("UNSENT");
      return;
    }
    const sentMs = this.#clock.monotonicMs() - this.#startMs;
    if (counted) this.#lag.add(Math.max(0, sentMs - dueMs));
    const asking = this.#ask(this.#index, dueMs, sentMs, counted)
      .catch((error: unknown) => this.#fail(nameOf(error)))
      .finally(() => this.#underWay.delete(asking));
    this.#index += 1;
    this.#underWay.add(asking);
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#underWay.size);
  }

  /** Waits for what is under way; after an abort of the caller's it is told to stop. */
  async end(): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => this.#stop.abort(signal?.reason);
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop, { once: true });
    await Promise.all(this.#underWay);
    signal?.removeEventListener("abort", stop);
  }

  report(): LoadReport {
    const { arrivals, durationMs: wholeMs, warmUpMs = 0 } = this.#options;
    this.#options.signal?.throwIfAborted();
    const durationMs = wholeMs - warmUpMs;
    const seconds = durationMs / 1000;
    return {
      arrivals: arrivals.description,
      durationMs,
      due: this.#due,
      answered: this.#answered,
      failed: this.#failed(),
      failures: Object.fromEntries(this.#failures),
      offeredPerSecond: this.#due / seconds,
      answeredPerSecond: this.#answered / seconds,
      latencyMs: this.#latency.summary(),
      serviceMs: this.#service.summary(),
      lagMs: this.#lag.summary(),
      mostInFlight: this.#mostInFlight,
    };
  }

  async #ask(index: number, dueMs: number, sentMs: number, counted: boolean): Promise<void> {
    const { target, timeoutMs = 60_000 } = this.#options;
    const { controller: late, forget } = follow(this.#stop.signal);
    const { signal } = late;
    const answered = new AbortController();
    try {
      const timedOut = this.#clock.sleep(timeoutMs, { signal: answered.signal }).then(
        () => "TIMEOUT",
        () => undefined,
      );
      const failure = await Promise.race([outcomeOf(target, index, signal), timedOut]);
      if (!counted) return;
      if (failure !== undefined) {
        this.#fail(failure);
        return;
      }
      const endMs = this.#clock.monotonicMs() - this.#startMs;
      this.#answered += 1;
      this.#latency.add(endMs - dueMs);
      this.#service.add(endMs - sentMs);
    } finally {
      answered.abort();
      late.abort();
      forget();
    }
  }

  #fail(name: string): void {
    this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
  }

  #failed(): number {
    return [...this.#failures.values()].reduce((sum, count) => sum + count, 0);
  }

  #tell(elapsedMs: number): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined || elapsedMs - this.#toldMs < 1000) return;
    this.#toldMs = elapsedMs;
    onProgress({
      elapsedMs,
      sent: this.#index,
      answered: this.#answered,
      failed: this.#failed(),
      inFlight: this.#underWay.size,
    });
  }
}

async function outcomeOf(target: LoadTarget, index: number, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await target(index, { signal })).failure;
  } catch (error) {
    return nameOf(error);
  }
}

function nameOf(error: unknown): string {
  if (isMillwrightError(error)) return error.code;
  if (!(error instanceof Error)) return "UNKNOWN";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
