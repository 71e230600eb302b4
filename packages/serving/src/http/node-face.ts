import { once, setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../auth/authenticate.ts";
import type { MountedRoute } from "./answering.ts";
import { merged } from "../engine/merged.ts";
import { type BodySource, bytesBody, nodeBody } from "./body-source.ts";
import { type HttpAnswer, errorAnswer } from "./http-message.ts";
import { createRouteTable, findRoute } from "./route-table.ts";

/** A listener of `node:http`, and a middleware of Express and Connect: with `next` a path that is nobody's goes on. Never throws. */
export type NodeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** What frameworks add to a request of Node. */
interface FramedRequest extends IncomingMessage {
  readonly originalUrl?: string | undefined;
  /** What a parser before us made of the body. */
  readonly body?: unknown;
}

/** The routes as a listener of `node:http`. */
export function nodeHandler(routes: readonly MountedRoute[]): NodeHandler {
  const table = createRouteTable(routes);
  return (request, response, next) => {
    const url = request.url ?? "/";
    const path = url.split("?", 1)[0] ?? "/";
    const method = request.method ?? "GET";
    let answer: Promise<HttpAnswer>;
    try {
      const found = next === undefined ? findRoute(table, method, path) : table.find(method, path);
      if (found === undefined) return next?.();
      answer = found.route.answer({
        method,
        target: (request as FramedRequest).originalUrl ?? url,
        params: found.params,
        headers: request.headers as Readonly<Record<string, string | undefined>>,
        body: bodyOf(request),
        signal: goneSignal(response),
        certificate: () => certificateOf(request),
      });
    } catch (error) {
      answer = Promise.resolve(errorAnswer(error));
    }
    void answer.then((whole) => writeAnswer(request, response, whole)).catch(() => response.destroy());
  };
}

/** The certificate of the client, where TLS has verified it. */
export function certificateOf({ socket }: IncomingMessage): ClientCertificate | undefined {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  if (authorized !== true || getPeerCertificate === undefined) return undefined;
  const certificate = getPeerCertificate.call(socket as TLSSocket, false);
  return certificate?.fingerprint256 === undefined ? undefined : certificate;
}

const connections = new WeakMap<object, AbortSignal>();

/**
 * Aborts when the client is gone before its answer is complete. Over HTTP/1 a client is gone when its connection is: one signal stands for all its requests, and
 * whoever listens to it takes its ear from it afterwards.
 */
export function goneSignal(response: ServerResponse): AbortSignal {
  const { socket, req } = response;
  if (socket === null || req.httpVersionMajor >= 2) return goneResponse(response);
  const known = connections.get(socket);
  if (known !== undefined) return known;
  const gone = new AbortController();
  socket.once("close", () => gone.abort());
  // Those who wait for one request are many; they are not a leak.
  setMaxListeners(0, gone.signal);
  gone.signal.addEventListener("abort", () => undefined);
  connections.set(socket, gone.signal);
  return gone.signal;
}

function goneResponse(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** The body of a request; what a parser before us has read is what it made of it. */
function bodyOf(request: FramedRequest): BodySource {
  const { body } = request;
  if (!request.readableEnded || body === undefined) return nodeBody(request, request.headers["content-length"]);
  if (body instanceof Uint8Array) return bytesBody(body);
  return bytesBody(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
}

async function writeAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body, close }: HttpAnswer,
): Promise<void> {
  if (close === true && request.httpVersionMajor < 2) response.setHeader("connection", "close");
  const whole = typeof body === "string" || body instanceof Uint8Array;
  response.writeHead(status, whole ? merged(headers, { "content-length": Buffer.byteLength(body) }) : { ...headers });
  const silent = request.method === "HEAD";
  if (whole) {
    response.end(silent ? undefined : body);
    if (close === true) request.resume();
    return;
  }
  const gone = goneSignal(response);
  if (!silent) {
    for await (const part of body) {
      if (response.destroyed) return;
      // A reader that is slow is waited for: the next part is not even made.
      if (!response.write(part) && !response.destroyed)
        await once(response, "drain", { signal: gone }).catch(() => undefined);
    }
  }
  response.end();
}
