import type { CallOptions, Clock } from "@millwright/contracts";

export interface MemoryLedgerOptions {
  readonly budgetBytes: number;
  /** Begins to unload what was used longest ago and may go; undefined where there is nothing. Resolves when its memory is free. */
  readonly evict: () => Promise<void> | undefined;
  readonly clock: Clock;
  /** What the whole process holds, measured, and how much it may: a load lets one model go while it is more. Default: not looked at. */
  readonly process?: { readonly limitBytes: number; readonly measureBytes: () => number } | undefined;
}

export interface ReserveOptions extends CallOptions {
  /** Whether others may be unloaded for it. */
  readonly mayEvict: boolean;
  /** How long to wait for models in use, milliseconds. */
  readonly waitMs: number;
}

/** Counts the bytes of models against a budget; what is asked for first is served first, so that a large model is not starved by small ones. */
export class MemoryLedger {
  readonly #options: MemoryLedgerOptions;
  #usedBytes = 0;
  #turn: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;

  constructor(options: MemoryLedgerOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @returns false where there is no room, and none came in time. Rejects with the signal's reason. */
  async reserve(bytes: number, { mayEvict, waitMs, signal }: ReserveOptions): Promise<boolean> {
    const before = this.#turn;
    let done = (): void => {};
    this.#turn = new Promise<void>((resolve) => {
      done = resolve;
    });
    try {
      await before;
      signal?.throwIfAborted();
      if (mayEvict) await this.#relieve();
      return (await this.#room(bytes, { mayEvict, waitMs, signal })) && this.#take(bytes);
    } finally {
      done();
    }
  }

  /** What was reserved turned out to be another size. @returns false where it is too much, whatever else was unloaded. */
  async settle(reservedBytes: number, bytes: number, mayEvict: boolean): Promise<boolean> {
    this.#usedBytes += bytes - reservedBytes;
    if (bytes < reservedBytes) this.released();
    while (this.#usedBytes > this.#options.budgetBytes) {
      const unloading = mayEvict ? this.#options.evict() : undefined;
      if (unloading === undefined) return false;
      await unloading;
    }
    return true;
  }

  free(bytes: number): void {
    this.#usedBytes -= bytes;
    this.released();
  }

  /** Something may be unloaded now that could not be before. */
  released(): void {
    this.#wake?.();
  }

  #take(bytes: number): true {
    this.#usedBytes += bytes;
    return true;
  }

  /** One model goes for each load while the process as measured holds too much: what is unloaded shows only after the next collection. */
  async #relieve(): Promise<void> {
    const { process, evict } = this.#options;
    if (process !== undefined && process.measureBytes() > process.limitBytes) await evict();
  }

  async #room(bytes: number, { mayEvict, waitMs, signal }: ReserveOptions): Promise<boolean> {
    const { budgetBytes, evict, clock } = this.#options;
    const endMs = clock.monotonicMs() + waitMs;
    while (this.#usedBytes + bytes > budgetBytes) {
      const unloading = mayEvict ? evict() : undefined;
      if (unloading !== undefined) {
        await unloading;
        continue;
      }
      const leftMs = endMs - clock.monotonicMs();
      if (!mayEvict || leftMs <= 0) return false;
      await this.#change(leftMs, signal);
    }
    return true;
  }

  /** Until something changes, or the time is over. */
  async #change(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const stop = (): void => over.abort();
    signal?.addEventListener("abort", stop, { once: true });
    await Promise.race([woken, this.#options.clock.sleep(waitMs, { signal: over.signal }).catch(() => {})]);
    signal?.removeEventListener("abort", stop);
    this.#wake = undefined;
    over.abort();
    signal?.throwIfAborted();
  }
}
