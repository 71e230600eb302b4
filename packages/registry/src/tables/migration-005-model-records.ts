import { type Database, type Migration, sql } from "@millwright/storage";

type Sql = Database["read"];

const kept = ["model", "version", "digest", "approval", "run", "created_ms", "manifest"];

/** Models with a description and tags; versions that can be described, tagged, deleted, and registered twice from the same bytes. */
export const migration005: Migration = {
  name: "005-model-records",
  async up(database) {
    const { schema } = database;
    await schema
      .createTable("registry_models")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("description", "text")
      .addColumn("created_ms", "integer", (column) => column.notNull())
      .addColumn("updated_ms", "integer", (column) => column.notNull())
      .execute();
    await sql`insert into registry_models (name, created_ms, updated_ms)
      select model, min(created_ms), max(created_ms) from registry_versions group by model`.execute(database);
    await schema
      .createTable("registry_model_tags")
      .addColumn("model", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("value", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("registry_model_tags_key", ["model", "version", "name"])
      .execute();
    const tagged = await database.selectFrom("registry_versions").select(["model", "version", "tags"]).execute();
    for (const { model, version, tags } of tagged) {
      for (const [name, value] of Object.entries(JSON.parse(String(tags)) as Record<string, string>))
        await database.insertInto("registry_model_tags").values({ model, version, name, value }).execute();
    }
    await replaceVersions(database, false);
  },
  async down(database) {
    await replaceVersions(database, true);
    const tags = new Map<string, Record<string, unknown>>();
    for (const row of await database.selectFrom("registry_model_tags").selectAll().where("version", ">", 0).execute()) {
      const key = JSON.stringify([row["model"], row["version"]]);
      tags.set(key, { ...tags.get(key), [String(row["name"])]: row["value"] });
    }
    for (const [key, members] of tags) {
      const [model, version] = JSON.parse(key) as [string, number];
      await database
        .updateTable("registry_versions")
        .set({ tags: JSON.stringify(members) })
        .where("model", "=", model)
        .where("version", "=", version)
        .execute();
    }
    for (const table of ["registry_model_tags", "registry_models"]) await database.schema.dropTable(table).execute();
  },
};

/** SQLite cannot drop a constraint: the table is made anew. Going back, of versions with the same bytes the first is kept. */
async function replaceVersions(database: Sql, isOld: boolean): Promise<void> {
  const { schema } = database;
  // Its constraints have names that are taken while it is there.
  const name = isOld ? "registry_versions_key" : "registry_versions_of_model";
  await schema.alterTable("registry_versions").renameTo("registry_versions_replaced").execute();
  let table = schema
    .createTable("registry_versions")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("approval", "text", (column) => column.notNull())
    .addColumn("run", "text")
    .addColumn("created_ms", "integer", (column) => column.notNull())
    .addColumn("manifest", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint(name, ["model", "version"]);
  if (isOld) {
    table = table
      .addColumn("tags", "text", (column) => column.notNull().defaultTo("{}"))
      .addUniqueConstraint("registry_versions_digest", ["model", "digest"]);
    await table.execute();
    await schema.dropIndex("registry_versions_bytes").execute();
  } else {
    table = table
      .addColumn("updated_ms", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("deleted_ms", "integer")
      .addColumn("registered_by", "text")
      .addColumn("description", "text")
      .addColumn("source", "text");
    await table.execute();
    await schema.createIndex("registry_versions_bytes").on("registry_versions").columns(["digest", "model"]).execute();
  }
  const first = sql`(select min(version) from registry_versions_replaced as same
    where same.model = registry_versions_replaced.model and same.digest = registry_versions_replaced.digest)`;
  await database
    .insertInto("registry_versions")
    .columns(kept)
    .expression((from) => {
      const rows = from.selectFrom("registry_versions_replaced").select(kept);
      return isOld ? rows.where("version", "=", first) : rows;
    })
    .execute();
  if (!isOld)
    await database
      .updateTable("registry_versions")
      .set({ updated_ms: sql`created_ms` })
      .execute();
  await schema.dropTable("registry_versions_replaced").execute();
}
