import { isMillwrightError } from "@millwright/contracts";
import { MlflowRefusal, invalid, statusOfCode } from "./refusal.ts";

/** A request as the face sees it, whatever server it came through. */
export interface MlflowRequest {
  readonly method: string;
  /** The path below the face's prefix as it was sent, percent-encoded, with its query. */
  readonly url: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Read once and only where the route takes a body. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
}

export interface MlflowAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<Uint8Array>;
}

export const json = (value: unknown, status = 200): MlflowAnswer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

export const text = (body: string): MlflowAnswer => ({
  status: 200,
  headers: { "content-type": "text/html; charset=utf-8" },
  body,
});

/** `{ "error_code", "message" }`. What is not of the house is not told. */
export function errorAnswer(error: unknown): MlflowAnswer {
  if (error instanceof MlflowRefusal)
    return json({ error_code: error.code, message: error.message }, statusOfCode[error.code]);
  const told = codeOfError(error);
  if (told !== undefined) return json({ error_code: told[0], message: told[1] }, statusOfCode[told[0]]);
  return json({ error_code: "INTERNAL_ERROR", message: "The registry failed to answer." }, 500);
}

function codeOfError(error: unknown): readonly [keyof typeof statusOfCode, string] | undefined {
  if (!isMillwrightError(error)) return undefined;
  if (error.code === "PORT_VERSION_CONFLICT" || error.code === "REGISTRY_CHANGED_MEANWHILE")
    return ["RESOURCE_CONFLICT", error.message];
  if (error.code === "PORT_MODEL_UNKNOWN" || error.code === "PORT_ARTIFACT_MISSING")
    return ["RESOURCE_DOES_NOT_EXIST", error.message];
  if (error.category === "user") return ["INVALID_PARAMETER_VALUE", error.message];
  if (error.retryable) return ["TEMPORARILY_UNAVAILABLE", "The registry cannot answer now; try again."];
  return undefined;
}

/** The bytes of a body of `limit` at most. Throws a refusal. */
export async function bytesOf(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw invalid(`The body of the request has more than ${limit} bytes.`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export type JsonRecord = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is JsonRecord =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** The JSON object in a body; an empty body is an empty object. Throws a refusal. */
export function jsonObjectOf(bytes: Uint8Array): JsonRecord {
  if (bytes.byteLength === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw invalid(`The body of the request is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isRecord(value)) throw invalid("The body of the request is not a JSON object.");
  return value;
}
