import { type Database, sql } from "@millwright/storage";

type Sql = Database["read"];

/** Characters of a text that stand in an index: PostgreSQL takes no more than 2,704 bytes of name, text and run together. */
export const indexedCharacters = 100;

/** Runs by when they started, params and tags by what they are. */
export async function createSearchIndexes({ schema }: Sql): Promise<void> {
  await schema.createIndex("registry_runs_newest").on("registry_runs").columns(["started_ms", "id"]).execute();
  await schema.createIndex("registry_params_number").on("registry_params").columns(["name", "number", "run"]).execute();
  const characters = sql.lit(indexedCharacters);
  await schema
    .createIndex("registry_params_text")
    .on("registry_params")
    .expression(sql`name, substr(text, 1, ${characters}), run`)
    .execute();
  await schema
    .createIndex("registry_run_tags_value")
    .on("registry_run_tags")
    .expression(sql`name, substr(value, 1, ${characters}), run`)
    .execute();
}

export async function dropSearchIndexes({ schema }: Sql): Promise<void> {
  for (const index of ["runs_newest", "params_number", "params_text", "run_tags_value"])
    await schema.dropIndex(`registry_${index}`).execute();
}
