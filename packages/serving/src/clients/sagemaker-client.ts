import type { Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { sizeOf } from "../engine/tensor-rows.ts";
import { inputInvalid } from "../errors.ts";
import { textOf } from "../http/http-message.ts";
import { answerInvalid, refusalError } from "./client-errors.ts";
import { transportError, wordsOf } from "./http-asking.ts";
import { checkName, readInfer, writeInfer } from "./open-inference-client.ts";
import type { ClientProtocol, ProtocolCall } from "./protocol.ts";
import { outputOf, understood } from "./tensor-values.ts";
import { bodyMembers, readBody } from "./tensorflow-client.ts";

/** What `InvokeEndpoint` is asked with. */
export interface SageMakerInvocation {
  readonly EndpointName: string;
  readonly Body: string | Uint8Array;
  readonly ContentType: string;
  readonly Accept: string;
  readonly InferenceId?: string;
  readonly TargetVariant?: string;
  readonly TargetModel?: string;
  readonly TargetContainerHostname?: string;
  readonly InferenceComponentName?: string;
  readonly SessionId?: string;
  readonly CustomAttributes?: string;
}

export interface SageMakerInvoked {
  readonly Body?: Uint8Array | undefined;
  readonly ContentType?: string | undefined;
  readonly InvokedProductionVariant?: string | undefined;
}

/** What is called of `SageMakerRuntime` of `@aws-sdk/client-sagemaker-runtime`. */
export interface SageMakerRuntimeClient {
  invokeEndpoint(
    input: SageMakerInvocation,
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<SageMakerInvoked>;
}

export interface SageMakerOptions {
  /** `new SageMakerRuntime({ maxAttempts: 1 })`: tries are the model client's. It is never closed here. */
  readonly client: SageMakerRuntimeClient;
  /** Its name. */
  readonly endpoint: string;
  /**
   * What its container reads: `{"instances"}` answered by `{"predictions"}` (`rows`, TensorFlow's and Millwright's), `{"inputs"}` answered by `{"outputs"}`
   * (`columns`), Triton's binary tensors (`open-inference`), or numbers of one input as `text/csv` (`csv`, XGBoost's and others). Default: `rows`.
   */
  readonly body?: "rows" | "columns" | "open-inference" | "csv" | undefined;
  readonly targetVariant?: string | undefined;
  readonly targetModel?: string | undefined;
  readonly targetContainerHostname?: string | undefined;
  readonly inferenceComponent?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly customAttributes?: string | undefined;
}

const bodies = ["rows", "columns", "open-inference", "csv"];

/** An endpoint of Amazon SageMaker, with the client of AWS passed in. */
export function sageMaker(options: SageMakerOptions): ClientProtocol {
  const { client, endpoint, body = "rows" } = options;
  if (typeof client?.invokeEndpoint !== "function")
    throw new TypeError("client must be a SageMakerRuntime of @aws-sdk/client-sagemaker-runtime.");
  checkName("endpoint", endpoint);
  if (!bodies.includes(body)) throw new RangeError(`body must be one of ${bodies.join(", ")}, not ${String(body)}.`);
  const where = `the endpoint ${endpoint} of SageMaker`;
  const target = targetOf(options);
  const invoke = async (input: SageMakerInvocation, signal: AbortSignal | undefined): Promise<SageMakerInvoked> => {
    try {
      return await client.invokeEndpoint(input, signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw sageMakerError(where, error);
    }
  };
  return {
    where,
    refuses: ({ inputs, outputs }) =>
      body === "csv" && (inputs.length > 1 || outputs.length > 1 || inputs[0]?.dtype === "string")
        ? "text/csv holds the numbers of one input, and one output"
        : undefined,
    async infer(call, { signal } = {}) {
      signal?.throwIfAborted();
      const written = writeBody(call, body);
      const id = /^[\x21-\x7e]{1,64}$/.test(call.requestId) ? { InferenceId: call.requestId } : {};
      const answer = await invoke({ EndpointName: endpoint, ...written, ...id, ...target }, signal);
      const outputs = readAnswer(where, call, body, answer);
      return { outputs, evidence: { variant: answer.InvokedProductionVariant } };
    },
    // Whether an endpoint is in service is asked of the control plane; it answers requests or does not.
    ready: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      return true;
    },
  };
}

function targetOf(options: SageMakerOptions): Partial<SageMakerInvocation> {
  const named = {
    TargetVariant: options.targetVariant,
    TargetModel: options.targetModel,
    TargetContainerHostname: options.targetContainerHostname,
    InferenceComponentName: options.inferenceComponent,
    SessionId: options.sessionId,
    CustomAttributes: options.customAttributes,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

const tritonType = "application/vnd.sagemaker-triton.binary+json;json-header-size=";

type Written = Pick<SageMakerInvocation, "Body" | "ContentType" | "Accept">;

function writeBody(call: ProtocolCall, body: NonNullable<SageMakerOptions["body"]>): Written {
  if (body === "csv") return { Body: csvOf(call.inputs), ContentType: "text/csv", Accept: "text/csv" };
  if (body !== "open-inference")
    return {
      Body: `{${bodyMembers(call, body)}}`,
      ContentType: "application/json",
      Accept: "application/json",
    };
  const { body: bytes, jsonBytes = bytes.length } = writeInfer(call, true);
  return { Body: bytes, ContentType: `${tritonType}${jsonBytes}`, Accept: `${tritonType}${jsonBytes}` };
}

/** A line for each row of the one input. Throws `SERVING_INPUT_INVALID`. */
function csvOf(inputs: Tensors): string {
  const [[name, tensor] = ["", undefined], ...others] = Object.entries(inputs);
  if (tensor === undefined || others.length > 0 || tensor.dtype === "string")
    throw inputInvalid(name, "text/csv holds the numbers of one input", "Ask with rows, columns or open-inference.");
  const { data, shape } = tensor;
  const width = sizeOf(shape.slice(1));
  const cells = Array.from<number | bigint, string>(data, String);
  const rows = shape[0] ?? 1;
  return Array.from({ length: rows }, (_, row) => cells.slice(row * width, (row + 1) * width).join(",")).join("\n");
}

function readAnswer(
  where: string,
  { signature: { outputs: specs }, inputs }: ProtocolCall,
  body: NonNullable<SageMakerOptions["body"]>,
  answer: SageMakerInvoked,
): Tensors {
  const bytes = answer.Body ?? new Uint8Array();
  if (body === "csv") return readCsv(where, specs, bytes, Object.values(inputs)[0]);
  if (body !== "open-inference") return readBody(where, specs, bytes, body);
  const size = /json-header-size=(\d+)/.exec(answer.ContentType ?? "")?.[1];
  const headers = new Headers(size === undefined ? {} : { "inference-header-content-length": size });
  return readInfer(where, specs, { headers, bytes }).outputs;
}

/** Numbers apart from each other by commas and line ends, as many for each row that was asked. */
function readCsv(where: string, specs: readonly TensorSpec[], bytes: Uint8Array, asked: Tensor | undefined): Tensors {
  const [spec, ...others] = specs;
  if (spec === undefined || others.length > 0) throw answerInvalid(where, "text/csv holds one output");
  const text = understood(where, () => textOf(bytes)).trim();
  const cells = text === "" ? [] : text.split(/[,\s]+/);
  const rows = asked?.shape[0] ?? 1;
  const width = cells.length / Math.max(1, rows);
  if (!Number.isInteger(width)) throw answerInvalid(where, `it has ${cells.length} numbers for ${rows} rows`);
  const values = cells.map((cell) => (spec.dtype === "string" ? cell : numberIn(where, cell)));
  const list = Array.from({ length: rows }, (_, row) => values.slice(row * width, (row + 1) * width));
  return { [spec.name]: outputOf(where, spec, list) };
}

function numberIn(where: string, cell: string): number {
  const value = /^nan$/i.test(cell) ? Number.NaN : Number(cell);
  if (cell === "" || (Number.isNaN(value) && !/^nan$/i.test(cell)))
    throw answerInvalid(where, `"${cell.slice(0, 40)}" is no number`);
  return value;
}

/** Errors of AWS that say: not now. */
const busy = new Set(["ThrottlingException", "TooManyRequestsException", "ModelNotReadyException"]);

/** What AWS's client throws, as an error of the house. */
function sageMakerError(where: string, error: unknown): Error {
  const told = (error ?? {}) as {
    readonly name?: unknown;
    readonly message?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: unknown };
    readonly OriginalStatusCode?: unknown;
    readonly OriginalMessage?: unknown;
  };
  const status = told.$metadata?.httpStatusCode;
  if (typeof status !== "number") return transportError(where, error);
  const message = `${String(told.name)}: ${String(told.message)}`;
  const original = told.OriginalStatusCode;
  // The container's own answer, of which SageMaker tells.
  if (told.name === "ModelError" && typeof original === "number") {
    const words = wordsOf(String(told.OriginalMessage ?? told.message));
    return refusalError({ where, status: original, ...words, cause: error });
  }
  const known = busy.has(String(told.name)) ? 429 : status;
  // 530: what SageMaker depends on does not answer.
  const retryable = status === 500 || status === 530 ? true : undefined;
  return refusalError({ where, status: known, problem: message, retryable, cause: error });
}
