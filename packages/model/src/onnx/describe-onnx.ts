import type { ModelSignature, TensorSpec, TensorType } from "@millwright/contracts";
import { onnxInvalid } from "../errors.ts";
import { integerOf, messagesOf, textOf, WireError } from "./protobuf-reader.ts";

/** What an ONNX file says of itself. */
export interface OnnxDescription {
  /** Inputs that are no weights, and outputs; −1 for a size with a name or none. */
  readonly signature: ModelSignature;
  /** Versions of the operators by domain; `""` is ONNX's own. */
  readonly operators: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** What wrote it, as it says. */
  readonly producer: string;
  /** Files beside it that hold weights, each once. */
  readonly externalFiles: readonly string[];
}

/** Element types by their number in `TensorProto.DataType`, those that tensors here can have. */
const types: Readonly<Record<number, TensorType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

/**
 * Reads what is needed to pack and serve the bytes of an `.onnx` file, whatever wrote it: field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Throws `MODEL_ONNX_INVALID`: for what is no ONNX file, for inputs and outputs that are no
 * tensors (sequences and maps, as scikit-learn's classifiers give them unless they are exported with `zipmap=False`) or of a type that none here has, and
 * for weights in a file outside the model's own folder.
 */
export function describeOnnx(bytes: Uint8Array): OnnxDescription {
  try {
    return describe(bytes);
  } catch (error) {
    if (error instanceof WireError) throw onnxInvalid(`the bytes are no ONNX file: ${error.message}`, error);
    throw error;
  }
}

function describe(bytes: Uint8Array): OnnxDescription {
  const graph = messagesOf(bytes, 7).at(-1);
  if (graph === undefined || integerOf(bytes, 1) === undefined)
    throw onnxInvalid("the bytes are no ONNX file: there is no graph in it");
  const weights = messagesOf(graph, 5);
  const constants = new Set(weights.map((weight) => textOf(weight, 8)));
  const inputs = messagesOf(graph, 11).filter((input) => !constants.has(textOf(input, 1)));
  return {
    signature: { inputs: inputs.map(specOf), outputs: messagesOf(graph, 12).map(specOf) },
    operators: Object.fromEntries(messagesOf(bytes, 8).map((each) => [textOf(each, 1), integerOf(each, 2) ?? 0])),
    metadata: Object.fromEntries(messagesOf(bytes, 14).map((each) => [textOf(each, 1), textOf(each, 2)])),
    producer: [textOf(bytes, 2), textOf(bytes, 3)].join(" ").trim(),
    externalFiles: externalFilesOf(weights),
  };
}

/** The `location` entries of weights, none of which may lead out of the model's folder. */
function externalFilesOf(weights: readonly Uint8Array[]): readonly string[] {
  const entries = weights.flatMap((weight) => messagesOf(weight, 13));
  const files = new Set(entries.filter((entry) => textOf(entry, 1) === "location").map((entry) => textOf(entry, 2)));
  const stray = [...files].find((file) => file === "" || /^[/\\]|^[a-zA-Z]:|(^|[/\\])\.\.([/\\]|$)/.test(file));
  if (stray !== undefined) throw onnxInvalid(`its weights are in "${stray}", outside its folder`);
  return [...files].toSorted();
}

/** A `ValueInfoProto`: its name, and within its type a tensor's element type and sizes. */
function specOf(info: Uint8Array): TensorSpec {
  const name = textOf(info, 1);
  const tensor = messagesOf(info, 2).flatMap((type) => messagesOf(type, 1))[0];
  if (tensor === undefined)
    throw onnxInvalid(`"${name}" is no tensor; scikit-learn's classifiers are exported with zipmap=False`);
  const number = integerOf(tensor, 1) ?? 0;
  const dtype = types[number];
  if (dtype === undefined)
    throw onnxInvalid(`"${name}" has the element type ${number}, and only ${Object.values(types).join(", ")} are read`);
  const sizes = messagesOf(tensor, 2).flatMap((shape) => messagesOf(shape, 1));
  return { name, dtype, shape: sizes.map((size) => integerOf(size, 1) ?? -1) };
}
