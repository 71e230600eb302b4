import type { Tensor, TensorType, Tensors } from "@millwright/contracts";
import { explainOf } from "../content/explain-parameter.ts";
import { datatypes, typeOfDatatype } from "../http/datatypes.ts";
import { bodyInvalid, inputInvalid, outputUnknown } from "../errors.ts";
import { jsonObjectOf, parseJson, textOf } from "../http/http-message.ts";
import { dataText, pointer, tensorFromJson } from "../http/json-tensors.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";
import { type HalfType, isHalfType, narrowed, widened } from "./half-floats.ts";
import { longIntegersAsTexts } from "./json-text.ts";

/** An inference request of the Open Inference Protocol, read. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly inputs: Tensors;
  /** The outputs asked for; `undefined` means all. */
  readonly outputs: readonly AskedOutput[] | undefined;
  /** Whether outputs are binary where they do not say. */
  readonly binaryOutputs: boolean;
  /** As what 32-bit floating-point outputs are sent where they do not say. */
  readonly halfOutputs?: HalfType | undefined;
  /** How long the caller waits, milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Whether, or which rows are to be explained. */
  readonly explain?: boolean | string | undefined;
}

export interface AskedOutput {
  readonly name: string;
  readonly binary?: boolean | undefined;
  readonly half?: HalfType | undefined;
}

type JsonMap = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonMap =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/**
 * Reads a body: JSON, and after its first `headerLength` bytes the tensors of the binary extension.
 * Throws `SERVING_BODY_INVALID`, `SERVING_INPUT_INVALID`.
 */
export function readInferRequest(body: Uint8Array, headerLength: string | undefined): InferRequest {
  const jsonBytes = headerLength === undefined ? body.length : Number(headerLength);
  if (!Number.isSafeInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > body.length) {
    throw bodyInvalid(`Inference-Header-Content-Length is "${headerLength}", and the body has ${body.length} bytes`);
  }
  const header = body.subarray(0, jsonBytes);
  const message = jsonObjectOf(header);
  const { id, inputs } = message;
  if (id !== undefined && typeof id !== "string") throw bodyInvalid("`id` is not a text");
  if (!Array.isArray(inputs))
    throw bodyInvalid("`inputs` is not a list", "Send `inputs` with name, shape, datatype and data.");
  const rest = { bytes: body.subarray(jsonBytes), at: 0 };
  const digits = wideDigits(header);
  const tensors: Record<string, Tensor> = {};
  for (const [at, input] of (inputs as readonly unknown[]).entries()) {
    if (!isObject(input) || typeof input["name"] !== "string") throw bodyInvalid("an entry of `inputs` has no name");
    if (Object.hasOwn(tensors, input["name"]))
      throw inputInvalid(input["name"], "it is there twice", "Send each input once.");
    Object.defineProperty(tensors, input["name"], {
      value: readInput(input["name"], input, rest, () => digits(at)),
      enumerable: true,
    });
  }
  if (rest.at !== rest.bytes.length)
    throw bodyInvalid(`${rest.bytes.length - rest.at} bytes follow the last binary tensor`);
  return {
    id,
    inputs: tensors,
    outputs: readOutputs(message["outputs"]),
    ...requestParameters(parameters(message)),
  };
}

type RequestParameters = Pick<InferRequest, "binaryOutputs" | "explain" | "halfOutputs" | "timeoutMs">;

function requestParameters(given: JsonMap): RequestParameters {
  const { timeout, output_datatype: half, binary_data_output: binary } = given;
  return {
    binaryOutputs: binary === true,
    explain: explainOf(given),
    halfOutputs: isHalfType(half) ? half : undefined,
    // Microseconds on the wire.
    timeoutMs: typeof timeout === "number" && timeout > 0 ? timeout / 1000 : undefined,
  };
}

/** The data of an input by its place, with integers that a number cannot hold as texts: read once, where an input of 64-bit integers asks. */
function wideDigits(header: Uint8Array): (at: number) => unknown {
  let again: unknown;
  return (at) => {
    again ??= parseJson(longIntegersAsTexts(textOf(header)));
    return (again as { readonly inputs: readonly JsonMap[] }).inputs[at]?.["data"];
  };
}

const parameters = (owner: JsonMap): JsonMap => {
  const value = owner["parameters"];
  return isObject(value) ? value : {};
};

