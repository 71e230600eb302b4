import { DuckDBLogicalType } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { type Column, type Field, hasCode, type Schema } from "@millwright/contracts";
import {
  asFloat64,
  createProfiler,
  emptyProfile,
  mergeProfiles,
  profileOfCounts,
  type Profile,
  type ProfileDatasetOptions,
  type ProfileOptions,
} from "@millwright/data";
import { createColumnReader } from "./column-reader.ts";
import { columnTypeOf } from "./column-types.ts";
import type { Connections } from "./connections.ts";
import { fileChanged, schemaMismatch } from "./errors.ts";
import { planPasses } from "./profile-passes.ts";
import { identifier } from "./sql.ts";
import { selectFields, type Query } from "./query.ts";
import { BATCH_ROWS, execute, stream } from "./statements.ts";
import type { ColumnReader } from "./vector.ts";

/** A query whose rows are profiled. */
export interface ProfileSource {
  readonly connections: Connections;
  readonly query: Query;
  readonly schema: Schema;
  readonly rows?: number | undefined;
  /** The Parquet files that hold the rows, where columns can be read apart at no more cost than together. */
  readonly paths?: readonly string[] | undefined;
}

/** Different values at one go: as many as the profiler of rows counts before it lets go of the rare ones. */
const VALUES_AT_ONCE = 8192;

/** The columns of a profile. */
export function profiledFields(schema: Schema, columns: readonly string[] | undefined): Schema {
  const fields = selectFields(schema, columns);
  if (fields.length === 0) throw new RangeError("A profile needs at least one column.");
  return fields;
}

/** Profiles Parquet files column by column, and any other query in one walk. */
export async function profileQuery(source: ProfileSource, options: ProfileDatasetOptions = {}): Promise<Profile> {
  const { columns, progress, signal, ...profiling } = options;
  signal?.throwIfAborted();
  const schema = profiledFields(source.schema, columns);
  const { connections, query, paths, rows } = source;
  const files = paths === undefined || rows === undefined ? undefined : { paths, rows };
  await query.files?.check();
  const planned = files && (await planPasses(connections, files, schema, { signal }));
  const { counted, visited } = planned ?? { counted: [], visited: [schema] };
  // A sample of ranks is drawn from rows; texts have none.
  const byCount = counted.filter(({ type }) => profiling.rankError === undefined || type === "utf8");
  const others = counted.filter((field) => !byCount.includes(field));
  const parts: Profile[] = [];
  const pass = { source, profiling, signal, tell: progressOf(schema.length, rows, progress) };
  for (const fields of others.length === 0 ? visited : [...visited, others])
    parts.push(await profileByVisit(pass, fields));
  for (const field of byCount) parts.push(await profileByCount(pass, field));
  const found = rows ?? parts[0]!.rows;
  const other = parts.find((part) => part.rows !== found);
  if (other !== undefined) throw fileChanged(query.where, found, other.rows);
  const profiles = new Map(parts.flatMap((part) => Object.entries(part.columns)));
  return { rows: found, columns: Object.fromEntries(schema.map(({ name }) => [name, profiles.get(name)!])) };
}

/** What some columns are profiled by. */
interface Pass {
  readonly source: ProfileSource;
  readonly profiling: ProfileOptions;
  readonly signal: AbortSignal | undefined;
  /** Tells of values that were looked at. */
  readonly tell: (values: number) => void;
}

/** Values are told of as rows of all columns: batch by batch, and when all are there. */
function progressOf(
  columns: number,
  totalRows: number | undefined,
  progress: ProfileDatasetOptions["progress"],
): (values: number) => void {
  let values = 0;
  let told = 0;
  return (more) => {
    values += more;
    const rows = Math.floor(values / columns);
    if (rows === told || (rows < told + BATCH_ROWS && rows !== totalRows)) return;
    told = rows;
    progress?.({ rows, totalRows });
  };
}

async function profileByVisit({ source, profiling, signal, tell }: Pass, fields: Schema): Promise<Profile> {
  const { connections, query } = source;
  const { sql, params, where, files } = query;
  const profiler = createProfiler(fields, profiling);
  let readers: readonly ColumnReader[] | undefined;
  let failure: { readonly error: unknown } | undefined;
  const visit = connections.visits.add((vectorOf, rows) => {
    try {
      // The types are those of the rows that are here, not of a file that has been replaced since it was looked at.
      readers ??= fields.map((field, at) => readerOf(field, vectorOf(at)));
      const columns = readers.map((reader, at): readonly [string, Column] => {
        reader.load(vectorOf(at), rows);
        return [fields[at]!.name, reader.view()];
      });
      profiler.update({ length: rows, columns: Object.fromEntries(columns) });
      tell(rows * fields.length);
    } catch (error) {
      failure ??= { error };
      throw error;
    }
  });
  try {
    const names = fields.map(({ name }) => identifier(name));
    await execute(connections, visit.sql(names, sql), { params, where, files, signal });
  } catch (error) {
    // DuckDB keeps only the message of what a visitor throws.
    throw failure === undefined || hasCode(error, "DUCKDB_FILE_CHANGED") ? error : failure.error;
  } finally {
    visit.remove();
  }
  return profiler.profile();
}

function readerOf(field: Field, vector: duckdb.Vector): ColumnReader {
  const type = DuckDBLogicalType.create(duckdb.vector_get_column_type(vector)).asType();
  const found = columnTypeOf(field.name, type);
  if (found !== field.type)
    throw schemaMismatch(`"${field.name}" ${field.type} was expected, and "${field.name}" ${found} found`);
  return createColumnReader(field.name, type);
}

async function profileByCount({ source, profiling, signal, tell }: Pass, field: Field): Promise<Profile> {
  const { sql, params, where, files } = source.query;
  // In order: means do not depend on how DuckDB came by the groups.
  const counts = `SELECT ${identifier(field.name)} AS value, count(*) AS times FROM (${sql}\n) AS counted GROUP BY 1 ORDER BY 1`;
  const schema: Schema = [
    { ...field, name: "value" },
    { name: "times", type: "int64" },
  ];
  let profile = emptyProfile([field], profiling);
  const walk = stream(source.connections, counts, { params, where, files, signal, schema, batchRows: VALUES_AT_ONCE });
  for await (const { columns } of walk) {
    const column = profileOfCounts(columns["value"]!, asFloat64(columns["times"]!), profiling);
    const part = { rows: column.count + column.missing, columns: { [field.name]: column } };
    profile = mergeProfiles(profile, part);
  }
  tell(profile.rows);
  return profile;
}
