import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CallOptions, type Logger, type Meter, type ModelRuntime, silentLogger } from "@millwright/contracts";
import type { EndpointOptions } from "../engine/endpoint.ts";
import { portBusy } from "../errors.ts";
import { guardConnections } from "../http/connection-guard.ts";
import { type ModelServer, openModelServer } from "../model-server.ts";
import { onePackageSource } from "./package-source.ts";

export interface ServeContainerOptions extends CallOptions {
  readonly runtimes: readonly ModelRuntime[];
  /** Where the model package lies. Default: `"/opt/ml/model"`. */
  readonly modelDirectory?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
  /** Default: `"0.0.0.0"`. */
  readonly host?: string | undefined;
  /** How the endpoint is called. Default: `"model"`. */
  readonly endpoint?: string | undefined;
  /** Of the endpoint, but for its variants. */
  readonly endpointOptions?: Omit<EndpointOptions, "variants"> | undefined;
  readonly meter?: Meter | undefined;
  readonly logger?: Logger | undefined;
}

/** A server that listens; it may still load its model. */
export interface ServingContainer extends AsyncDisposable {
  /** Such as `http://0.0.0.0:8080`. */
  readonly address: string;
  /** When the model is loaded and `/ping` says so. Rejects with what `openModelServer` throws. */
  readonly ready: Promise<void>;
  /** Says not ready, answers what it has, and closes. On abort connections are cut. */
  stop(options?: CallOptions): Promise<void>;
}

/**
 * SageMaker's container contract for one model: listens at once, answers `/ping` with 503 until the model is loaded and has answered its golden requests, then
 * 200, and `/invocations`. Throws `SERVING_PORT_BUSY`.
 */
export async function serveContainer(options: ServeContainerOptions): Promise<ServingContainer> {
  const { port = 8080, host = "0.0.0.0", signal } = options;
  signal?.throwIfAborted();
  let server: ModelServer | undefined;
  const listener = createServer((request, response) => {
    if (isLivenessCheck(request)) answerAlive(request, response);
    else if (server === undefined) answerNotYet(request, response);
    else server.node(request, response);
  });
  guardConnections(listener, { headersTimeoutMs: 20_000, requestTimeoutMs: 300_000 });
  const address = await listenOn(listener, host, port);
  const closing = new AbortController();
  const ready = openServer(options, AbortSignal.any([closing.signal, ...(signal === undefined ? [] : [signal])])).then(
    (opened) => void (server = opened),
  );
  // Whoever waits hears of it; nobody has to.
  ready.catch(() => undefined);
  const stop = async ({ signal: hurry }: CallOptions = {}): Promise<void> => {
    closing.abort(new DOMException("The container stops.", "AbortError"));
    await ready.catch(() => undefined);
    const cut = (): void => listener.closeAllConnections();
    hurry?.addEventListener("abort", cut, { once: true });
    const ended = listener.listening ? once(listener, "close") : undefined;
    await server?.drain();
    listener.close();
    listener.closeIdleConnections();
    if (hurry?.aborted === true) cut();
    await ended;
    hurry?.removeEventListener("abort", cut);
  };
  return { address, ready, stop, [Symbol.asyncDispose]: () => stop() };
}

function openServer(options: ServeContainerOptions, signal: AbortSignal): Promise<ModelServer> {
  const { runtimes, modelDirectory = "/opt/ml/model", endpoint = "model", endpointOptions, meter } = options;
  const { logger = silentLogger } = options;
  return openModelServer({
    source: onePackageSource(modelDirectory),
    runtimes,
    endpoints: { [endpoint]: { ...endpointOptions, variants: { AllTraffic: { model: "model/1", weight: 1 } } } },
    watch: false,
    meter,
    logger,
    signal,
  });
}

/** What clients of KServe's first protocol ask; it has no other liveness. */
const isLivenessCheck = ({ method, url }: IncomingMessage): boolean => method === "GET" && url === "/";

function answerAlive(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const body = '{"status":"alive"}';
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
}

function answerNotYet(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const body =
    request.url === "/ping" ? "" : '{"error":"The model is being loaded. Ask again later.","retryable":true}';
  const headers = body === "" ? {} : { "content-type": "application/json", "retry-after": "1" };
  response.writeHead(503, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
}

async function listenOn(listener: Server, host: string, port: number): Promise<string> {
  listener.listen(port, host);
  try {
    await once(listener, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") throw portBusy(host, port, error);
    throw error;
  }
  return `http://${host}:${(listener.address() as AddressInfo).port}`;
}
