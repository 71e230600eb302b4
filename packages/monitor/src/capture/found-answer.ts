import { type CapturedPrediction, decodeNumbers, type JsonObject, type JsonValue } from "@millwright/contracts";
import { answersOf } from "../quality/join-labels.ts";
import type { QualityOptions } from "../quality/quality.ts";
import { segmentKey } from "../quality/quality-sums.ts";
import type { AnswerReading } from "./answer-readings.ts";
import type { Answer } from "./waiting-answers.ts";

/** An answer that was captured, and what gave it. */
export interface FoundAnswer {
  readonly answer: Answer;
  readonly model: CapturedPrediction["model"];
}

/** Reads an answer off a captured row; undefined where a label could not be about it: it failed, or its output has no scores. @param readingOf How answers of a model were read at a time. */
export function foundAnswer(
  row: JsonObject,
  optionsOf: (endpoint: string) => QualityOptions | undefined,
  readingOf: (endpoint: string, digest: string, timeMs: number) => AnswerReading | undefined,
): FoundAnswer | undefined {
  const { endpoint, variant, model, timeMs, errorCode } = decodeNumbers({
    endpoint: row["endpoint"] ?? null,
    variant: row["variant"] ?? null,
    model: row["model"] ?? null,
    timeMs: row["timeMs"] ?? null,
    ...(row["errorCode"] === undefined ? {} : { errorCode: row["errorCode"] }),
  } as JsonValue) as unknown as Partial<CapturedPrediction>;
  if (typeof endpoint !== "string" || typeof variant !== "string" || typeof model?.digest !== "string")
    return undefined;
  const options = optionsOf(endpoint);
  if (options === undefined || errorCode !== undefined || typeof timeMs !== "number") return undefined;
  const reading = readingOf(endpoint, model.digest, timeMs);
  if (reading === undefined) return undefined;
  const rows = answersOf(row, reading.kind, options.output, reading.classes?.length ?? 0);
  if (rows.length === 0) return undefined;
  const scores =
    reading.kind === "classes" ? rows.flatMap((each) => each.probabilities) : rows.map(({ score }) => score);
  const segments = segmentsOf(row["features"] as JsonObject | undefined, options.segments ?? [], rows.length);
  return { model, answer: { endpoint, variant, timeMs, scores, reading, segments, sampled: [] } };
}

/** As they were captured, which is as the redactor left them. */
function segmentsOf(
  features: JsonObject | undefined,
  columns: readonly string[],
  rows: number,
): readonly (readonly string[])[] {
  if (columns.length === 0) return [];
  const valuesOf = (name: string): readonly JsonValue[] => {
    const values = features !== undefined && Object.hasOwn(features, name) ? features[name] : undefined;
    return Array.isArray(values) ? (values as readonly JsonValue[]) : [];
  };
  return Array.from({ length: rows }, (_, row) =>
    columns.map((name) => {
      const value = valuesOf(name)[row] ?? null;
      return segmentKey(name, typeof value === "string" ? value : JSON.stringify(value));
    }),
  );
}
