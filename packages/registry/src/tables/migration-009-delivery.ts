import type { Migration } from "@millwright/storage";

/** How far each webhook has come, and what it could not deliver. */
export const migration009: Migration = {
  name: "009-delivery",
  async up({ schema }) {
    await schema
      .createTable("registry_webhooks")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("cursor", "integer", (column) => column.notNull())
      .addColumn("delivered", "integer", (column) => column.notNull())
      .addColumn("ended", "integer", (column) => column.notNull())
      .addColumn("rewinds", "integer", (column) => column.notNull())
      .addColumn("updated_ms", "integer", (column) => column.notNull())
      .execute();
    await schema
      .createTable("registry_undelivered")
      .addColumn("webhook", "text", (column) => column.notNull().references("registry_webhooks.id"))
      .addColumn("cursor", "integer", (column) => column.notNull())
      .addColumn("time_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_undelivered_key", ["webhook", "cursor"])
      .execute();
  },
  async down({ schema }) {
    for (const table of ["undelivered", "webhooks"]) await schema.dropTable(`registry_${table}`).execute();
  },
};