interface Rest {
  readonly bytes: Uint8Array;
  at: number;
}

/** The element type that a datatype becomes: numbers of 16 bits are widened. */
export const elementTypeOf = (datatype: unknown): TensorType | undefined =>
  isHalfType(datatype) ? "float32" : typeof datatype === "string" ? typeOfDatatype(datatype) : undefined;

function readInput(name: string, input: JsonMap, rest: Rest, digits: () => unknown): Tensor {
  const { datatype, shape, data } = input;
  const dtype = elementTypeOf(datatype);
  if (dtype === undefined) {
    throw inputInvalid(
      name,
      `its datatype is ${JSON.stringify(datatype)?.slice(0, 40)}`,
      `Send one of ${knownDatatypes}.`,
    );
  }
  if (!isShape(shape))
    throw inputInvalid(name, "its shape is not a list of sizes", "Send whole numbers of at least 0.");
  const size = parameters(input)["binary_data_size"];
  if (size === undefined) {
    if (!Array.isArray(data))
      throw inputInvalid(name, "its `data` is not a list", "Send `data`, or binary data with its size.");
    if (datatype === "BF16") throw inputInvalid(name, "its BF16 comes as JSON", "Send BF16 as binary data.");
    const wide = dtype === "int64" || dtype === "uint64";
    return tensorFromJson(name, dtype, shape, wide ? digits() : data, pointer(["inputs", name, "data"]));
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0 || rest.at + (size as number) > rest.bytes.length) {
    throw inputInvalid(
      name,
      `its binary_data_size is ${JSON.stringify(size)?.slice(0, 40)}, and ${rest.bytes.length - rest.at} bytes are left`,
      "Send its size in bytes.",
    );
  }
  const bytes = rest.bytes.subarray(rest.at, rest.at + (size as number));
  rest.at += size as number;
  return decodeBinary(name, { datatype: datatype as string, shape }, bytes);
}

const knownDatatypes = [...Object.values(datatypes), "FP16", "BF16"].join(", ");

export const isShape = (shape: unknown): shape is readonly number[] =>
  Array.isArray(shape) &&
  shape.length <= 32 &&
  shape.every((length) => Number.isSafeInteger(length) && length >= 0) &&
  Number.isSafeInteger(sizeOf(shape as number[]));

/** Little-endian, row-major; texts as a 32-bit length and UTF-8 bytes each. Throws `SERVING_INPUT_INVALID`. */
export function decodeBinary(
  name: string,
  { datatype, shape }: { readonly datatype: string; readonly shape: readonly number[] },
  bytes: Uint8Array,
): Tensor {
  const size = sizeOf(shape);
  const dtype = elementTypeOf(datatype);
  if (dtype === undefined)
    throw inputInvalid(name, `its datatype is "${datatype.slice(0, 40)}"`, `Send one of ${knownDatatypes}.`);
  if (isHalfType(datatype)) {
    if (bytes.length !== size * 2) throw sizeWrong(name, shape, bytes.length, size * 2);
    return { dtype: "float32", shape, data: widened(datatype, bytes) };
  }
  if (dtype === "string") return { dtype, shape, data: decodeTexts(name, size, bytes) };
  const width = new arrayTypes[dtype](0).BYTES_PER_ELEMENT;
  if (bytes.length !== size * width) throw sizeWrong(name, shape, bytes.length, size * width);
  // Copied: a slice of a body need not be aligned.
  const values = new arrayTypes[dtype](size);
  new Uint8Array(values.buffer).set(bytes);
  if (dtype === "bool") for (let at = 0; at < size; at += 1) values[at] = values[at] === 0 ? 0 : 1;
  return { dtype, shape, data: values } as Tensor;
}

const sizeWrong = (name: string, shape: readonly number[], bytes: number, expected: number): Error =>
  inputInvalid(name, `it has ${bytes} bytes for the shape [${shape.join(", ")}]`, `Send ${expected}.`);

function decodeTexts(name: string, size: number, bytes: Uint8Array): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length)
      throw inputInvalid(name, `its text ${texts.length} is cut short`, "Send a 32-bit length before each.");
    try {
      texts.push(decoder.decode(bytes.subarray(at + 4, at + 4 + length)));
    } catch (error) {
      throw inputInvalid(name, `its text ${texts.length} is not UTF-8`, "Send UTF-8.", error);
    }
    at += 4 + length;
  }
  if (texts.length !== size) throw inputInvalid(name, `it has ${texts.length} texts`, `Send ${size}.`);
  return texts;
}

