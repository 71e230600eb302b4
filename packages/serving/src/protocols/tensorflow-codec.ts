import type { Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { columnForm, columnInputs, single } from "../content/column-form.ts";
import type { PredictRequest } from "../engine/prediction.ts";
import { sizeOf } from "../engine/tensor-rows.ts";
import { bodyInvalid, inputInvalid, requestInvalid } from "../errors.ts";
import { parseJson, textOf } from "../http/http-message.ts";
import { pointer, rowTexts } from "../http/json-tensors.ts";
import { longIntegersAsTexts, withoutBareNames } from "./json-text.ts";
import type { TensorMetadata } from "./open-inference-models.ts";

type Message = Readonly<Record<string, unknown>>;
type Named = readonly { readonly name: string }[];

const isObject = (value: unknown): value is Message =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const wide = ({ dtype }: TensorSpec): boolean => dtype === "int64" || dtype === "uint64";

/**
 * The JSON object of a body, with NaN and infinities bare as Python writes them, and the texts of `{"b64": …}` decoded.
 * Throws `SERVING_BODY_INVALID`, `SERVING_INPUT_INVALID`.
 */
export function readMessage(body: Uint8Array, specs: readonly TensorSpec[]): Message {
  const text = textOf(body);
  const message = parseJson(/NaN|Infinity/.test(text) ? withoutBareNames(text) : text);
  if (!isObject(message)) throw bodyInvalid("it is not a JSON object");
  // Only where nothing but such integers is read: elsewhere a long number may be meant as a float.
  const exact =
    specs.length > 0 && specs.every(wide)
      ? (parseJson(longIntegersAsTexts(withoutBareNames(text))) as Message)
      : message;
  return text.includes('"b64"') ? (withTexts(exact, []) as Message) : exact;
}

/** Lists deeper than this are no tensors. */
const maxDepth = 40;

/** `{"b64": …}` anywhere, as the text that it holds. */
function withTexts(value: unknown, path: readonly (string | number)[]): unknown {
  if (path.length > maxDepth) throw bodyInvalid(`it is nested more than ${maxDepth} deep`);
  if (Array.isArray(value)) return value.map((item, at) => withTexts(item, [...path, at]));
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === "b64") return decoded(only[1], pointer(path));
  return Object.fromEntries(entries.map(([name, each]) => [name, withTexts(each, [...path, name])]));
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decoded(value: unknown, path: string): string {
  const refuse = (problem: string, cause?: unknown): Error =>
    inputInvalid(
      "b64",
      problem,
      "Send the UTF-8 of a text in base64: inputs of texts hold no other bytes.",
      cause,
      path,
    );
  if (typeof value !== "string" || !/^[A-Za-z0-9+/\-_]*={0,2}$/.test(value)) throw refuse("it is not base64");
  try {
    return utf8.decode(Buffer.from(value, "base64"));
  } catch (error) {
    throw refuse("its bytes are not UTF-8", error);
  }
}

export interface PredictMessage {
  readonly request: Pick<PredictRequest, "instances" | "inputs">;
  /** Whether the answer is `outputs`. */
  readonly columnar: boolean;
}

/**
 * Rows in `instances` or columns in `inputs`.
 * @param columns What the model's transforms read, where it has some.
 * Throws `SERVING_REQUEST_INVALID`, `SERVING_INPUT_INVALID`.
 */
export function readPredict(
  message: Message,
  specs: readonly TensorSpec[],
  columns: Named | undefined,
): PredictMessage {
  const { instances, inputs } = message;
  checkSignatureName(message);
  if ((instances === undefined) === (inputs === undefined))
    throw requestInvalid(
      instances === undefined ? "it has neither `instances` nor `inputs`" : "it has both `instances` and `inputs`",
      "Send rows as `instances`, or columns as `inputs`.",
    );
  if (inputs === undefined) {
    if (!Array.isArray(instances))
      throw requestInvalid("`instances` is not a list", "Send `instances` as a list.", "/instances");
    return { request: { instances }, columnar: false };
  }
  return { request: fromColumns(inputs, specs, columns), columnar: true };
}

function fromColumns(
  inputs: unknown,
  specs: readonly TensorSpec[],
  columns: Named | undefined,
): PredictMessage["request"] {
  if (isObject(inputs)) return columnForm(specs, inputs, columns);
  const [only] = specs;
  if (specs.length !== 1 || only === undefined || columns !== undefined)
    throw requestInvalid("`inputs` has no names", "Send each input by its name.", "/inputs");
  return { inputs: columnInputs(specs, { [only.name]: inputs }) };
}

/** There is one signature: any name means it. */
function checkSignatureName({ signature_name: name }: Message): void {
  if (name !== undefined && typeof name !== "string")
    throw requestInvalid(
      "`signature_name` is not a text",
      'Leave it out, or send "serving_default".',
      "/signature_name",
    );
}

/** `examples`, each with what `context` says for all. Throws `SERVING_REQUEST_INVALID`. */
export function readExamples(message: Message, raw: boolean): readonly Message[] {
  const { examples, context = {} } = message;
  checkSignatureName(message);
  if (!isObject(context))
    throw requestInvalid("`context` is not an object", "Send features of all examples by name.", "/context");
  if (!Array.isArray(examples) || examples.length === 0)
    throw requestInvalid("`examples` is not a list with at least one", "Send `examples` as a list.", "/examples");
  return examples.map((example: unknown, at) => {
    if (!isObject(example))
      throw requestInvalid(`example ${at} is not an object`, "Send features by name.", `/examples/${at}`);
    const all = Object.entries({ ...context, ...example });
    return Object.fromEntries(all.map(([name, value]) => [name, raw ? single(value) : value]));
  });
}

/** Rows of a tensor as nested lists of its very shape; texts of outputs that are called bytes in base64. */
function nestedRows(name: string, tensor: Tensor): readonly string[] {
  const bytes = tensor.dtype === "string" && name.endsWith("_bytes");
  const plain = bytes ? { ...tensor, data: tensor.data.map((text) => Buffer.from(text).toString("base64")) } : tensor;
  const rows = rowTexts(plain);
  const nested = tensor.shape.length === 2 && tensor.shape[1] === 1 ? rows.map((row) => `[${row}]`) : rows;
  return bytes ? nested.map((row) => row.replace(/"([^"]*)"/g, '{"b64":"$1"}')) : nested;
}

const objectText = (members: readonly (readonly [string, string])[]): string =>
  `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;

/** `predictions`: a value for each row where the model has one output, else an object of them. */
export function rowText(outputs: Tensors): string {
  const columns = Object.entries(outputs).map(([name, tensor]) => [name, nestedRows(name, tensor)] as const);
  const rows = columns[0]?.[1] ?? [];
  const texts =
    columns.length === 1
      ? rows
      : rows.map((_, row) => objectText(columns.map(([name, each]) => [name, each[row] ?? "null"])));
  return `{"predictions":[${texts.join(",")}]}`;
}

/** `outputs`: the tensor where the model has one, else an object of them. */
export function columnText(outputs: Tensors): string {
  const columns = Object.entries(outputs).map(
    ([name, tensor]) => [name, `[${nestedRows(name, tensor).join(",")}]`] as const,
  );
  return `{"outputs":${columns.length === 1 ? columns[0]?.[1] : objectText(columns)}}`;
}

const widthOf = ({ shape }: Tensor): number => sizeOf(shape.slice(1));
const isNumeric = ({ dtype }: Tensor): boolean => dtype !== "string" && dtype !== "bool";

/** Labels with their scores, where one output has a score for each of several classes; a class is called by its number. Throws `SERVING_REQUEST_INVALID`. */
export function classifyText(outputs: Tensors): string {
  const scores = Object.values(outputs).filter(
    (tensor) => tensor.shape.length === 2 && widthOf(tensor) > 1 && isNumeric(tensor),
  );
  const [only] = scores;
  if (only === undefined || scores.length > 1)
    throw requestInvalid(
      `${scores.length} of the model's outputs have scores of several classes, and one is needed`,
      "Ask with :predict.",
    );
  const rows = rowTexts(only).map((row) => {
    const texts = row.slice(1, -1).split(",");
    return `[${texts.map((score, label) => `["${label}",${score}]`).join(",")}]`;
  });
  return `{"results":[${rows.join(",")}]}`;
}

