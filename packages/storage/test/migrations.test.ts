import { type Migration, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { temporaryFolder } from "./folder.ts";

const table = (name: string): Migration => ({
  name: `create-${name}`,
  up: (sql) => sql.schema.createTable(name).addColumn("id", "integer").execute(),
  down: (sql) => sql.schema.dropTable(name).execute(),
});

const tables = async (path: string): Promise<string[]> => {
  await using database = await openSqlite(path);
  const rows = await database.read
    .selectFrom("sqlite_schema")
    .select("name")
    .where("type", "=", "table")
    .where("name", "not like", "millwright_%")
    .where("name", "not like", "sqlite_%")
    .orderBy("name")
    .execute();
  return rows.map((row) => String(row["name"]));
};

test("migrations are applied once per namespace, whatever other namespaces have", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using database = await openSqlite(path);
  expect(await database.migrate("registry", [table("runs")])).toEqual(["create-runs"]);
  expect(await database.migrate("registry", [table("runs")])).toEqual([]);
  expect(await database.migrate("tuner", [table("trials")])).toEqual(["create-trials"]);
  expect(await database.migrate("registry", [table("runs"), table("models")])).toEqual(["create-models"]);
  expect(await tables(path)).toEqual(["models", "runs", "trials"]);
});

test("a migration that fails leaves nothing of its call", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using database = await openSqlite(path);
  const broken: Migration = {
    name: "broken",
    up: async (sql) => {
      await sql.schema.createTable("half").addColumn("id", "integer").execute();
      await sql.insertInto("nowhere").values({ id: 1 }).execute();
    },
    down: async () => {},
  };
  const migrating = database.migrate("registry", [table("runs"), broken]);
  await expect(migrating).rejects.toMatchObject({
    code: "STORAGE_MIGRATION_FAILED",
    cause: { code: "STORAGE_SQL_REFUSED" },
  });
  expect(await tables(path)).toEqual([]);
  expect(await database.migrate("registry", [table("runs")])).toEqual(["create-runs"]);
});

test("migrations are undone from the newest, up to the one to keep", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using database = await openSqlite(path);
  const all = [table("a"), table("b"), table("c")];
  await database.migrate("registry", all);
  await database.migrate("tuner", [table("t")]);
  expect(await database.revert("registry", all, { to: "create-a" })).toEqual(["create-c", "create-b"]);
  expect(await tables(path)).toEqual(["a", "t"]);
  expect(await database.migrate("registry", all)).toEqual(["create-b", "create-c"]);
  expect(await database.revert("registry", all)).toEqual(["create-c", "create-b", "create-a"]);
  expect(await tables(path)).toEqual(["t"]);
  await expect(database.revert("registry", all, { to: "create-a" })).rejects.toBeInstanceOf(RangeError);
});

test("a file with migrations this version does not know is refused, and so is another order", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  await database.migrate("registry", [table("a"), table("b")]);
  const older = database.migrate("registry", [table("a")]);
  await expect(older).rejects.toMatchObject({ code: "STORAGE_MIGRATION_UNKNOWN" });
  await expect(older).rejects.toThrow("create-b");
  const swapped = database.migrate("registry", [table("b"), table("a")]);
  await expect(swapped).rejects.toMatchObject({ code: "STORAGE_MIGRATION_UNKNOWN" });
  await expect(database.migrate("registry", [table("x"), table("x")])).rejects.toBeInstanceOf(RangeError);
});

test("two openings of one file apply each migration once between them", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using first = await openSqlite(path);
  await using second = await openSqlite(path);
  const applied = await Promise.all(
    [first, second, first].map((database) => database.migrate("registry", [table("a")])),
  );
  expect(applied.flat()).toEqual(["create-a"]);
});
