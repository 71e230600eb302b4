import { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, createBrotliDecompress, createGunzip, createInflate, gunzip, inflate } from "node:zlib";
import type { BodyLimits, BodySource } from "./body-source.ts";
import { bodyInvalid, bodyTooLarge, contentTypeUnsupported } from "../errors.ts";
import { type HttpAnswer, type HttpRequest, type HttpRoute, errorAnswer } from "./http-message.ts";

const decoders = {
  gzip: { whole: promisify(gunzip), streamed: createGunzip },
  deflate: { whole: promisify(inflate), streamed: createInflate },
  br: { whole: promisify(brotliDecompress), streamed: createBrotliDecompress },
};

/** A request as a host brings it: its body has not been read. */
export interface IncomingCall extends Omit<HttpRequest, "body"> {
  readonly body: BodySource;
}

/** A route as the hosts mount it: bodies are read and decompressed within the limits, and every failure becomes an answer. */
export interface MountedRoute {
  readonly method: HttpRoute["method"];
  readonly path: string;
  /** Never rejects. */
  answer(call: IncomingCall): Promise<HttpAnswer>;
}

export const answering = (route: HttpRoute, limits: BodyLimits): MountedRoute => ({
  method: route.method,
  path: route.path,
  answer: async (call) => {
    try {
      const streamed = route.stream?.({
        ...call,
        chunks: decodedChunks(call, limits),
        maxBodyBytes: limits.maxBodyBytes,
      });
      if (streamed !== undefined) return await streamed;
      return await route.handle({ ...call, body: await readBody(call, limits) });
    } catch (error) {
      const answer = errorAnswer(error);
      return call.body.done ? answer : { ...answer, close: true };
    }
  },
});

async function readBody({ body, headers }: IncomingCall, limits: BodyLimits): Promise<Uint8Array> {
  const encoding = headers["content-encoding"];
  const bytes = await body.read(limits);
  if (encoding === undefined || encoding === "identity") return bytes;
  const { maxBodyBytes } = limits;
  try {
    return await decoderOf(encoding).whole(bytes, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw bodyTooLarge(maxBodyBytes);
    if (error instanceof Error && "errno" in error) throw bodyInvalid(`it is not ${encoding}`, undefined, error);
    throw error;
  }
}

function decoderOf(encoding: string): (typeof decoders)["gzip" | "br"] {
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders] : undefined;
  if (decoder === undefined) throw contentTypeUnsupported(`content-encoding: ${encoding}`);
  return decoder;
}

async function* decodedChunks({ body, headers }: IncomingCall, limits: BodyLimits): AsyncGenerator<Uint8Array, void> {
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") {
    yield* body.chunks(limits);
    return;
  }
  const source = Readable.from(body.chunks(limits), { objectMode: false });
  const decoder = decoderOf(encoding).streamed();
  source.on("error", (error) => decoder.destroy(error));
  try {
    yield* source.pipe(decoder) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof Error && "errno" in error) throw bodyInvalid(`it is not ${encoding}`, undefined, error);
    throw error;
  } finally {
    source.destroy();
  }
}
