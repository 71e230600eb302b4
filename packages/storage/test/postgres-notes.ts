import { type Database, openPostgres, type PostgresPool } from "@millwright/storage";

let schemas = 0;
/** A schema that no other test of the file has. */
export const nextSchema = (): string => `own_${(schemas += 1)}`;

export async function openNotes(pool: PostgresPool, schema: string = nextSchema()): Promise<Database> {
  const database = await openPostgres({ pool, schema });
  await database.migrate("notes", [
    {
      name: "001",
      up: (sql) =>
        sql.schema
          .createTable("notes")
          .addColumn("id", "integer", (column) => column.primaryKey())
          .addColumn("text", "text")
          .execute(),
      down: (sql) => sql.schema.dropTable("notes").execute(),
    },
  ]);
  return database;
}

export const notes = (database: Database): Promise<Record<string, unknown>[]> =>
  database.read.selectFrom("notes").selectAll().orderBy("id").execute();

export const upsert = "insert into notes (id, text) values (?, ?) on conflict (id) do update set text = excluded.text";
