import type { CallOptions } from "./call-options.ts";
import type { Batch, Schema } from "./column.ts";
import type { Digest } from "./ids.ts";

export interface BatchesOptions extends CallOptions {
  /** Only these columns, in this order. Default: all, in schema order. */
  readonly columns?: readonly string[] | undefined;
  /** Most rows a batch; batches may be shorter. Default: 65,536. */
  readonly batchRows?: number | undefined;
}

/** Batches that can be walked again, any number of times, in the same order with the same content. */
export interface Dataset {
  readonly schema: Schema;
  /** Total rows, where known without reading. */
  readonly rows?: number | undefined;
  /** Walks the batches; leaving the loop early frees what was held. Batches are the caller's own: they are not reused. */
  batches(options?: BatchesOptions): AsyncIterable<Batch>;
  /**
   * The rows from `startRow` to `endRow` (exclusive, clamped) as a dataset of their own, for about the cost of reading them. Absent where they can only be reached by
   * reading all before them.
   */
  slice?(startRow: number, endRow: number): Dataset;
  /** Digest of schema and content, independent of how rows fall into batches. Reads the data once; remembered after. */
  digest(options?: CallOptions): Promise<Digest>;
  /** What another process needs to open the same rows. Throws `PORT_UNSUPPORTED` where the rows are not in files. */
  ref(options?: CallOptions): Promise<DatasetRef>;
}

/** A file that holds part of a dataset's rows. */
export interface DatasetPart {
  /** Absolute path, or a URL for stores that have them. */
  readonly path: string;
  readonly format: "parquet" | "arrow" | "csv" | "ndjson";
  readonly sizeBytes: number;
  readonly rows?: number | undefined;
}

/** A dataset as it crosses a process boundary. JSON-safe. */
export interface DatasetRef {
  readonly formatVersion: 1;
  /** The dataset's content digest: whoever opens the parts can check it got the same rows. */
  readonly digest: Digest;
  readonly schema: Schema;
  readonly rows?: number | undefined;
  /** In row order. */
  readonly parts: readonly DatasetPart[];
}
