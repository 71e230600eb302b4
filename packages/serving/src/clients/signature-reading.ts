import type { ModelSignature, TensorSpec, TensorType } from "@millwright/contracts";
import { datatypes } from "../http/datatypes.ts";
import { elementTypeOf } from "../protocols/open-inference-codec.ts";
import { signatureUnreadable } from "./client-errors.ts";

type Message = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Message =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const isShape = (shape: unknown): shape is readonly number[] =>
  Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= -1);

/** The signature in a model's metadata of the Open Inference Protocol. Throws `SERVING_CLIENT_SIGNATURE_INVALID`. */
export function signatureOfMetadata(where: string, metadata: Message): ModelSignature {
  const read = (member: "inputs" | "outputs"): readonly TensorSpec[] =>
    listOf(where, metadata, member).map((each) =>
      specOf(where, each["name"], elementTypeOf(each["datatype"]), each["datatype"], each["shape"]),
    );
  return { inputs: read("inputs"), outputs: read("outputs") };
}

/** The signature of a manifest of a model package, or of one alone. Throws `SERVING_CLIENT_SIGNATURE_INVALID`. */
export function signatureOfManifest(where: string, manifest: unknown): ModelSignature {
  const whole = isObject(manifest) ? manifest : {};
  const signature = isObject(whole["signature"]) ? whole["signature"] : whole;
  const read = (member: "inputs" | "outputs"): readonly TensorSpec[] =>
    listOf(where, signature, member).map((each) => {
      const known = typeof each["dtype"] === "string" && Object.hasOwn(datatypes, each["dtype"]);
      return specOf(
        where,
        each["name"],
        known ? (each["dtype"] as TensorType) : undefined,
        each["dtype"],
        each["shape"],
      );
    });
  return { inputs: read("inputs"), outputs: read("outputs") };
}

function listOf(where: string, owner: Message, member: string): readonly Message[] {
  const list = owner[member];
  if (!Array.isArray(list) || list.length === 0 || !list.every(isObject))
    throw signatureUnreadable(where, `it has no list of \`${member}\``);
  return list;
}

function specOf(
  where: string,
  name: unknown,
  dtype: TensorType | undefined,
  told: unknown,
  shape: unknown,
): TensorSpec {
  if (typeof name !== "string" || name === "") throw signatureUnreadable(where, "an input or output has no name");
  if (dtype === undefined) throw signatureUnreadable(where, `the element type of "${name}" is ${String(told)}`);
  const sizes = isShape(shape) ? shape : undefined;
  if (sizes === undefined) throw signatureUnreadable(where, `the shape of "${name}" is ${JSON.stringify(shape)}`);
  return { name, dtype, shape: sizes };
}

/** TensorFlow's names of element types. */
const tensorFlowTypes: Readonly<Record<string, TensorType>> = {
  DT_BOOL: "bool",
  DT_INT8: "int8",
  DT_INT16: "int16",
  DT_INT32: "int32",
  DT_INT64: "int64",
  DT_UINT8: "uint8",
  DT_UINT16: "uint16",
  DT_UINT32: "uint32",
  DT_UINT64: "uint64",
  DT_HALF: "float32",
  DT_BFLOAT16: "float32",
  DT_FLOAT: "float32",
  DT_DOUBLE: "float64",
  DT_STRING: "string",
};

/** The signature in TensorFlow Serving's metadata of a model. Throws `SERVING_CLIENT_SIGNATURE_INVALID`. */
export function signatureOfTensorFlow(where: string, metadata: Message, signatureName: string): ModelSignature {
  const step = (value: unknown, ...path: readonly string[]): unknown =>
    path.reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), value);
  const found = step(metadata, "metadata", "signature_def", "signature_def", signatureName);
  if (!isObject(found)) throw signatureUnreadable(where, `it has no signature "${signatureName}"`);
  const read = (member: "inputs" | "outputs"): readonly TensorSpec[] => {
    const tensors = found[member];
    if (!isObject(tensors)) throw signatureUnreadable(where, `it has no \`${member}\``);
    return Object.entries(tensors).map(([name, tensor]) => {
      const dims = step(tensor, "tensor_shape", "dim");
      const sizes = Array.isArray(dims) ? dims.map((dim) => Number(step(dim, "size"))) : [];
      const dtype = step(tensor, "dtype");
      const unknownRank = step(tensor, "tensor_shape", "unknown_rank") === true;
      return specOf(where, name, tensorFlowTypes[String(dtype)], dtype, unknownRank ? undefined : sizes);
    });
  };
  return { inputs: read("inputs"), outputs: read("outputs") };
}
