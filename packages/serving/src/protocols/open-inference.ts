import type { CallOptions, ResolvedModel } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { datatypes } from "../http/datatypes.ts";
import { endpointUnknown, versionUnknown } from "../errors.ts";
import { type HttpAnswer, type HttpCaller, type HttpRequest, type HttpRoute, json } from "../http/http-message.ts";
import { readInferRequest, writeInferAnswer } from "./open-inference-codec.ts";
import { provenanceHeaders } from "../telemetry/answer-headers.ts";
import type { DescribeRoute } from "../http/operation.ts";
import { inferAnswerSchema, inferSchema, objectSchema } from "./signature-schemas.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";

/** What the HTTP faces need of a server. */
export interface ServerFace {
  /** Throws `SERVING_ENDPOINT_UNKNOWN`. */
  endpoint(name: string): Endpoint;
  /** The endpoint of `/invocations`. Throws `SERVING_ENDPOINT_UNKNOWN`. */
  defaultEndpoint(): Endpoint;
  /** The endpoint that a model of the Open Inference Protocol means, or the one whose catalog it names a model of. Throws `SERVING_ENDPOINT_UNKNOWN`. */
  placeOf(model: string): { readonly endpoint: Endpoint; readonly targetModel?: string | undefined };
  readonly ready: boolean;
  /** Throws `SERVING_FORBIDDEN`. */
  authorize(action: string, endpoint: string, caller: HttpCaller, options: CallOptions): Promise<void>;
  /** Who asks. */
  principalOf(caller: HttpCaller): string | undefined;
  /** Checks access and answers. */
  predict(endpoint: string, request: PredictRequest, caller: HttpCaller): Promise<Prediction>;
}

const serverMetadata = { name: "millwright", version: "1", extensions: ["binary_tensor_data"] };

const told =
  (summary: string, members: Readonly<Record<string, string>>): DescribeRoute =>
  () => ({ summary, answer: { "application/json": objectSchema(members) } });

/** The REST routes of the Open Inference Protocol, version 2; a model of the protocol is an endpoint, its versions those of the variants' models. */
export function openInferenceRoutes(face: ServerFace): readonly HttpRoute[] {
  const model = "/v2/models/:model";
  const versioned = `${model}/versions/:version`;
  const ready = async (request: HttpRequest): Promise<HttpAnswer> => {
    const place = placeOf(face, request);
    // A model of a catalog is ready where it could be loaded: it is when it is asked.
    if (place.targetModel !== undefined) await describeTarget(face, place, request);
    return json({ name: place.name, ready: face.ready }, face.ready ? 200 : 503);
  };
  const metadata = async (request: HttpRequest): Promise<HttpAnswer> => {
    const place = placeOf(face, request);
    if (place.targetModel === undefined) return json(metadataOf(place.endpoint, place.variant));
    return json({ name: place.name, ...targetMetadata(await describeTarget(face, place, request)) });
  };
  const infer = (request: HttpRequest): Promise<HttpAnswer> => answerInfer(face, request);
  return [
    {
      method: "GET",
      path: "/v2",
      describe: told("The server.", { name: "string", version: "string", extensions: "array" }),
      handle: () => json(serverMetadata),
    },
    {
      method: "GET",
      path: "/v2/health/live",
      open: true,
      describe: told("Whether it runs.", { live: "boolean" }),
      handle: () => json({ live: true }),
    },
    {
      method: "GET",
      path: "/v2/health/ready",
      describe: told("Whether requests are taken.", { ready: "boolean" }),
      open: true,
      handle: () => json({ ready: face.ready }, face.ready ? 200 : 503),
    },
    ...[model, versioned].flatMap((path) => modelRoutes(path, { metadata, ready, infer })),
  ];
}

function modelRoutes(
  path: string,
  { metadata, ready, infer }: Readonly<Record<"metadata" | "ready" | "infer", HttpRoute["handle"]>>,
): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path,
      describe: told("The model.", { name: "string", platform: "string", inputs: "array", outputs: "array" }),
      handle: metadata,
    },
    {
      method: "GET",
      path: `${path}/ready`,
      describe: told("Whether the model takes requests.", { name: "string", ready: "boolean" }),
      handle: ready,
    },
    {
      method: "POST",
      path: `${path}/infer`,
      describe: (endpoint) => ({
        summary: "Answers tensors.",
        body: { "application/json": inferSchema(endpoint), "application/octet-stream": {} },
        answer: { "application/json": inferAnswerSchema, "application/octet-stream": {} },
      }),
      handle: infer,
    },
  ];
}

