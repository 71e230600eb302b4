/** Element types of tensors that cross a package boundary, each with its array in memory. */
export interface TensorArrays {
  readonly bool: Uint8Array;
  readonly int8: Int8Array;
  readonly int16: Int16Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
  readonly uint16: Uint16Array;
  readonly uint32: Uint32Array;
  readonly uint64: BigUint64Array;
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly string: readonly string[];
}

export type TensorType = keyof TensorArrays;

/** A dense tensor in row-major order; `data` has exactly the product of `shape` elements. */
export type Tensor = {
  [Type in TensorType]: {
    readonly dtype: Type;
    readonly shape: readonly number[];
    readonly data: TensorArrays[Type];
  };
}[TensorType];

/** Tensors by name: what a model takes and gives. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** One named input or output of a model. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: TensorType;
  /** Sizes; −1 where any size is allowed (the batch, first, as a rule). */
  readonly shape: readonly number[];
}

export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A tensor as JSON carries it: `data` is flat; what JSON has no number for is text (see `encodeTensor`). */
export interface JsonTensor {
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  readonly data: readonly (number | string | boolean)[];
}
