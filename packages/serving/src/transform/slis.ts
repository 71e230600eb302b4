import type { ChunkFigures } from "./ledger.ts";

/** What running costs, in US dollars; what is not said costs nothing. */
export interface TransformCost {
  /** For each hour that the job runs, all its workers together. */
  readonly perHour?: number | undefined;
  readonly perInvocation?: number | undefined;
  readonly perThousandRecords?: number | undefined;
}

/** How a job does. Of no chunks all are 0. */
export interface TransformSlis {
  readonly chunks: number;
  readonly records: number;
  readonly invocations: number;
  /** From the beginning of the first chunk to the end of the last, milliseconds, of each start of the job by itself. */
  readonly activeMs: number;
  readonly recordsPerSecond: number;
  /** How long chunks took, milliseconds, by nearest rank. */
  readonly chunkP50Ms: number;
  readonly chunkP95Ms: number;
  /** The share of that time that workers had a chunk, 0 to 1. */
  readonly utilization: number;
  readonly costUsd: number;
  readonly costPerThousandRecordsUsd: number;
}

interface Start {
  firstMs: number;
  lastMs: number;
  workers: number;
}

/** Adds chunks up, one by one. */
export class SliCounter {
  readonly #durations: number[] = [];
  readonly #starts = new Map<number, Start>();
  #records = 0;
  #invocations = 0;
  #busyMs = 0;

  add({ records, invocations, startMs, durationMs, jobStartMs, workers }: ChunkFigures): void {
    this.#records += records;
    this.#invocations += invocations;
    this.#busyMs += durationMs;
    this.#durations.push(durationMs);
    const start = this.#starts.get(jobStartMs) ?? { firstMs: startMs, lastMs: startMs, workers };
    start.firstMs = Math.min(start.firstMs, startMs);
    start.lastMs = Math.max(start.lastMs, startMs + durationMs);
    this.#starts.set(jobStartMs, start);
  }

  costUsd({ perHour = 0, perInvocation = 0, perThousandRecords = 0 }: TransformCost = {}): number {
    const { activeMs } = this.#times();
    return (
      (perHour * activeMs) / 3_600_000 + perInvocation * this.#invocations + (perThousandRecords * this.#records) / 1000
    );
  }

  slis(cost?: TransformCost): TransformSlis {
    const sorted = this.#durations.toSorted((a, b) => a - b);
    const rank = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    const { activeMs, capacityMs } = this.#times();
    const costUsd = this.costUsd(cost);
    return {
      chunks: sorted.length,
      records: this.#records,
      invocations: this.#invocations,
      activeMs,
      recordsPerSecond: activeMs === 0 ? 0 : (this.#records / activeMs) * 1000,
      chunkP50Ms: rank(0.5),
      chunkP95Ms: rank(0.95),
      utilization: capacityMs === 0 ? 0 : Math.min(1, this.#busyMs / capacityMs),
      costUsd,
      costPerThousandRecordsUsd: this.#records === 0 ? 0 : (costUsd / this.#records) * 1000,
    };
  }

  #times(): { readonly activeMs: number; readonly capacityMs: number } {
    let activeMs = 0;
    let capacityMs = 0;
    for (const { firstMs, lastMs, workers } of this.#starts.values()) {
      activeMs += lastMs - firstMs;
      capacityMs += (lastMs - firstMs) * workers;
    }
    return { activeMs, capacityMs };
  }
}

/** The figures of chunks, such as `readTransformLedger` tells; in whatever order. */
export function transformSlis(chunks: Iterable<ChunkFigures>, cost: TransformCost = {}): TransformSlis {
  const counter = new SliCounter();
  for (const chunk of chunks) counter.add(chunk);
  return counter.slis(cost);
}
