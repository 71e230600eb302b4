import { type Database, type Migration, sql } from "@millwright/storage";

type Schema = Database["read"]["schema"];

const tables = [
  "registry_mlflow_versions",
  "registry_run_models",
  "registry_logged_model_artifacts",
  "registry_logged_model_metrics",
  "registry_logged_model_params",
  "registry_logged_model_tags",
  "registry_logged_models",
];

/** Logged models, and what MLflow's clients say of versions. */
export const migration008: Migration = {
  name: "008-mlflow",
  async up(database) {
    const { schema } = database;
    await schema
      .createTable("registry_logged_models")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("experiment", "integer", (column) => column.notNull().references("registry_experiments.id"))
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("type", "text")
      .addColumn("status", "text", (column) => column.notNull())
      .addColumn("source_run", "text")
      .addColumn("created_ms", "integer", (column) => column.notNull())
      .addColumn("updated_ms", "integer", (column) => column.notNull())
      .addColumn("deleted_ms", "integer")
      .execute();
    await schema
      .createIndex("registry_logged_models_created")
      .on("registry_logged_models")
      .columns(["experiment", "created_ms"])
      .execute();
    await createTexts(schema, "tags");
    await createTexts(schema, "params");
    await createPoints(schema);
    await createArtifacts(schema);
    await schema
      .createView("registry_model_own_tags")
      .as(
        database.selectFrom("registry_model_tags").select(["model", "name", "value"]).where("version", "=", sql.lit(0)),
      )
      .execute();
    await schema
      .createTable("registry_run_models")
      .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("role", "text", (column) => column.notNull())
      .addColumn("step", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_run_models_key", ["run", "role", "model"])
      .execute();
    await schema
      .createTable("registry_mlflow_versions")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("stage", "text", (column) => column.notNull())
      .addColumn("run_link", "text")
      .addColumn("logged_model", "text")
      .addPrimaryKeyConstraint("registry_mlflow_versions_key", ["model", "version"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropView("registry_model_own_tags").execute();
    for (const table of tables) await schema.dropTable(table).execute();
  },
};

async function createTexts(schema: Schema, what: "tags" | "params"): Promise<void> {
  const table = `registry_logged_model_${what}`;
  await schema
    .createTable(table)
    .addColumn("model", "text", (column) => column.notNull().references("registry_logged_models.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint(`${table}_key`, ["model", "name"])
    .execute();
}

async function createPoints(schema: Schema): Promise<void> {
  await schema
    .createTable("registry_logged_model_metrics")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("model", "text", (column) => column.notNull().references("registry_logged_models.id"))
    .addColumn("run", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("step", "integer", (column) => column.notNull())
    .addColumn("time_ms", "real", (column) => column.notNull())
    .addColumn("value", "real")
    .addColumn("exact", "text")
    .addColumn("dataset", "text", (column) => column.notNull())
    .addColumn("dataset_digest", "text", (column) => column.notNull())
    .execute();
  await schema
    .createIndex("registry_logged_model_metrics_name")
    .on("registry_logged_model_metrics")
    .columns(["model", "name", "step"])
    .execute();
}

async function createArtifacts(schema: Schema): Promise<void> {
  await schema
    .createTable("registry_logged_model_artifacts")
    .addColumn("model", "text", (column) => column.notNull().references("registry_logged_models.id"))
    .addColumn("path", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("size_bytes", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_logged_model_artifacts_key", ["model", "path"])
    .execute();
}
