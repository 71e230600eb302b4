import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, Dataset } from "@millwright/contracts";
import { identifier, literal } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { historyCorrupt } from "../errors.ts";
import { type HistorySource, sqlType } from "../history/history-sql.ts";
import { sourceSchema } from "../definition/source-columns.ts";
import { FAILED_RULES } from "../definition/system-columns.ts";

/** The rows that a view's gate put aside, batch after batch. Throws `FEATURE_STORE_HISTORY_CORRUPT`. */
export async function scanQuarantine(
  { duckdb, log }: HistorySource,
  view: FeatureView,
  { signal }: CallOptions,
): Promise<Dataset> {
  const { directory, batches } = await log(view.id);
  const paths: string[] = [];
  for (const { quarantine } of await batches()) {
    if (quarantine === undefined) continue;
    const path = join(directory, quarantine.path);
    await stat(path).catch((cause: unknown) => {
      throw historyCorrupt(view.id, path, "is missing", cause);
    });
    paths.push(path);
  }
  const schema = [...sourceSchema(view), { name: FAILED_RULES, type: "utf8" as const }];
  const empty = `SELECT ${schema.map(({ name, type }) => `CAST(NULL AS ${sqlType(type)}) AS ${identifier(name)}`).join(", ")} WHERE FALSE`;
  // Columns that were added to the view later are null in files from before.
  const files = `SELECT * FROM read_parquet([${paths.map(literal).join(", ")}], union_by_name = true, hive_partitioning = false)`;
  const sql = paths.length === 0 ? empty : `${empty} UNION ALL BY NAME ${files}`;
  return await duckdb.asDataset(`SELECT ${schema.map(({ name }) => identifier(name)).join(", ")} FROM (${sql})`, {
    signal,
  });
}
