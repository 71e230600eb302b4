import { bodyInvalid } from "./errors.ts";

/** A request as every route sees it. */
export interface HttpRequest {
  /** What stands in the path for `:name` and the like, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export interface HttpRoute {
  readonly method: "GET" | "POST";
  /** With `:name` for any part of a path. */
  readonly path: string;
  /** What OpenAPI tells of the route, as Fastify has it under `schema`; documentation only, the route reads its bytes itself. */
  readonly schema: object;
  handle(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
}

export const json = (value: unknown, status = 200): HttpAnswer => jsonText(JSON.stringify(value), status);

export const jsonText = (body: string | Uint8Array, status = 200): HttpAnswer => ({
  status,
  contentType: "application/json; charset=utf-8",
  body,
});

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of a body. Throws `FEATURE_STORE_BODY_INVALID`. */
export function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (error) {
    throw bodyInvalid("it is not UTF-8", "Send JSON in UTF-8.", error);
  }
}

export type JsonRecord = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is JsonRecord =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** The JSON object in a body. Throws `FEATURE_STORE_BODY_INVALID`. */
export function jsonObjectOf(body: Uint8Array): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(textOf(body));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw bodyInvalid(`it is not JSON (${error.message})`, "Send one JSON object.", error);
  }
  if (!isRecord(value)) throw bodyInvalid("it is not a JSON object", "Send one JSON object.");
  return value;
}

/** The media type of a header, without its parameters, in lower case. */
export const mediaType = (header: string | undefined): string =>
  (header ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
