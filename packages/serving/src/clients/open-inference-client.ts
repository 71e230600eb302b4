import type { ModelSignature, Tensor, TensorSpec } from "@millwright/contracts";
import { datatypes } from "../http/datatypes.ts";
import { jsonObjectOf, parseJson, textOf } from "../http/http-message.ts";
import { tensorFromJson } from "../http/json-tensors.ts";
import { decodeBinary, elementTypeOf, encodeBinary, isShape } from "../protocols/open-inference-codec.ts";
import { longIntegersAsTexts, withoutBareNames } from "../protocols/json-text.ts";
import type { HalfType } from "../protocols/half-floats.ts";
import { answerInvalid } from "./client-errors.ts";
import { type HttpProtocolOptions, type HttpReply, type HttpServerSite, httpSite, pathOf } from "./http-asking.ts";
import type { ClientProtocol, ProtocolCall, ProtocolReply, ReplyEvidence } from "./protocol.ts";
import { signatureOfMetadata } from "./signature-reading.ts";
import { checkedOutput, flatText, understood } from "./tensor-values.ts";

export interface OpenInferenceOptions extends HttpProtocolOptions {
  readonly model: string;
  /** Default: the server's choice. */
  readonly version?: string | undefined;
  /**
   * How tensors travel: as JSON, as bytes, or `auto`: as bytes where the server says that it knows the extension `binary_tensor_data`, which is asked once.
   * Default: `auto`.
   */
  readonly encoding?: "auto" | "json" | "binary" | undefined;
  /** Inputs of 32-bit numbers that the server wants as numbers of 16 bits, by name; sent as bytes. Default: none. */
  readonly halves?: Readonly<Record<string, HalfType>> | undefined;
}

/** Servers of the Open Inference Protocol over HTTP: Triton, KServe, MLServer, Millwright. */
export function openInference(options: OpenInferenceOptions): ClientProtocol {
  const { model, version, encoding = "auto", halves = {} } = options;
  checkName("model", model);
  if (version !== undefined) checkName("version", version);
  if (!["auto", "json", "binary"].includes(encoding))
    throw new RangeError(`encoding must be auto, json or binary, not ${String(encoding)}.`);
  const site = httpSite(options);
  const base = `/v2/models/${pathOf(model)}${version === undefined ? "" : `/versions/${pathOf(version)}`}`;
  const where = `${model}${version === undefined ? "" : `/${version}`} at ${site.shown}`;
  const binary = binaryChoice(site, where, encoding);
  return {
    where,
    async infer(call, { signal } = {}) {
      const question = writeInfer(call, await binary(signal), halves);
      const reply = await site.ask(where, { path: `${base}/infer`, ...question }, signal);
      return readInfer(where, call.signature.outputs, reply);
    },
    ready: ({ signal } = {}) => site.answers(`${base}/ready`, signal),
    async describe({ signal } = {}): Promise<ModelSignature> {
      const { bytes } = await site.ask(where, { method: "GET", path: base }, signal);
      return signatureOfMetadata(
        where,
        understood(where, () => jsonObjectOf(bytes)),
      );
    },
  };
}

export function checkName(option: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || name === "") throw new TypeError(`${option} must be a text that is not empty.`);
}

/** Whether to send bytes, asked of the server once where it is to say. A failed question is asked again. */
function binaryChoice(
  site: HttpServerSite,
  where: string,
  encoding: "auto" | "json" | "binary",
): (signal: AbortSignal | undefined) => boolean | Promise<boolean> {
  let known: boolean | undefined = encoding === "auto" ? undefined : encoding === "binary";
  return async (signal) => {
    if (known !== undefined) return known;
    const { bytes } = await site.ask(where, { method: "GET", path: "/v2" }, signal);
    const { extensions } = understood(where, () => jsonObjectOf(bytes));
    return (known = Array.isArray(extensions) && extensions.includes("binary_tensor_data"));
  };
}

const headerLength = "inference-header-content-length";

export interface WrittenInfer {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string | Uint8Array;
  /** Bytes of the JSON before binary tensors, where there are some. */
  readonly jsonBytes?: number | undefined;
}

