import type { Batch, BytesColumn, CapturedPrediction } from "@millwright/contracts";
import type { CapturedTable } from "./capture-writer.ts";
import type { Texts } from "./gathered-texts.ts";
import type { TensorBlock } from "./tensor-block.ts";

/** The requests of a block as a table that outlives it. */
export class BlockTable implements CapturedTable {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: CapturedPrediction["model"];
  readonly timesMs: Float64Array;
  readonly latenciesMs: Float64Array;
  readonly rowCounts: Uint32Array;
  readonly features: Batch;
  readonly outputs: Batch;
  declare readonly requestIds: readonly string[];
  declare readonly requestIdColumn: BytesColumn;
  readonly #texts: Texts;

  constructor(block: TensorBlock, requestIds: Texts, features: Batch, outputs: Batch) {
    this.endpoint = block.endpoint;
    this.variant = block.variant;
    this.model = block.model;
    this.timesMs = block.timesMs.slice();
    this.latenciesMs = block.latenciesMs.slice();
    this.rowCounts = block.rowCounts.slice();
    this.features = features;
    this.outputs = outputs;
    this.#texts = requestIds;
    // Its own, so that copies of the table have them.
    Object.defineProperties(this, BlockTable.#ids);
  }

  /** One for all: with functions of its own each table would have a hidden class, which outlives it. */
  static readonly #ids: PropertyDescriptorMap & ThisType<BlockTable> = {
    requestIds: {
      enumerable: true,
      get() {
        return this.#texts.strings;
      },
    },
    requestIdColumn: {
      enumerable: true,
      get() {
        return this.#texts.column;
      },
    },
  };
}
