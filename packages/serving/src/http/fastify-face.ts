import { Readable } from "node:stream";
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { MountedRoute } from "./answering.ts";
import { bytesBody, nodeBody } from "./body-source.ts";
import { type HttpAnswer, errorAnswer } from "./http-message.ts";
import { certificateOf, goneSignal } from "./node-face.ts";

/** The routes as a Fastify plugin: its own content-type parsers and error answers, the application's hooks, prefix and logger. */
export function fastifyPlugin(routes: readonly MountedRoute[]): FastifyPluginAsync {
  return async (app: FastifyInstance) => {
    // Clients of the inference protocol send tensors without a content type, or JSON under another: the route reads the bytes.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    app.setErrorHandler(async (error, _request, reply) => {
      await send(reply, errorAnswer(error));
    });
    for (const { method, path, answer } of routes) {
      app.route({
        method,
        url: path,
        handler: (request: FastifyRequest, reply: FastifyReply) => {
          const { headers, body } = request;
          const answered = answer({
            method: request.method,
            target: request.originalUrl,
            params: request.params as Readonly<Record<string, string>>,
            headers: headers as Readonly<Record<string, string | undefined>>,
            body: body instanceof Readable ? nodeBody(body, headers["content-length"]) : bytesBody(),
            signal: goneSignal(reply.raw),
            certificate: () => certificateOf(request.raw),
          });
          return answered.then((whole) => send(reply, whole));
        },
      });
    }
  };
}

function send(reply: FastifyReply, { status, headers, body, close }: HttpAnswer): FastifyReply {
  if (close === true && reply.raw.req.httpVersionMajor < 2) reply.header("connection", "close");
  // Fastify adds a charset to the type of texts, and KServe's client reads the words of errors only where there is none.
  if (status >= 400 && typeof body === "string" && body !== "")
    return reply.code(status).headers(headers).send(Buffer.from(body));
  const whole = typeof body === "string" || body instanceof Uint8Array;
  return reply
    .code(status)
    .headers(headers)
    .send(whole ? (body === "" ? undefined : body) : Readable.from(body, { objectMode: false, highWaterMark: 16_384 }));
}
