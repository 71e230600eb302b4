import type { Batch, CallOptions, Dataset, Field, Schema } from "@millwright/contracts";
import { asFloat64, columnOf, schemaOf, selectColumns } from "@millwright/data";
import { BATCH_FUNCTION, type BatchSources } from "./batch-source.ts";
import { duckTypeOf } from "./column-types.ts";
import type { Connections } from "./connections.ts";
import { schemaMismatch } from "./errors.ts";
import { identifier, literal } from "./sql.ts";
import { projection, type Query, selectFields } from "./query.ts";
import { describeTypes, execute, stream } from "./statements.ts";

/** Rows gathered before they are handed to DuckDB in one statement. */
const STAGE_ROWS = 262_144;

/** Columns from anywhere: a batch, a dataset, or batches as they come. */
export type ColumnSource = Batch | Dataset | AsyncIterable<Batch>;

/** The in-memory database beside the main one, where columns from outside stand; it spills like the rest. */
export const SCRATCH = "scratch";

export interface RegisterOptions extends CallOptions {
  /** Only these columns, in this order. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** Is given the rows that the table holds, in their order; where it throws, there is no table. */
  readonly onBatch?: ((batch: Batch) => void) | undefined;
}

/**
 * Copies a query's rows into a table of the scratch database, in order, without a detour through JavaScript.
 * @returns the number of rows; undefined, and nothing is done, where its types are not those that columns have in DuckDB.
 */
export async function stageQuery(
  connections: Connections,
  table: string,
  { query, schema }: { readonly query: Query; readonly schema: Schema },
  { columns, onBatch, signal }: RegisterOptions = {},
): Promise<number | undefined> {
  const { params, where, files } = query;
  if (Array.isArray(params) ? params.length > 0 : Object.keys(params).length > 0) return undefined;
  const fields = selectFields(schema, columns);
  const sql = projection(query.sql, columns);
  const types = await describeTypes(connections, sql, { where, signal });
  const isSame = (field: Field, index: number): boolean => types[index]?.toString() === duckTypeOf(field).toString();
  if (!fields.every(isSame)) return undefined;
  await execute(connections, `CREATE OR REPLACE TABLE ${table} AS ${sql}`, { where, files, signal });
  let rows = 0;
  const counted = onBatch === undefined ? `SELECT count(*) AS "rows" FROM ${table}` : `SELECT * FROM ${table}`;
  for await (const batch of stream(connections, counted, { signal })) {
    onBatch?.(batch);
    rows += onBatch === undefined ? (asFloat64(columnOf(batch, "rows"))[0] ?? 0) : batch.length;
  }
  return rows;
}

/**
 * Copies columns into a table of the scratch database, batch after batch, in order.
 * @returns the number of rows.
 */
export async function stage(
  connections: Connections,
  sources: BatchSources,
  table: string,
  source: ColumnSource,
  options: RegisterOptions = {},
): Promise<number> {
  const { onBatch, signal } = options;
  const { schema: known, batches } = open(source, options);
  let schema = known;
  if (schema !== undefined) await createTable(connections, table, schema, signal);
  let total = 0;
  let held: Batch[] = [];
  let heldRows = 0;
  const flush = async (): Promise<void> => {
    if (schema === undefined || heldRows === 0) return;
    const handle = sources.add(schema, held);
    try {
      const sql = `INSERT INTO ${table} SELECT * FROM ${BATCH_FUNCTION}(${literal(handle)})`;
      await execute(connections, sql, { signal });
    } finally {
      sources.remove(handle);
    }
    total += heldRows;
    held = [];
    heldRows = 0;
  };
  for await (const batch of batches) {
    if (schema === undefined) {
      schema = schemaOf(batch);
      await createTable(connections, table, schema, signal);
    }
    checkBatch(schema, batch);
    onBatch?.(batch);
    held.push(batch);
    heldRows += batch.length;
    if (heldRows >= STAGE_ROWS) await flush();
  }
  await flush();
  if (schema === undefined) throw schemaMismatch("there is no batch to take it from");
  return total;
}

async function createTable(
  connections: Connections,
  table: string,
  schema: Schema,
  signal: AbortSignal | undefined,
): Promise<void> {
  const columns = schema.map((field) => `${identifier(field.name)} ${duckTypeOf(field).toString()}`);
  await execute(connections, `CREATE OR REPLACE TABLE ${table} (${columns.join(", ")})`, { signal });
}

function open(
  source: ColumnSource,
  { columns, signal }: RegisterOptions,
): { readonly schema: Schema | undefined; readonly batches: AsyncIterable<Batch> | Iterable<Batch> } {
  if ("batches" in source) {
    return { schema: selectFields(source.schema, columns), batches: source.batches({ columns, signal }) };
  }
  const selected = (batch: Batch): Batch => (columns === undefined ? batch : selectColumns(batch, columns));
  if ("columns" in source) return { schema: schemaOf(selected(source)), batches: [selected(source)] };
  return { schema: undefined, batches: columns === undefined ? source : mapped(source, selected) };
}

async function* mapped(batches: AsyncIterable<Batch>, change: (batch: Batch) => Batch): AsyncGenerator<Batch> {
  for await (const batch of batches) yield change(batch);
}

function checkBatch(schema: Schema, batch: Batch): void {
  for (const field of schema) {
    const column = batch.columns[field.name];
    if (column === undefined) throw schemaMismatch(`a batch lacks "${field.name}"`);
    if (!fits(field, column.type)) {
      throw schemaMismatch(`"${field.name}" is ${column.type} in a batch and ${field.type} in the schema`);
    }
    if (column.length !== batch.length) {
      throw schemaMismatch(`"${field.name}" has ${column.length} rows in a batch of ${batch.length}`);
    }
  }
}

/** Text may come plain or as a dictionary, whichever the schema says. */
function fits(field: Field, type: Field["type"]): boolean {
  const isText = (each: Field["type"]): boolean => each === "utf8" || each === "dictionary";
  return field.type === type || (isText(field.type) && isText(type));
}
