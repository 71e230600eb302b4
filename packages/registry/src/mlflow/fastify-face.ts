import { Readable } from "node:stream";
import type { MlflowAnswer, MlflowRequest } from "./message.ts";
import type { Answer } from "./server.ts";

/** What is used of a request of Fastify 5. */
export interface MlflowFaceRequest {
  readonly method: string;
  readonly headers: object;
  readonly raw: { readonly url?: string | undefined };
  readonly body?: unknown;
}

/** What is used of a reply of Fastify 5. */
export interface MlflowFaceReply {
  code(status: number): this;
  headers(headers: Readonly<Record<string, string>>): this;
  send(body?: unknown): this;
  hijack(): this;
  readonly raw: { once(event: "close", listener: () => void): unknown; readonly writableFinished: boolean };
}

/** What is used of a Fastify 5 application, so that nobody installs Fastify who does not serve with it. */
export interface MlflowFaceApp {
  readonly prefix: string;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    contentType: string,
    parser: (request: never, payload: never, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  setErrorHandler(handler: (error: unknown, request: MlflowFaceRequest, reply: MlflowFaceReply) => unknown): unknown;
  route(options: {
    readonly method: ("GET" | "POST" | "PUT" | "PATCH" | "DELETE")[];
    readonly url: string;
    readonly exposeHeadRoute: boolean;
    readonly handler: (request: MlflowFaceRequest, reply: MlflowFaceReply) => Promise<unknown>;
  }): unknown;
}

/** A plugin for `app.register(plugin, { prefix })` of Fastify 5. */
export type MlflowFacePlugin = (app: MlflowFaceApp, options: object) => Promise<void>;

export interface FaceOptions {
  /** Default: every path. */
  readonly url?: string;
  /** What Fastify itself refuses, in the words of the face's clients. Default: in MLflow's. */
  readonly refusal?: (isOurs: boolean, message: string) => object;
}

const mlflowRefusal = (isOurs: boolean, message: string): object =>
  isOurs
    ? { error_code: "INTERNAL_ERROR", message: "The registry failed to answer." }
    : { error_code: "INVALID_PARAMETER_VALUE", message };

/** One route for every path: bodies come as streams whatever their content type, paths as they were sent, and what is unknown is refused in the words of the face's clients. */
export function fastifyFace(
  answer: Answer,
  { url = "/*", refusal = mlflowRefusal }: FaceOptions = {},
): MlflowFacePlugin {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    // Fastify's own refusals, such as of a content type that is none.
    app.setErrorHandler((error, _request, reply) => {
      const message = error instanceof Error ? error.message : String(error);
      const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
      const isOurs = status >= 500;
      return reply
        .code(isOurs ? 500 : 400)
        .headers({ "content-type": "application/json" })
        .send(JSON.stringify(refusal(isOurs, message)));
    });
    const prefix = app.prefix.replace(/\/$/, "");
    app.route({
      method: ["GET", "POST", "PUT", "PATCH", "DELETE"],
      url,
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        const signal = whenGone(reply);
        const given = await answer(requestOf(request, prefix, signal));
        // Nobody reads the answer to a request whose caller is gone.
        return signal.aborted ? reply.hijack() : send(reply, given);
      },
    });
  };
}

const requestOf = (request: MlflowFaceRequest, prefix: string, signal: AbortSignal): MlflowRequest => ({
  method: request.method,
  url: (request.raw.url ?? "/").slice(prefix.length),
  headers: request.headers as MlflowRequest["headers"],
  body: (request.body as AsyncIterable<Uint8Array> | undefined) ?? nothing(),
  signal,
});

/** A body without bytes. */
async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

function send(reply: MlflowFaceReply, { status, headers, body }: MlflowAnswer): MlflowFaceReply {
  return reply
    .code(status)
    .headers(headers)
    .send(typeof body === "string" ? body : Readable.from(body, { objectMode: false }));
}

/** Aborts when the connection closes before the answer is out. */
function whenGone(reply: MlflowFaceReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
