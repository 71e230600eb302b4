import { type CallOptions, type Clock, abortable, systemClock } from "@millwright/contracts";
import { type LatencySummary, createLatencyRecorder } from "./latencies.ts";
import type { LoadTarget } from "./run-load.ts";

/** A phase of SageMaker's `TrafficPattern`: users that ask again as soon as they are answered, and more of them every minute. */
export interface UserPhase {
  /** Users at its beginning beside those of the phases before. 1 to 3. */
  readonly initialUsers: number;
  /** Users that come in each minute, evenly spread. 0 to 3. */
  readonly spawnPerMinute: number;
  /** Milliseconds. */
  readonly durationMs: number;
}

export interface UsersOptions extends CallOptions {
  readonly target: LoadTarget;
  readonly phases: readonly UserPhase[];
  /** Stops when this percentile of the answers so far is beyond so many milliseconds. Looked at every `checkMs`. Default: never. */
  readonly stopWhen?: { readonly percentile: number; readonly ms: number } | undefined;
  /** Stops after so many answers. Default: never. */
  readonly maxInvocations?: number | undefined;
  /** Default: 1,000. */
  readonly checkMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface UsersReport {
  readonly stoppedBy: "end" | "latency" | "invocations";
  readonly durationMs: number;
  readonly mostUsers: number;
  readonly answered: number;
  readonly failed: number;
  readonly answeredPerSecond: number;
  readonly latencyMs: LatencySummary;
}

/**
 * Closed-loop load as SageMaker's Inference Recommender makes it. Each user waits for its answer, so a stall hides most of the requests that would have
 * come meanwhile: for latency percentiles that can be believed use `runLoad`. Throws a RangeError where phases are out of range; on abort the signal's reason.
 */
export async function runUsers(options: UsersOptions): Promise<UsersReport> {
  checkPhases(options);
  options.signal?.throwIfAborted();
  const run = new UsersRun(options);
  try {
    for (const phase of options.phases) await run.phase(phase);
  } finally {
    await run.end();
  }
  options.signal?.throwIfAborted();
  return run.report();
}

function checkPhases({ phases, stopWhen, checkMs = 1000, maxInvocations = 1 }: UsersOptions): void {
  if (phases.length === 0) throw new RangeError("Load by users needs at least one phase.");
  for (const { initialUsers, spawnPerMinute, durationMs } of phases) {
    if (!(Number.isInteger(initialUsers) && initialUsers >= 1 && initialUsers <= 3))
      throw new RangeError(`initialUsers must be 1, 2 or 3, not ${initialUsers}.`);
    if (!(Number.isInteger(spawnPerMinute) && spawnPerMinute >= 0 && spawnPerMinute <= 3))
      throw new RangeError(`spawnPerMinute must be from 0 to 3, not ${spawnPerMinute}.`);
    if (!(durationMs > 0 && Number.isFinite(durationMs)))
      throw new RangeError(`durationMs must be above 0, not ${durationMs}.`);
  }
  if (stopWhen !== undefined && !(stopWhen.percentile > 0 && stopWhen.percentile < 1 && stopWhen.ms > 0))
    throw new RangeError("stopWhen takes a percentile between 0 and 1, and milliseconds above 0.");
  if (!(maxInvocations >= 1)) throw new RangeError(`maxInvocations must be 1 or more, not ${maxInvocations}.`);
  if (!(checkMs > 0)) throw new RangeError(`checkMs must be above 0, not ${checkMs}.`);
}

/** When users of a phase come, milliseconds from its beginning. */
function spawnTimes({ initialUsers, spawnPerMinute, durationMs }: UserPhase): readonly number[] {
  const first = Array.from({ length: initialUsers }, () => 0);
  if (spawnPerMinute === 0) return first;
  const everyMs = 60_000 / spawnPerMinute;
  const later = Array.from({ length: Math.ceil(durationMs / everyMs) - 1 }, (_, at) => (at + 1) * everyMs);
  return [...first, ...later];
}

class UsersRun {
  readonly #options: UsersOptions;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #latency = createLatencyRecorder();
  readonly #stop = new AbortController();
  readonly #users: Promise<void>[] = [];
  readonly #onAbort = (): void => this.#stop.abort();
  #stoppedBy: UsersReport["stoppedBy"] = "end";
  #asked = 0;
  #answered = 0;
  #failed = 0;

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#startMs = this.#clock.monotonicMs();
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  async phase(phase: UserPhase): Promise<void> {
    const { checkMs = 1000 } = this.#options;
    const { signal } = this.#stop;
    const startMs = this.#clock.monotonicMs();
    const times = spawnTimes(phase);
    let spawned = 0;
    while (!signal.aborted) {
      const elapsedMs = this.#clock.monotonicMs() - startMs;
      while (spawned < times.length && (times[spawned] ?? 0) <= elapsedMs) {
        this.#users.push(this.#user());
        spawned += 1;
      }
      if (elapsedMs >= phase.durationMs) return;
      this.#check();
      const nextMs = Math.min(times[spawned] ?? phase.durationMs, phase.durationMs) - elapsedMs;
      await this.#clock.sleep(Math.min(checkMs, nextMs), { signal }).catch(() => {});
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await Promise.all(this.#users);
  }

  report(): UsersReport {
    const durationMs = this.#clock.monotonicMs() - this.#startMs;
    return {
      stoppedBy: this.#stoppedBy,
      durationMs,
      mostUsers: this.#users.length,
      answered: this.#answered,
      failed: this.#failed,
      answeredPerSecond: durationMs === 0 ? 0 : (this.#answered * 1000) / durationMs,
      latencyMs: this.#latency.summary(),
    };
  }

  async #user(): Promise<void> {
    const { target, maxInvocations = Number.POSITIVE_INFINITY } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const askedMs = this.#clock.monotonicMs();
      const index = this.#asked;
      this.#asked += 1;
      try {
        const { failure } = await abortable(target(index, { signal }), signal);
        if (failure === undefined) {
          this.#answered += 1;
          this.#latency.add(this.#clock.monotonicMs() - askedMs);
        } else await this.#failOnce();
      } catch {
        if (signal.aborted) return;
        await this.#failOnce();
      }
      if (this.#answered + this.#failed >= maxInvocations) this.#end("invocations");
      // A target that answers without waiting must not keep timers and sockets from their turn.
      if (this.#clock.monotonicMs() - askedMs < 1) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** A server that refuses at once must not be asked in a loop that keeps this process busy. */
  async #failOnce(): Promise<void> {
    this.#failed += 1;
    await this.#clock.sleep(1, { signal: this.#stop.signal }).catch(() => {});
  }

  #check(): void {
    const { stopWhen } = this.#options;
    if (stopWhen !== undefined && this.#latency.percentile(stopWhen.percentile) > stopWhen.ms) this.#end("latency");
  }

  #end(by: UsersReport["stoppedBy"]): void {
    if (this.#stop.signal.aborted) return;
    this.#stoppedBy = by;
    this.#stop.abort();
  }
}
