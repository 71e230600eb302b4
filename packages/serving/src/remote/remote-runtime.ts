import {
  type LoadedModel,
  type ModelManifest,
  type ModelRuntime,
  type PredictOptions,
  type Tensors,
  closed,
  hasCode,
  modelCorrupt,
} from "@millwright/contracts";
import { bentoMl } from "../clients/bentoml-client.ts";
import type { ClientFetch, ClientHeaders } from "../clients/http-asking.ts";
import { millwrightServer } from "../clients/millwright-server.ts";
import { type ModelClient, type ModelClientOptions, createModelClient } from "../clients/model-client.ts";
import { openAi } from "../clients/openai-client.ts";
import { openInference } from "../clients/open-inference-client.ts";
import type { ClientProtocol } from "../clients/protocol.ts";
import { type SageMakerRuntimeClient, sageMaker } from "../clients/sagemaker-client.ts";
import { kserveV1, tensorFlowServing } from "../clients/tensorflow-client.ts";
import { unreachable } from "../clients/client-errors.ts";
import { modelFailed } from "../errors.ts";
import { remoteUnconfigured } from "./remote-errors.ts";
import { type RemoteTarget, readRemotePackage, remoteFormat } from "./remote-package.ts";

/** A server that packages may name. */
export interface RemoteServer {
  /** Packages may name this address and what lies below it. */
  readonly url: string;
  /** Sent to it alone: an authorization. */
  readonly headers?: ClientHeaders | undefined;
  /** Default: the platform's. */
  readonly fetch?: ClientFetch | undefined;
}

export interface RemoteRuntimeOptions {
  /** The servers that packages may name: others are not asked, whatever a package says. Default: none. */
  readonly servers?: readonly RemoteServer[] | undefined;
  /** For packages that name an endpoint of SageMaker: `new SageMakerRuntime({ maxAttempts: 1 })`. Default: none. */
  readonly sageMaker?: SageMakerRuntimeClient | undefined;
  /** Deadline, tries, hedges. Default: as `createModelClient` has them. */
  readonly client?: Omit<ModelClientOptions, "protocol"> | undefined;
  /** How many calls of a model may be under way at once. Default: 8. */
  readonly lanes?: number | undefined;
}

/**
 * Serves packages of the format `remote`, which `writeRemoteModel` makes: models of other servers, behind the same validation, batching, rollouts and fallbacks as
 * those at hand. `load` asks whether the server has the model with this signature, and throws where it does not: `SERVING_REMOTE_UNCONFIGURED`,
 * `PORT_MODEL_CORRUPT`, `SERVING_CLIENT_SIGNATURE_INVALID`, and what clients throw. `predict` throws what clients throw, which passes where `retryable`, and
 * `SERVING_MODEL_FAILED` where the server has the model no more or lets nobody in.
 * Throws `TypeError` and `RangeError` for options out of range.
 */
export function remoteRuntime(options: RemoteRuntimeOptions = {}): ModelRuntime {
  const { servers = [], lanes = 8, client = {} } = options;
  if (!Array.isArray(servers)) throw new TypeError("servers must be a list.");
  const known = servers.map((server: RemoteServer) => ({ server, base: baseOf(server?.url) }));
  if (!(Number.isInteger(lanes) && lanes >= 1))
    throw new RangeError(`lanes must be a whole number from 1, not ${String(lanes)}.`);
  if (client === null || typeof client !== "object") throw new TypeError("client must be options of a model client.");
  const site = { known, sageMaker: options.sageMaker, client };
  return {
    formats: [remoteFormat],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const { target, sizeBytes } = await readRemotePackage(directory, signal);
      const protocol = protocolOf(site, directory, manifest.name, target);
      const asked = createModelClient({ ...client, protocol, signature: manifest.signature });
      await present(asked, protocol, signal);
      return loadedRemote(asked, manifest, { lanes, sizeBytes });
    },
  };
}

interface Site {
  readonly known: readonly { readonly server: RemoteServer; readonly base: URL }[];
  readonly sageMaker: SageMakerRuntimeClient | undefined;
}

function baseOf(url: unknown): URL {
  if (typeof url !== "string" || !URL.canParse(url))
    throw new TypeError(`The url of a server must be a text such as http://triton:8000, not ${String(url)}.`);
  return new URL(url);
}

