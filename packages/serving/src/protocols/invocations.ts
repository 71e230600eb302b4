import type { ModelSignature, TensorSpec } from "@millwright/contracts";
import { formatOfAnswer, formatOfBody } from "../content/accept.ts";
import { type Asked, readContent } from "../content/read-content.ts";
import { checkSchema, schemaHash, schemaHeader } from "../content/schema-hash.ts";
import { streamLines } from "../content/stream-lines.ts";
import { linesText, predictionTexts, predictionsText, writeContent } from "../content/write-content.ts";
import { explanationMember, writeExplained } from "../explanations/write-explained.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import { answeredContent, askedContent, predictSchema } from "./signature-schemas.ts";
import {
  type HttpAnswer,
  type HttpCaller,
  type HttpRequest,
  type HttpRoute,
  type StreamedRequest,
  jsonText,
} from "../http/http-message.ts";
import { type ExchangeSink, tellWritten } from "../http/exchange.ts";
import { answerPing } from "./health-routes.ts";
import { variantOf } from "./target-variant.ts";
import type { ServerFace } from "./open-inference.ts";
import { provenanceHeaders } from "../telemetry/answer-headers.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import { type Soon, whenThere } from "../engine/settle.ts";

/** Most rows of a streamed body that are asked at once. */
const streamedRows = 256;

/** SageMaker's container contract, the invocations of its runtime API, and the same with provenance in the body. */
export function invocationRoutes(face: ServerFace): readonly HttpRoute[] {
  const named = ({ params }: Pick<HttpRequest, "params">): Endpoint => face.endpoint(params["endpoint"] ?? "");
  const invocations = (path: string, of: (request: Pick<HttpRequest, "params">) => Endpoint): HttpRoute => ({
    method: "POST",
    path,
    describe: (endpoint) => ({
      summary: "Answers rows, by Content-Type and Accept.",
      body: askedContent(endpoint),
      answer: answeredContent(),
    }),
    captured: (request) => of(request).name,
    handle: (request) => invoke(face, of(request), request),
    stream: { wants: wantsStream, handle: (request) => stream(face, of(request), request) },
  });
  return [
    {
      method: "GET",
      path: "/ping",
      describe: () => ({ summary: "Whether requests are taken.", answer: {} }),
      open: true,
      handle: () => answerPing(face),
    },
    invocations("/invocations", () => face.defaultEndpoint()),
    invocations("/endpoints/:endpoint/invocations", named),
    {
      method: "POST",
      path: "/endpoints/:endpoint/predict",
      describe: (endpoint) => ({
        summary: "Answers rows, with where the answer comes from.",
        body: askedContent(endpoint),
        answer: { "application/json": predictSchema },
      }),
      captured: (request) => named(request).name,
      handle: async (request) => {
        const endpoint = named(request);
        const answer = await ask(face, endpoint, request);
        const { outputs, provenance } = answer;
        const body = `{"predictions":${predictionsText(outputs)},"provenance":${JSON.stringify(provenance)}${explanationMember(answer)}}`;
        return jsonText(body, 200, headersOf(endpoint, answer));
      },
    },
  ];
}

/** @param targetModel The model of the endpoint's catalog. Default: what the header says. */
export function invoke(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel?: string,
): Soon<HttpAnswer> {
  return whenThere(ask(face, endpoint, request, targetModel), (answer) => {
    const { type, body } =
      answer.explanation === undefined
        ? writeContent(answer.outputs, formatOfAnswer(request.headers))
        : writeExplained(answer, answer.explanation, request.headers);
    const headers = headersOf(endpoint, answer);
    headers["content-type"] = type;
    return { status: 200, headers, body };
  });
}

/** The signature of the variant that answered; an endpoint with a catalog has as many as models. */
const signatureOf = (endpoint: Endpoint, variant: string): ModelSignature | undefined =>
  endpoint.catalog === undefined ? routeOf(endpoint, variant)?.slot.served.resolved.manifest.signature : undefined;

function headersOf(endpoint: Endpoint, answer: Prediction): Record<string, string> {
  const signature = signatureOf(endpoint, answer.provenance.variant);
  const headers = provenanceHeaders(answer);
  if (signature !== undefined) headers[schemaHeader] = schemaHash(signature);
  return headers;
}

/** JSON lines that come without a length, or are to be answered as events, are answered while they come. */
function wantsStream(headers: HttpCaller["headers"]): boolean {
  if (formatOfBody(headers) !== "lines") return false;
  const { format } = formatOfAnswer(headers);
  return format === "events" || (format === "lines" && headers["content-length"] === undefined);
}

async function stream(face: ServerFace, endpoint: Endpoint, request: StreamedRequest): Promise<HttpAnswer> {
  const { headers } = request;
  const { format, type } = formatOfAnswer(headers);
  const events = format === "events";
  checkSchema(endpoint, headers, variantOf(headers));
  return streamLines({
    chunks: request.chunks,
    maxLineBytes: request.maxBodyBytes,
    maxRows: streamedRows,
    events,
    type,
    async ask(instances) {
      const asked = { ...addressOf(request), targetModel: targetOf(request), instances };
      const answer = await face.predict(endpoint.name, asked, request);
      if (face.exchanges !== undefined) tellLines(face.exchanges, { endpoint, request, instances, answer });
      return answer;
    },
    headersOf: (first) => headersOf(endpoint, first),
  });
}

