import type { Migration } from "@millwright/storage";

/** Events of OpenLineage that others sent, and what they are about. */
export const migration014: Migration = {
  name: "014-openlineage",
  async up({ schema }) {
    await schema
      .createTable("registry_openlineage")
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("run", "text")
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addColumn("received_ms", "integer", (column) => column.notNull())
      .addColumn("body", "text", (column) => column.notNull())
      .execute();
    await schema
      .createIndex("registry_openlineage_run")
      .on("registry_openlineage")
      .columns(["run", "time_ms"])
      .execute();
    await schema
      .createTable("registry_openlineage_datasets")
      .addColumn("dataset", "text", (column) => column.notNull())
      .addColumn("event", "text", (column) => column.notNull().references("registry_openlineage.key"))
      .addPrimaryKeyConstraint("registry_openlineage_datasets_key", ["dataset", "event"])
      .execute();
  },
  async down({ schema }) {
    for (const table of ["openlineage_datasets", "openlineage"]) await schema.dropTable(`registry_${table}`).execute();
  },
};
