import type { Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import type { PredictRequest } from "../engine/prediction.ts";
import { inputInvalid, requestInvalid } from "../errors.ts";
import { pointer, tensorFromJson } from "../http/json-tensors.ts";

type Specs = readonly TensorSpec[];
type Columns = Readonly<Record<string, unknown>>;

const isColumns = (inputs: unknown): inputs is Columns =>
  inputs !== null && typeof inputs === "object" && !Array.isArray(inputs);

/**
 * The column form of a request: inputs of the signature by name, or the raw columns that the model's transforms read, which are rows then: texts, dates and nulls are as they are in rows.
 * @param columns What the transforms read; `undefined` where there are none.
 * Throws `SERVING_REQUEST_INVALID`, `SERVING_INPUT_INVALID`.
 */
export function columnForm(
  specs: Specs,
  inputs: unknown,
  columns: readonly { readonly name: string }[] | undefined,
): Pick<PredictRequest, "instances" | "inputs"> {
  const raw = columns !== undefined && isColumns(inputs) && !specs.some(({ name }) => Object.hasOwn(inputs, name));
  return raw ? { instances: rowsOf(inputs) } : { inputs: columnInputs(specs, inputs) };
}

/** Column form of TensorFlow Serving: each input by name with nested lists, whose sizes make the shape. */
export function columnInputs(specs: Specs, inputs: unknown): Tensors {
  if (!isColumns(inputs)) throw requestInvalid("`inputs` is not an object", "Send each input by its name.", "/inputs");
  const tensors = Object.entries(inputs).map(([name, value]): readonly [string, Tensor] => {
    const spec = specs.find((each) => each.name === name);
    const place = pointer(["inputs", name]);
    return [name, tensorFromJson(name, spec?.dtype ?? "float32", shapeOf(value), value, place)];
  });
  return Object.fromEntries(tensors);
}

export function shapeOf(value: unknown): readonly number[] {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at) && shape.length < 32; at = at[0]) shape.push(at.length);
  return shape;
}

/** Columns of raw values, side by side. */
function rowsOf(inputs: Columns): readonly Columns[] {
  const columns = Object.entries(inputs).map(([name, values]) => {
    if (!Array.isArray(values))
      throw inputInvalid(name, "it is not a list", "Send a value for each row.", undefined, pointer(["inputs", name]));
    return [name, values.map(single)] as const;
  });
  const rows = columns[0]?.[1].length ?? 0;
  const uneven = columns.find(([, values]) => values.length !== rows);
  if (uneven !== undefined)
    throw inputInvalid(
      uneven[0],
      `it has ${uneven[1].length} rows, and the first has ${rows}`,
      "Send as many of each.",
      undefined,
      pointer(["inputs", uneven[0]]),
    );
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[row]])),
  );
}

/** What stands alone in a list of its own, as columns of shape [n, 1] are written. */
export const single = (value: unknown): unknown =>
  Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
