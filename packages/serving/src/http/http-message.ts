import { isMillwrightError } from "@millwright/contracts";
import { bodyInvalid } from "../errors.ts";
import { httpStatusOf } from "./http-status.ts";

/** A request as every face of the server sees it. */
export interface HttpRequest {
  /** What stands in the path for `:name` and the like, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface HttpRoute {
  readonly method: "GET" | "POST";
  /** With `:name` for a part of the path. */
  readonly path: string;
  handle(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
}

export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): HttpAnswer =>
  jsonText(JSON.stringify(value), status, headers);

export const jsonText = (body: string, status = 200, headers: Readonly<Record<string, string>> = {}): HttpAnswer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body,
});

/** An error as clients of both protocols read it: `{ "error": text }`, with the members of the error beside. What is not of the house is not told. */
export function errorAnswer(error: unknown): HttpAnswer {
  const status = httpStatusOf(error);
  if (!isMillwrightError(error)) return json({ error: "The server failed to answer." }, status);
  const retry: Record<string, string> = status === 429 || status === 503 ? { "retry-after": "1" } : {};
  const { message, code, category, retryable, docs } = error;
  return json({ error: message, code, category, retryable, docs }, status, retry);
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
  (header ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
