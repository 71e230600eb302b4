import { parseJson } from "../http/http-message.ts";
import { connectionLost, refusalError, unreachable } from "./client-errors.ts";

/** As the web's `fetch`: pass one with a pool of connections, a proxy or a client certificate of your own. */
export type ClientFetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpProtocolOptions {
  /** Where the server is, without the protocol's paths: `http://127.0.0.1:8080`, `https://models.example/prefix`. */
  readonly url: string;
  /** Sent with every request, or made anew for each: an authorization. */
  readonly headers?: ClientHeaders | undefined;
  /** Default: the platform's, which keeps connections alive. */
  readonly fetch?: ClientFetch | undefined;
}

export type ClientHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface HttpQuestion {
  readonly method?: "GET" | "POST" | undefined;
  /** After the base, with its `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: string | Uint8Array | undefined;
}

export interface HttpReply {
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** A server that is asked over HTTP. */
export interface HttpServerSite {
  /** The base without credentials, for messages. */
  readonly shown: string;
  /** Throws as `ClientProtocol.infer` does. */
  ask(where: string, question: HttpQuestion, signal: AbortSignal | undefined): Promise<HttpReply>;
  /** Whether a GET is answered with success; no connection is a no. */
  answers(path: string, signal: AbortSignal | undefined): Promise<boolean>;
}

/** Throws `TypeError` and `RangeError` for options out of range. */
export function httpSite(options: HttpProtocolOptions): HttpServerSite {
  const { headers = {}, fetch = (url, init) => globalThis.fetch(url, init) } = options;
  if (typeof options.url !== "string") throw new TypeError("url must be a text, such as http://127.0.0.1:8080.");
  if (typeof fetch !== "function") throw new TypeError("fetch must be a function, as the web's is.");
  if (headers === null || (typeof headers !== "object" && typeof headers !== "function"))
    throw new TypeError("headers must be a record of texts, or a function that gives one.");
  const { base, shown, credentials } = baseOf(options.url);
  const send = async (question: HttpQuestion, signal: AbortSignal | undefined): Promise<Response> => {
    const given = typeof headers === "function" ? await headers() : headers;
    return fetch(base + question.path, {
      method: question.method ?? "POST",
      // Tensors and credentials go where they were meant to go.
      redirect: "manual",
      // Tensors hardly become smaller, and packing them takes longer than sending them.
      headers: { "accept-encoding": "identity", ...credentials, ...given, ...presentOf(question.headers ?? {}) },
      ...(question.body === undefined ? {} : { body: question.body as never }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  return {
    shown,
    async ask(where, question, signal) {
      signal?.throwIfAborted();
      const response = await sent(where, () => send(question, signal), signal);
      const bytes = await received(where, response, signal);
      if (response.status < 200 || response.status > 299) throw refusalOf(where, response, bytes);
      return { headers: response.headers, bytes };
    },
    async answers(path, signal) {
      signal?.throwIfAborted();
      try {
        const response = await send({ method: "GET", path }, signal);
        await response.body?.cancel();
        return response.ok;
      } catch {
        signal?.throwIfAborted();
        return false;
      }
    },
  };
}

function baseOf(text: string) {
  if (!URL.canParse(text)) throw new RangeError(`The URL "${text.slice(0, 200)}" cannot be read.`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new RangeError(`The URL of a server is http: or https:, not ${url.protocol}`);
  const shown = `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  const { username, password } = url;
  // `fetch` refuses them in a URL.
  const plain = `${unescaped(username)}:${unescaped(password)}`;
  const credentials: Record<string, string> =
    username === "" ? {} : { authorization: `Basic ${Buffer.from(plain).toString("base64")}` };
  return { base: shown, shown, credentials };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const presentOf = (headers: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** Codes of the system and of Node's `fetch` for connections that were never made. */
const neverConnected = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Connections that will not be made the next time either. */
const hopeless = /^(?:ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_SSL_|ERR_INVALID_)/;

/** What went wrong below a protocol, by the error of a client's or of `fetch`. */
export function transportError(where: string, error: unknown): Error {
  const codes = codesOf(error, 0);
  const problem = error instanceof Error ? problemOf(error) : String(error);
  const code = codes[0];
  const told = code === undefined ? problem : `${problem} (${code})`;
  if (codes.some((each) => hopeless.test(each))) return unreachable(where, told, error, false);
  if (codes.some((each) => neverConnected.has(each))) return unreachable(where, told, error);
  return connectionLost(where, told, error);
}

function problemOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message || error.name;
}

function codesOf(error: unknown, depth: number): readonly string[] {
  if (depth > 4 || error === null || typeof error !== "object") return [];
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: unknown };
  const below = Array.isArray(errors) ? (errors as readonly unknown[]) : [];
  return [
    ...(typeof code === "string" ? [code] : []),
    ...codesOf(cause, depth + 1),
    ...below.flatMap((each) => codesOf(each, depth + 1)),
  ];
}

async function sent(where: string, send: () => Promise<Response>, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    signal?.throwIfAborted();
    throw transportError(where, error);
  }
}

async function received(where: string, response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal?.throwIfAborted();
    throw transportError(where, error);
  }
}

function refusalOf(where: string, { status, headers }: Response, bytes: Uint8Array): Error {
  const text = new TextDecoder().decode(bytes.subarray(0, 65_536));
  const { problem: words, code, retryable } = wordsOf(text);
  const elsewhere = status >= 300 && status <= 399 ? headers.get("location") : null;
  const problem = elsewhere === null ? words : `it redirects to ${elsewhere.slice(0, 200)}, which is not followed`;
  return refusalError({ where, status, problem, code, retryable, retryAfterMs: retryAfterOf(headers) });
}

/** What the body of a refusal says: the texts under which servers tell it, and Millwright's own code. */
export function wordsOf(text: string): {
  readonly problem: string;
  readonly code?: string | undefined;
  readonly retryable?: boolean | undefined;
} {
  const plain = text.trim().slice(0, 300) || "nothing";
  try {
    const told = parseJson(text) as Readonly<Record<string, unknown>> | null;
    const { error, message, Message, detail, code, retryable } = told ?? {};
    const nested = error !== null && typeof error === "object" ? (error as { message?: unknown }).message : error;
    const words = [nested, message, Message, detail].find((each) => typeof each === "string" && each !== "");
    return {
      problem: typeof words === "string" ? words.slice(0, 300) : plain,
      code: typeof code === "string" && /^[A-Z]+_[A-Z0-9_]+$/.test(code) ? code : undefined,
      retryable: typeof retryable === "boolean" ? retryable : undefined,
    };
  } catch {
    return { problem: plain };
  }
}

/** Seconds, or a date (RFC 9110 §10.2.3), which is measured by the server's own clock where it says it. */
export function retryAfterOf(headers: Pick<Headers, "get">): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  if (/^\d{1,9}(?:\.\d+)?$/.test(text.trim())) return Number(text) * 1000;
  const until = Date.parse(text);
  const from = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(until) || Number.isNaN(from) ? undefined : Math.max(0, until - from);
}

/** A name within a path: its slashes stay, as clients of the protocol have it. Throws `RangeError` for what is no text of Unicode. */
export function pathOf(name: string): string {
  if (/\p{Surrogate}/u.test(name)) throw new RangeError(`The name ${JSON.stringify(name)} has half a character.`);
  // They would lead to other places of the server.
  if (name.split("/").some((part) => part === "." || part === ".."))
    throw new RangeError(`The name "${name}" leads upwards.`);
  return name.split("/").map(encodeURIComponent).join("/");
}
