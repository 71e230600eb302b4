import { type Database, type Migration, sql } from "@millwright/storage";
import { decodeChunk, encodeChunk } from "../tracking/metric-chunk.ts";
import { readMetricValue, storeMetricValue } from "../tracking/metric-value.ts";
import { paramTexts } from "../tracking/param-texts.ts";
import { createSearchIndexes, dropSearchIndexes } from "./search-indexes.ts";
import { stepsBetween, summarizeSeries } from "../tracking/series-summary.ts";

type Sql = Database["read"];

/** Experiments of their own; tags and params that can be searched; points in chunks, with what is asked of a series beside its name. */
export const migration004: Migration = {
  name: "004-tracking",
  async up(database) {
    await createExperiments(database);
    await moveRuns(database);
    await moveParams(database);
    await movePoints(database);
    await createSearchIndexes(database);
  },
  async down(database) {
    await dropSearchIndexes(database);
    await restorePoints(database);
    for (const column of ["text", "number"])
      await database.schema.alterTable("registry_params").dropColumn(column).execute();
    await restoreRuns(database);
    for (const table of ["registry_experiment_tags", "registry_experiments"])
      await database.schema.dropTable(table).execute();
  },
};

async function createExperiments({ schema }: Sql): Promise<void> {
  await schema
    .createTable("registry_experiments")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("created_ms", "integer", (column) => column.notNull())
    .addColumn("updated_ms", "integer", (column) => column.notNull())
    .addColumn("deleted_ms", "integer")
    .addColumn("artifact_root", "text")
    .execute();
  await schema
    .createTable("registry_experiment_tags")
    .addColumn("experiment", "integer", (column) => column.notNull().references("registry_experiments.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_experiment_tags_key", ["experiment", "name"])
    .execute();
}

async function moveRuns(database: Sql): Promise<void> {
  const { schema } = database;
  await sql`insert into registry_experiments (name, created_ms, updated_ms)
    select experiment, min(started_ms), max(started_ms) from registry_runs group by experiment order by min(started_ms)`.execute(
    database,
  );
  await schema.dropIndex("registry_runs_experiment").execute();
  await schema
    .alterTable("registry_runs")
    .addColumn("experiment_id", "integer", (column) => column.references("registry_experiments.id"))
    .execute();
  await sql`update registry_runs set experiment_id =
    (select id from registry_experiments where registry_experiments.name = registry_runs.experiment)`.execute(database);
  await schema.alterTable("registry_runs").dropColumn("experiment").execute();
  await schema.alterTable("registry_runs").addColumn("deleted_ms", "integer").execute();
  for (const column of ["started_by", "notes"])
    await schema.alterTable("registry_runs").addColumn(column, "text").execute();
  await schema
    .createIndex("registry_runs_started")
    .on("registry_runs")
    .columns(["experiment_id", "started_ms", "id"])
    .execute();
  await schema.createIndex("registry_runs_parent").on("registry_runs").column("parent").execute();
  await schema
    .createTable("registry_run_tags")
    .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_run_tags_key", ["run", "name"])
    .execute();
  for (const { id, tags } of await all(database, "registry_runs", ["id", "tags"])) {
    for (const [name, value] of Object.entries(JSON.parse(String(tags)) as Record<string, string>))
      await database.insertInto("registry_run_tags").values({ run: id, name, value }).execute();
  }
  await schema.alterTable("registry_runs").dropColumn("tags").execute();
  await schema
    .createTable("registry_run_datasets")
    .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("source_type", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("schema", "text")
    .addColumn("profile", "text")
    .addColumn("context", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_run_datasets_key", ["run", "name", "digest"])
    .execute();
}

async function restoreRuns(database: Sql): Promise<void> {
  const { schema } = database;
  await schema.dropTable("registry_run_datasets").execute();
  await schema
    .alterTable("registry_runs")
    .addColumn("tags", "text", (column) => column.notNull().defaultTo("{}"))
    .execute();
  const tags = new Map<unknown, Record<string, unknown>>();
  for (const { run, name, value } of await all(database, "registry_run_tags", ["run", "name", "value"]))
    tags.set(run, { ...tags.get(run), [String(name)]: value });
  for (const [run, members] of tags)
    await database
      .updateTable("registry_runs")
      .set({ tags: JSON.stringify(members) })
      .where("id", "=", run)
      .execute();
  await schema.dropTable("registry_run_tags").execute();
  for (const index of ["registry_runs_started", "registry_runs_parent"]) await schema.dropIndex(index).execute();
  await schema
    .alterTable("registry_runs")
    .addColumn("experiment", "text", (column) => column.notNull().defaultTo(""))
    .execute();
  await sql`update registry_runs set experiment =
    (select name from registry_experiments where registry_experiments.id = registry_runs.experiment_id)`.execute(
    database,
  );
  for (const column of ["experiment_id", "deleted_ms", "started_by", "notes"])
    await schema.alterTable("registry_runs").dropColumn(column).execute();
  await schema
    .createIndex("registry_runs_experiment")
    .on("registry_runs")
    .columns(["experiment", "started_ms"])
    .execute();
}

async function moveParams(database: Sql): Promise<void> {
  const { schema } = database;
  await schema
    .alterTable("registry_params")
    .addColumn("text", "text", (column) => column.notNull().defaultTo(""))
    .execute();
  await schema.alterTable("registry_params").addColumn("number", "real").execute();
  for (const { run, name, value } of await all(database, "registry_params", ["run", "name", "value"])) {
    await database
      .updateTable("registry_params")
      .set({ ...paramTexts(String(value)) })
      .where("run", "=", run)
      .where("name", "=", name)
      .execute();
  }
}

async function movePoints(database: Sql): Promise<void> {
  const { schema } = database;
  const series = await all(database, "registry_series", ["id", "run", "name"]);
  for (const column of ["points", "nans", "last_step"]) {
    await schema
      .alterTable("registry_series")
      .addColumn(column, "integer", (each) => each.notNull().defaultTo(0))
      .execute();
  }
  await schema.alterTable("registry_series").addColumn("last_exact", "text").execute();
  for (const column of ["last_ms", "last_value", "min_value", "max_value"])
    await schema.alterTable("registry_series").addColumn(column, "real").execute();
  for (const column of ["min_step", "max_step"])
    await schema.alterTable("registry_series").addColumn(column, "integer").execute();
  await schema
    .createIndex("registry_series_last")
    .on("registry_series")
    .columns(["name", "last_value", "run"])
    .execute();
  await schema
    .createTable("registry_chunks")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("series", "integer", (column) => column.notNull().references("registry_series.id"))
    .addColumn("points", "integer", (column) => column.notNull())
    .addColumn("min_step", "integer", (column) => column.notNull())
    .addColumn("max_step", "integer", (column) => column.notNull())
    .addColumn("data", "blob", (column) => column.notNull())
    .execute();
  await schema.createIndex("registry_chunks_series").on("registry_chunks").columns(["series", "id"]).execute();
  for (const { id } of series) await movePointsOf(database, id);
  await schema.dropTable("registry_points").execute();
}

async function movePointsOf(database: Sql, series: unknown): Promise<void> {
  const points = await database
    .selectFrom("registry_points")
    .select(["step", "time_ms", "value", "exact"])
    .where("series", "=", series)
    .orderBy("sequence")
    .execute();
  if (points.length === 0) return;
  const values = points.map(({ value, exact }) =>
    readMetricValue({ value: value as number | null, exact: exact as string | null }),
  );
  const columns = {
    steps: Float64Array.from(points, ({ step }) => Number(step)),
    timesMs: Float64Array.from(points, (point) => Number(point["time_ms"])),
    values: Float64Array.from(values),
  };
  await database
    .updateTable("registry_series")
    .set({ ...summarizeSeries(columns) })
    .where("id", "=", series)
    .execute();
  await database
    .insertInto("registry_chunks")
    .values({
      series,
      points: values.length,
      ...stepsBetween(columns),
      data: encodeChunk(columns),
    })
    .execute();
}

async function restorePoints(database: Sql): Promise<void> {
  const { schema } = database;
  await schema
    .createTable("registry_points")
    .addColumn("series", "integer", (column) => column.notNull().references("registry_series.id"))
    .addColumn("step", "integer", (column) => column.notNull())
    .addColumn("sequence", "integer", (column) => column.notNull())
    .addColumn("time_ms", "integer", (column) => column.notNull())
    .addColumn("value", "real")
    .addColumn("exact", "text")
    .addPrimaryKeyConstraint("registry_points_key", ["series", "step", "sequence"])
    .execute();
  let sequence = 0;
  const chunks = await database.selectFrom("registry_chunks").select(["id", "series"]).orderBy("id").execute();
  for (const { id, series } of chunks) {
    const { data } = await database
      .selectFrom("registry_chunks")
      .select("data")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    const { steps, timesMs, values } = decodeChunk(data as Uint8Array);
    for (const [index, step] of steps.entries()) {
      const point = { series, step, sequence, time_ms: timesMs[index], ...storeMetricValue(values[index] as number) };
      await database.insertInto("registry_points").values(point).execute();
      sequence += 1;
    }
  }
  await schema.dropTable("registry_chunks").execute();
  await schema.dropIndex("registry_series_last").execute();
  const added = ["points", "nans", "last_step", "last_ms", "last_value", "last_exact"];
  for (const column of [...added, "min_value", "min_step", "max_value", "max_step"])
    await schema.alterTable("registry_series").dropColumn(column).execute();
}

const all = (
  database: Sql,
  table: string,
  columns: readonly string[],
): Promise<readonly Readonly<Record<string, unknown>>[]> => database.selectFrom(table).select(columns).execute();
