import { hashText } from "@millwright/data";

/** What became known of one row of an answer. */
export interface Fact {
  /** As the sums count it: 0 or 1, the value, or the number of the class. */
  readonly truth: number;
  /** When it became known. */
  readonly timeMs: number;
}

/** Facts of answers of one hour, as columns: 64 bits of a hash of request and row, which tell them apart, and what became known. */
export interface FactColumns {
  /** The begin of the hour. */
  readonly startMs: number;
  /** Two of each fact. */
  readonly keys: Uint32Array;
  readonly truths: Float64Array;
  readonly timesMs: Float64Array;
}

export interface FactsState {
  readonly hours: readonly FactColumns[];
  /** Of answers before it, facts may be missing: whether one is labelled is not known. */
  readonly missingBeforeMs: number;
}

/**
 * Which answers are labelled, and with what: so that no label counts twice, and a corrected one takes the right outcome back, when the answer itself is no longer in memory. Some 50 bytes a
 * label; two of a million labels are taken for one with a probability of 3 in 100 million.
 */
export interface LabelFacts {
  readonly size: number;
  get(answerMs: number, requestId: string, row: number): Fact | undefined;
  set(answerMs: number, requestId: string, row: number, fact: Fact): void;
  /** Whether all facts of answers of that time are here. */
  isWhole(answerMs: number): boolean;
  /** Forgets facts of older answers. */
  forget(answersBeforeMs: number): void;
  state(fromMs: number): FactsState;
  /** Takes what a state holds; throws a `TypeError` for columns that do not fit together. */
  restore(state: FactsState): void;
}

const hourMs = 3_600_000;
const secondSeed = 0x9e3779b9;

/** @param most Facts kept; beyond, those of the oldest answers are dropped, an hour at a time. */
export function createLabelFacts(most: number): LabelFacts {
  const hours = new Map<number, FactTable>();
  let size = 0;
  let missingBeforeMs = Number.NEGATIVE_INFINITY;
  const startOf = (answerMs: number): number => Math.floor(answerMs / hourMs) * hourMs;
  const tableOf = (startMs: number): FactTable => {
    const table = hours.get(startMs) ?? new FactTable();
    hours.set(startMs, table);
    return table;
  };
  const drop = (startMs: number): void => {
    size -= hours.get(startMs)?.size ?? 0;
    hours.delete(startMs);
  };
  const bound = (newestMs: number): void => {
    while (size > most) {
      const oldest = Math.min(...hours.keys());
      // The hour that is written to stays: it is not much longer than the most.
      if (oldest >= newestMs) return;
      drop(oldest);
      missingBeforeMs = Math.max(missingBeforeMs, oldest + hourMs);
    }
  };
  const put = (startMs: number, high: number, low: number, fact: Fact): void => {
    if (tableOf(startMs).set(high, low, fact)) size += 1;
  };
  return {
    get size() {
      return size;
    },
    get: (answerMs, requestId, row) => hours.get(startOf(answerMs))?.get(...keyOf(requestId, row)),
    set(answerMs, requestId, row, fact) {
      const startMs = startOf(answerMs);
      put(startMs, ...keyOf(requestId, row), fact);
      if (size > most) bound(Math.max(...hours.keys()));
    },
    isWhole: (answerMs) => answerMs >= missingBeforeMs,
    forget(answersBeforeMs) {
      for (const startMs of hours.keys()) if (startMs + hourMs <= answersBeforeMs) drop(startMs);
    },
    state: (fromMs) => ({
      missingBeforeMs,
      hours: [...hours]
        .filter(([startMs]) => startMs + hourMs > fromMs)
        .map(([startMs, table]) => ({ startMs, ...table.columns() })),
    }),
    restore(state) {
      missingBeforeMs = Math.max(missingBeforeMs, state.missingBeforeMs);
      for (const { startMs, keys, truths, timesMs } of state.hours) {
        if (keys.length !== 2 * truths.length || truths.length !== timesMs.length)
          throw new TypeError("the columns of labels differ in length");
        for (const [at, truth] of truths.entries())
          put(startMs, keys[2 * at] as number, keys[2 * at + 1] as number, { truth, timeMs: timesMs[at] as number });
      }
    },
  };
}

/** Rows of one request are told apart by the seeds. */
const keyOf = (requestId: string, row: number): readonly [high: number, low: number] => [
  hashText(requestId, row),
  hashText(requestId, (row ^ secondSeed) >>> 0),
];

/** Open addressing with linear steps, at most three quarters full; a free place has no time. */
class FactTable {
  size = 0;
  #keys = new Uint32Array(32);
  #truths = new Float64Array(16);
  #timesMs = new Float64Array(16).fill(Number.NaN);

  get(high: number, low: number): Fact | undefined {
    const at = this.#find(high, low);
    const timeMs = this.#timesMs[at] as number;
    return Number.isNaN(timeMs) ? undefined : { truth: this.#truths[at] as number, timeMs };
  }

  /** @returns true where there was none. */
  set(high: number, low: number, { truth, timeMs }: Fact): boolean {
    const isNew = Number.isNaN(this.#timesMs[this.#find(high, low)]);
    if (isNew) this.size += 1;
    if (4 * this.size > 3 * this.#truths.length) this.#grow();
    this.#write(high, low, truth, timeMs);
    return isNew;
  }

  columns(): Omit<FactColumns, "startMs"> {
    const keys = new Uint32Array(2 * this.size);
    const truths = new Float64Array(this.size);
    const timesMs = new Float64Array(this.size);
    let to = 0;
    for (const [at, timeMs] of this.#timesMs.entries()) {
      if (Number.isNaN(timeMs)) continue;
      keys.set(this.#keys.subarray(2 * at, 2 * at + 2), 2 * to);
      truths[to] = this.#truths[at] as number;
      timesMs[to] = timeMs;
      to += 1;
    }
    return { keys, truths, timesMs };
  }

  #find(high: number, low: number): number {
    const [keys, timesMs] = [this.#keys, this.#timesMs];
    const mask = timesMs.length - 1;
    let at = low & mask;
    while (!Number.isNaN(timesMs[at]) && (keys[2 * at] !== high || keys[2 * at + 1] !== low)) at = (at + 1) & mask;
    return at;
  }

  #write(high: number, low: number, truth: number, timeMs: number): void {
    const at = this.#find(high, low);
    this.#keys[2 * at] = high;
    this.#keys[2 * at + 1] = low;
    this.#truths[at] = truth;
    this.#timesMs[at] = timeMs;
  }

  #grow(): void {
    const [keys, truths, timesMs] = [this.#keys, this.#truths, this.#timesMs];
    const slots = 2 * truths.length;
    this.#keys = new Uint32Array(2 * slots);
    this.#truths = new Float64Array(slots);
    this.#timesMs = new Float64Array(slots).fill(Number.NaN);
    for (const [at, timeMs] of timesMs.entries())
      if (!Number.isNaN(timeMs))
        this.#write(keys[2 * at] as number, keys[2 * at + 1] as number, truths[at] as number, timeMs);
  }
}
