import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import type { CallOptions, Clock } from "@millwright/contracts";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import type { ExchangeSink } from "../http/exchange.ts";
import {
  type HttpAnswer,
  type HttpCaller,
  type HttpRequest,
  type HttpRoute,
  json,
  jsonObjectOf,
} from "../http/http-message.ts";
import { readInferRequest, writeInferAnswer } from "./open-inference-codec.ts";
import { provenanceHeaders } from "../telemetry/answer-headers.ts";
import type { DescribeRoute } from "../http/operation.ts";
import { inferAnswerSchema, inferSchema, objectSchema } from "./signature-schemas.ts";
import { healthRoutes } from "./health-routes.ts";
import { explainedOutputs } from "../explanations/write-explained.ts";
import type { HealthCheck, ServerHealth } from "../health/health.ts";
import { modelNameOf, modelPaths } from "./model-paths.ts";
import { type Place, modelMetadata, modelReadiness, placeOf } from "./open-inference-models.ts";
import { extensionsOf, loadModel, repositoryIndex, unloadModel } from "./model-repository.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import { type Soon, whenThere } from "../engine/settle.ts";
import { tritonRoutes } from "./triton-routes.ts";

/** What the HTTP faces need of a server. */
export interface ServerFace {
  /** Throws `SERVING_ENDPOINT_UNKNOWN`. */
  endpoint(name: string): Endpoint;
  /** The endpoint of `/invocations`. Throws `SERVING_ENDPOINT_UNKNOWN`. */
  defaultEndpoint(): Endpoint;
  /** The endpoint that a model of the Open Inference Protocol means, or the one whose catalog it names a model of. Throws `SERVING_ENDPOINT_UNKNOWN`. */
  placeOf(model: string): { readonly endpoint: Endpoint; readonly targetModel?: string | undefined };
  /** All of them, in the order of the options. */
  endpoints(): readonly Endpoint[];
  readonly ready: boolean;
  /** How the server and its endpoints stand. */
  health(): ServerHealth;
  /** What a ping asks the models beside, where it does. */
  readonly deepPing: (() => Promise<HealthCheck>) | undefined;
  readonly clock: Clock;
  /** Most bytes of a request. */
  readonly maxBodyBytes: number;
  /** Takes requests with their answers, where they are captured. */
  readonly exchanges: ExchangeSink | undefined;
  /** Says who sent a request, where the server asks. */
  readonly authenticate: Authenticate | undefined;
  /** Throws `SERVING_FORBIDDEN`. */
  authorize(action: string, endpoint: string, caller: HttpCaller, options: CallOptions): Promise<void>;
  /** Of what is the whole server's. Throws `SERVING_FORBIDDEN`. */
  authorizeServer(action: string, caller: HttpCaller, options: CallOptions): Promise<void>;
  /** Who asks. */
  principalOf(caller: HttpCaller): string | undefined;
  /** Checks access and answers. */
  predict(endpoint: string, request: PredictRequest, caller: HttpCaller): Soon<Prediction>;
}

/** What the server calls itself. */
export const serverName = { name: "millwright", version: "1" };

const told =
  (summary: string, members: Readonly<Record<string, string>>): DescribeRoute =>
  () => ({ summary, answer: { "application/json": objectSchema(members) } });

/** The REST routes of the Open Inference Protocol, version 2; a model of the protocol is an endpoint, its versions those of the variants' models. */
export function openInferenceRoutes(face: ServerFace): readonly HttpRoute[] {
  const place = ({ params }: HttpRequest): Place => placeOf(face, modelNameOf(params), params["version"]);
  const ready = async (request: HttpRequest): Promise<HttpAnswer> => {
    const asked = place(request);
    const readiness = await modelReadiness(face, asked, request);
    return json({ name: asked.name, ...readiness }, readiness.ready ? 200 : 503);
  };
  const metadata = async (request: HttpRequest): Promise<HttpAnswer> =>
    json(await modelMetadata(face, place(request), request));
  const captured = ({ params }: Pick<HttpRequest, "params">): string => face.placeOf(modelNameOf(params)).endpoint.name;
  const infer = (request: HttpRequest): Soon<HttpAnswer> => answerInfer(face, place(request), request);
  return [
    {
      method: "GET",
      path: "/v2",
      describe: told("The server.", { name: "string", version: "string", extensions: "array" }),
      handle: () => json({ ...serverName, extensions: extensionsOf(face) }),
    },
    ...healthRoutes(face),
    ...tritonRoutes(face),
    ...modelPaths("/v2/models")
      .flatMap((path) => [path, `${path}/versions/:version`])
      .flatMap((path) => modelRoutes(path, { metadata, ready, infer, captured })),
    ...repositoryRoutes(face),
  ];
}

