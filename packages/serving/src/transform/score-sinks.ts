import { join } from "node:path";
import type { Batch, CallOptions } from "@millwright/contracts";
import { column } from "@millwright/data";
import type { Database, Migration } from "@millwright/storage";
import { csvCell } from "../http/csv.ts";
import { createDurableFile, named } from "./durable-files.ts";
import { transformInvalid } from "./errors.ts";
import type { ScoredRow, ScoreSink } from "./publish-scores.ts";

const table = "millwright_serving_scores";

const migrations: readonly Migration[] = [
  {
    name: "001-scores",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("run_id", "text", (each) => each.notNull())
        .addColumn("key", "text", (each) => each.notNull())
        .addColumn("score", "double precision")
        .addColumn("answer", "text", (each) => each.notNull())
        .addPrimaryKeyConstraint(`${table}_key`, ["run_id", "key"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

/** Scores in the table `millwright_serving_scores` (`run_id`, `key`, `score`, `answer` as JSON), one row for each key of a run, the last written. */
export async function openDatabaseScoreSink(database: Database, options: CallOptions = {}): Promise<ScoreSink> {
  await database.migrate("serving-scores", migrations, options);
  const sql =
    `insert into ${table} (run_id, key, score, answer) values (?1, ?2, ?3, ?4) ` +
    "on conflict (run_id, key) do update set score = excluded.score, answer = excluded.answer";
  return {
    async write(rows, { runId, signal }) {
      for await (const batch of rows)
        await database.writeBatch(
          batch.map(({ key, score, answer }) => ({ sql, parameters: [runId, key, score, JSON.stringify(answer)] })),
          { signal },
        );
    },
  };
}

/** The file of a run below a folder; of ids what no file is named by is replaced. */
const fileOf = (folder: string, runId: string, ending: string): string =>
  join(folder, `${runId.replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 200)}.${ending}`);

const csvLine = (runId: string, { key, score, answer }: ScoredRow): string =>
  `${[runId, key, score === null ? "" : String(score), JSON.stringify(answer)].map(csvCell).join(",")}\n`;

const jsonLine = (runId: string, { key, score, answer }: ScoredRow): string =>
  `${JSON.stringify({ run_id: runId, key, score, answer })}\n`;

/** Scores as `<folder>/<run id>.ndjson` or `.csv` (with a header line), whole or not at all; a run that is written again replaces its file. */
export function createFileScoreSink(folder: string, format: "ndjson" | "csv"): ScoreSink {
  if (format !== "ndjson" && format !== "csv")
    throw transformInvalid(`the format is ${JSON.stringify(format)}`, 'Give "ndjson" or "csv".');
  return {
    async write(rows, { runId, signal }) {
      const file = await createDurableFile(fileOf(folder, runId, format));
      try {
        if (format === "csv") await file.write(Buffer.from("run_id,key,score,answer\n"));
        for await (const batch of rows) {
          signal?.throwIfAborted();
          await file.write(
            Buffer.from(batch.map((row) => (format === "csv" ? csvLine : jsonLine)(runId, row)).join("")),
          );
        }
        await file.finish();
      } catch (error) {
        await file.discard().catch(() => {});
        throw error;
      }
    },
  };
}

/** What writes Parquet: `openDuckDb` gives one. */
export interface ParquetWriter {
  /** Writes the rows as one file, whole or not at all, in the place of what was there. */
  writeParquet(rows: AsyncIterable<Batch>, path: string, options?: CallOptions): Promise<unknown>;
}

/** Scores as `<folder>/<run id>.parquet` with the columns `run_id`, `key`, `score` (float64) and `answer` (JSON). */
export function createParquetScoreSink(writer: ParquetWriter, folder: string): ScoreSink {
  return {
    async write(rows, { runId, signal }) {
      await named(folder, () =>
        writer.writeParquet(batchesOf(rows, runId), fileOf(folder, runId, "parquet"), { signal }),
      );
    },
  };
}

async function* batchesOf(
  rows: AsyncIterable<readonly ScoredRow[]>,
  runId: string,
): AsyncGenerator<Batch, void, undefined> {
  for await (const batch of rows)
    yield {
      length: batch.length,
      columns: {
        run_id: column(
          "utf8",
          batch.map(() => runId),
        ),
        key: column(
          "utf8",
          batch.map(({ key }) => key),
        ),
        score: column(
          "float64",
          batch.map(({ score }) => score),
        ),
        answer: column(
          "utf8",
          batch.map(({ answer }) => JSON.stringify(answer)),
        ),
      },
    };
}

/** What takes rows into a feature group: `openFeatureStore` gives one. */
export interface FeatureWriter<View> {
  /** All rows or none; a batch of the same id once. */
  ingest(view: View, rows: readonly object[], options: { readonly batchId: string } & CallOptions): Promise<unknown>;
}

export interface FeatureScoreSinkOptions<View> {
  readonly view: View;
  /** A row of the view: its entity's key, its event time, and its features. */
  readonly rowOf: (row: ScoredRow, runId: string) => object;
}

/** Scores as features of later models: each batch of a run goes into the feature group once. */
export function createFeatureScoreSink<View>(
  store: FeatureWriter<View>,
  { view, rowOf }: FeatureScoreSinkOptions<View>,
): ScoreSink {
  return {
    async write(rows, { runId, signal }) {
      let part = 0;
      for await (const batch of rows) {
        await store.ingest(
          view,
          batch.map((row) => rowOf(row, runId)),
          { batchId: `${runId}/${part}`, signal },
        );
        part += 1;
      }
    },
  };
}
