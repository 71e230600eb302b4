import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, ColumnType } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import { type DuckDb, identifier, literal } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { mergeParts } from "../history/compaction.ts";
import { outdatedParts } from "../history/compaction-plan.ts";
import { withoutParts } from "../history/history-fold.ts";
import { type CountedPart, countedParts, type HistoryLog } from "../history/history-log.ts";
import { readingHistory, sqlType } from "../history/history-sql.ts";
import type { IngestTarget } from "../ingestion/ingest.ts";
import { keySchema, type SourceRow } from "../definition/source-columns.ts";
import type { ErasedPlace } from "./receipt.ts";

/** SQL that is true of an entity's rows. */
export function isEntitySql(view: FeatureView, keys: SourceRow): string {
  return keySchema(view)
    .map(({ name, type }) => `${identifier(name)} = ${valueSql(keys[name], type)}`)
    .join(" AND ");
}

const valueSql = (value: SourceRow[string], type: ColumnType): string =>
  `CAST(${literal(value instanceof Date ? value.toISOString() : String(value))} AS ${sqlType(type)})`;

/** How many rows of an entity each file has, of those that have any. */
export async function rowsByFile(
  duckdb: DuckDb,
  paths: readonly string[],
  isEntity: string,
  { signal }: CallOptions,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (paths.length === 0) return found;
  const files = `read_parquet([${paths.map(literal).join(", ")}], hive_partitioning = false, filename = true, union_by_name = true)`;
  const sql = `SELECT "filename", CAST(count(*) AS DOUBLE) AS n FROM ${files} WHERE ${isEntity} GROUP BY ALL`;
  for await (const batch of duckdb.query(sql, { signal })) {
    const counts = asFloat64(columnOf(batch, "n"));
    toArray(columnOf(batch, "filename")).forEach((path, row) => found.set(String(path), counts[row]!));
  }
  return found;
}

/**
 * Takes an entity's rows out of a view's history: files that have any are written anew without them, and the old ones deleted at once. Each step is committed
 * by one entry. Throws `FEATURE_STORE_HISTORY_CORRUPT`.
 */
export async function eraseFromHistory(
  target: IngestTarget,
  isEntity: string,
  options: CallOptions,
): Promise<ErasedPlace[]> {
  const { log, view } = target;
  const places: ErasedPlace[] = [];
  for (;;) {
    options.signal?.throwIfAborted();
    await deleteReplaced(log);
    const step = await readingHistory(async () => {
      const snapshot = await log.snapshot();
      const found = await partsWith(target, countedParts(snapshot.batches), isEntity, options);
      if (found.size === 0) return undefined;
      const rows = [...found.values()].reduce((sum, count) => sum + count, 0);
      const without = { isEntity, rows };
      const merged = await mergeParts(target, snapshot, [...found.keys()], { ...options, without });
      return { found, isDone: merged !== undefined };
    });
    if (step === undefined) break;
    // Where another compaction came first, what it left is looked at anew.
    if (!step.isDone) continue;
    for (const [{ part }, rows] of step.found) {
      places.push({ path: `${view.id}/${part.path}`, what: "history", rows, action: "rewritten" });
    }
  }
  return [...places, ...(await eraseFromQuarantine(target, isEntity, options))];
}

async function partsWith(
  { duckdb, log }: IngestTarget,
  parts: readonly CountedPart[],
  isEntity: string,
  options: CallOptions,
): Promise<Map<CountedPart, number>> {
  const byPath = new Map(parts.map((each) => [join(log.directory, each.part.path), each]));
  const rows = await rowsByFile(duckdb, [...byPath.keys()], isEntity, options);
  return new Map([...rows].map(([path, count]) => [byPath.get(path)!, count]));
}

/** Deletes the files that others stand for, without the grace that readers get otherwise: they meet a missing file, and list anew. */
async function deleteReplaced(log: HistoryLog): Promise<void> {
  for (;;) {
    const snapshot = await log.snapshot();
    const replaced = outdatedParts(snapshot.batches, Number.POSITIVE_INFINITY);
    if (replaced.length === 0) return;
    for (const path of replaced) await rm(join(log.directory, path), { force: true });
    if (await log.fold(snapshot, withoutParts(snapshot.batches, new Set(replaced)))) return;
  }
}

async function eraseFromQuarantine(
  { log, duckdb, view }: IngestTarget,
  isEntity: string,
  options: CallOptions,
): Promise<ErasedPlace[]> {
  const paths = (await log.batches()).flatMap(({ quarantine }) => (quarantine === undefined ? [] : [quarantine.path]));
  const files = new Map(paths.map((path) => [join(log.directory, path), path]));
  const found = await rowsByFile(duckdb, [...files.keys()], isEntity, options);
  const places: ErasedPlace[] = [];
  for (const [file, rows] of found) {
    const rest = `SELECT * FROM read_parquet(${literal(file)}, hive_partitioning = false) WHERE (${isEntity}) IS NOT TRUE`;
    await duckdb.writeParquet(rest, file, options);
    places.push({ path: `${view.id}/${files.get(file)!}`, what: "quarantine", rows, action: "rewritten" });
  }
  return places;
}
