import { join } from "node:path";
import type { Schema } from "@millwright/contracts";
import { identifier, literal } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import type { CountedPart } from "./history-log.ts";
import { groupsOf, type PartGroup, sqlType } from "./history-sql.ts";
import { FAILED_RULES, SYSTEM_COLUMNS } from "../definition/system-columns.ts";

/** The rows of parts with every column, but for those that `without` is true of, each with the time from which on its batch could be read, as they go into merged files. */
export function compactedSql(
  view: FeatureView,
  directory: string,
  parts: readonly CountedPart[],
  { schema, without }: { readonly schema: Schema; readonly without?: string | undefined },
): { readonly sql: string; readonly hasFailedRules: boolean } {
  const groups = groupsOf(parts);
  const hasFailedRules = groups.some((group) => group.hasFailedRules);
  const selects = groups.map((group) => groupSql(view, directory, group, { schema, hasFailedRules }));
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(view.eventTime);
  const sql = `SELECT *, strftime(${time}, '%Y-%m-%d') AS "ds" FROM (${selects.join(" UNION ALL ")})
    ${without === undefined ? "" : `WHERE (${without}) IS NOT TRUE`} ORDER BY "ds", ${keys.join(", ")}, ${time}, "_sequence"`;
  return { sql, hasFailedRules };
}

interface Wanted {
  readonly schema: Schema;
  readonly hasFailedRules: boolean;
}

function groupSql(view: FeatureView, directory: string, group: PartGroup, { schema, hasFailedRules }: Wanted): string {
  const { parts, columns, formatVersion, isCompacted } = group;
  const own = schema.map(({ name, type }) =>
    columns.has(name) ? identifier(name) : `CAST(NULL AS ${sqlType(type)}) AS ${identifier(name)}`,
  );
  const isDeleted = view.deleted === undefined ? "FALSE" : `coalesce(${identifier(view.deleted)}, FALSE)`;
  const none = "CAST(NULL AS TIMESTAMP)";
  const system =
    formatVersion === 1
      ? SYSTEM_COLUMNS.map((name) => `${name === "is_deleted" ? isDeleted : none} AS ${name}`)
      : SYSTEM_COLUMNS;
  const failed = group.hasFailedRules ? FAILED_RULES : `CAST(NULL AS VARCHAR) AS ${FAILED_RULES}`;
  const selected = [...own, ...system, ...(hasFailedRules ? [failed] : []), `"_sequence"`];
  const paths = parts.map(({ part }) => literal(join(directory, part.path)));
  const files = `read_parquet([${paths.join(", ")}], hive_partitioning = false${isCompacted ? "" : ", filename = true"})`;
  if (isCompacted) return `SELECT ${selected.join(", ")}, available_time FROM ${files}`;
  const known = parts.map(
    ({ batch }, index) =>
      `(${paths[index]}, ${batch.availableMs === undefined ? "NULL" : Math.round(batch.availableMs * 1000)}::BIGINT)`,
  );
  return `SELECT ${selected.join(", ")}, make_timestamp("_available") AS available_time FROM ${files} JOIN (VALUES ${known.join(", ")}) AS k("filename", "_available") USING ("filename")`;
}
