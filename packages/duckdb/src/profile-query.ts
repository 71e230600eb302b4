import { DuckDBLogicalType } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import type { CallOptions, Column, Field, Schema } from "@millwright/contracts";
import {
  asFloat64,
  createProfiler,
  emptyProfile,
  mergeProfiles,
  profileOfCounts,
  type Profile,
  type ProfileOptions,
} from "@millwright/data";
import { createColumnReader } from "./column-reader.ts";
import { columnTypeOf } from "./column-types.ts";
import type { Connections } from "./connections.ts";
import { fileChanged, schemaMismatch } from "./errors.ts";
import { planPasses } from "./profile-passes.ts";
import { identifier } from "./sql.ts";
import { selectFields, type Query } from "./sql-dataset.ts";
import { execute, stream } from "./statements.ts";
import type { ColumnReader } from "./vector.ts";
import type { Visits } from "./visits.ts";

export interface ProfileRowsOptions extends ProfileOptions, CallOptions {
  /** Only these columns, in this order: at least one. Default: all. */
  readonly columns?: readonly string[] | undefined;
}

/** A query whose rows are profiled. */
export interface ProfileSource {
  readonly connections: Connections;
  readonly visits: Visits;
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
export async function profileQuery(source: ProfileSource, options: ProfileRowsOptions = {}): Promise<Profile> {
  const { columns, signal, ...profiling } = options;
  signal?.throwIfAborted();
  const schema = profiledFields(source.schema, columns);
  const { connections, query, paths, rows } = source;
  const files = paths === undefined || rows === undefined ? undefined : { paths, rows };
  const planned = files && (await planPasses(connections, files, schema, { signal }));
  const { counted, visited } = planned ?? { counted: [], visited: [schema] };
  // A sample of ranks is drawn from rows.
  const byCount = profiling.rankError === undefined ? counted : [];
  const others = counted.filter((field) => !byCount.includes(field));
  const parts: Profile[] = [];
  for (const fields of others.length === 0 ? visited : [...visited, others])
    parts.push(await profileByVisit(source, fields, profiling, signal));
  for (const field of byCount) parts.push(await profileByCount(source, field, profiling, signal));
  const found = rows ?? parts[0]!.rows;
  const other = parts.find((part) => part.rows !== found);
  if (other !== undefined) throw fileChanged(query.where, found, other.rows);
  const profiles = new Map(parts.flatMap((part) => Object.entries(part.columns)));
  return { rows: found, columns: Object.fromEntries(schema.map(({ name }) => [name, profiles.get(name)!])) };
}

async function profileByVisit(
  { connections, visits, query: { sql, params, where } }: ProfileSource,
  fields: Schema,
  profiling: ProfileOptions,
  signal: AbortSignal | undefined,
): Promise<Profile> {
  const profiler = createProfiler(fields, profiling);
  let readers: readonly ColumnReader[] | undefined;
  let failure: { readonly error: unknown } | undefined;
  const visit = visits.add((vectorOf, rows) => {
    try {
      // The types are those of the rows that are here, not of a file that has been replaced since it was looked at.
      readers ??= fields.map((field, at) => readerOf(field, vectorOf(at)));
      const columns = readers.map((reader, at): readonly [string, Column] => {
        reader.load(vectorOf(at), rows);
        return [fields[at]!.name, reader.view()];
      });
      profiler.update({ length: rows, columns: Object.fromEntries(columns) });
    } catch (error) {
      failure ??= { error };
      throw error;
    }
  });
  try {
    const names = fields.map(({ name }) => identifier(name));
    await execute(connections, visit.sql(names, sql), { params, where, signal });
  } catch (error) {
    // DuckDB keeps only the message of what a visitor throws.
    throw failure === undefined ? error : failure.error;
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

async function profileByCount(
  { connections, query: { sql, params, where } }: ProfileSource,
  field: Field,
  profiling: ProfileOptions,
  signal: AbortSignal | undefined,
): Promise<Profile> {
  const counts = `SELECT ${identifier(field.name)} AS value, count(*) AS times FROM (${sql}\n) AS counted GROUP BY 1`;
  const schema: Schema = [
    { ...field, name: "value" },
    { name: "times", type: "int64" },
  ];
  let profile = emptyProfile([field], profiling);
  const walk = stream(connections, counts, { params, where, signal, schema, batchRows: VALUES_AT_ONCE });
  for await (const { columns } of walk) {
    const column = profileOfCounts(columns["value"]!, asFloat64(columns["times"]!), profiling);
    const part = { rows: column.count + column.missing, columns: { [field.name]: column } };
    profile = mergeProfiles(profile, part);
  }
  return profile;
}
