import { isMillwrightError } from "@millwright/contracts";
import { modelConfiguration } from "../protocols/model-configuration.ts";
import { statisticsOf } from "../protocols/model-statistics.ts";
import { loadModel, repositoryIndex, extensionsOf, unloadModel } from "../protocols/model-repository.ts";
import { serverName } from "../protocols/open-inference.ts";
import { modelMetadata, modelReady, placeOf } from "../protocols/open-inference-models.ts";
import { explainedOutputs } from "../explanations/write-explained.ts";
import { type GrpcDuplexCall, type GrpcService, grpcMethod } from "./grpc-library.ts";
import { type GrpcCaller, type GrpcSite, callerOf, identified, unary } from "./grpc-handlers.ts";
import { tellWritten } from "../http/exchange.ts";
import { inferAnswerText, inferText } from "../protocols/open-inference-codec.ts";
import { readInferMessage, writeInferMessage } from "./infer-messages.ts";
import {
  type ModelInferRequest,
  type ModelInferResponse,
  empty,
  live,
  modelInferRequest,
  modelInferResponse,
  modelMetadataResponse,
  modelRequest,
  modelStreamInferResponse,
  ready,
  repositoryIndexRequest,
  repositoryIndexResponse,
  repositoryModelRequest,
  serverMetadataResponse,
} from "./messages.ts";
import { configMessage, modelConfigResponse, modelStatisticsResponse } from "./triton-messages.ts";
import { decode, encode } from "./wire.ts";

export const inferenceServiceName = "inference.GRPCInferenceService";

/** Requests of one stream that are answered at once; beyond, the client is held back. */
const streamWindow = 32;

/** proto3 has no absent text: an empty version is none. */
const versionOf = (version: string): string | undefined => (version === "" ? undefined : version);

async function infer(
  { face }: GrpcSite,
  message: ModelInferRequest,
  caller: GrpcCaller,
): Promise<Partial<ModelInferResponse>> {
  const { endpoint, name, variant, targetModel } = placeOf(face, message.model_name, versionOf(message.model_version));
  const asked = readInferMessage(message);
  const deadlineMs = shortest(asked.timeoutMs, caller.deadlineMs);
  const { outputs, provenance, explanation } = await face.predict(
    endpoint.name,
    {
      inputs: asked.inputs,
      requestId: asked.id ?? caller.headers["x-request-id"],
      variant,
      targetModel,
      idempotencyKey: caller.headers["idempotency-key"],
      signal: caller.signal,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(asked.explain === undefined ? {} : { explain: asked.explain }),
    },
    caller,
  );
  const { model } = provenance;
  const parameters = { request_id: provenance.requestId, variant: provenance.variant, model_digest: model.digest };
  const version = model.version === undefined ? undefined : String(model.version);
  const degraded = provenance.degraded === undefined ? {} : { degraded: provenance.degraded.reason };
  const told = explanation === undefined ? undefined : explainedOutputs(outputs, explanation, asked);
  const answer = {
    model: name,
    version,
    id: asked.id,
    parameters: { ...parameters, ...degraded, ...told?.parameters },
    outputs: told?.outputs ?? outputs,
  };
  const written = writeInferMessage(answer, told?.asked ?? asked);
  if (face.exchanges !== undefined) {
    const { requestId } = provenance;
    const inferenceId = caller.headers["x-amzn-sagemaker-inference-id"];
    const names = (told?.asked ?? asked).outputs?.map((each) => ({ name: each.name }));
    tellWritten(face.exchanges, {
      endpoint: endpoint.name,
      variant: provenance.variant,
      inferenceId,
      requestId,
      contentType: "application/json",
      asked: () => inferText(asked.id, asked.inputs),
      answered: () => inferAnswerText(answer, names),
    });
  }
  return written;
}

const shortest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined ? other : Math.min(one, other ?? one);

/** Every request of the stream is answered, in the order in which they came; one that fails is told in its answer, and the stream goes on. */
function streamInfer(site: GrpcSite, call: GrpcDuplexCall): void {
  const stranger = callerOf(call, site.clock);
  const { signal } = stranger;
  const known = identified(site, stranger, call, new Uint8Array());
  // Whoever is refused is told in the first answer.
  known.catch(() => {});
  let writing = Promise.resolve();
  let inFlight = 0;
  call.on("data", (bytes) => {
    inFlight += 1;
    if (inFlight >= streamWindow) call.pause();
    const answer = streamed(site, bytes, known);
    writing = writing.then(async () => {
      await write(call, await answer, signal);
      inFlight -= 1;
      if (inFlight < streamWindow) call.resume();
    });
  });
  call.on("error", () => {});
  call.on("end", () => {
    void writing.then(() => call.end());
  });
}

