import { type LatencySummary, createLatencyRecorder } from "../load/latencies.ts";
import type { RowDifference } from "./compare-outputs.ts";
import {
  type Confidence,
  type Interval,
  createRunningMean,
  mcNemar,
  meanInterval,
  wilsonInterval,
} from "./intervals.ts";

/** What one of the two did with a request. */
export interface Side {
  readonly latencyMs: number;
  /** The code of the error, where it failed. */
  readonly errorCode?: string | undefined;
}

export interface Agreement extends Interval {
  /** Rows that both answered. */
  readonly rows: number;
  readonly agreeing: number;
  readonly share: number;
}

export interface ErrorComparison {
  readonly primary: number;
  readonly shadow: number;
  /** Requests that just one of the two failed. */
  readonly onlyPrimary: number;
  readonly onlyShadow: number;
  /** McNemar's exact test of both being equally often. */
  readonly p: number;
}

/** Shadow minus primary of one output. */
export interface OutputDifference {
  readonly rows: number;
  readonly mean: number;
  /** Of the sizes, without signs. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Rows by size; the last one is without an upper bound. A size stands in the first whose `to` it does not exceed. */
  readonly histogram: readonly { readonly to: number; readonly rows: number }[];
}

export interface LatencyComparison {
  readonly primary: LatencySummary;
  readonly shadow: LatencySummary;
  /** Shadow minus primary, request by request, milliseconds. */
  readonly mean: number;
  readonly meanInterval: Interval;
}

export interface SegmentSummary {
  readonly requests: number;
  readonly agreement: Agreement;
  readonly errors: ErrorComparison;
}

export interface TallySummary extends SegmentSummary {
  readonly differences: Readonly<Record<string, OutputDifference>>;
  readonly latencyMs: LatencyComparison;
}

const edges = [0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1, 10, 100, Number.POSITIVE_INFINITY];

/** Counts of pairs, in memory that does not grow with them. */
export class ShadowTally {
  readonly #errors = { primary: 0, shadow: 0, onlyPrimary: 0, onlyShadow: 0 };
  readonly #primaryMs = createLatencyRecorder();
  readonly #shadowMs = createLatencyRecorder();
  readonly #deltaMs = createRunningMean();
  readonly #outputs = new Map<string, OutputTally>();
  #requests = 0;
  #rows = 0;
  #agreeing = 0;

  /** @param rows Of the two answers; absent where one failed, or both have different numbers of rows: that is one row of no agreement. */
  add(primary: Side, shadow: Side, rows: readonly RowDifference[] | undefined): void {
    this.#requests += 1;
    this.#addErrors(primary, shadow);
    if (primary.errorCode !== undefined || shadow.errorCode !== undefined) return;
    this.#primaryMs.add(primary.latencyMs);
    this.#shadowMs.add(shadow.latencyMs);
    this.#deltaMs.add(shadow.latencyMs - primary.latencyMs);
    if (rows === undefined) {
      this.#rows += 1;
      return;
    }
    this.#rows += rows.length;
    for (const { agrees, differences } of rows) {
      if (agrees) this.#agreeing += 1;
      for (const [name, difference] of Object.entries(differences)) this.#outputOf(name).add(difference);
    }
  }

  segment(confidence: Confidence): SegmentSummary {
    const { onlyPrimary, onlyShadow } = this.#errors;
    const rows = this.#rows;
    return {
      requests: this.#requests,
      agreement: {
        rows,
        agreeing: this.#agreeing,
        share: rows === 0 ? 0 : this.#agreeing / rows,
        ...wilsonInterval(this.#agreeing, rows, confidence),
      },
      errors: { ...this.#errors, p: mcNemar(onlyPrimary, onlyShadow) },
    };
  }

  summary(confidence: Confidence): TallySummary {
    return {
      ...this.segment(confidence),
      differences: Object.fromEntries([...this.#outputs].map(([name, tally]) => [name, tally.summary()])),
      latencyMs: {
        primary: this.#primaryMs.summary(),
        shadow: this.#shadowMs.summary(),
        mean: this.#deltaMs.mean,
        meanInterval: meanInterval(this.#deltaMs, confidence),
      },
    };
  }

  #addErrors(primary: Side, shadow: Side): void {
    const [first, second] = [primary.errorCode !== undefined, shadow.errorCode !== undefined];
    if (first) this.#errors.primary += 1;
    if (second) this.#errors.shadow += 1;
    if (first && !second) this.#errors.onlyPrimary += 1;
    if (second && !first) this.#errors.onlyShadow += 1;
  }

  #outputOf(name: string): OutputTally {
    const found = this.#outputs.get(name) ?? new OutputTally();
    this.#outputs.set(name, found);
    return found;
  }
}

class OutputTally {
  readonly #mean = createRunningMean();
  readonly #sizes = createLatencyRecorder();
  readonly #counts = edges.map(() => 0);

  add(difference: number): void {
    // What is not a number differs as much as anything can.
    const size = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.abs(difference);
    const bucket = edges.findIndex((edge) => size <= edge);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    if (!Number.isFinite(difference)) return;
    this.#mean.add(difference);
    this.#sizes.add(size);
  }

  summary(): OutputDifference {
    const { p50, p90, p99, max } = this.#sizes.summary();
    const histogram = edges.map((to, at) => ({ to, rows: this.#counts[at] ?? 0 }));
    const rows = this.#counts.reduce((sum, count) => sum + count, 0);
    return { rows, mean: this.#mean.mean, p50, p90, p99, max, histogram };
  }
}
