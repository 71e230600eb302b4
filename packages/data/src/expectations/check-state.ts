import type { Expectation } from "./expectation.ts";

/** Why an expectation could not be looked at, or not to the end. */
export type ExpectationProblem = "columnMissing" | "columnType" | "keysExceeded" | "noValue";

/** What was met so far of one expectation. Survives `structuredClone`. */
export interface CheckState {
  /** Rows looked at. */
  readonly evaluated: number;
  readonly violations: number;
  /** Rows of which it is not known whether they violate, since a bound on keys was met. */
  readonly unknown: number;
  /** The first rows that violate, growing. */
  readonly samples: readonly number[];
  readonly problem?: { readonly code: "columnMissing" | "columnType"; readonly detail: string } | undefined;
  /** Of `unique`: the row that each key was first met in. */
  readonly keys?: ReadonlyMap<string, number> | undefined;
  /** Of `monotonic`: the first value and its row, and the last. */
  readonly ends?: { readonly first: number; readonly firstRow: number; readonly last: number } | undefined;
  /** Of `fresh`: the newest time, milliseconds since 1970. */
  readonly newestMs?: number | undefined;
}

export interface CheckLimits {
  readonly maxKeys: number;
  readonly maxSamples: number;
}

export const emptyCheck: CheckState = { evaluated: 0, violations: 0, unknown: 0, samples: [] };

/** Counts of one expectation while rows come in. */
export interface Tally {
  hold(): void;
  violate(row: number): void;
  leaveOpen(): void;
  state(): CheckState;
}

export function createTally({ maxSamples }: CheckLimits): Tally {
  let evaluated = 0;
  let violations = 0;
  let unknown = 0;
  const samples: number[] = [];
  return {
    hold() {
      evaluated += 1;
    },
    violate(row) {
      evaluated += 1;
      violations += 1;
      if (samples.length < maxSamples) samples.push(row);
    },
    leaveOpen() {
      evaluated += 1;
      unknown += 1;
    },
    state: () => ({ evaluated, violations, unknown, samples: [...samples] }),
  };
}

/** Joins what was met in `earlier` rows with what was met in the rows after them. */
export function mergeChecks(
  expectation: Expectation,
  earlier: CheckState,
  later: CheckState,
  rows: number,
  limits: CheckLimits,
): CheckState {
  if (earlier.problem !== undefined) return earlier;
  if (later.problem !== undefined) return later;
  const counts: CheckState = {
    evaluated: earlier.evaluated + later.evaluated,
    violations: earlier.violations + later.violations,
    unknown: earlier.unknown + later.unknown,
    samples: [...earlier.samples, ...later.samples.map((row) => row + rows)].slice(0, limits.maxSamples),
  };
  switch (expectation.kind) {
    case "unique":
      return mergeUnique(counts, earlier, later, rows, limits);
    case "monotonic":
      return mergeMonotonic(expectation, counts, earlier, later, rows, limits);
    case "fresh": {
      const times = [earlier.newestMs, later.newestMs].filter((each) => each !== undefined);
      return times.length === 0 ? counts : { ...counts, newestMs: Math.max(...times) };
    }
    default:
      return counts;
  }
}

function mergeUnique(
  counts: CheckState,
  earlier: CheckState,
  later: CheckState,
  rows: number,
  { maxKeys, maxSamples }: CheckLimits,
): CheckState {
  const keys = new Map(earlier.keys);
  const repeats: number[] = [];
  let unknown = counts.unknown;
  for (const [key, row] of later.keys ?? []) {
    if (keys.has(key)) repeats.push(row + rows);
    // Among the rows of which nothing is known, an earlier one may have had the key.
    else if (earlier.unknown > 0 || keys.size >= maxKeys) unknown += 1;
    else keys.set(key, row + rows);
  }
  const samples = [...counts.samples, ...repeats].sort((a, b) => a - b).slice(0, maxSamples);
  return { ...counts, violations: counts.violations + repeats.length, unknown, samples, keys };
}

function mergeMonotonic(
  expectation: Extract<Expectation, { kind: "monotonic" }>,
  counts: CheckState,
  earlier: CheckState,
  later: CheckState,
  rows: number,
  { maxSamples }: CheckLimits,
): CheckState {
  if (earlier.ends === undefined || later.ends === undefined) {
    const ends = earlier.ends ?? (later.ends && { ...later.ends, firstRow: later.ends.firstRow + rows });
    return { ...counts, ...(ends === undefined ? {} : { ends }) };
  }
  const ends = { ...earlier.ends, last: later.ends.last };
  if (isInOrder(expectation, earlier.ends.last, later.ends.first)) return { ...counts, ends };
  const samples = [...counts.samples, later.ends.firstRow + rows].sort((a, b) => a - b).slice(0, maxSamples);
  return { ...counts, violations: counts.violations + 1, samples, ends };
}

/** True where `next` may follow `last`. */
export function isInOrder(
  { direction, strict }: Extract<Expectation, { kind: "monotonic" }>,
  last: number,
  next: number,
): boolean {
  if (next === last) return !strict;
  return direction === "growing" ? next > last : next < last;
}
