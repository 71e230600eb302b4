import type { Migration } from "@millwright/storage";

/** Which gates a registry was opened with, by name: their code is the service's. */
export const migration012: Migration = {
  name: "012-gates",
  async up({ schema }) {
    await schema
      .createTable("registry_gates")
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("target", "text", (column) => column.notNull())
      .addColumn("position", "integer", (column) => column.notNull())
      .addColumn("name", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_gates_key", ["kind", "target", "position"])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_gates").execute();
  },
};
