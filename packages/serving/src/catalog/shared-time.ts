/**
 * Shares the time in which something works among those it works for: at each moment by their weights. What all are given adds up to the time in which there was
 * anybody, whatever overlaps (processor sharing).
 */
export class SharedTime {
  #weight = 0;
  /** What a weight of 1 was given since the beginning, milliseconds. */
  #perWeight = 0;
  #busyMs = 0;
  #lastMs = 0;

  /** Until now. */
  busyMs(nowMs: number): number {
    this.#go(nowMs);
    return this.#busyMs;
  }

  /** @returns what `leave` takes. */
  enter(weight: number, nowMs: number): { readonly weight: number; readonly from: number } {
    this.#go(nowMs);
    this.#weight += weight;
    return { weight, from: this.#perWeight };
  }

  /** @returns the time of this one, milliseconds. */
  leave({ weight, from }: { readonly weight: number; readonly from: number }, nowMs: number): number {
    this.#go(nowMs);
    this.#weight -= weight;
    return weight * (this.#perWeight - from);
  }

  #go(nowMs: number): void {
    const passedMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (this.#weight <= 0 || passedMs <= 0) return;
    this.#busyMs += passedMs;
    this.#perWeight += passedMs / this.#weight;
  }
}