interface Place {
  readonly endpoint: Endpoint;
  /** As the client called it. */
  readonly name: string;
  readonly variant?: string | undefined;
  readonly targetModel?: string | undefined;
}

/** Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_VERSION_UNKNOWN`. */
function placeOf(face: ServerFace, { params }: HttpRequest): Place {
  const { model: name = "", version } = params;
  const { endpoint, targetModel } = face.placeOf(name);
  if (targetModel === undefined) return { endpoint, name, variant: variantOfVersion(endpoint, version) };
  return { endpoint, name, targetModel: version === undefined ? targetModel : `${targetModel}/${version}` };
}

async function describeTarget(
  face: ServerFace,
  { endpoint, targetModel = "" }: Place,
  request: HttpRequest,
): Promise<ResolvedModel> {
  const { catalog } = endpoint;
  if (catalog === undefined) throw endpointUnknown(targetModel, []);
  await face.authorize("endpoint:invoke", endpoint.name, request, { signal: request.signal });
  return catalog.describe(targetModel, { principal: face.principalOf(request), signal: request.signal });
}

const versionOf = ({ served }: { readonly served: Endpoint["routes"][number]["slot"]["served"] }): string | undefined =>
  served.resolved.version === undefined ? undefined : String(served.resolved.version);

/** The variant that serves a version. Throws `SERVING_VERSION_UNKNOWN`. */
function variantOfVersion(endpoint: Endpoint, version: string | undefined): string | undefined {
  if (version === undefined) return undefined;
  const found = endpoint.routes.find(({ slot }) => versionOf(slot) === version);
  if (found === undefined) {
    throw versionUnknown(endpoint.name, version, [
      ...new Set(endpoint.routes.flatMap(({ slot }) => versionOf(slot) ?? [])),
    ]);
  }
  return found.name;
}

function metadataOf(endpoint: Endpoint, variant: string | undefined): object {
  const route = endpoint.routes.find(({ name }) => name === variant) ?? endpoint.routes[0];
  // Its models have inputs and outputs of their own, under their names.
  if (route === undefined) return { name: endpoint.name, platform: "millwright_multi_model", inputs: [], outputs: [] };
  const { resolved, model } = route.slot.served;
  const versions = [...new Set(endpoint.routes.flatMap(({ slot }) => versionOf(slot) ?? []))];
  return {
    name: endpoint.name,
    ...(versions.length === 0 ? {} : { versions }),
    ...interfaceOf(resolved),
    // Beside what the protocol names: what a row holds before the model's transforms.
    ...(model.columns === undefined ? {} : { columns: model.columns }),
  };
}

function interfaceOf({ manifest: { signature, format } }: ResolvedModel): object {
  const tensor = ({ name, dtype, shape }: (typeof signature.inputs)[number]): object => ({
    name,
    datatype: datatypes[dtype],
    shape,
  });
  return {
    platform: `millwright_${format}`,
    inputs: signature.inputs.map(tensor),
    outputs: signature.outputs.map(tensor),
  };
}

const targetMetadata = (resolved: ResolvedModel): object => ({
  ...(resolved.version === undefined ? {} : { versions: [String(resolved.version)] }),
  ...interfaceOf(resolved),
});

async function answerInfer(face: ServerFace, request: HttpRequest): Promise<HttpAnswer> {
  const { endpoint, name, variant, targetModel } = placeOf(face, request);
  const asked = readInferRequest(request.body, request.headers["inference-header-content-length"]);
  const { outputs, provenance, timings } = await face.predict(
    endpoint.name,
    {
      inputs: asked.inputs,
      requestId: asked.id === undefined || asked.id === "" ? request.headers["x-request-id"] : asked.id,
      variant,
      targetModel,
      idempotencyKey: request.headers["idempotency-key"],
      signal: request.signal,
    },
    request,
  );
  const { model } = provenance;
  const { body, headerLength } = writeInferAnswer(
    {
      model: name,
      version: model.version === undefined ? undefined : String(model.version),
      id: asked.id,
      parameters: { request_id: provenance.requestId, variant: provenance.variant, model_digest: model.digest },
      outputs,
    },
    asked,
  );
  const headers = provenanceHeaders({ outputs, provenance, timings });
  if (headerLength === undefined)
    return { status: 200, headers: { "content-type": "application/json", ...headers }, body };
  const binary = {
    "content-type": "application/octet-stream",
    "inference-header-content-length": String(headerLength),
  };
  return { status: 200, headers: { ...binary, ...headers }, body };
}
