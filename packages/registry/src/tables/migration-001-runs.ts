import type { Migration } from "@millwright/storage";

export const migration001: Migration = {
  name: "001-runs",
  async up({ schema }) {
    await schema
      .createTable("registry_runs")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("experiment", "text", (column) => column.notNull())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("parent", "text", (column) => column.references("registry_runs.id"))
      .addColumn("status", "text", (column) => column.notNull())
      .addColumn("started_ms", "integer", (column) => column.notNull())
      .addColumn("ended_ms", "integer")
      .addColumn("tags", "text", (column) => column.notNull())
      .addColumn("inputs", "text", (column) => column.notNull())
      .execute();
    await schema
      .createIndex("registry_runs_experiment")
      .on("registry_runs")
      .columns(["experiment", "started_ms"])
      .execute();
    await schema
      .createTable("registry_params")
      .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("value", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_params_key", ["run", "name"])
      .execute();
    await schema
      .createTable("registry_series")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
      .addColumn("name", "text", (column) => column.notNull())
      .addUniqueConstraint("registry_series_name", ["run", "name"])
      .execute();
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
    await schema
      .createTable("registry_artifacts")
      .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
      .addColumn("path", "text", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("size_bytes", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_artifacts_key", ["run", "path"])
      .execute();
  },
  async down({ schema }) {
    for (const table of ["artifacts", "points", "series", "params", "runs"])
      await schema.dropTable(`registry_${table}`).execute();
  },
};
