import type { CallOptions } from "@millwright/contracts";

/** Lets a few loads run at once; the others wait in order. */
export class LoadLanes {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Rejects with what the work throws, and with the signal's reason where it aborts before the work began. */
  async run<Result>(work: () => Promise<Result>, { signal }: CallOptions = {}): Promise<Result> {
    signal?.throwIfAborted();
    // Whoever leaves hands its lane over, so that nobody overtakes those that wait.
    if (this.#running < this.#limit) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      signal?.throwIfAborted();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
