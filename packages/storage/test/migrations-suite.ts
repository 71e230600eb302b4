import type { Migration } from "@millwright/storage";
import { expect } from "vitest";
import type { Engine } from "./engines.ts";

const table = (name: string): Migration => ({
  name: `create-${name}`,
  up: (sql) => sql.schema.createTable(name).addColumn("id", "integer").execute(),
  down: (sql) => sql.schema.dropTable(name).execute(),
});

/** How the tables of packages come and go. */
export function migrationsSuite(engine: Engine): void {
  const { test } = engine;

  test("migrations are applied once per namespace, whatever other namespaces have", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    expect(await database.migrate("registry", [table("runs")])).toEqual(["create-runs"]);
    expect(await database.migrate("registry", [table("runs")])).toEqual([]);
    expect(await database.migrate("tuner", [table("trials")])).toEqual(["create-trials"]);
    expect(await database.migrate("registry", [table("runs"), table("models")])).toEqual(["create-models"]);
    expect(await engine.tables(database)).toEqual(["models", "runs", "trials"]);
  });

  test("a migration that fails leaves nothing of its call", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
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
    expect(await engine.tables(database)).toEqual([]);
    expect(await database.migrate("registry", [table("runs")])).toEqual(["create-runs"]);
  });

  test("migrations are undone from the newest, up to the one to keep", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    const all = [table("a"), table("b"), table("c")];
    await database.migrate("registry", all);
    await database.migrate("tuner", [table("t")]);
    expect(await database.revert("registry", all, { to: "create-a" })).toEqual(["create-c", "create-b"]);
    expect(await engine.tables(database)).toEqual(["a", "t"]);
    expect(await database.migrate("registry", all)).toEqual(["create-b", "create-c"]);
    expect(await database.revert("registry", all)).toEqual(["create-c", "create-b", "create-a"]);
    expect(await engine.tables(database)).toEqual(["t"]);
    await expect(database.revert("registry", all, { to: "create-a" })).rejects.toBeInstanceOf(RangeError);
  });

  test("a file with migrations this version does not know is refused, and so is another order", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    await database.migrate("registry", [table("a"), table("b")]);
    const older = database.migrate("registry", [table("a")]);
    await expect(older).rejects.toMatchObject({ code: "STORAGE_MIGRATION_UNKNOWN" });
    await expect(older).rejects.toThrow("create-b");
    const swapped = database.migrate("registry", [table("b"), table("a")]);
    await expect(swapped).rejects.toMatchObject({ code: "STORAGE_MIGRATION_UNKNOWN" });
    await expect(database.migrate("registry", [table("x"), table("x")])).rejects.toBeInstanceOf(RangeError);
  });

  test("two openings of one file apply each migration once between them", async () => {
    await using place = await engine.makePlace();
    await using first = await place.open();
    await using second = await place.open();
    const applied = await Promise.all(
      [first, second, first].map((database) => database.migrate("registry", [table("a")])),
    );
    expect(applied.flat()).toEqual(["create-a"]);
  });
}
