import { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, createBrotliDecompress, createGunzip, createInflate, gunzip, inflate } from "node:zlib";
import { type Authenticate, type ClientCertificate, identityOf } from "../auth/authenticate.ts";
import { type BodyLimits, type BodySource, bytesBody } from "./body-source.ts";
import { bodyInvalid, bodyTooLarge, contentTypeUnsupported } from "../errors.ts";
import { merged } from "../engine/merged.ts";
import { type Soon, whenThere } from "../engine/settle.ts";
import { type ExchangeSink, tellExchange } from "./exchange.ts";
import { type HttpAnswer, type HttpRequest, type HttpRoute, errorAnswer } from "./http-message.ts";

const decoders = {
  gzip: { whole: promisify(gunzip), streamed: createGunzip },
  deflate: { whole: promisify(inflate), streamed: createInflate },
  br: { whole: promisify(brotliDecompress), streamed: createBrotliDecompress },
};

/** A request as a host brings it: its body has not been read. */
export interface IncomingCall extends Omit<HttpRequest, "body"> {
  readonly body: BodySource;
  /** The client's certificate, where TLS has verified one. */
  readonly certificate?: (() => ClientCertificate | undefined) | undefined;
}

export interface AnsweringOptions extends BodyLimits {
  /** Default: everybody is answered. */
  readonly authenticate?: Authenticate | undefined;
  /** Takes the requests of routes that are `captured`, with their answers. Default: none. */
  readonly exchanges?: ExchangeSink | undefined;
}

/** A route as the hosts mount it: bodies are read and decompressed within the limits, and every failure becomes an answer. */
export interface MountedRoute {
  readonly method: HttpRoute["method"];
  readonly path: string;
  /** Never rejects. */
  answer(call: IncomingCall): Promise<HttpAnswer>;
}

/** What the server says to all its answers. */
export interface AnsweringSite {
  /** Headers of an answer that is an error. */
  failed(headers: HttpRequest["headers"]): HttpAnswer["headers"];
  /** Whether connections are to be given up, because the server leaves. */
  readonly leaving: boolean;
}

export const answering = (route: HttpRoute, limits: AnsweringOptions, site: AnsweringSite): MountedRoute => ({
  method: route.method,
  path: route.path,
  answer: async (given) => {
    let call = given;
    try {
      if (limits.authenticate !== undefined && route.open !== true)
        call = await authenticated(given, limits.authenticate, limits);
      const { stream } = route;
      const answering =
        stream?.wants(call.headers) === true
          ? stream.handle({ ...call, chunks: decodedChunks(call, limits), maxBodyBytes: limits.maxBodyBytes })
          : answerWhole(route, requestOf(call, await readBody(call, limits)), limits);
      const answer = answering instanceof Promise ? await answering : answering;
      return site.leaving ? merged(answer, { close: true }) : answer;
    } catch (error) {
      const plain = errorAnswer(error);
      const headers = merged(site.failed(given.headers), plain.headers);
      return { status: plain.status, headers, body: plain.body, close: !given.body.done || site.leaving };
    }
  },
});

const requestOf = (
  { method, target, params, headers, identity, signal }: IncomingCall,
  body: Uint8Array,
): HttpRequest => ({
  method,
  target,
  params,
  headers,
  identity,
  body,
  signal,
});

function answerWhole(
  route: HttpRoute,
  request: HttpRequest,
  { exchanges }: Pick<AnsweringOptions, "exchanges">,
): Soon<HttpAnswer> {
  const answer = route.handle(request);
  const { captured } = route;
  if (exchanges === undefined || captured === undefined) return answer;
  return whenThere(answer, (whole) => {
    tellExchange(exchanges, captured(request), request, whole);
    return whole;
  });
}

/** The request with who sent it; its body is read before only where the authenticator asks for it. */
async function authenticated(
  call: IncomingCall,
  authenticate: Authenticate,
  limits: BodyLimits,
): Promise<IncomingCall> {
  let read: Promise<Uint8Array> | undefined;
  const { method, target, headers, signal, certificate = () => undefined } = call;
  const body = (): Promise<Uint8Array> => (read ??= call.body.read(limits));
  const identity = await identityOf(authenticate, { method, target, headers, signal, certificate, body });
  return { ...call, identity, ...(read === undefined ? {} : { body: bytesBody(await read) }) };
}

function readBody({ body, headers }: IncomingCall, limits: BodyLimits): Promise<Uint8Array> {
  const encoding = headers["content-encoding"];
  const bytes = body.read(limits);
  return encoding === undefined || encoding === "identity" ? bytes : decodeBody(bytes, encoding, limits);
}

async function decodeBody(
  body: Promise<Uint8Array>,
  encoding: string,
  { maxBodyBytes }: BodyLimits,
): Promise<Uint8Array> {
  const bytes = await body;
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
