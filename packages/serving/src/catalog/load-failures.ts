import { type Clock, hashSeed } from "@millwright/contracts";

export interface LoadFailuresOptions {
  readonly clock: Clock;
  /** Pause after the first failure, milliseconds; each further one doubles it. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Most targets remembered; the oldest are forgotten. */
  readonly limit: number;
}

interface Failure {
  readonly error: unknown;
  readonly count: number;
  readonly untilMs: number;
}

/**
 * Remembers which models failed to load, so that whoever asks for one meanwhile gets the same answer at once. Pauses grow twofold and are
 * spread by a quarter either way by the target's name: many that failed together do not come back together.
 */
export class LoadFailures {
  readonly #options: LoadFailuresOptions;
  readonly #failures = new Map<string, Failure>();

  constructor(options: LoadFailuresOptions) {
    this.#options = options;
  }

  /** Throws the error of the last load while its pause lasts. */
  check(target: string): void {
    const failure = this.#failures.get(target);
    if (failure !== undefined && this.#options.clock.monotonicMs() < failure.untilMs) throw failure.error;
  }

  note(target: string, error: unknown): void {
    const { clock, firstMs, longestMs, limit } = this.#options;
    const count = (this.#failures.get(target)?.count ?? 0) + 1;
    const spread = 0.75 + hashSeed(target, count) / 2 ** 33;
    const pauseMs = Math.min(longestMs, firstMs * 2 ** Math.min(count - 1, 50)) * spread;
    this.#failures.delete(target);
    this.#failures.set(target, { error, count, untilMs: clock.monotonicMs() + pauseMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > limit && oldest !== undefined) this.#failures.delete(oldest);
  }

  forget(target: string): void {
    this.#failures.delete(target);
  }
}
