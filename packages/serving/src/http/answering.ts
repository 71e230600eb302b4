import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { bodyInvalid, bodyTooLarge, contentTypeUnsupported } from "../errors.ts";
import { type HttpRequest, type HttpRoute, errorAnswer } from "./http-message.ts";

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** The route as the faces mount it: compressed bodies are read, and every failure becomes an answer. */
export const answering = (route: HttpRoute, maxBodyBytes: number): HttpRoute => ({
  ...route,
  handle: async (request) => {
    try {
      const encoding = request.headers["content-encoding"];
      if (encoding === undefined || encoding === "identity") return await route.handle(request);
      return await route.handle({ ...request, body: await decoded(request.body, encoding, maxBodyBytes) });
    } catch (error) {
      return errorAnswer(error);
    }
  },
});

async function decoded(body: HttpRequest["body"], encoding: string, maxBodyBytes: number): Promise<Uint8Array> {
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders] : undefined;
  if (decode === undefined) throw contentTypeUnsupported(`content-encoding: ${encoding}`);
  try {
    return await decode(body, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw bodyTooLarge(maxBodyBytes);
    throw bodyInvalid(`it is not ${encoding}`, undefined, error);
  }
}
