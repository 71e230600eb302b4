import type { ModelSignature, Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { datatypes } from "../http/datatypes.ts";
import { inputInvalid } from "../errors.ts";
import { pointer } from "../http/json-tensors.ts";
import { sizeOf } from "./tensor-rows.ts";

/** Where an input stands in a body that names its inputs; in one that lists them it is called by its name all the same. */
const pathOf = (input: string): string => pointer(["inputs", input]);

/** How people read what an input must be. */
export const describeSpec = ({ name, dtype, shape }: TensorSpec): string =>
  `"${name}" as ${datatypes[dtype]} of shape [${shape.join(", ")}]`;

/**
 * Checks tensors against the signature and puts them in its order.
 * @returns the tensors and how many rows they have: the first size, the same in all; 1 where no input has a free first size.
 * Throws `SERVING_INPUT_INVALID`, naming the first input that is missing, unknown, of another type, shape or number of rows.
 */
export function checkInputs(
  signature: ModelSignature,
  given: Tensors,
): { readonly tensors: Tensors; readonly rows: number } {
  const unknown = Object.keys(given).find((name) => !signature.inputs.some((spec) => spec.name === name));
  if (unknown !== undefined) {
    throw inputInvalid(
      unknown,
      "the model has no such input",
      `It takes ${signature.inputs.map(describeSpec).join(", ")}.`,
      undefined,
      pathOf(unknown),
    );
  }
  let rows: number | undefined;
  const tensors: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const tensor = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
    if (tensor === undefined)
      throw inputInvalid(spec.name, "it is missing", `Send ${describeSpec(spec)}.`, undefined, "/inputs");
    checkTensor(spec, tensor);
    tensors[spec.name] = tensor;
    if (!batched(spec)) continue;
    const own = tensor.shape[0] ?? 0;
    if (rows !== undefined && own !== rows) {
      throw inputInvalid(
        spec.name,
        `it has ${own} rows, and the inputs before it have ${rows}`,
        "Send as many rows of each input.",
        undefined,
        pathOf(spec.name),
      );
    }
    rows = own;
  }
  return { tensors, rows: rows ?? 1 };
}

/** Whether the first size is free, so that rows of several requests can stand in one tensor. */
const batched = ({ shape }: TensorSpec): boolean => shape[0] === -1;

/** Whether requests may share a batch. */
export const isBatchable = (signature: ModelSignature): boolean =>
  signature.inputs.every(batched) && signature.outputs.every(batched);

/** Whether no size but the first is free: then whatever fits the signature has one shape. */
export const hasFixedShape = (signature: ModelSignature): boolean =>
  signature.inputs.every(({ shape }) => shape.every((size, at) => at === 0 || size !== -1));

function checkTensor(spec: TensorSpec, { dtype, shape, data }: Tensor): void {
  const refuse = (problem: string): Error =>
    inputInvalid(spec.name, problem, `Send ${describeSpec(spec)}.`, undefined, pathOf(spec.name));
  if (dtype !== spec.dtype) throw refuse(`its type is ${datatypes[dtype] ?? dtype}, not ${datatypes[spec.dtype]}`);
  const fits =
    shape.length === spec.shape.length &&
    spec.shape.every((size, at) =>
      size === -1 ? Number.isInteger(shape[at]) && (shape[at] ?? -1) >= 0 : size === shape[at],
    );
  if (!fits) throw refuse(`its shape is [${shape.join(", ")}], not [${spec.shape.join(", ")}]`);
  if (data.length !== sizeOf(shape)) throw refuse(`it has ${data.length} elements for the shape [${shape.join(", ")}]`);
  if (shape[0] === 0) throw refuse("it has no rows");
}
