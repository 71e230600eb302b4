import type { TensorSpec, Tensors } from "@millwright/contracts";

/** What answers tensors: the part of a module that is of its format. */
export interface EdgeKernel {
  /** One tensor, of the one output. */
  answer(inputs: Tensors): {
    readonly data: Float32Array | Float64Array;
    readonly rows: number;
    readonly width: number;
  };
}

/** A model's signature, as kernels read it. */
export interface KernelInputs {
  readonly inputs: readonly TensorSpec[];
}