async function streamed(site: GrpcSite, bytes: Uint8Array, caller: Promise<GrpcCaller>): Promise<Uint8Array> {
  try {
    const answer = await infer(site, decode(modelInferRequest, bytes), await caller);
    return encode(modelStreamInferResponse, { infer_response: answer as ModelInferResponse });
  } catch (error) {
    const message = isMillwrightError(error) ? `${error.code}: ${error.message}` : "The server failed to answer.";
    return encode(modelStreamInferResponse, { error_message: message, infer_response: idOf(bytes) });
  }
}

/** By which the caller knows the request that failed. */
function idOf(bytes: Uint8Array): ModelInferResponse | undefined {
  try {
    const { id, model_name } = decode(modelInferRequest, bytes);
    return { id, model_name } as ModelInferResponse;
  } catch {
    return undefined;
  }
}

/** Waits where the client reads slowly. */
async function write(call: GrpcDuplexCall, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  if (signal.aborted || call.write(bytes)) return;
  await new Promise<void>((resolve) => {
    call.once("drain", resolve);
    call.once("cancelled", resolve);
  });
}

/** `inference.GRPCInferenceService` of the Open Inference Protocol, with Triton's stream and model repository. */
export function inferenceService(site: GrpcSite): GrpcService {
  const { face } = site;
  // Health is asked without a credential.
  const open = { ...site, open: true };
  const implementation: GrpcService["implementation"] = {
    ServerLive: unary(open, [empty, live], () => ({ live: true })),
    ServerReady: unary(open, [empty, ready], () => ({ ready: face.ready })),
    ModelReady: unary(site, [modelRequest, ready], async ({ name, version }, caller) => ({
      ready: await modelReady(face, placeOf(face, name, versionOf(version)), caller),
    })),
    ServerMetadata: unary(site, [empty, serverMetadataResponse], () => ({
      ...serverName,
      extensions: extensionsOf(face),
    })),
    ModelMetadata: unary(site, [modelRequest, modelMetadataResponse], async ({ name, version }, caller) => {
      const {
        inputs,
        outputs,
        versions = [],
        ...told
      } = await modelMetadata(face, placeOf(face, name, versionOf(version)), caller);
      const tensor = ({ shape, ...each }: (typeof inputs)[number]) => ({ ...each, shape: shape.map(BigInt) });
      return { ...told, versions, inputs: inputs.map(tensor), outputs: outputs.map(tensor) };
    }),
    ModelConfig: unary(site, [modelRequest, modelConfigResponse], async ({ name, version }, caller) =>
      configMessage(await modelConfiguration(face, placeOf(face, name, versionOf(version)), caller)),
    ),
    ModelStatistics: unary(site, [modelRequest, modelStatisticsResponse], async ({ name, version }, caller) => ({
      // No name is all of them.
      model_stats: await statisticsOf(face, name === "" ? undefined : placeOf(face, name, versionOf(version)), caller),
    })),
    ModelInfer: unary(site, [modelInferRequest, modelInferResponse], (message, caller) => infer(site, message, caller)),
    ModelStreamInfer: (call: GrpcDuplexCall) => streamInfer(site, call),
    RepositoryIndex: unary(site, [repositoryIndexRequest, repositoryIndexResponse], (asked) => ({
      models: repositoryIndex(face, asked.ready).map(({ version = "", reason = "", ...each }) => ({
        ...each,
        version,
        reason,
      })),
    })),
    RepositoryModelLoad: unary(site, [repositoryModelRequest, empty], async ({ model_name }, caller) => {
      await loadModel(face, model_name, caller);
      return {};
    }),
    RepositoryModelUnload: unary(site, [repositoryModelRequest, empty], async ({ model_name }, caller) => {
      await unloadModel(face, model_name, caller);
      return {};
    }),
  };
  const methods = Object.keys(implementation).map(
    (name) => [name, grpcMethod(inferenceServiceName, name, name === "ModelStreamInfer" ? "both" : "none")] as const,
  );
  return { definition: Object.fromEntries(methods), implementation };
}
