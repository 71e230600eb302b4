import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { bodyTooLarge } from "../errors.ts";
import { type HttpRoute, errorAnswer } from "./http-message.ts";

const empty = new Uint8Array(0);

/** The routes as a Fastify plugin: its own content-type parsers and error answers, the application's hooks, prefix and logger. */
export function fastifyPlugin(routes: readonly HttpRoute[], maxBodyBytes: number): FastifyPluginAsync {
  return async (app: FastifyInstance) => {
    // Clients of the inference protocol send tensors without a content type, or JSON under another: the route reads the bytes.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maxBodyBytes }, (_request, body, done) =>
      done(null, body),
    );
    app.setErrorHandler(async (error, _request, reply) => {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      await send(reply, errorAnswer(code === "FST_ERR_CTP_BODY_TOO_LARGE" ? bodyTooLarge(maxBodyBytes) : error));
    });
    for (const { method, path, handle } of routes) {
      app.route({
        method,
        url: path,
        bodyLimit: maxBodyBytes,
        handler: async (request: FastifyRequest, reply: FastifyReply) => {
          const gone = new AbortController();
          const stop = (): void => {
            if (!reply.raw.writableFinished) gone.abort();
          };
          reply.raw.once("close", stop);
          const answer = await handle({
            params: request.params as Readonly<Record<string, string>>,
            headers: request.headers as Readonly<Record<string, string | undefined>>,
            body: (request.body as Uint8Array | undefined) ?? empty,
            signal: gone.signal,
          });
          return send(reply, answer);
        },
      });
    }
  };
}

function send(reply: FastifyReply, { status, headers, body }: ReturnType<typeof errorAnswer>): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}
