import type { LinearModel } from "../linear-model.ts";
import { predictLinear } from "../linear-sums.ts";
import { inputDoubles, inputTensor } from "./edge-inputs.ts";
import type { EdgeKernel, KernelInputs } from "./edge-kernels.ts";
import type { Numbers } from "./numbers.ts";

export type LinearParts = Pick<LinearModel, "link">;

/** A linear model, whose arrays are `coefficients`, by output and then by feature, and `intercepts`. */
export function openEdgeLinear(
  { link }: LinearParts,
  numbers: Readonly<Record<string, Numbers>>,
  { inputs: specs }: KernelInputs,
): EdgeKernel {
  const flat = numbers["coefficients"] as Float64Array;
  const intercepts = Array.from(numbers["intercepts"] as Numbers);
  const width = intercepts.length;
  const coefficients = intercepts.map((_, output) =>
    Array.from(flat.subarray(output * specs.length, (output + 1) * specs.length)),
  );
  return {
    answer(inputs) {
      const columns: Float64Array[] = [];
      let rows: number | undefined;
      for (const spec of specs) {
        const tensor = inputTensor(inputs, spec, 1, rows);
        rows ??= tensor.data.length;
        columns.push(inputDoubles(tensor));
      }
      const data = new Float64Array((rows ?? 0) * width);
      predictLinear({ coefficients, intercepts, link }, columns, data);
      return { data, rows: rows ?? 0, width };
    },
  };
}