function modelRoutes(
  path: string,
  {
    metadata,
    ready,
    infer,
    captured,
  }: Readonly<Record<"metadata" | "ready" | "infer", HttpRoute["handle"]>> & Pick<HttpRoute, "captured">,
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
      captured,
      handle: infer,
    },
  ];
}

/** The model repository extension; the models of catalogs are loaded and unloaded. */
function repositoryRoutes(face: ServerFace): readonly HttpRoute[] {
  const nameOf = ({ params }: HttpRequest): string => modelNameOf(params);
  const index = (request: HttpRequest): HttpAnswer => {
    const { ready } = request.body.length === 0 || request.body.length === 2 ? {} : jsonObjectOf(request.body);
    return json(repositoryIndex(face, ready === true));
  };
  return [
    {
      method: "POST",
      path: "/v2/repository/index",
      describe: () => ({ summary: "Models that are loaded.", answer: { "application/json": { type: "array" } } }),
      handle: index,
    },
    ...modelPaths("/v2/repository/models").flatMap((path): HttpRoute[] => [
      {
        method: "POST",
        path: `${path}/load`,
        describe: told("Loads a model of a catalog.", { name: "string", load: "boolean" }),
        handle: async (request) => {
          await loadModel(face, nameOf(request), request);
          return json({ name: nameOf(request), load: true });
        },
      },
      {
        method: "POST",
        path: `${path}/unload`,
        describe: told("Unloads a model of a catalog.", { name: "string", unload: "boolean" }),
        handle: async (request) => {
          await unloadModel(face, nameOf(request), request);
          return json({ name: nameOf(request), unload: true });
        },
      },
    ]),
  ];
}

function answerInfer(face: ServerFace, place: Place, request: HttpRequest): Soon<HttpAnswer> {
  const { endpoint, variant, targetModel } = place;
  const { headers, signal } = request;
  const asked = readInferRequest(request.body, headers["inference-header-content-length"]);
  const whole: PredictRequest = {
    inputs: asked.inputs,
    requestId: asked.id === undefined || asked.id === "" ? headers["x-request-id"] : asked.id,
    variant,
    targetModel,
    idempotencyKey: headers["idempotency-key"],
    signal,
    ...(asked.timeoutMs === undefined ? {} : { deadlineMs: asked.timeoutMs }),
    ...(asked.explain === undefined ? {} : { explain: asked.explain }),
  };
  return whenThere(face.predict(endpoint.name, whole, request), (answer) =>
    compressed(inferAnswer(place.name, asked, answer), headers["accept-encoding"]),
  );
}

function inferAnswer(
  name: string,
  asked: ReturnType<typeof readInferRequest>,
  answer: Prediction,
): HttpAnswer & { readonly body: string | Uint8Array } {
  const { outputs, provenance, explanation } = answer;
  const { model } = provenance;
  const told = explanation === undefined ? undefined : explainedOutputs(outputs, explanation, asked);
  const { body, headerLength } = writeInferAnswer(
    {
      model: name,
      version: model.version === undefined ? undefined : String(model.version),
      id: asked.id,
      parameters: {
        request_id: provenance.requestId,
        variant: provenance.variant,
        model_digest: model.digest,
        ...told?.parameters,
      },
      outputs: told?.outputs ?? outputs,
    },
    told?.asked ?? asked,
  );
  const headers = provenanceHeaders(answer);
  headers["content-type"] = headerLength === undefined ? "application/json" : "application/octet-stream";
  if (headerLength !== undefined) headers["inference-header-content-length"] = String(headerLength);
  return { status: 200, headers, body };
}

/** Bodies below are sent as they are: they would hardly become shorter. */
const compressFromBytes = 1024;
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** In the encoding that the caller takes, as Triton answers. The length of the JSON part is that before compression. */
function compressed(
  answer: HttpAnswer & { readonly body: string | Uint8Array },
  accepted: string | undefined,
): Soon<HttpAnswer> {
  if (accepted === undefined || answer.body.length < compressFromBytes) return answer;
  const names = accepted
    .toLowerCase()
    .split(",")
    .filter((name) => !/;\s*q=0(\.0*)?\s*$/.test(name))
    .map((name) => name.split(";", 1)[0]?.trim());
  const encoding = (["gzip", "deflate"] as const).find((name) => names.includes(name));
  if (encoding === undefined) return answer;
  const headers = { ...answer.headers, "content-encoding": encoding, vary: "accept-encoding" };
  return encoders[encoding](answer.body).then((body) => ({ ...answer, headers, body }));
}
