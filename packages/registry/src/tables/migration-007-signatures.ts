import type { Migration } from "@millwright/storage";

/** Which envelopes sign which package. */
export const migration007: Migration = {
  name: "007-signatures",
  async up({ schema }) {
    await schema
      .createTable("registry_signatures")
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("envelope", "text", (column) => column.notNull())
      .addColumn("position", "integer", (column) => column.notNull())
      .addColumn("added_by", "text")
      .addColumn("added_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_signatures_key", ["digest", "envelope"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_signatures").execute();
  },
};
