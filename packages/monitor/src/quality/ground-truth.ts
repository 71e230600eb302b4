import type { CapturedLabel, JsonValue } from "@millwright/contracts";
import { labelsInvalid } from "../errors.ts";

/** The values that one line tells, a row of the request each. */
type Values = readonly CapturedLabel["value"][];

/**
 * Reads a line of SageMaker's ground truth files: `{"groundTruthData": {"data", "encoding": "CSV" | "JSON" | "BASE64"}, "eventMetadata": {"eventId"}, "eventVersion": "0"}`.
 * `eventId` is the request's id, or the inference id that the caller gave it. CSV of several lines, and lists in JSON, label the rows of a request in their order; of a
 * CSV line of several values the first is the label. Throws `MONITOR_LABELS_INVALID`.
 * @param timeMs When it became known; the lines do not say.
 */
export function parseGroundTruth(line: string, timeMs: number): readonly CapturedLabel[] {
  const record = objectOf(parseJson(line), "the line");
  const { data, encoding } = objectOf(record["groundTruthData"], "groundTruthData");
  const { eventId } = objectOf(record["eventMetadata"], "eventMetadata");
  if (typeof eventId !== "string" || eventId === "") throw labelsInvalid("eventMetadata.eventId is no text");
  if (typeof data !== "string") throw labelsInvalid("groundTruthData.data is no text");
  const values = valuesOf(data, encoding);
  return values.map((value, row) => ({ requestId: eventId, ...(row === 0 ? {} : { row }), value, timeMs }));
}

/** Writes labels of one request as the line that `parseGroundTruth` reads: rows must be whole, from 0. Throws `MONITOR_LABELS_INVALID`. */
export function formatGroundTruth(labels: readonly CapturedLabel[]): string {
  const [first] = labels;
  if (first === undefined) throw labelsInvalid("there is no label");
  const sorted = labels.toSorted((a, b) => (a.row ?? 0) - (b.row ?? 0));
  const values = sorted.map(({ requestId, row = 0, value }, index) => {
    if (requestId !== first.requestId) throw labelsInvalid(`"${first.requestId}" and "${requestId}" are two requests`);
    if (row !== index) throw labelsInvalid(`row ${index} of "${requestId}" has no label, or two`);
    return value;
  });
  return JSON.stringify({
    groundTruthData: { data: JSON.stringify(values.length === 1 ? values[0] : values), encoding: "JSON" },
    eventMetadata: { eventId: first.requestId },
    eventVersion: "0",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw labelsInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw labelsInvalid(`${name} is no object`);
}

function valuesOf(data: string, encoding: unknown): Values {
  if (encoding === "BASE64") return csvValues(Buffer.from(data, "base64").toString());
  if (encoding === "CSV") return csvValues(data);
  if (encoding !== "JSON") throw labelsInvalid(`the encoding ${JSON.stringify(encoding)} is none of CSV, JSON, BASE64`);
  const parsed = parseJson(data) as JsonValue;
  return (Array.isArray(parsed) ? parsed : [parsed]).map((value) => {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
    throw labelsInvalid(`${JSON.stringify(value)} is no label`);
  });
}

/** The first cell of each line: a number where it is one. */
function csvValues(text: string): Values {
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map((line) => {
      const cell = /^\s*"((?:[^"]|"")*)"/.exec(line)?.[1]?.replaceAll('""', '"') ?? (line.split(",")[0] ?? "").trim();
      if (cell === "") throw labelsInvalid("a line of the CSV has no label");
      return Number.isFinite(Number(cell)) ? Number(cell) : cell;
    });
}
