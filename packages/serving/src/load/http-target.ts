import { Agent, type IncomingMessage, request } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { LoadOutcome, LoadTarget } from "./run-load.ts";

export interface HttpTargetOptions {
  readonly url: string | URL;
  /** Default: POST where there is a body, else GET. */
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What is sent, or what makes it by the request's index: bodies that differ keep caches out of a measurement. */
  readonly body?: string | Uint8Array | ((index: number) => string | Uint8Array) | undefined;
  /** Most connections. Default: as many as there are requests under way. */
  readonly connections?: number | undefined;
}

/** A target over HTTP with connections that are kept. Answers outside 200 to 299 fail with `HTTP_<status>`, what does not connect with its system code. */
export interface HttpTarget {
  readonly target: LoadTarget;
  /** Closes the connections. */
  close(): void;
}

export function httpTarget(options: HttpTargetOptions): HttpTarget {
  const { headers = {}, body, connections = Number.POSITIVE_INFINITY } = options;
  const url = new URL(options.url);
  const secure = url.protocol === "https:";
  if (!secure && url.protocol !== "http:") throw new RangeError(`The URL "${url.href}" is neither http: nor https:.`);
  const method = options.method ?? (body === undefined ? "GET" : "POST");
  const agentOptions = { keepAlive: true, maxSockets: connections, scheduling: "lifo" as const, noDelay: true };
  const agent = secure ? new SecureAgent(agentOptions) : new Agent(agentOptions);
  const ask = secure ? secureRequest : request;
  return {
    target: (index, { signal }) =>
      new Promise<LoadOutcome>((resolve) => {
        const fail = (error: NodeJS.ErrnoException): void => resolve({ failure: error.code ?? error.name });
        const content = typeof body === "function" ? body(index) : body;
        const length = content === undefined ? {} : { "content-length": String(Buffer.byteLength(content)) };
        const sent = ask(url, { agent, method, signal, headers: { ...headers, ...length } }, (response) => {
          consume(response).then(
            (status) => resolve(status >= 200 && status <= 299 ? {} : { failure: `HTTP_${status}` }),
            fail,
          );
        });
        sent.on("error", fail);
        sent.end(content);
      }),
    close: () => agent.destroy(),
  };
}

/** Reads the answer to its end, so that its connection is free again. */
async function consume(response: IncomingMessage): Promise<number> {
  response.resume();
  await new Promise<void>((resolve, reject) => response.once("end", resolve).once("error", reject));
  return response.statusCode ?? 0;
}