/** The body of an inference request, with the headers that go with it. Throws `SERVING_INPUT_INVALID`. */
export function writeInfer(
  call: ProtocolCall,
  binary: boolean,
  halves: Readonly<Record<string, HalfType>> = {},
): WrittenInfer {
  const parts: Uint8Array[] = [];
  const inputs = Object.entries(call.inputs).map(([name, tensor]) => {
    const half = tensor.dtype === "float32" ? halves[name] : undefined;
    const head = `{"name":${JSON.stringify(name)},"shape":[${tensor.shape.join(",")}],"datatype":"${half ?? datatypes[tensor.dtype]}"`;
    if (!binary && half === undefined) return `${head},"data":${flatText(name, tensor)}}`;
    const bytes = encodeBinary(tensor, half);
    parts.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const outputs = call.signature.outputs.map(
    ({ name }) => `{"name":${JSON.stringify(name)}${binary ? ',"parameters":{"binary_data":true}' : ""}}`,
  );
  const text = `{"id":${JSON.stringify(call.requestId)},"inputs":[${inputs.join(",")}],"outputs":[${outputs.join(",")}]}`;
  const headers = {
    "x-request-id": plainHeader(call.requestId),
    "x-request-timeout-ms": String(Math.max(1, Math.floor(call.timeoutMs))),
    traceparent: call.traceparent,
    "idempotency-key": call.idempotencyKey,
  };
  if (parts.length === 0) return { body: text, headers: { ...headers, "content-type": "application/json" } };
  const json = new TextEncoder().encode(text);
  return {
    body: Buffer.concat([json, ...parts]),
    headers: { ...headers, "content-type": "application/octet-stream", [headerLength]: String(json.length) },
    jsonBytes: json.length,
  };
}

/** A header holds visible ASCII alone. */
export const plainHeader = (text: string): string | undefined => (/^[\x21-\x7e]{1,256}$/.test(text) ? text : undefined);

type Message = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Message =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** Throws `SERVING_CLIENT_ANSWER_INVALID`. */
export function readInfer(where: string, specs: readonly TensorSpec[], { headers, bytes }: HttpReply): ProtocolReply {
  const message = readMessage(where, specs, bytes, headers.get(headerLength));
  const outputs = Object.fromEntries(
    specs.map((spec) => [spec.name, checkedOutput(where, spec, message.tensors.get(spec.name))]),
  );
  return { outputs, evidence: evidenceOf(message.head, headers) };
}

function readMessage(where: string, specs: readonly TensorSpec[], bytes: Uint8Array, length: string | null) {
  const jsonBytes = length === null ? bytes.length : Number(length);
  if (!(Number.isSafeInteger(jsonBytes) && jsonBytes >= 0 && jsonBytes <= bytes.length))
    throw answerInvalid(where, `its ${headerLength} is ${length}, and it has ${bytes.length} bytes`);
  const head = understood(where, () => {
    const text = withoutBareNames(textOf(bytes.subarray(0, jsonBytes)));
    const wide = specs.some(({ dtype }) => dtype === "int64" || dtype === "uint64");
    return parseJson(wide ? longIntegersAsTexts(text) : text);
  });
  if (!isObject(head) || !Array.isArray(head["outputs"])) throw answerInvalid(where, "it has no list of `outputs`");
  const tensors = new Map<string, Tensor>();
  let at = jsonBytes;
  for (const output of head["outputs"] as readonly unknown[]) {
    if (!isObject(output) || typeof output["name"] !== "string") throw answerInvalid(where, "an output has no name");
    const size = isObject(output["parameters"]) ? output["parameters"]["binary_data_size"] : undefined;
    const end = typeof size === "number" ? at + size : at;
    if (!(Number.isSafeInteger(end) && end >= at && end <= bytes.length))
      throw answerInvalid(where, `the bytes of the output "${output["name"]}" are not there`);
    const raw = size === undefined ? undefined : bytes.subarray(at, end);
    at = end;
    const { name } = output;
    // Outputs that nobody asked for are passed over, whatever they are.
    if (specs.some((spec) => spec.name === name)) tensors.set(name, readOutput(where, output, raw));
  }
  return { head, tensors };
}

function readOutput(where: string, output: Message, raw: Uint8Array | undefined): Tensor {
  const { datatype, shape, data } = output;
  const name = String(output["name"]);
  const dtype = elementTypeOf(datatype);
  if (dtype === undefined || !isShape(shape))
    throw answerInvalid(where, `the output "${name}" is ${String(datatype)} of shape ${JSON.stringify(shape)}`);
  return understood(where, () =>
    raw === undefined
      ? tensorFromJson(name, dtype, shape, data)
      : decodeBinary(name, { datatype: datatype as string, shape }, raw),
  );
}

const textIn = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** Of the body's own members, and of Millwright's headers where they are. */
function evidenceOf(head: Message, headers: Pick<Headers, "get">): ReplyEvidence {
  const told = evidenceOfHeaders(headers);
  return {
    requestId: told.requestId ?? textIn(head["id"]),
    model: told.model ?? textIn(head["model_name"]),
    version: told.version ?? textIn(head["model_version"]),
    digest: told.digest,
    variant: told.variant,
    degraded: told.degraded,
  };
}

const decoded = (text: string | null): string | undefined => {
  if (text === null) return undefined;
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
};

/** What Millwright tells of an answer in every protocol. */
export function evidenceOfHeaders(headers: Pick<Headers, "get">): ReplyEvidence {
  const title = decoded(headers.get("x-millwright-model"));
  const parts = title === undefined ? null : /^(.*)\/(\d+)$/.exec(title);
  return {
    requestId: headers.get("x-request-id") ?? undefined,
    model: parts?.[1] ?? title,
    version: parts?.[2],
    digest: headers.get("x-millwright-model-digest") ?? undefined,
    variant: decoded(headers.get("x-millwright-variant")),
    degraded: decoded(headers.get("x-millwright-degraded")),
  };
}
