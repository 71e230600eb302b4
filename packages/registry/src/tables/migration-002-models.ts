import type { Migration } from "@millwright/storage";

export const migration002: Migration = {
  name: "002-models",
  async up({ schema }) {
    await schema
      .createTable("registry_versions")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("approval", "text", (column) => column.notNull())
      .addColumn("run", "text")
      .addColumn("created_ms", "integer", (column) => column.notNull())
      .addColumn("tags", "text", (column) => column.notNull())
      .addColumn("manifest", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_versions_key", ["model", "version"])
      .addUniqueConstraint("registry_versions_digest", ["model", "digest"])
      .execute();
    await schema
      .createTable("registry_approvals")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("decision", "integer", (column) => column.notNull())
      .addColumn("status", "text", (column) => column.notNull())
      .addColumn("decided_by", "text", (column) => column.notNull())
      .addColumn("comment", "text")
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_approvals_key", ["model", "version", "decision"])
      .execute();
    await schema
      .createTable("registry_aliases")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("alias", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addColumn("move", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_aliases_key", ["model", "alias", "move"])
      .execute();
  },
  async down({ schema }) {
    for (const table of ["aliases", "approvals", "versions"]) await schema.dropTable(`registry_${table}`).execute();
  },
};
