import type { Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { cellValue, csvCell, parseCsv } from "../http/csv.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import { bodyInvalid, contentTypeUnsupported, requestInvalid } from "../errors.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpRoute,
  jsonObjectOf,
  jsonText,
  mediaType,
  parseJson,
  textOf,
} from "../http/http-message.ts";
import { rowTexts, tensorFromJson } from "../http/json-tensors.ts";
import { type ServerFace, provenanceHeaders } from "./open-inference.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import type { Row } from "../engine/rows.ts";
import { sizeOf } from "../engine/tensor-rows.ts";

/** Read as JSON: what says so, and what clients send by themselves when nobody names a type. */
const jsonTypes = new Set(["", "application/json", "application/octet-stream", "text/plain"]);

type Asked = Pick<PredictRequest, "entities" | "request" | "instances" | "inputs">;

/** SageMaker's container contract, the invocations of its runtime API, and the same with provenance in the body. */
export function invocationRoutes(face: ServerFace): readonly HttpRoute[] {
  const at = ({ params }: HttpRequest): Endpoint => face.endpoint(params["endpoint"] ?? "");
  return [
    { method: "GET", path: "/ping", handle: () => ({ status: face.ready ? 200 : 503, headers: {}, body: "" }) },
    { method: "POST", path: "/invocations", handle: (request) => invoke(face, face.defaultEndpoint(), request) },
    {
      method: "POST",
      path: "/endpoints/:endpoint/invocations",
      handle: (request) => invoke(face, at(request), request),
    },
    {
      method: "POST",
      path: "/endpoints/:endpoint/predict",
      handle: async (request) => {
        const answer = await ask(face, at(request), request);
        const { outputs, provenance } = answer;
        const body = `{"predictions":${predictionsText(outputs)},"provenance":${JSON.stringify(provenance)}}`;
        return jsonText(body, 200, provenanceHeaders(answer));
      },
    },
  ];
}

/** @param targetModel The model of the endpoint's catalog. Default: what the header says. */
export async function invoke(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel?: string,
): Promise<HttpAnswer> {
  const answer = await ask(face, endpoint, request, targetModel);
  const type = answerType(request.headers);
  const headers = { "content-type": type, ...provenanceHeaders(answer) };
  if (type === "text/csv") return { status: 200, headers, body: csvOf(answer.outputs) };
  const rows = predictionTexts(answer.outputs);
  const body =
    type === "application/jsonlines" ? rows.map((row) => `${row}\n`).join("") : `{"predictions":[${rows.join(",")}]}`;
  return { status: 200, headers, body };
}

async function ask(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel = request.headers["x-amzn-sagemaker-target-model"],
): Promise<Prediction> {
  const { headers, signal } = request;
  const { columns, ...asked } = readBody(request);
  const specs = columns === undefined ? [] : await inputsOf(face, endpoint, request, targetModel);
  return face.predict(
    endpoint.name,
    {
      ...asked,
      ...(columns === undefined ? {} : { inputs: columnInputs(specs, columns) }),
      requestId: headers["x-request-id"] ?? headers["x-amzn-sagemaker-inference-id"],
      variant: headers["x-amzn-sagemaker-target-variant"],
      targetModel,
      stickyKey: headers["x-amzn-sagemaker-session-id"],
      signal,
    },
    request,
  );
}

/** The inputs by which columns of numbers get their types. */
async function inputsOf(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel: string | undefined,
): Promise<readonly TensorSpec[]> {
  if (targetModel === undefined || endpoint.catalog === undefined)
    return endpoint.routes[0]?.slot.served.resolved.manifest.signature.inputs ?? [];
  const { signal } = request;
  await face.authorize("endpoint:invoke", endpoint.name, request, { signal });
  return endpoint.catalog.use(
    targetModel,
    { principal: face.principalOf(request), signal, counted: false },
    async (slot) => {
      const { manifest } = slot.served.resolved;
      return manifest.signature.inputs;
    },
  );
}

