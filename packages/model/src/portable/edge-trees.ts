import type { TensorSpec } from "@millwright/contracts";
import { type FlatTrees, predictFlat } from "../flat-trees.ts";
import type { TreeFeature, TreeModel } from "../tree-model.ts";
import { inputDoubles, inputTensor } from "./edge-inputs.ts";
import type { EdgeKernel, KernelInputs } from "./edge-kernels.ts";
import type { Numbers } from "./numbers.ts";

export type TreeParts = Pick<TreeModel, "base" | "bases" | "features" | "link">;

/** Trees, whose arrays are those of `FlatTrees`; children are kept by how far they are from their parents, and the missing side as 1 for left. */
export function openEdgeTrees(
  model: TreeParts,
  numbers: Readonly<Record<string, Numbers>>,
  { inputs: specs }: KernelInputs,
): EdgeKernel {
  const ints = (name: string): Int32Array => Int32Array.from(numbers[name] as Numbers);
  const absolute = (name: string): Int32Array => ints(name).map((distance, node) => node + distance);
  const [left, right, toLeft] = [absolute("left"), absolute("right"), numbers["missing"] as Numbers];
  const flat: FlatTrees = {
    roots: ints("roots"),
    feature: ints("feature"),
    number: Float64Array.from(numbers["number"] as Numbers),
    membersAt: ints("membersAt"),
    missing: left.map((node, at) => (toLeft[at] === 1 ? node : (right[at] as number))),
    left,
    right,
    members: numbers["members"] as Uint8Array,
  };
  const width = model.bases?.length ?? 1;
  const positions = model.features.map(categoryPositions);
  return {
    answer(inputs) {
      const columns: Float64Array[] = [];
      let rows: number | undefined;
      for (const [at, spec] of specs.entries()) {
        const tensor = inputTensor(inputs, spec as TensorSpec, 1, rows);
        rows ??= tensor.data.length;
        const known = positions[at] as ReadonlyMap<string, number>;
        columns.push(
          tensor.dtype === "string"
            ? Float64Array.from(tensor.data, (text) => known.get(text) ?? Number.NaN)
            : inputDoubles(tensor),
        );
      }
      const data = new Float64Array((rows ?? 0) * width);
      predictFlat(flat, model, columns, data);
      return { data, rows: rows ?? 0, width };
    },
  };
}

const categoryPositions = (feature: TreeFeature): ReadonlyMap<string, number> =>
  new Map(feature.kind === "category" ? feature.categories.map((text, at) => [text, at]) : []);
