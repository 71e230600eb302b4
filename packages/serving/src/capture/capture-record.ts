import type { Redactor } from "@millwright/contracts";
import type { Exchange } from "../http/exchange.ts";
import { mediaType } from "../http/http-message.ts";
import { type BodyFormat, redactBody } from "./redact-body.ts";

export interface RecordOptions {
  readonly json: readonly string[];
  readonly csv: readonly string[];
  readonly content: "input" | "output" | "both";
  readonly redactor: Redactor | undefined;
  readonly inputColumns: readonly string[] | undefined;
  readonly outputColumns: readonly string[] | undefined;
}

/** The media types that are one JSON value a line. */
const lineTypes = new Set([
  "application/jsonlines",
  "application/x-ndjson",
  "application/x-jsonlines",
  "application/jsonl",
]);
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * A line of SageMaker's data capture.
 * @returns `undefined` where it cannot be redacted. Throws where the redactor does, and for bodies that are not what they say.
 */
export function recordOf(
  { input, output, inferenceId, requestId }: Exchange,
  { eventId, timeMs }: { readonly eventId: string; readonly timeMs: number },
  options: RecordOptions,
): string | undefined {
  const { content, inputColumns, outputColumns } = options;
  const asked = content === "output" ? null : sideOf("INPUT", input, { ...options, columns: inputColumns });
  const answered = content === "input" ? null : sideOf("OUTPUT", output, { ...options, columns: outputColumns });
  if (asked === undefined || answered === undefined) return undefined;
  const id = inferenceId ?? requestId;
  return JSON.stringify({
    captureData: {
      ...(asked === null ? {} : { endpointInput: asked }),
      ...(answered === null ? {} : { endpointOutput: answered }),
    },
    eventMetadata: {
      eventId,
      ...(id === undefined ? {} : { inferenceId: id }),
      inferenceTime: new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z"),
    },
    eventVersion: "0",
  });
}

interface Side {
  readonly observedContentType: string;
  readonly mode: "INPUT" | "OUTPUT";
  readonly data: string;
  readonly encoding: "JSON" | "CSV" | "BASE64";
}

function sideOf(
  mode: Side["mode"],
  { contentType, bytes }: Exchange["input"] | Exchange["output"],
  options: RecordOptions & { readonly columns: readonly string[] | undefined },
): Side | undefined {
  const { redactor, columns, json, csv } = options;
  const type = mediaType(contentType);
  // Bodies without a type are read as JSON by the routes.
  const format: BodyFormat =
    type === "" || json.includes(type)
      ? lineTypes.has(type)
        ? "JSONL"
        : "JSON"
      : csv.includes(type)
        ? "CSV"
        : "BASE64";
  const encoding = format === "JSONL" ? "JSON" : format;
  const observedContentType = contentType === "" ? "application/json" : contentType;
  if (format === "BASE64") {
    if (redactor !== undefined) return undefined;
    return { observedContentType, mode, data: Buffer.from(bytes as Uint8Array).toString("base64"), encoding: "BASE64" };
  }
  const text = typeof bytes === "string" ? bytes : decoder.decode(bytes);
  const data = redactor === undefined ? text : redactBody(text, format, { redactor, columns });
  if (data === undefined) return undefined;
  return {
    observedContentType: redactor === undefined ? observedContentType : type || "application/json",
    mode,
    data,
    encoding: encoding as Side["encoding"],
  };
}