function readOutputs(outputs: unknown): InferRequest["outputs"] {
  if (outputs === undefined || outputs === null) return undefined;
  if (!Array.isArray(outputs)) throw bodyInvalid("`outputs` is not a list");
  return (outputs as readonly unknown[]).map((output) => {
    if (!isObject(output) || typeof output["name"] !== "string") throw bodyInvalid("an entry of `outputs` has no name");
    const { binary_data: binary, output_datatype: half } = parameters(output);
    return {
      name: output["name"],
      binary: typeof binary === "boolean" ? binary : undefined,
      half: isHalfType(half) ? half : undefined,
    };
  });
}

export interface InferAnswer {
  readonly model: string;
  readonly version: string | undefined;
  readonly id: string | undefined;
  /** Strings, numbers and booleans by name. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly outputs: Tensors;
}

/** The answer's body; `headerLength` is there when binary tensors follow the JSON. Throws `SERVING_OUTPUT_UNKNOWN`. */
export function writeInferAnswer(
  { model, version, id, parameters: named, outputs }: InferAnswer,
  asked: Pick<InferRequest, "outputs" | "binaryOutputs" | "halfOutputs">,
): { readonly body: string | Uint8Array; readonly headerLength: number | undefined } {
  const parts: Uint8Array[] = [];
  const texts = wantedOutputs(outputs, asked).map(({ name, binary, half, tensor }) => {
    const datatype = half ?? datatypes[tensor.dtype];
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${tensor.shape.join(",")}]`;
    // Numbers of 16 bits have no form in JSON.
    if (half === undefined && !binary) return `${head},"data":${dataText(tensor)}}`;
    const bytes = encodeBinary(tensor, half);
    parts.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const head = {
    model_name: model,
    ...(version === undefined ? {} : { model_version: version }),
    ...(id === undefined ? {} : { id }),
    parameters: named,
  };
  const text = `${JSON.stringify(head).slice(0, -1)},"outputs":[${texts.join(",")}]}`;
  if (parts.length === 0) return { body: text, headerLength: undefined };
  const json = new TextEncoder().encode(text);
  return { body: Buffer.concat([json, ...parts]), headerLength: json.length };
}

/** An answer as JSON, whatever it goes as. */
export const inferAnswerText = (answer: InferAnswer, outputs: InferRequest["outputs"]): string =>
  String(writeInferAnswer(answer, { outputs, binaryOutputs: false, halfOutputs: undefined }).body);

/** A request as JSON, whatever it came as. */
export function inferText(id: string | undefined, inputs: Tensors): string {
  const texts = Object.entries(inputs).map(
    ([name, tensor]) =>
      `{"name":${JSON.stringify(name)},"datatype":"${datatypes[tensor.dtype]}","shape":[${tensor.shape.join(",")}],"data":${dataText(tensor)}}`,
  );
  return `{${id === undefined ? "" : `"id":${JSON.stringify(id)},`}"inputs":[${texts.join(",")}]}`;
}

export interface WantedOutput {
  readonly name: string;
  readonly binary: boolean;
  readonly half: HalfType | undefined;
  readonly tensor: Tensor;
}

/** The outputs to send, in the order they were asked for. Throws `SERVING_OUTPUT_UNKNOWN`. */
export function wantedOutputs(
  outputs: Tensors,
  asked: Pick<InferRequest, "outputs" | "binaryOutputs" | "halfOutputs">,
): readonly WantedOutput[] {
  const wanted: readonly AskedOutput[] = asked.outputs ?? Object.keys(outputs).map((name) => ({ name }));
  return wanted.map(({ name, binary = asked.binaryOutputs, half = asked.halfOutputs }) => {
    const tensor = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
    if (tensor === undefined) throw outputUnknown(name, Object.keys(outputs));
    return { name, binary, half: tensor.dtype === "float32" ? half : undefined, tensor };
  });
}

/** As `decodeBinary` reads it. */
export function encodeBinary({ dtype, data }: Tensor, half?: HalfType): Uint8Array {
  if (half !== undefined && dtype === "float32") return narrowed(half, data);
  if (dtype !== "string") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat(
    data.flatMap((text) => {
      const bytes = Buffer.from(text, "utf8");
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