/** Whether an address is that of a server, or lies below it: parts of a path are compared whole. */
function isBelow(url: URL, base: URL): boolean {
  const path = base.pathname.endsWith("/") ? base.pathname : `${base.pathname}/`;
  return url.origin === base.origin && `${url.pathname}/`.startsWith(path);
}

function protocolOf(site: Site, directory: string, name: string, target: RemoteTarget): ClientProtocol {
  if (target.protocol === "sagemaker") {
    if (site.sageMaker === undefined)
      throw remoteUnconfigured(name, "it is an endpoint of SageMaker", "Give the runtime a client as `sageMaker`.");
    const client = site.sageMaker;
    return made(directory, () => sageMaker({ ...target, client }));
  }
  const url = new URL(target.url);
  const found = site.known.find(({ base }) => isBelow(url, base));
  if (found === undefined)
    throw remoteUnconfigured(
      name,
      `its server ${url.origin}${url.pathname} is none of the runtime's`,
      "Add it to `servers` of the runtime, if it may be asked.",
    );
  const { headers, fetch } = found.server;
  return made(directory, () => httpProtocol({ ...target, headers, fetch }));
}

type HttpTarget = Exclude<RemoteTarget, { readonly protocol: "sagemaker" }> & Pick<RemoteServer, "headers" | "fetch">;

function httpProtocol(target: HttpTarget): ClientProtocol {
  switch (target.protocol) {
    case "millwright":
      return millwrightServer(target);
    case "open-inference":
      return openInference(target);
    case "tensorflow":
      return tensorFlowServing(target);
    case "kserve-v1":
      return kserveV1(target);
    case "bentoml":
      return bentoMl(target);
    case "openai":
      return openAi(target);
  }
}

/** What a package says wrongly is told of the package. */
function made(directory: string, make: () => ClientProtocol): ClientProtocol {
  try {
    return make();
  } catch (error) {
    throw modelCorrupt(directory, error instanceof Error ? error.message.replace(/\.$/, "") : String(error), error);
  }
}

/** Throws where the server has not this model, or is not there. */
async function present(client: ModelClient, protocol: ClientProtocol, signal: AbortSignal | undefined): Promise<void> {
  if (protocol.describe !== undefined) return client.check({ signal });
  if (!(await client.ready({ signal }))) throw unreachable(protocol.where, "it is not ready", undefined);
}

function loadedRemote(
  client: ModelClient,
  { name }: ModelManifest,
  { lanes, sizeBytes }: { readonly lanes: number; readonly sizeBytes: number },
): LoadedModel {
  const running = new Set<Promise<unknown>>();
  let disposed: Promise<void> | undefined;
  return {
    memoryBytes: sizeBytes,
    lanes,
    async predict(inputs, options) {
      if (disposed !== undefined) throw closed(`The remote model "${name}"`);
      const asking = answered(client, name, inputs, options);
      running.add(asking);
      try {
        return await asking;
      } finally {
        running.delete(asking);
      }
    },
    dispose: () => (disposed ??= Promise.allSettled(running).then(() => {})),
  };
}

/** Failures of the server's own making: others may answer in its place. */
const ofTheServer = ["SERVING_CLIENT_ACCESS_DENIED", "SERVING_CLIENT_MODEL_UNKNOWN"];

async function answered(
  client: ModelClient,
  name: string,
  inputs: Tensors,
  options: PredictOptions | undefined,
): Promise<Tensors> {
  try {
    const { outputs } = await client.predict(inputs, { signal: options?.signal, ...identityOf(options) });
    return outputs;
  } catch (error) {
    if (!ofTheServer.some((code) => hasCode(error, code))) throw error;
    throw modelFailed(name, (error as Error).message.replace(/\.$/, ""), error);
  }
}

/** The request that the rows belong to, where it is one: a batch of several has an id of its own. */
function identityOf(options: PredictOptions | undefined) {
  const requests = options?.requests ?? [];
  const [first] = requests;
  if (first === undefined || requests.some(({ requestId }) => requestId !== first.requestId)) return {};
  return { requestId: first.requestId, traceparent: first.traceparent };
}
