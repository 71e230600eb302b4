import type { ModelSignature, Tensor, Tensors } from "@millwright/contracts";
import { inputMismatch } from "./errors.ts";

/** An input of one number a row, of any numeric type, as 64-bit floats. Throws `MODEL_INPUT_MISMATCH`. */
export function numberInput(inputs: Tensors, name: string, rows: number): Float64Array {
  const expected = `"${name}" as numbers of shape [rows] or [rows, 1]`;
  const tensor = inputOf(inputs, name, rows, expected);
  if (tensor.dtype === "string") throw inputMismatch(name, "its type is string", expected);
  if (tensor.dtype === "float64") return tensor.data;
  return Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** An input of one text a row. Throws `MODEL_INPUT_MISMATCH`. */
export function textInput(inputs: Tensors, name: string, rows: number): readonly string[] {
  const expected = `"${name}" as texts of shape [rows] or [rows, 1]`;
  const tensor = inputOf(inputs, name, rows, expected);
  if (tensor.dtype !== "string") throw inputMismatch(name, `its type is ${tensor.dtype}`, expected);
  return tensor.data;
}

function inputOf(inputs: Tensors, name: string, rows: number, expected: string): Tensor {
  const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  if (tensor === undefined) throw inputMismatch(name, "it is missing", expected);
  const { shape, data } = tensor;
  const fits =
    data.length === rows && shape[0] === rows && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
  if (fits) return tensor;
  throw inputMismatch(name, `its shape is [${shape.join(", ")}] with ${data.length} values for ${rows} rows`, expected);
}

/** Names, types and shapes alone, to compare signatures by. */
export const signatureText = ({ inputs, outputs }: ModelSignature): string =>
  JSON.stringify([inputs, outputs].map((specs) => specs.map(({ name, dtype, shape }) => [name, dtype, shape])));
