import { type Migration, sql } from "@millwright/storage";

/** Traffic by time, and of which deployments it was told that they are late. */
export const migration013: Migration = {
  name: "013-service",
  async up(database) {
    const { schema } = database;
    await schema
      .createTable("registry_endpoints")
      .addColumn("environment", "text", (column) => column.notNull())
      .addColumn("endpoint", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_endpoints_key", ["environment", "endpoint"])
      .execute();
    await sql`insert into registry_endpoints (environment, endpoint)
      select distinct environment, endpoint from registry_deployments`.execute(database);
    await schema
      .createIndex("registry_deployments_time")
      .on("registry_deployments")
      .columns(["environment", "endpoint", "time_ms", "change"])
      .execute();
    await schema
      .createTable("registry_late_services")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("approved_ms", "integer", (column) => column.notNull())
      .addColumn("environment", "text", (column) => column.notNull())
      .addColumn("endpoint", "text", (column) => column.notNull())
      .addColumn("told_ms", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_late_services_key", [
        "model",
        "version",
        "approved_ms",
        "environment",
        "endpoint",
      ])
      .execute();
  },
  async down({ schema }) {
    await schema.dropTable("registry_late_services").execute();
    await schema.dropIndex("registry_deployments_time").execute();
    await schema.dropTable("registry_endpoints").execute();
  },
};
