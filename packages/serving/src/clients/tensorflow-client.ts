import type { TensorSpec, Tensors } from "@millwright/contracts";
import { inputInvalid } from "../errors.ts";
import { jsonObjectOf, parseJson, textOf } from "../http/http-message.ts";
import { longIntegersAsTexts, withoutBareNames } from "../protocols/json-text.ts";
import { answerInvalid } from "./client-errors.ts";
import { type HttpProtocolOptions, httpSite, pathOf } from "./http-asking.ts";
import { checkName, evidenceOfHeaders, plainHeader } from "./open-inference-client.ts";
import type { ClientProtocol, ProtocolCall } from "./protocol.ts";
import { signatureOfTensorFlow } from "./signature-reading.ts";
import { itemTexts, nestedText, outputOf, understood } from "./tensor-values.ts";

export interface TensorFlowServingOptions extends HttpProtocolOptions {
  readonly model: string;
  /** Default: the server's choice. */
  readonly version?: string | number | undefined;
  /** A label of a version, in its stead. */
  readonly label?: string | undefined;
  /** Default: `serving_default`. */
  readonly signatureName?: string | undefined;
  /** `columns` sends `inputs`, whose tensors may have any shape; `rows` sends `instances`, and all inputs and outputs have a row for each. Default: `columns`. */
  readonly form?: BodyForm | undefined;
}

export interface KserveV1Options extends HttpProtocolOptions {
  readonly model: string;
}

/** Whether a body holds tensors side by side or row by row. */
export type BodyForm = "columns" | "rows";

/** TensorFlow Serving's REST API, `:predict`, and whoever speaks it. */
export function tensorFlowServing(options: TensorFlowServingOptions): ClientProtocol {
  const { model, version, label, signatureName = "serving_default", form = "columns" } = options;
  checkName("model", model);
  checkName("signatureName", signatureName);
  if (version !== undefined && !/^\d{1,18}$/.test(String(version)))
    throw new RangeError(`version must be a whole number, not ${String(version)}.`);
  if (label !== undefined) checkName("label", label);
  if (form !== "columns" && form !== "rows") throw new RangeError(`form must be columns or rows, not ${String(form)}.`);
  const which = version !== undefined ? `/versions/${version}` : label !== undefined ? `/labels/${pathOf(label)}` : "";
  return predictProtocol(options, {
    base: `/v1/models/${pathOf(model)}${which}`,
    title: `${model}${which.replace(/^\/\w+/, "")}`,
    signatureName,
    form,
    bareNames: true,
    metadata: true,
  });
}

/** KServe's first protocol: `instances` in, `predictions` out. */
export function kserveV1(options: KserveV1Options): ClientProtocol {
  const { model } = options;
  checkName("model", model);
  return predictProtocol(options, {
    base: `/v1/models/${pathOf(model)}`,
    title: model,
    signatureName: undefined,
    form: "rows",
    bareNames: false,
    metadata: false,
  });
}

interface PredictSite {
  readonly base: string;
  readonly title: string;
  readonly signatureName: string | undefined;
  readonly form: BodyForm;
  readonly bareNames: boolean;
  readonly metadata: boolean;
}

function predictProtocol(options: HttpProtocolOptions, predict: PredictSite): ClientProtocol {
  const site = httpSite(options);
  const where = `${predict.title} at ${site.shown}`;
  const { signatureName } = predict;
  return {
    where,
    async infer(call, { signal } = {}) {
      const members = bodyMembers(call, predict.form, predict.bareNames);
      const named = signatureName === undefined ? "" : `"signature_name":${JSON.stringify(signatureName)},`;
      const question = { path: `${predict.base}:predict`, body: `{${named}${members}}`, headers: jsonHeaders(call) };
      const { bytes, headers } = await site.ask(where, question, signal);
      const outputs = readBody(where, call.signature.outputs, bytes, predict.form);
      return { outputs, evidence: evidenceOfHeaders(headers) };
    },
    ready: async ({ signal } = {}) => site.answers(predict.base, signal),
    ...(predict.metadata && signatureName !== undefined
      ? {
          async describe({ signal } = {}) {
            const { bytes } = await site.ask(where, { method: "GET", path: `${predict.base}/metadata` }, signal);
            return signatureOfTensorFlow(
              where,
              understood(where, () => jsonObjectOf(bytes)),
              signatureName,
            );
          },
        }
      : {}),
  };
}

