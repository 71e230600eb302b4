import { join } from "node:path";
import type { Batch, Column, JsonObject } from "@millwright/contracts";
import { batchOf, concatBatches, textColumn, toArray } from "@millwright/data";
import type { FindAnswersOptions } from "../capture/answer-lookup.ts";
import { featurePrefix, rowsIn, rowsOfBatch } from "../capture/arrow-segment.ts";
import { type LogFile, logFolder } from "./log-manifest.ts";
import { identifier, literal } from "./log-query.ts";
import { readSegment } from "./log-segments.ts";
import type { LogContext } from "./prediction-log.ts";

/** Requests of files and segments, by their ids; each once. */
export async function* findAnswers(
  log: LogContext,
  files: readonly LogFile[],
  segments: readonly string[],
  requestIds: readonly string[],
  { features, signal }: FindAnswersOptions,
): AsyncGenerator<JsonObject, void, undefined> {
  if (requestIds.length === 0) return;
  const left = new Set(requestIds);
  const once = function* (rows: Iterable<JsonObject>): Generator<JsonObject, void> {
    for (const row of rows) if (left.delete(row["requestId"] as string)) yield row;
  };
  for (const name of segments) {
    signal?.throwIfAborted();
    const { batches, rows } = await readSegment(log.directory, name);
    for (const batch of batches) yield* once(rowsIn(batch, left, features));
    yield* once(rows);
  }
  if (left.size === 0 || files.length === 0) return;
  const walk = async function* (): AsyncGenerator<Batch, void> {
    yield batchOf({ requestId: textColumn([...left]) });
  };
  const name = `millwright_ids_${log.ids.next().replaceAll(/\W/g, "_")}`;
  await using ids = await log.duckdb.register(name, walk(), { signal });
  for (const file of files) {
    signal?.throwIfAborted();
    const from = `read_parquet(${literal(join(logFolder(log.directory), file.name))}, file_row_number = true)`;
    const wanted = `"requestId" IN (SELECT "requestId" FROM ${ids.sql})`;
    // The rows of a request follow one another in a file: put together, none is cut where a batch ends.
    const sql = `SELECT ${columnsOf(file, features)} FROM ${from} WHERE ${wanted} ORDER BY file_row_number`;
    const batches: Batch[] = [];
    for await (const batch of log.duckdb.query(sql, { signal })) if (batch.length > 0) batches.push(batch);
    if (batches.length === 0) continue;
    const whole = concatBatches(batches);
    if (file.kind === "tables") yield* once(rowsOfBatch(whole));
    else yield* once(toArray(whole.columns["json"] as Column).map((text) => JSON.parse(text as string) as JsonObject));
  }
}

function columnsOf({ kind, columns }: LogFile, features: readonly string[] | undefined): string {
  if (kind === "lines") return `"json"`;
  const isWanted = (name: string): boolean =>
    features === undefined || !name.startsWith(featurePrefix) || features.includes(name.slice(featurePrefix.length));
  return columns.filter(isWanted).map(identifier).join(", ");
}
