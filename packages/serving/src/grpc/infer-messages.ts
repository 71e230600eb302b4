import type { Tensor, TensorType } from "@millwright/contracts";
import { bodyInvalid, inputInvalid } from "../errors.ts";
import { datatypes } from "../http/datatypes.ts";
import { tensorFromJson } from "../http/json-tensors.ts";
import { isHalfType } from "../protocols/half-floats.ts";
import {
  type InferAnswer,
  type InferRequest,
  decodeBinary,
  elementTypeOf,
  encodeBinary,
  isShape,
  wantedOutputs,
} from "../protocols/open-inference-codec.ts";
import type { InferParameter, InferTensor, ModelInferRequest, ModelInferResponse, TensorContents } from "./messages.ts";

const valueOf = (parameter: InferParameter | undefined): unknown =>
  parameter?.string_param ??
  parameter?.bool_param ??
  parameter?.double_param ??
  numberOf(parameter?.int64_param ?? parameter?.uint64_param);

const numberOf = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));

/** What a message asks; `binaryOutputs` says that it came with raw contents, as its answer will go. Throws `SERVING_BODY_INVALID`, `SERVING_INPUT_INVALID`. */
export function readInferMessage(message: ModelInferRequest): InferRequest {
  const { inputs, raw_input_contents: raw, parameters } = message;
  if (raw.length > 0 && raw.length !== inputs.length)
    throw bodyInvalid(`it has ${inputs.length} inputs and ${raw.length} raw contents`, "Send one for each input.");
  const tensors: Record<string, Tensor> = {};
  for (const [at, input] of inputs.entries()) {
    const { name } = input;
    if (Object.hasOwn(tensors, name)) throw inputInvalid(name, "it is there twice", "Send each input once.");
    Object.defineProperty(tensors, name, { value: readTensor(input, raw[at]), enumerable: true });
  }
  const half = valueOf(parameters.get("output_datatype"));
  const timeout = valueOf(parameters.get("timeout"));
  const explain = valueOf(parameters.get("explain"));
  return {
    id: message.id === "" ? undefined : message.id,
    inputs: tensors,
    outputs: outputsOf(message),
    binaryOutputs: raw.length > 0,
    halfOutputs: isHalfType(half) ? half : undefined,
    explain: typeof explain === "boolean" || typeof explain === "string" ? explain : undefined,
    timeoutMs: typeof timeout === "number" && timeout > 0 ? timeout / 1000 : undefined,
  };
}

function outputsOf({ outputs }: ModelInferRequest): InferRequest["outputs"] {
  if (outputs.length === 0) return undefined;
  return outputs.map(({ name, parameters }) => {
    const half = valueOf(parameters.get("output_datatype"));
    return { name, half: isHalfType(half) ? half : undefined };
  });
}

function readTensor({ name, datatype, shape: sizes, contents }: InferTensor, raw: Uint8Array | undefined): Tensor {
  const shape = sizes.map(Number);
  if (!isShape(shape))
    throw inputInvalid(name, "its shape is not a list of sizes", "Send whole numbers of at least 0.");
  if (raw !== undefined) {
    if (contents !== undefined && Object.values(contents).some((list) => list.length > 0))
      throw inputInvalid(name, "it has contents beside raw contents", "Send one of them.");
    return decodeBinary(name, { datatype, shape }, raw);
  }
  const dtype = elementTypeOf(datatype);
  if (dtype === undefined || isHalfType(datatype))
    throw inputInvalid(name, `contents of the datatype "${datatype.slice(0, 40)}" are not read`, "Send raw contents.");
  return tensorFromJson(name, dtype, shape, contents === undefined ? [] : itemsOf(name, contents, dtype));
}

const fields: Readonly<Record<TensorType, keyof TensorContents>> = {
  bool: "bool_contents",
  int8: "int_contents",
  int16: "int_contents",
  int32: "int_contents",
  int64: "int64_contents",
  uint8: "uint_contents",
  uint16: "uint_contents",
  uint32: "uint_contents",
  uint64: "uint64_contents",
  float32: "fp32_contents",
  float64: "fp64_contents",
  string: "bytes_contents",
};

const texts = new TextDecoder("utf-8", { fatal: true });

function itemsOf(name: string, contents: TensorContents, dtype: TensorType): readonly unknown[] {
  const items = contents[fields[dtype]];
  if (dtype === "int64" || dtype === "uint64") return (items as readonly bigint[]).map(String);
  if (dtype !== "string") return items;
  return (items as readonly Uint8Array[]).map((bytes, at) => {
    try {
      return texts.decode(bytes);
    } catch (error) {
      throw inputInvalid(name, `its text ${at} is not UTF-8`, "Send UTF-8.", error);
    }
  });
}

const contentsOf = ({ dtype, data }: Tensor): Partial<TensorContents> => {
  const field = fields[dtype];
  if (dtype === "string") return { [field]: data.map((text) => Buffer.from(text, "utf8")) };
  return { [field]: dtype === "bool" ? Array.from(data, Boolean) : Array.from<number | bigint>(data) };
};

const textParameters = (given: Readonly<Record<string, string>>): ReadonlyMap<string, InferParameter> =>
  new Map(Object.entries(given).map(([name, text]) => [name, { string_param: text } as InferParameter]));

/** Raw where raw was asked with, and where numbers of 16 bits are asked for. Throws `SERVING_OUTPUT_UNKNOWN`. */
export function writeInferMessage(
  { model, version, id, parameters, outputs }: InferAnswer,
  asked: InferRequest,
): Partial<ModelInferResponse> {
  const wanted = wantedOutputs(outputs, asked);
  const raw = asked.binaryOutputs || wanted.some(({ half }) => half !== undefined);
  return {
    model_name: model,
    model_version: version ?? "",
    id: id ?? "",
    parameters: textParameters(parameters),
    outputs: wanted.map(({ name, half, tensor }) => ({
      name,
      datatype: half ?? datatypes[tensor.dtype],
      shape: tensor.shape.map(BigInt),
      parameters: new Map(),
      contents: raw ? undefined : (contentsOf(tensor) as TensorContents),
    })),
    raw_output_contents: raw ? wanted.map(({ tensor, half }) => encodeBinary(tensor, half)) : [],
  };
}
