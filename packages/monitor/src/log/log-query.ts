import type { JsonObject, JsonValue } from "@millwright/contracts";
import { featurePrefix } from "../capture/arrow-segment.ts";

/** Which captured requests are meant: those that fit all that is given. */
export interface PredictionQuery {
  readonly endpoint?: string | undefined;
  readonly variant?: string | undefined;
  readonly modelName?: string | undefined;
  readonly modelVersion?: number | undefined;
  readonly modelDigest?: string | undefined;
  /** Only requests in `[fromMs, toMs)`. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only rows with these values of features. */
  readonly where?: Readonly<Record<string, string | number | boolean>> | undefined;
}

export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A condition of SQL on the columns that both kinds of files have, with its parameters. */
export function conditionOf(query: PredictionQuery): { readonly sql: string; readonly params: (string | number)[] } {
  const tests: string[] = [];
  const params: (string | number)[] = [];
  const test = (sql: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    tests.push(sql);
    params.push(value);
  };
  for (const name of ["endpoint", "variant", "modelName", "modelVersion", "modelDigest"] as const)
    test(`${identifier(name)} = ?`, query[name]);
  test(`"timeMs" >= ?`, query.fromMs);
  test(`"timeMs" < ?`, query.toMs);
  return { sql: tests.length === 0 ? "true" : tests.join(" AND "), params };
}

/** The same for the features of tables; undefined where a table lacks one of them. */
export function whereOf(
  { where = {} }: PredictionQuery,
  columns: readonly string[],
): { readonly sql: string; readonly params: (string | number)[] } | undefined {
  const names = Object.keys(where).map((name) => featurePrefix + name);
  if (names.some((name) => !columns.includes(name))) return undefined;
  // Booleans and texts of tables are numbers nowhere: they are compared as text.
  const tests = Object.entries(where).map(([name, value]) =>
    typeof value === "number"
      ? `TRY_CAST(${identifier(featurePrefix + name)} AS DOUBLE) = ?`
      : `CAST(${identifier(featurePrefix + name)} AS VARCHAR) = ?`,
  );
  const params = Object.values(where).map((value) => (typeof value === "number" ? value : String(value)));
  return { sql: tests.length === 0 ? "true" : tests.join(" AND "), params };
}

type Columns = Readonly<Record<string, readonly JsonValue[] | undefined>>;

/** The request as far as it fits: without the rows that do not. */
export function filtered(row: JsonObject, query: PredictionQuery): JsonObject | undefined {
  const model = (row["model"] ?? {}) as JsonObject;
  const { endpoint, variant, modelName, modelVersion, modelDigest, fromMs, toMs } = query;
  const fits = (wanted: string | number | undefined, value: unknown): boolean =>
    wanted === undefined || wanted === value;
  const timeMs = Number(row["timeMs"]);
  if (!fits(endpoint, row["endpoint"]) || !fits(variant, row["variant"])) return undefined;
  if (!fits(modelName, model["name"]) || !fits(modelVersion, model["version"])) return undefined;
  if (!fits(modelDigest, model["digest"])) return undefined;
  if ((fromMs !== undefined && !(timeMs >= fromMs)) || (toMs !== undefined && !(timeMs < toMs))) return undefined;
  return withRows(row, query);
}

function withRows(row: JsonObject, { where = {} }: PredictionQuery): JsonObject | undefined {
  const wanted = Object.entries(where);
  if (wanted.length === 0) return row;
  const features = (row["features"] ?? {}) as Columns;
  const length = Math.max(0, ...Object.values(features).map((values) => values?.length ?? 0));
  const rows = Array.from({ length }, (_, at) => at).filter((at) =>
    wanted.every(([name, value]) => features[name]?.[at] === value),
  );
  if (rows.length === 0) return undefined;
  if (rows.length === length) return row;
  const cut = (columns: Columns): JsonObject =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, rows.map((at) => values?.[at] ?? null)]));
  return { ...row, features: cut(features), outputs: cut((row["outputs"] ?? {}) as Columns) };
}
