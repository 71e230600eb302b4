import type { Batch, CapturedPrediction, NumericType, Tensor, Tensors } from "@millwright/contracts";
import { tensorColumns } from "@millwright/data";

export type Numbers = Float64Array;

/** The rows of one tensor of all requests of a block, one after another. */
export interface BlockTensor {
  readonly name: string;
  readonly dtype: NumericType;
  /** Numbers of a row. */
  readonly width: number;
  /** The shape of a row. */
  readonly shape: readonly number[];
  /** Typed as numbers: 64-bit integers are copied as they are. */
  readonly values: Numbers;
}

interface BlockParts {
  readonly inputs: readonly BlockTensor[];
  readonly outputs: readonly BlockTensor[];
}

/** Which request of a block, and its rows. */
interface BlockPlace {
  readonly requestId: string;
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly from: number;
  readonly rows: number;
}

/** One request of a block. Its tensors are cut out when they are asked for: most who look at it look at times and errors. */
export class BlockPrediction implements CapturedPrediction {
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly model: CapturedPrediction["model"];
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly #parts: BlockParts;
  readonly #place: BlockPlace;
  #features: Batch | undefined;
  #outputs: Tensors | undefined;

  constructor(
    { endpoint, variant, model }: Pick<CapturedPrediction, "endpoint" | "variant" | "model">,
    parts: BlockParts,
    place: BlockPlace,
  ) {
    this.requestId = place.requestId;
    this.endpoint = endpoint;
    this.variant = variant;
    this.model = model;
    this.timeMs = place.timeMs;
    this.latencyMs = place.latencyMs;
    this.#parts = parts;
    this.#place = place;
  }

  get features(): Batch | undefined {
    return (this.#features ??= tensorColumns(cut(this.#parts.inputs, this.#place.from, this.#place.rows)));
  }

  get outputs(): Tensors {
    return (this.#outputs ??= cut(this.#parts.outputs, this.#place.from, this.#place.rows));
  }
}

const cut = (tensors: readonly BlockTensor[], from: number, rows: number): Tensors =>
  Object.fromEntries(
    tensors.map(({ name, dtype, width, shape, values }): [string, Tensor] => {
      const data = values.slice(from * width, (from + rows) * width);
      return [name, { dtype, shape: [rows, ...shape], data } as unknown as Tensor];
    }),
  );