export const jsonHeaders = (call: ProtocolCall): Readonly<Record<string, string | undefined>> => ({
  "content-type": "application/json",
  accept: "application/json",
  "x-request-id": plainHeader(call.requestId),
  "x-request-timeout-ms": String(Math.max(1, Math.floor(call.timeoutMs))),
  traceparent: call.traceparent,
  "idempotency-key": call.idempotencyKey,
});

/** `"inputs":…` or `"instances":…`. Throws `SERVING_INPUT_INVALID`. */
export function bodyMembers({ inputs }: ProtocolCall, form: BodyForm, bareNames = false): string {
  const entries = Object.entries(inputs);
  if (form === "columns") {
    const columns = entries.map(([name, tensor]) => `${JSON.stringify(name)}:${nestedText(name, tensor, bareNames)}`);
    return `"inputs":{${columns.join(",")}}`;
  }
  const rows = rowsOf(inputs);
  const columns = entries.map(([name, tensor]) => [JSON.stringify(name), itemTexts(name, tensor, bareNames)] as const);
  const [only] = columns;
  const texts =
    columns.length === 1 && only !== undefined
      ? only[1]
      : Array.from(
          { length: rows },
          (_, row) => `{${columns.map(([name, each]) => `${name}:${each[row]}`).join(",")}}`,
        );
  return `"instances":[${texts.join(",")}]`;
}

/** How many rows there are. Throws `SERVING_INPUT_INVALID` where the inputs have not the same. */
function rowsOf(inputs: Tensors): number {
  const entries = Object.entries(inputs);
  const rows = entries[0]?.[1].shape[0] ?? 1;
  const uneven = entries.find(([, { shape }]) => shape[0] !== rows);
  if (uneven !== undefined)
    throw inputInvalid(
      uneven[0],
      `it has ${uneven[1].shape[0] ?? "no"} rows, and the first has ${rows}`,
      "Give rows of all, or ask in columns.",
    );
  return rows;
}

/** `outputs` or `predictions`. Throws `SERVING_CLIENT_ANSWER_INVALID`. */
export function readBody(where: string, specs: readonly TensorSpec[], bytes: Uint8Array, form: BodyForm): Tensors {
  const value = readJson(where, specs, bytes);
  const message = isObject(value) ? value : {};
  // Some servers answer rows whatever they were asked.
  const member = form === "columns" && message["outputs"] !== undefined ? "outputs" : "predictions";
  const found = message[member];
  if (found === undefined)
    throw answerInvalid(where, `it has no \`${form === "columns" ? "outputs" : "predictions"}\``);
  return member === "outputs" ? ofColumns(where, specs, found) : ofRows(where, specs, found);
}

/** JSON with what Python and TensorFlow write: bare names, all digits, texts in base64. */
export function readJson(where: string, specs: readonly TensorSpec[], bytes: Uint8Array): unknown {
  return understood(where, () => {
    const text = withoutBareNames(textOf(bytes));
    const wide = specs.some(({ dtype }) => dtype === "int64" || dtype === "uint64");
    const value = parseJson(wide ? longIntegersAsTexts(text) : text);
    return text.includes('"b64"') ? withTexts(value, 0) : value;
  });
}

function withTexts(value: unknown, depth: number): unknown {
  if (depth > 40) return value;
  if (Array.isArray(value)) return value.map((item) => withTexts(item, depth + 1));
  if (!isObject(value)) return value;
  const { b64 } = value;
  if (typeof b64 === "string" && Object.keys(value).length === 1) return Buffer.from(b64, "base64").toString("utf8");
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withTexts(each, depth + 1)]));
}

/** A tensor where there is one output, else one by each name; the name may be there all the same. */
export function ofColumns(where: string, specs: readonly TensorSpec[], value: unknown): Tensors {
  return Object.fromEntries(specs.map((spec) => [spec.name, outputOf(where, spec, partOf(specs, spec, value))]));
}

/** A list of rows, each of which is a value where there is one output, else values by name. */
function ofRows(where: string, specs: readonly TensorSpec[], value: unknown): Tensors {
  if (!Array.isArray(value)) throw answerInvalid(where, "its `predictions` are no list");
  const rows = value as readonly unknown[];
  return Object.fromEntries(
    specs.map((spec) => [
      spec.name,
      outputOf(
        where,
        spec,
        rows.map((row) => partOf(specs, spec, row)),
      ),
    ]),
  );
}

function partOf(specs: readonly TensorSpec[], { name }: TensorSpec, value: unknown): unknown {
  if (isObject(value)) return Object.hasOwn(value, name) ? value[name] : undefined;
  return specs.length === 1 ? value : undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