/** Rows of a stream that were asked together, as the lines they came and went as. */
function tellLines(
  sink: ExchangeSink,
  {
    endpoint,
    request,
    instances,
    answer,
  }: {
    readonly endpoint: Endpoint;
    readonly request: StreamedRequest;
    readonly instances: readonly unknown[];
    readonly answer: Prediction;
  },
): void {
  tellWritten(sink, {
    endpoint: endpoint.name,
    variant: answer.provenance.variant,
    inferenceId: request.headers["x-amzn-sagemaker-inference-id"],
    requestId: answer.provenance.requestId,
    contentType: "application/jsonlines",
    asked: () => linesText(instances.map((each) => JSON.stringify(each))),
    answered: () => linesText(predictionTexts(answer.outputs)),
  });
}

function ask(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel = targetOf(request),
): Soon<Prediction> {
  const { headers } = request;
  const variant = variantOf(headers);
  checkSchema(endpoint, headers, variant);
  const site = {
    unknownFields: endpoint.unknownFields,
    inputs: () => inputsOf(face, endpoint, request, targetModel, variant),
    columns: () => (targetModel === undefined ? routeOf(endpoint, variant)?.slot.served.model.columns : undefined),
    scanned: scannedInput(endpoint),
  };
  return whenThere(readContent(site, request), (asked) =>
    face.predict(endpoint.name, requestOf(request, asked, variant, targetModel), request),
  );
}

/** Written out: every request passes here, and spreads cost more than what they save. */
const requestOf = (
  { headers, signal }: HttpRequest,
  { entities, request, instances, inputs, explain }: Asked,
  variant: string | undefined,
  targetModel: string | undefined,
): PredictRequest => ({
  entities,
  request,
  instances,
  inputs,
  explain,
  requestId: requestIdOf(headers),
  variant,
  stickyKey: headers["x-amzn-sagemaker-session-id"],
  targetModel,
  idempotencyKey: headers["idempotency-key"],
  signal,
});

/** The one input of every model that may answer, where none reads columns: the same body is then read in the same way while models change. */
export function scannedInput({ catalog, routes }: Endpoint): TensorSpec | undefined {
  if (catalog !== undefined) return undefined;
  let common: TensorSpec | undefined;
  for (const { slot } of routes) {
    const { model, resolved } = slot.served;
    const { inputs } = resolved.manifest.signature;
    const [spec] = inputs;
    if (spec === undefined || inputs.length > 1 || model.columns !== undefined) return undefined;
    common ??= spec;
    if (common === spec) continue;
    if (common.name !== spec.name || common.dtype !== spec.dtype || common.shape.join() !== spec.shape.join())
      return undefined;
  }
  return common;
}

const targetOf = ({ headers }: Pick<HttpRequest, "headers">): string | undefined =>
  headers["x-amzn-sagemaker-target-model"];

const requestIdOf = (headers: HttpRequest["headers"]): string | undefined =>
  headers["x-request-id"] ?? headers["x-amzn-sagemaker-inference-id"];

/** How a request is named, and where it goes. */
const addressOf = ({ headers, signal }: Pick<HttpRequest, "headers" | "signal">): PredictRequest => ({
  requestId: requestIdOf(headers),
  variant: variantOf(headers),
  stickyKey: headers["x-amzn-sagemaker-session-id"],
  signal,
});

/** The inputs by which arrays and columns get their types: of the catalog's model, of the variant, else of the first. */
export function inputsOf(
  face: ServerFace,
  endpoint: Endpoint,
  request: HttpRequest,
  targetModel: string | undefined,
  variant?: string,
): readonly TensorSpec[] | Promise<readonly TensorSpec[]> {
  const { catalog } = endpoint;
  if (targetModel === undefined || catalog === undefined)
    return routeOf(endpoint, variant)?.slot.served.resolved.manifest.signature.inputs ?? [];
  return inputsOfTarget(face, { endpoint, request, targetModel });
}

/** The variant's, else the first. */
export const routeOf = (endpoint: Endpoint, variant: string | undefined): Endpoint["routes"][number] | undefined =>
  endpoint.routes.find(({ name }) => name === variant) ?? endpoint.routes[0];

async function inputsOfTarget(
  face: ServerFace,
  asked: { readonly endpoint: Endpoint; readonly request: HttpRequest; readonly targetModel: string },
): Promise<readonly TensorSpec[]> {
  const { endpoint, request, targetModel } = asked;
  const { signal } = request;
  await face.authorize("endpoint:invoke", endpoint.name, request, { signal });
  // The endpoint may have been configured anew meanwhile.
  const { catalog } = face.endpoint(endpoint.name);
  if (catalog === undefined) return [];
  return catalog.use(
    targetModel,
    { principal: face.principalOf(request), signal, counted: false },
    async (slot) => slot.served.resolved.manifest.signature.inputs,
  );
}
