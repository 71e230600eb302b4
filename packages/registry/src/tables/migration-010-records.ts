import type { Migration } from "@millwright/storage";

/** Model cards. */
export const migration010: Migration = {
  name: "010-records",
  async up({ schema }) {
    await schema
      .createTable("registry_cards")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("revision", "integer", (column) => column.notNull())
      .addColumn("status", "text", (column) => column.notNull())
      .addColumn("edits", "text", (column) => column.notNull())
      .addColumn("content", "text", (column) => column.notNull())
      .addColumn("edited_by", "text", (column) => column.notNull())
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_cards_key", ["model", "version", "revision"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_cards").execute();
  },
};
