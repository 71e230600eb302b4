import type { Identity } from "../auth/authenticate.ts";
import { isMillwrightError } from "@millwright/contracts";
import { type ServingError, bodyInvalid } from "../errors.ts";
import { merged } from "../engine/merged.ts";
import { httpStatusOf } from "./http-status.ts";
import type { DescribeRoute } from "./operation.ts";

/** Who asks, as far as what came before the routes knows. */
export interface HttpCaller {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where the server authenticates. */
  readonly identity?: Identity | undefined;
}

/** A request as every face of the server sees it. */
export interface HttpRequest extends HttpCaller {
  readonly method: string;
  /** Path and query as the client wrote them: `/v2/models/late?x=1`. */
  readonly target: string;
  /** What stands in the path for `:name` and the like, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** A request whose body is read while it is answered. */
export interface StreamedRequest extends Omit<HttpRequest, "body"> {
  /** Decompressed, as it arrives. Reading no further holds the client back. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Most bytes that may be held of it at once. */
  readonly maxBodyBytes: number;
}

export type AnswerBody = string | Uint8Array | AsyncIterable<string | Uint8Array>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What is iterable is written as it comes, no faster than the client reads. */
  readonly body: AnswerBody;
  /** Whether the connection is of no use afterwards: the body of the request was not read to its end. */
  readonly close?: boolean | undefined;
}

/** An answer in JSON. */
export type TextAnswer = HttpAnswer & { readonly body: string };

/** How a route answers while a body arrives. */
export interface RouteStream {
  wants(headers: HttpRequest["headers"]): boolean;
  handle(request: StreamedRequest): Promise<HttpAnswer>;
}

export interface HttpRoute {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `:name` for a part of the path, `:name(pattern)` for one that matches, and `::` for a colon. */
  readonly path: string;
  /** For the OpenAPI document. Default: only that it is there. */
  readonly describe?: DescribeRoute | undefined;
  /** Whether it is answered without a credential: health, for those who only ask for that. */
  readonly open?: boolean | undefined;
  /** The endpoint that answers, where requests and answers are captured. */
  readonly captured?: ((request: Pick<HttpRequest, "params">) => string) | undefined;
  handle(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
  /** Answers while the body arrives, where it wants to; all others are left to `handle`. */
  readonly stream?: RouteStream | undefined;
}

export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): TextAnswer =>
  jsonText(JSON.stringify(value), status, headers);

export const jsonText = (body: string, status = 200, headers: Readonly<Record<string, string>> = {}): TextAnswer => ({
  status,
  headers: merged({ "content-type": "application/json" }, headers),
  body,
});

/** An error as clients of both protocols read it: `{ "error": text }`, with the members of the error beside. What is not of the house is not told. */
export function errorAnswer(error: unknown): TextAnswer {
  const status = httpStatusOf(error);
  if (!isMillwrightError(error)) return json({ error: "The server failed to answer." }, status);
  const retry = retryHeaders(error, status);
  const { message, code, category, retryable, docs } = error;
  const { path, headers, problems } = (error.name === "ServingError" ? error : {}) as Partial<ServingError>;
  const told = {
    error: message,
    code,
    ...(path === undefined ? {} : { path }),
    ...(problems === undefined ? {} : { problems }),
    category,
    retryable,
    docs,
  };
  return json(told, status, merged(retry, headers ?? {}));
}

/** Whole seconds, as HTTP has it; who was told when there will be room says that, else a second. */
function retryHeaders(error: object, status: number): Readonly<Record<string, string>> {
  if (status !== 429 && status !== 503) return {};
  const afterMs = "retryAfterMs" in error && typeof error.retryAfterMs === "number" ? error.retryAfterMs : 1000;
  return { "retry-after": String(Math.min(3600, Math.max(1, Math.ceil(afterMs / 1000)))) };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of a body. Throws `SERVING_BODY_INVALID`. */
export function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (error) {
    throw bodyInvalid("it is not UTF-8", undefined, error);
  }
}

/** The JSON object in a body. Throws `SERVING_BODY_INVALID`. */
export function jsonObjectOf(body: Uint8Array): Readonly<Record<string, unknown>> {
  const value = parseJson(textOf(body));
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw bodyInvalid("it is not a JSON object");
  return value as Readonly<Record<string, unknown>>;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bodyInvalid(`it is not JSON (${error instanceof Error ? error.message : String(error)})`, undefined, error);
  }
}

/** The media type of a content-type header, without its parameters, in lower case. */
export const mediaType = (header: string | undefined): string =>
  (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
