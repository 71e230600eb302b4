import type { ChunkEntry, ObjectSummary } from "./ledger.ts";

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
}

type Sums = {
  -readonly [Name in "records" | "written" | "failed" | "chunks" | "bytes" | "invocations" | "retries"]: number;
};

/** Counts chunks as they are done. */
export class Progress {
  readonly sums: Sums = { records: 0, written: 0, failed: 0, chunks: 0, bytes: 0, invocations: 0, retries: 0 };
  chunksReused = 0;
  objectsDone = 0;

  addChunk(entry: ChunkEntry, reused: boolean): void {
    const { records, written, failed, bytes, invocations, retries } = entry;
    this.#add({ records, written, failed, bytes, invocations, retries, chunks: 1 });
    if (reused) this.chunksReused += 1;
  }

  /** An object that was done before this start. */
  addObject(summary: ObjectSummary): void {
    const { records, written, failed, inputBytes: bytes, invocations, retries, chunks } = summary;
    this.#add({ records, written, failed, bytes, invocations, retries, chunks });
    this.chunksReused += chunks;
    this.objectsDone += 1;
  }

  #add(amounts: Sums): void {
    for (const name of Object.keys(amounts) as (keyof Sums)[]) this.sums[name] += amounts[name];
  }
}
