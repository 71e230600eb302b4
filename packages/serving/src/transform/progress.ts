import { type ChunkEntry, type ChunkFigures, type ObjectSummary, figuresOf } from "./ledger.ts";
import { SliCounter, type TransformCost, type TransformSlis } from "./slis.ts";

export type TransformState = "running" | "completed" | "failed" | "stopped";

/** How far a job is. Counts include what was done before it was started again. */
export interface TransformStatus {
  readonly name: string;
  readonly state: TransformState;
  readonly objects: number;
  readonly objectsDone: number;
  /** Records that were transformed, and of those the ones in the output and the ones that failed. */
  readonly records: number;
  readonly written: number;
  readonly failed: number;
  readonly chunks: number;
  /** Chunks that an earlier start of the job had done. */
  readonly chunksReused: number;
  /** Bytes of input behind those chunks, and of all of it where every object says its size. */
  readonly bytes: number;
  readonly totalBytes?: number | undefined;
  readonly invocations: number;
  readonly retries: number;
  /** How long it will still run at the pace of this start, milliseconds; absent before its first chunk, and where the size of the input is not known. */
  readonly etaMs?: number | undefined;
  readonly slis: TransformSlis;
}

type Sums = { -readonly [Name in "records" | "written" | "failed" | "bytes"]: number };

/** Counts chunks as they are done. */
export class Progress {
  readonly sums: Sums & { chunks: number; invocations: number; retries: number } = {
    records: 0,
    written: 0,
    failed: 0,
    bytes: 0,
    chunks: 0,
    invocations: 0,
    retries: 0,
  };
  chunksReused = 0;
  objectsDone = 0;
  readonly #slis = new SliCounter();
  /** Of this start alone. */
  #freshBytes = 0;

  addChunk(entry: ChunkEntry, reused: boolean): void {
    const { records, written, failed, bytes } = entry;
    this.#add({ records, written, failed, bytes });
    this.#count(figuresOf(entry));
    if (reused) this.chunksReused += 1;
    else this.#freshBytes += bytes;
  }

  /** An object that was done before this start. */
  addObject({ records, written, failed, inputBytes: bytes, chunks }: ObjectSummary): void {
    this.#add({ records, written, failed, bytes });
    for (const chunk of chunks) this.#count(chunk);
    this.chunksReused += chunks.length;
    this.objectsDone += 1;
  }

  slis(cost: TransformCost | undefined): TransformSlis {
    return this.#slis.slis(cost);
  }

  costUsd(cost: TransformCost | undefined): number {
    return this.#slis.costUsd(cost);
  }

  /** At the pace at which the bytes of this start went by in so much time. */
  etaMs(totalBytes: number | undefined, elapsedMs: number): number | undefined {
    if (totalBytes === undefined || this.#freshBytes === 0) return undefined;
    return (Math.max(0, totalBytes - this.sums.bytes) * elapsedMs) / this.#freshBytes;
  }

  #count(figures: ChunkFigures): void {
    this.sums.chunks += 1;
    this.sums.invocations += figures.invocations;
    this.sums.retries += figures.retries;
    this.#slis.add(figures);
  }

  #add(amounts: Sums): void {
    for (const name of Object.keys(amounts) as (keyof Sums)[]) this.sums[name] += amounts[name];
  }
}