/** A number for each row, where the one output has that. Throws `SERVING_REQUEST_INVALID`. */
export function regressText(outputs: Tensors): string {
  const numbers = Object.values(outputs).filter((tensor) => widthOf(tensor) === 1 && isNumeric(tensor));
  const [only] = numbers;
  if (only === undefined || numbers.length > 1)
    throw requestInvalid(
      `${numbers.length} of the model's outputs have one number for each row, and one is needed`,
      "Ask with :predict.",
    );
  return `{"results":[${rowTexts({ ...only, shape: [only.shape[0] ?? 1] } as Tensor).join(",")}]}`;
}

/** The names of element types in TensorFlow, by those of the Open Inference Protocol. */
const dtypes: Readonly<Record<string, string>> = {
  BOOL: "DT_BOOL",
  INT8: "DT_INT8",
  INT16: "DT_INT16",
  INT32: "DT_INT32",
  INT64: "DT_INT64",
  UINT8: "DT_UINT8",
  UINT16: "DT_UINT16",
  UINT32: "DT_UINT32",
  UINT64: "DT_UINT64",
  FP32: "DT_FLOAT",
  FP64: "DT_DOUBLE",
  BYTES: "DT_STRING",
};

const tensorInfos = (tensors: readonly TensorMetadata[]): object =>
  Object.fromEntries(
    tensors.map(({ name, datatype, shape }) => [
      name,
      {
        dtype: dtypes[datatype] ?? "DT_INVALID",
        // 64-bit integers are texts in the JSON of protocol buffers.
        tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: "" })), unknown_rank: false },
        name,
      },
    ]),
  );

/** `GetModelMetadataResponse` in the JSON of protocol buffers. */
export const metadataOf = (
  name: string,
  version: string,
  { inputs, outputs }: { readonly inputs: readonly TensorMetadata[]; readonly outputs: readonly TensorMetadata[] },
): object => ({
  model_spec: { name, signature_name: "", version },
  metadata: {
    signature_def: {
      signature_def: {
        serving_default: {
          inputs: tensorInfos(inputs),
          outputs: tensorInfos(outputs),
          method_name: "tensorflow/serving/predict",
        },
      },
    },
  },
});
