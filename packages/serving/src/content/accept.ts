import { type HttpCaller, mediaType } from "../http/http-message.ts";

/** How rows and outputs may be written. */
export type ContentFormat = "json" | "lines" | "csv" | "npy" | "npz" | "arrow" | "multipart" | "events";

const formats = new Map<string, ContentFormat>([
  ["application/json", "json"],
  ["application/jsonlines", "lines"],
  ["application/x-ndjson", "lines"],
  ["application/jsonl", "lines"],
  ["application/x-jsonlines", "lines"],
  ["text/csv", "csv"],
  ["application/x-npy", "npy"],
  ["application/x-npz", "npz"],
  ["application/vnd.apache.arrow.stream", "arrow"],
  ["multipart/form-data", "multipart"],
  ["text/event-stream", "events"],
]);

/** What bodies may be, for messages and documents. */
export const contentTypes: readonly string[] = [...formats.keys()].filter((type) => type !== "text/event-stream");

/** Read as JSON: what clients send by themselves when nobody names a type. */
const unnamed = new Set(["", "application/octet-stream", "text/plain"]);

/** The format of a body; `undefined` where it is not read here. */
export function formatOfBody(headers: HttpCaller["headers"]): ContentFormat | undefined {
  const given = headers["content-type"];
  if (given === "application/json") return "json";
  const type = mediaType(given);
  const found = unnamed.has(type) ? "json" : formats.get(type);
  return found === "events" ? undefined : found;
}

export interface AnswerFormat {
  readonly format: ContentFormat;
  /** As it was asked for. */
  readonly type: string;
}

const jsonAnswer: AnswerFormat = { format: "json", type: "application/json" };

/** What `Accept` asks for by weight (RFC 9110 §12.5.1) among the types written here; else the type of the request, else JSON. */
export function formatOfAnswer(headers: HttpCaller["headers"]): AnswerFormat {
  const accept = headers["accept"];
  // What nearly every client sends.
  const any = accept === undefined || accept === "*/*";
  if (accept === "application/json" || (any && headers["content-type"] === "application/json")) return jsonAnswer;
  const asked = (accept ?? "")
    .split(",", 64)
    .map((each) => ({ type: mediaType(each), weight: Number(/;\s*q=([\d.]+)/i.exec(each)?.[1] ?? 1) }))
    .filter(({ type, weight }) => formats.has(type) && weight > 0)
    .toSorted((left, right) => right.weight - left.weight);
  const type = asked[0]?.type ?? mediaType(headers["content-type"]);
  const format = formats.get(type);
  return format === undefined ? jsonAnswer : { format, type };
}
