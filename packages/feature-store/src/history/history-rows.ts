import type { Batch, CallOptions } from "@millwright/contracts";
import { asFloat64, columnOf } from "@millwright/data";
import { identifier, literal } from "@millwright/duckdb";
import { compileAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { historySql, namingFile, type HistorySource } from "./history-sql.ts";
import { BATCH_NUMBERS } from "../ingestion/ingest.ts";
import { onlineRows, type RowColumns } from "../online/online-rows.ts";
import type { OnlineRow } from "../online/online-store.ts";
import { keyTexts } from "../definition/source-columns.ts";

const ANY_TIME = { firstUs: Number.NEGATIVE_INFINITY, lastUs: Number.POSITIVE_INFINITY };

export interface HistoryRowsOptions extends CallOptions {
  readonly upToUs: number;
  readonly latenessUs: number;
  /** Only rows of these batches. Default: of all. */
  readonly batches?: ReadonlySet<number> | undefined;
  /** Only rows of entities that have rows in these batches. Default: of all. */
  readonly entitiesOf?: ReadonlySet<number> | undefined;
  /** Only rows of these entities. Default: of all. */
  readonly keys?: readonly string[] | undefined;
  /** Whether the rows of an entity come together. Default: false; they come by time. */
  readonly byEntity?: boolean | undefined;
  /** Most rows a batch. Default: DuckDB's. */
  readonly batchRows?: number | undefined;
}

export interface HistoryRows {
  /** Rows before it were left out, but for each entity's newest. */
  readonly floorUs: number;
  /** By time, or an entity's by time, and those of one time in the order in which they were ingested. */
  readonly rows: AsyncIterable<readonly OnlineRow[]>;
}

/** As `HistoryRows`, as columns. */
export interface HistoryColumns {
  readonly floorUs: number;
  readonly batches: AsyncIterable<Batch>;
}

/** The rows before a time that reads from then on can need: a window's length back, and each entity's newest before that. */
export async function historyRows(
  source: HistorySource,
  view: FeatureView,
  options: HistoryRowsOptions,
): Promise<HistoryRows> {
  const { floorUs, batches } = await historyColumns(source, view, options);
  return { floorUs, rows: ofBatches(view, batches) };
}

export async function historyColumns(
  source: HistorySource,
  view: FeatureView,
  { upToUs, latenessUs, batches, entitiesOf, keys: only, byEntity = false, batchRows, signal }: HistoryRowsOptions,
): Promise<HistoryColumns> {
  const floorUs = upToUs - latenessUs - compileAggregates(view).longestUs;
  const range = { firstUs: upToUs - latenessUs, lastUs: upToUs - 1 };
  const { sql: all } = await historySql(source, view, { range, batches });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const some = entitiesOf && (await historySql(source, view, { range: ANY_TIME, batches: entitiesOf }));
  const rows = some === undefined ? all : `SELECT a.* FROM (${all}) AS a SEMI JOIN (${some.sql}) AS b USING (${keys})`;
  const wanted = only === undefined ? rows : `SELECT * FROM (${rows}) WHERE ${areEntitiesSql(view, only)}`;
  const first = byEntity ? `${entityOrder(view)}, ` : "";
  const sql = `SELECT * FROM (${neededSql(view, wanted, floorUs)}) ORDER BY ${first}"_time", "_sequence"`;
  return { floorUs, batches: walk(source, view, sql, { signal, ...(batchRows === undefined ? {} : { batchRows }) }) };
}

/** The order of the texts that name entities online: what is written in the order of a store's keys is written fastest. */
function entityOrder({ entity }: FeatureView): string {
  const texts = Object.keys(entity.keys).map((name) => `CAST(${identifier(name)} AS VARCHAR)`);
  // Of several keys each stands behind its length.
  return texts.length === 1 ? texts[0]! : texts.map((text) => `CAST(length(${text}) AS VARCHAR), ${text}`).join(", ");
}

/** SQL that is true of the rows of entities, by the texts that stand for them. */
function areEntitiesSql({ entity }: FeatureView, keys: readonly string[]): string {
  if (keys.length === 0) return "FALSE";
  const names = Object.keys(entity.keys);
  const lists = keys.map((key) => `(${keyTexts(key, names.length).map(literal).join(", ")})`);
  const texts = names.map((name) => `CAST(${identifier(name)} AS VARCHAR)`);
  return `(${texts.join(", ")}) IN (${lists.join(", ")})`;
}

/** Rows on their way online, and where in its batch each stands. */
export interface PendingRows {
  /** Made when they are first asked for. */
  readonly rows: readonly OnlineRow[];
  /** The same rows as columns, where they came so. */
  readonly columns?: Batch | undefined;
  /** The number of each row's batch. */
  readonly numbers: Float64Array;
  /** Each row's number in its batch, from 0. */
  readonly places: Float64Array;
}

/** Of these batches what reads from a floor on can need, batch after batch, each in the order of its rows. */
export async function pendingRows(
  source: HistorySource,
  view: FeatureView,
  { batches, floorUs, signal }: CallOptions & { readonly batches: ReadonlySet<number>; readonly floorUs: number },
): Promise<AsyncIterable<PendingRows>> {
  const { sql: rows } = await historySql(source, view, { range: ANY_TIME, batches });
  const sql = `SELECT *, CAST("_sequence" // ${BATCH_NUMBERS} AS DOUBLE) AS "_number", CAST("_sequence" % ${BATCH_NUMBERS} AS DOUBLE) AS "_place"
    FROM (${neededSql(view, rows, floorUs)}) ORDER BY "_sequence"`;
  const found = walk(source, view, sql, { signal, batchRows: 4_096 });
  return (async function* () {
    for await (const batch of found) {
      const numbers = asFloat64(columnOf(batch, "_number"));
      let rows: readonly OnlineRow[] | undefined;
      yield {
        get rows() {
          return (rows ??= rowsOf(view, batch));
        },
        columns: batch,
        numbers,
        places: asFloat64(columnOf(batch, "_place")),
      };
    }
  })();
}

function neededSql(view: FeatureView, rows: string, floorUs: number): string {
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  // A delete takes away what is at its own time as well, in windows.
  const deletesFirst = Object.keys(view.aggregates).length > 0 ? `"_deleted" DESC, ` : "";
  const newestFirst = `"_time" DESC, ${deletesFirst}"_created" DESC NULLS LAST, "_sequence" ${view.ties === "first" ? "ASC" : "DESC"}`;
  return `SELECT * FROM (${rows})
    QUALIFY "_time" >= ${floorUs} OR row_number() OVER (PARTITION BY ${keys}, "_time" >= ${floorUs} ORDER BY ${newestFirst}) = 1`;
}

async function* walk(
  source: HistorySource,
  view: FeatureView,
  sql: string,
  options: CallOptions & { readonly batchRows?: number },
): AsyncGenerator<Batch> {
  try {
    yield* source.duckdb.query(sql, options);
  } catch (error) {
    throw await namingFile(source, view, error);
  }
}

async function* ofBatches(view: FeatureView, batches: AsyncIterable<Batch>): AsyncGenerator<readonly OnlineRow[]> {
  for await (const batch of batches) yield rowsOf(view, batch);
}

const rowsOf = (view: FeatureView, batch: Batch): OnlineRow[] => onlineRows(view, batch, historyRowColumns(batch));

/** Where times and marks stand in rows of the history. */
export const historyRowColumns = (batch: Batch): RowColumns => ({
  time: columnOf(batch, "_time"),
  created: columnOf(batch, "_created"),
  deleted: columnOf(batch, "_deleted"),
  expires: columnOf(batch, "_expires"),
});
