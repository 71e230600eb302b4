import type { Database, Migration } from "@millwright/storage";

type Sql = Database["read"];

/** Stages, approval requests, deployments, baselines and holds. */
export const migration006: Migration = {
  name: "006-governance",
  async up(sql) {
    await sql.schema.alterTable("registry_approvals").addColumn("approvers", "text").execute();
    await createStages(sql);
    await createRequests(sql);
    await createDeployments(sql);
    await createKeepings(sql);
  },
  async down({ schema }) {
    await schema.alterTable("registry_approvals").dropColumn("approvers").execute();
    for (const table of ["holds", "baselines", "deployments", "request_entries", "requests", "stages"])
      await schema.dropTable(`registry_${table}`).execute();
  },
};

async function createStages({ schema }: Sql): Promise<void> {
  await schema
    .createTable("registry_stages")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("move", "integer", (column) => column.notNull())
    .addColumn("stage", "text", (column) => column.notNull())
    .addColumn("status", "text", (column) => column.notNull())
    .addColumn("description", "text")
    .addColumn("moved_by", "text", (column) => column.notNull())
    .addColumn("time_ms", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_stages_key", ["model", "version", "move"])
    .execute();
}

async function createRequests({ schema }: Sql): Promise<void> {
  await schema
    .createTable("registry_requests")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("requested_by", "text", (column) => column.notNull())
    .addColumn("requested_ms", "integer", (column) => column.notNull())
    .addColumn("expires_ms", "integer")
    .addColumn("quorum", "integer", (column) => column.notNull())
    .addColumn("approvers", "text")
    .addColumn("remind_ms", "integer")
    .addColumn("reminded_ms", "integer", (column) => column.notNull())
    .addColumn("status", "text", (column) => column.notNull())
    .addColumn("closed_ms", "integer")
    .execute();
  await schema.createIndex("registry_requests_version").on("registry_requests").columns(["model", "version"]).execute();
  await schema
    .createTable("registry_request_entries")
    .addColumn("request", "text", (column) => column.notNull().references("registry_requests.id"))
    .addColumn("entry", "integer", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("said_by", "text", (column) => column.notNull())
    .addColumn("person", "text")
    .addColumn("comment", "text")
    .addColumn("time_ms", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_request_entries_key", ["request", "entry"])
    .execute();
}

async function createDeployments({ schema }: Sql): Promise<void> {
  await schema
    .createTable("registry_deployments")
    .addColumn("endpoint", "text", (column) => column.notNull())
    .addColumn("environment", "text", (column) => column.notNull())
    .addColumn("change", "integer", (column) => column.notNull())
    .addColumn("variant", "text", (column) => column.notNull())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("share", "real", (column) => column.notNull())
    .addColumn("changed_by", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("outcome", "text", (column) => column.notNull())
    .addColumn("time_ms", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_deployments_key", ["endpoint", "environment", "change", "variant"])
    .execute();
  await schema
    .createIndex("registry_deployments_version")
    .on("registry_deployments")
    .columns(["model", "version"])
    .execute();
}

async function createKeepings({ schema }: Sql): Promise<void> {
  await schema
    .createTable("registry_baselines")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("registry_baselines_key", ["model", "version", "kind"])
    .execute();
  await schema
    .createTable("registry_holds")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("held_by", "text", (column) => column.notNull())
    .addColumn("held_ms", "integer", (column) => column.notNull())
    .addColumn("released_by", "text")
    .addColumn("released_ms", "integer")
    .execute();
  await schema.createIndex("registry_holds_version").on("registry_holds").columns(["model", "version"]).execute();
}
