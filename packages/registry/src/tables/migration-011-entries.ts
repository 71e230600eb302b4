import type { Migration } from "@millwright/storage";

/** Which entries of which journal a run has: each is taken once, whoever brings it and how often. */
export const migration011: Migration = {
  name: "011-entries",
  async up({ schema }) {
    await schema
      .createTable("registry_entries")
      .addColumn("run", "text", (column) => column.notNull().references("registry_runs.id"))
      .addColumn("source", "text", (column) => column.notNull())
      .addColumn("position", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_entries_key", ["run", "source", "position"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_entries").execute();
  },
};
