import type { Migration } from "@millwright/storage";

export const migration003: Migration = {
  name: "003-events",
  async up({ schema }) {
    await schema
      .createTable("registry_events")
      .addColumn("subject", "text", (column) => column.primaryKey())
      .addColumn("event", "text", (column) => column.notNull())
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_events").execute();
  },
};
