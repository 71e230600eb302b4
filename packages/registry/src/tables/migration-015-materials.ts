import type { Migration } from "@millwright/storage";

/** License, data terms and dependencies of versions. */
export const migration015: Migration = {
  name: "015-materials",
  async up({ schema }) {
    await schema
      .createTable("registry_materials")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("content", "text", (column) => column.notNull())
      .addColumn("set_by", "text")
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_materials_key", ["model", "version"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_materials").execute();
  },
};
