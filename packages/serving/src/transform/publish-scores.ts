import { createReadStream } from "node:fs";
import { join } from "node:path";
import { type CallOptions, type JsonValue, digestOfJson } from "@millwright/contracts";
import { cellValue, parseCsv } from "../http/csv.ts";
import { recordInvalid, transformInputMissing, transformInvalid } from "./errors.ts";
import { isBlank, withoutLineEnd } from "./line-ends.ts";
import type { TransformManifest } from "./manifest.ts";
import { recordBlocks } from "./record-blocks.ts";

/** What one record came to. */
export interface ScoredRow {
  readonly key: string;
  /** Null where the answer is no number. */
  readonly score: number | null;
  /** The answer as JSON. */
  readonly answer: JsonValue;
}

/** Where scores go: a table, a file, a feature group. */
export interface ScoreSink {
  /** Writes all rows of a run; those of the same run and key, from another call, are replaced: twice is once. */
  write(rows: AsyncIterable<readonly ScoredRow[]>, run: { readonly runId: string } & CallOptions): Promise<void>;
}

export interface PublishScoresOptions extends CallOptions {
  /** The folder that the job wrote into. */
  readonly output: string;
  /** Of the job: `result().manifest`. */
  readonly manifest: TransformManifest;
  readonly sinks: readonly ScoreSink[];
  /** Where a record's key is: the member of JSON by name, the column of CSV by number from 0. Default: `"id"`; 0. */
  readonly key?: string | number | undefined;
  /** Where its answer is. Default: `"SageMakerOutput"`, as a join has it; the last column. */
  readonly answer?: string | number | undefined;
  /** How the outputs are written. Default: `"text/csv"`. */
  readonly contentType?: "text/csv" | "application/jsonlines" | undefined;
  /** Names the run in the sinks. Default: the digest of model, data and outputs, so that a run that made the same is the same. */
  readonly runId?: string | undefined;
}

/**
 * Writes the outputs of a job that was completed, joined with their records (`joinSource: "Input"`), to sinks, in batches of 1,000 rows.
 * @returns the run's id, and how many rows there were. Throws `SERVING_TRANSFORM_RECORD_INVALID` for a line without a key or an answer,
 * `SERVING_TRANSFORM_INPUT_MISSING`, and what sinks throw.
 */
export async function publishScores(
  options: PublishScoresOptions,
): Promise<{ readonly runId: string; readonly rows: number }> {
  const { manifest, sinks, signal } = options;
  signal?.throwIfAborted();
  if (!Array.isArray(sinks) || sinks.length === 0) throw transformInvalid("there are no sinks", "Give one at least.");
  const { model, target, dataDigest, outputDigest } = manifest;
  const runId = options.runId ?? digestOfJson([model?.digest ?? target, dataDigest, outputDigest]);
  let rows = 0;
  for (const sink of sinks as readonly ScoreSink[]) {
    rows = 0;
    const counted = async function* (): AsyncGenerator<readonly ScoredRow[], void, undefined> {
      for await (const batch of batchesOf(options)) {
        rows += batch.length;
        yield batch;
      }
    };
    await sink.write(counted(), { runId, signal });
  }
  return { runId, rows };
}

const batchRows = 1_000;

async function* batchesOf(options: PublishScoresOptions): AsyncGenerator<readonly ScoredRow[], void, undefined> {
  const { output, manifest, contentType = "text/csv", signal } = options;
  const csv = contentType === "text/csv";
  let batch: ScoredRow[] = [];
  for (const { output: name } of manifest.objects) {
    const path = join(output, name);
    const split = { key: path, splitType: "Line", csv, longestRecordBytes: 2 ** 26 } as const;
    let record = 0;
    for await (const { bytes, ends } of recordBlocks(piecesOf(path, signal), split)) {
      let start = 0;
      for (const end of ends) {
        if (!isBlank(bytes, start, end)) {
          const text = withoutLineEnd(bytes.subarray(start, end)).toString("utf8");
          batch.push(rowOf(text, { path, record }, options));
          record += 1;
        }
        start = end;
        if (batch.length < batchRows) continue;
        yield batch;
        batch = [];
      }
    }
  }
  if (batch.length > 0) yield batch;
}

function rowOf(
  text: string,
  { path, record }: { readonly path: string; readonly record: number },
  { key, answer, contentType = "text/csv" }: PublishScoresOptions,
): ScoredRow {
  const wrong = (problem: string, cause?: unknown): Error =>
    recordInvalid({ key: path, record, offset: 0 }, problem, cause);
  let found: readonly [unknown, unknown];
  try {
    found =
      contentType === "text/csv"
        ? csvParts(text, key ?? 0, answer ?? -1)
        : jsonParts(text, key ?? "id", answer ?? "SageMakerOutput");
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error), error);
  }
  const [name, value] = found;
  if ((typeof name !== "string" && typeof name !== "number") || name === "") throw wrong("it has no key");
  if (value === undefined) throw wrong("it has no answer");
  const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return { key: String(name), score: typeof one === "number" ? one : null, answer: value as JsonValue };
}

function csvParts(text: string, key: string | number, answer: string | number): readonly [unknown, unknown] {
  const cells = parseCsv(text)[0] ?? [];
  const value = cells.at(Number(answer));
  return [cells.at(Number(key)), value === undefined ? undefined : cellValue(value)];
}

function jsonParts(text: string, key: string | number, answer: string | number): readonly [unknown, unknown] {
  const value = JSON.parse(text) as Readonly<Record<string | number, unknown>> | null;
  return [value?.[key], value?.[answer]];
}

async function* piecesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 18, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw transformInputMissing(path, error);
  }
}
