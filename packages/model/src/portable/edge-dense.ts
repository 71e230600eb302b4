import type { TensorSpec } from "@millwright/contracts";
import type { Activation } from "../activation.ts";
import { denseKernelWith, plainMultiplier } from "../dense-rows.ts";
import { fieldInvalid } from "./edge-error.ts";
import { inputTensor } from "./edge-inputs.ts";
import type { EdgeKernel, KernelInputs } from "./edge-kernels.ts";
import type { Numbers } from "./numbers.ts";

export interface DenseParts {
  readonly layers: readonly { readonly activation: Activation }[];
}

/** A dense network, whose arrays are `kernel0`, `bias0`, `kernel1`, … In JavaScript alone: a strict policy forbids WebAssembly. */
export function openEdgeDense(
  { layers }: DenseParts,
  numbers: Readonly<Record<string, Numbers>>,
  { inputs: [input] }: KernelInputs,
): EdgeKernel {
  const whole = layers.map(({ activation }, at) => ({
    kernel: numbers[`kernel${at}`] as Float32Array,
    bias: numbers[`bias${at}`] as Float32Array,
    activation,
  }));
  const kernel = denseKernelWith(whole, plainMultiplier(whole));
  const spec = input as TensorSpec;
  return {
    answer(inputs) {
      const { dtype, data } = inputTensor(inputs, spec, kernel.inputs, undefined);
      if (dtype !== "float32" && dtype !== "float64")
        throw fieldInvalid(spec.name, `its type is ${dtype}`, "float32 or float64");
      const rows = data.length / kernel.inputs;
      const answers = new Float32Array(rows * kernel.outputs);
      kernel.run(data, rows, answers);
      return { data: answers, rows, width: kernel.outputs };
    },
  };
}
