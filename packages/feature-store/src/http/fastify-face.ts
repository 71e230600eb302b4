import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { bodyInvalid, bodyTooLarge, contentTypeUnsupported } from "./errors.ts";
import type { FastifyApp, FastifyFacePlugin, FastifyFaceReply, FastifyFaceRequest } from "./fastify-app.ts";
import type { HttpAnswer, HttpRoute } from "./message.ts";

export interface FastifyFaceOptions {
  readonly maxBodyBytes: number;
  /** How a failure is answered. */
  errorAnswer(error: unknown): HttpAnswer;
  /** Waits for what goes on in the background. */
  close?(): Promise<void>;
}

const empty = new Uint8Array(0);

/** The routes as a Fastify plugin: bodies in bytes whatever their content type, error answers of its own; hooks, prefix and logger are the application's. */
export function fastifyFace(routes: readonly HttpRoute[], options: FastifyFaceOptions): FastifyFacePlugin {
  const { maxBodyBytes, errorAnswer, close } = options;
  return async (app: FastifyApp) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maxBodyBytes }, (_request, body, done) =>
      done(null, body),
    );
    const fail = (error: unknown, request: FastifyFaceRequest, reply: FastifyFaceReply): FastifyFaceReply => {
      const answer = errorAnswer(ofFastify(error, maxBodyBytes));
      if (answer.status >= 500) request.log.error(error);
      return send(reply, answer);
    };
    app.setErrorHandler((error, request, reply) => fail(error, request, reply));
    if (close !== undefined) app.addHook("onClose", close);
    for (const { method, path, schema, handle } of routes) {
      app.route({
        method,
        url: path,
        schema,
        bodyLimit: maxBodyBytes,
        // The schema documents: bodies are bytes here, and answers are text already.
        validatorCompiler: () => () => true,
        serializerCompiler: () => (answer) => answer as string,
        handler: async (request, reply) => {
          const signal = whenGone(reply);
          try {
            const body = await bodyOf(request, maxBodyBytes);
            const headers = request.headers as Readonly<Record<string, string | undefined>>;
            const params = request.params as Readonly<Record<string, string>>;
            const query = request.query as Readonly<Record<string, unknown>>;
            const answer = await handle({ params, headers, query, body, signal });
            return send(reply, answer);
          } catch (error) {
            // Nobody reads the answer to a request whose caller is gone.
            return signal.aborted ? reply.hijack() : fail(error, request, reply);
          }
        },
      });
    }
  };
}

const send = (reply: FastifyFaceReply, { status, contentType, body }: HttpAnswer): FastifyFaceReply =>
  reply.code(status).header("content-type", contentType).send(body);

/** Aborts when the connection closes before the answer is out. */
function whenGone(reply: FastifyFaceReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** Fastify's own refusals of a request, such as of one that is too long, as errors of this package. */
function ofFastify(error: unknown, maxBodyBytes: number): unknown {
  if (!(error instanceof Error) || !("code" in error) || !String(error.code).startsWith("FST_ERR_")) return error;
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return bodyTooLarge(maxBodyBytes, "bytes");
  const status = "statusCode" in error ? Number(error.statusCode) : 500;
  return status < 500 ? bodyInvalid(error.message, "Send a well-formed request.", error) : error;
}

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** The bytes of a body, unpacked. Throws `FEATURE_STORE_BODY_INVALID`, `FEATURE_STORE_BODY_TOO_LARGE`, `FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED`. */
async function bodyOf(request: FastifyFaceRequest, maxBodyBytes: number): Promise<Uint8Array> {
  const body = (request.body as Uint8Array | undefined) ?? empty;
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return body;
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders] : undefined;
  if (decode === undefined) throw contentTypeUnsupported("content-encoding", encoding, "gzip, deflate or identity");
  try {
    return await decode(body, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw bodyTooLarge(maxBodyBytes, "bytes");
    throw bodyInvalid(`it is not ${encoding}`, `Send bytes that are ${encoding}, or no content-encoding.`, error);
  }
}
