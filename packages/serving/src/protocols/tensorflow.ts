import type { TensorSpec } from "@millwright/contracts";
import { scanInstances } from "../content/scan-instances.ts";
import { explanationMember, withMember } from "../explanations/write-explained.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import type { Soon } from "../engine/settle.ts";
import { variantUnknown } from "../errors.ts";
import { type HttpAnswer, type HttpRequest, type HttpRoute, json, jsonText } from "../http/http-message.ts";
import type { DescribeRoute } from "../http/operation.ts";
import { provenanceHeaders } from "../telemetry/answer-headers.ts";
import { inputsOf, routeOf, scannedInput } from "./invocations.ts";
import { modelNameOf, modelPaths } from "./model-paths.ts";
import { type Place, modelMetadata, modelReady, placeOf } from "./open-inference-models.ts";
import type { ServerFace } from "./open-inference.ts";
import { examplesSchema, objectSchema, tensorflowSchema } from "./signature-schemas.ts";
import {
  classifyText,
  columnText,
  metadataOf,
  readExamples,
  readMessage,
  readPredict,
  regressText,
  rowText,
} from "./tensorflow-codec.ts";

/** What follows the colon: how a body is read, and its answer written. */
type Verb = "predict" | "classify" | "regress";

/** Of a model, its version or its label. */
const addresses = modelPaths("/v1/models").flatMap((path) => [
  path,
  `${path}/versions/:version`,
  `${path}/labels/:label`,
]);

/** The same before a verb: names have no colon there, and the shortest address is the last that is tried. */
const verbAddresses = modelPaths("/v1/models", "(^[^:]+)").flatMap((path) => [
  `${path}/versions/:version(^[0-9]+)`,
  `${path}/labels/:label(^[^:/]+)`,
  path,
]);

const told =
  (summary: string, members: Readonly<Record<string, string>>): DescribeRoute =>
  () => ({ summary, answer: { "application/json": objectSchema(members) } });

/**
 * The REST API of TensorFlow Serving, and the first version of KServe's, which has the same predictions: a model is an endpoint, its versions are those of the
 * variants' models, and a label is a variant's name.
 */
export function tensorflowRoutes(face: ServerFace): readonly HttpRoute[] {
  const status = async (request: HttpRequest): Promise<HttpAnswer> => {
    const place = labelled(face, request);
    const ready = await modelReady(face, place, request);
    return json(
      { name: place.name, ready, model_version_status: await versionStates(face, place, request) },
      // Clients of KServe read the status alone.
      ready ? 200 : 503,
    );
  };
  const metadata = async (request: HttpRequest): Promise<HttpAnswer> => {
    const place = labelled(face, request);
    const { inputs, outputs } = await modelMetadata(face, place, request);
    const [{ version }] = await versionStates(face, place, request);
    return json(metadataOf(place.name, version, { inputs, outputs }));
  };
  return [
    {
      method: "GET",
      path: "/v1/models",
      describe: told("Names of the models.", { models: "array" }),
      handle: () => json({ models: namesOf(face) }),
    },
    ...addresses.flatMap((path): HttpRoute[] => [
      {
        method: "GET",
        path,
        describe: told("State of the model's versions.", {
          name: "string",
          ready: "boolean",
          model_version_status: "array",
        }),
        handle: status,
      },
      {
        method: "GET",
        path: `${path}/metadata`,
        describe: told("Inputs and outputs of the model.", { model_spec: "object", metadata: "object" }),
        handle: metadata,
      },
    ]),
    ...verbAddresses.flatMap((path) => verbRoutes(face, path)),
  ];
}

const verbRoutes = (face: ServerFace, path: string): readonly HttpRoute[] => [
  {
    method: "POST",
    path: `${path}::predict`,
    describe: (endpoint) => ({
      summary: "Answers rows with `predictions`, columns with `outputs`.",
      body: { "application/json": tensorflowSchema(endpoint) },
      answer: { "application/json": { type: "object" } },
    }),
    handle: (request) => predict(face, request),
  },
  ...(["classify", "regress"] as const).map((verb): HttpRoute => ({
    method: "POST",
    path: `${path}::${verb}`,
    describe: (endpoint) => ({
      summary: verb === "classify" ? "Labels and scores of examples." : "One number for each example.",
      body: { "application/json": examplesSchema(endpoint) },
      answer: { "application/json": objectSchema({ results: "array" }) },
    }),
    handle: (request) => results(face, request, verb),
  })),
];

/** Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_VERSION_UNKNOWN`, `SERVING_VARIANT_UNKNOWN`. */
function labelled(face: ServerFace, { params }: HttpRequest): Place {
  const { version, label } = params;
  const place = placeOf(face, modelNameOf(params), version);
  if (label === undefined) return place;
  const { endpoint, targetModel } = place;
  if (targetModel !== undefined || !endpoint.routes.some((route) => route.name === label))
    throw variantUnknown(
      endpoint.name,
      label,
      endpoint.routes.map((route) => route.name),
    );
  return { ...place, variant: label };
}

const namesOf = (face: ServerFace): readonly string[] =>
  face
    .endpoints()
    .flatMap(({ name, routes, catalog }) => [
      ...(routes.length === 0 ? [] : [name]),
      ...(catalog?.models() ?? []).map(({ target }) => target),
    ]);

interface VersionState {
  /** 0 where the model has none, as the protocol's messages leave a number out. */
  readonly version: string;
  readonly state: "AVAILABLE" | "UNLOADING";
  readonly status: { readonly error_code: "OK"; readonly error_message: "" };
}

/** Those of the place: of one variant where it says which, else of all. */
async function versionStates(
  face: ServerFace,
  place: Place,
  request: HttpRequest,
): Promise<readonly [VersionState, ...VersionState[]]> {
  const { endpoint, variant, targetModel } = place;
  const { versions = [] } = await modelMetadata(face, place, request);
  const route = endpoint.routes.find(({ name }) => name === variant);
  const own = route?.slot.served.resolved.version;
  const named = targetModel === undefined && route !== undefined ? (own === undefined ? [] : [String(own)]) : versions;
  const [first = "0", ...others] = named;
  const state = (version: string): VersionState => ({
    version,
    state: face.ready ? "AVAILABLE" : "UNLOADING",
    status: { error_code: "OK", error_message: "" },
  });
  return [state(first), ...others.map(state)];
}

async function predict(face: ServerFace, request: HttpRequest): Promise<HttpAnswer> {
  const place = labelled(face, request);
  const { endpoint, targetModel } = place;
  const scanned = targetModel === undefined ? scannedInput(endpoint) : undefined;
  const tensor = scanned === undefined ? undefined : scanInstances(scanned, request.body);
  if (scanned !== undefined && tensor !== undefined)
    return answered(await ask(face, place, request, { inputs: { [scanned.name]: tensor } }), rowText);
  const specs = await specsOf(face, place, request);
  const asked = readPredict(readMessage(request.body, specs), specs, columnsOf(place));
  return answered(await ask(face, place, request, asked.request), asked.columnar ? columnText : rowText);
}

async function results(face: ServerFace, request: HttpRequest, verb: Exclude<Verb, "predict">): Promise<HttpAnswer> {
  const place = labelled(face, request);
  const specs = await specsOf(face, place, request);
  const instances = readExamples(readMessage(request.body, specs), columnsOf(place) !== undefined);
  return answered(await ask(face, place, request, { instances }), verb === "classify" ? classifyText : regressText);
}

const specsOf = (face: ServerFace, place: Place, request: HttpRequest): Promise<readonly TensorSpec[]> =>
  Promise.resolve(inputsOf(face, place.endpoint, request, place.targetModel, place.variant));

/** The columns that the model's transforms read. */
const columnsOf = (place: Place): readonly { readonly name: string }[] | undefined =>
  place.targetModel === undefined ? routeOf(place.endpoint, place.variant)?.slot.served.model.columns : undefined;

const ask = (
  face: ServerFace,
  { endpoint, variant, targetModel }: Place,
  request: HttpRequest,
  asked: Pick<PredictRequest, "instances" | "inputs">,
): Soon<Prediction> =>
  face.predict(
    endpoint.name,
    {
      ...asked,
      variant,
      targetModel,
      requestId: request.headers["x-request-id"] ?? request.headers["ce-id"],
      idempotencyKey: request.headers["idempotency-key"],
      signal: request.signal,
    },
    request,
  );

const answered = (answer: Prediction, text: (outputs: Prediction["outputs"]) => string): HttpAnswer =>
  jsonText(withMember(text(answer.outputs), explanationMember(answer)), 200, provenanceHeaders(answer));