/** What `Accept` asks for among the types written here; else the type of the request. */
function answerType(headers: HttpRequest["headers"]): "application/json" | "application/jsonlines" | "text/csv" {
  const accepted = (headers["accept"] ?? "").split(",").map(mediaType);
  const known = ["application/json", "application/jsonlines", "text/csv"] as const;
  const asked = known.find((type) => accepted.includes(type));
  return asked ?? known.find((type) => mediaType(headers["content-type"]) === type) ?? "application/json";
}

/** @returns what it asks, and `columns` whose types are the model's. */
function readBody({ body, headers }: HttpRequest): Asked & { readonly columns?: unknown } {
  const type = mediaType(headers["content-type"]);
  if (type === "text/csv")
    return { instances: csvInstances(textOf(body), /;\s*header=present/i.test(headers["content-type"] ?? "")) };
  if (type === "application/jsonlines" || type === "application/x-ndjson") {
    const lines = textOf(body)
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "");
    return { instances: lines.map(parseJson) };
  }
  if (!jsonTypes.has(type)) throw contentTypeUnsupported(type);
  const { instances, entities, request, inputs } = jsonObjectOf(body);
  const list = (what: string, value: unknown): readonly unknown[] | undefined => {
    if (value === undefined || Array.isArray(value)) return value;
    throw requestInvalid(`\`${what}\` is not a list`, `Send \`${what}\` as a list.`);
  };
  return {
    instances: list("instances", instances),
    entities: list("entities", entities) as readonly Row[] | undefined,
    request: list("request", request) as readonly Row[] | undefined,
    ...(inputs === undefined ? {} : { columns: inputs }),
  };
}

/** Rows of numbers, or with a header line rows with names. */
function csvInstances(text: string, header: boolean): readonly unknown[] {
  const [first, ...rest] = parseCsv(text);
  if (first === undefined) throw bodyInvalid("the CSV has no rows");
  if (!header) return [first, ...rest].map((row) => row.map(cellValue));
  return rest.map((row) => Object.fromEntries(row.map((cell, at) => [first[at] ?? "", cellValue(cell)])));
}

/** Column form of TensorFlow Serving: each input by name with nested lists, whose sizes make the shape. */
function columnInputs(specs: readonly TensorSpec[], inputs: unknown): Tensors {
  if (inputs === null || typeof inputs !== "object" || Array.isArray(inputs)) {
    throw requestInvalid("`inputs` is not an object", "Send each input by its name.");
  }
  const tensors = Object.entries(inputs).map(([name, value]): readonly [string, Tensor] => {
    const spec = specs.find((each) => each.name === name);
    return [name, tensorFromJson(name, spec?.dtype ?? "float32", shapeOf(value), value)];
  });
  return Object.fromEntries(tensors);
}

function shapeOf(value: unknown): readonly number[] {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at) && shape.length < 32; at = at[0]) shape.push(at.length);
  return shape;
}

/** A row of the answer as JSON text: the value of the one output, or an object of all. */
function predictionTexts(outputs: Tensors): readonly string[] {
  const names = Object.keys(outputs);
  const columns = Object.values(outputs).map(rowTexts);
  const [only] = columns;
  if (only === undefined) return [];
  if (columns.length === 1) return only;
  return only.map(
    (_, row) => `{${names.map((name, at) => `${JSON.stringify(name)}:${columns[at]?.[row] ?? "null"}`).join(",")}}`,
  );
}

const predictionsText = (outputs: Tensors): string => `[${predictionTexts(outputs).join(",")}]`;

/** All outputs side by side, a line for each row. */
function csvOf(outputs: Tensors): string {
  const tensors = Object.values(outputs);
  const rows = tensors[0]?.shape[0] ?? 0;
  return Array.from(
    { length: rows },
    (_, row) => `${tensors.flatMap((tensor) => cellsOf(tensor, row)).join(",")}\n`,
  ).join("");
}

function cellsOf({ dtype, shape, data }: Tensor, row: number): readonly string[] {
  const width = sizeOf(shape.slice(1));
  return Array.from({ length: width }, (_, at) => {
    const value = data[row * width + at];
    if (Object.is(value, -0)) return "-0";
    return csvCell(dtype === "bool" ? String(value !== 0) : String(value));
  });
}
