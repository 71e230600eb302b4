import { type Batch, type Tensor, type Tensors } from "@millwright/contracts";
import { asFloat64, assertTransformable, type FittedTransforms, schemaOf, toArray } from "@millwright/data";
import type { OnnxOptions } from "./write-onnx.ts";

/**
 * The columns that transforms read as the inputs of the ONNX file that `writeOnnxModel` makes of them: tensors of shape [rows, 1], whose data an ONNX
 * runtime takes as they are. Further columns are left out. Throws `DATA_SCHEMA_MISMATCH`.
 */
export function onnxInputs(
  transforms: FittedTransforms,
  batch: Batch,
  { missingText = "" }: Pick<OnnxOptions, "missingText"> = {},
): Tensors {
  assertTransformable(transforms, schemaOf(batch));
  const tensors: Record<string, Tensor> = {};
  for (const { column: name, input } of transforms.steps) {
    const column = batch.columns[name];
    if (column === undefined || tensors[name] !== undefined) continue;
    const shape = [batch.length, 1];
    tensors[name] =
      input === "text"
        ? { dtype: "string", shape, data: toArray(column).map((each) => (each === null ? missingText : String(each))) }
        : { dtype: "float64", shape, data: asFloat64(column) };
  }
  return tensors;
}
