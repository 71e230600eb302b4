import pg from "pg";
import { type Database, openPostgres, openSqlite } from "@millwright/storage";
import type { Clock, IdSource } from "@millwright/contracts";
import { afterAll, beforeAll, test, type TestContext } from "vitest";
import { temporaryFolder } from "./folder.ts";
import { hasPostgres, postgresMissing, type PostgresServer, startPostgres } from "./postgres-server.ts";

/** An empty place for one database. */
export interface Place extends AsyncDisposable {
  /** Tells a program of `fixtures/` what to open: see `fixtures/place.mjs`. */
  readonly name: string;
  /** Opens the database as another process would: each opening has threads or connections of its own, which go when it is closed. */
  open(options?: { readonly clock?: Clock; readonly ids?: IdSource }): Promise<Database>;
}

/** What the cases of this folder run on. */
export interface Engine {
  readonly name: "SQLite" | "PostgreSQL";
  makePlace(): Promise<Place>;
  /** Tables of others than the storage package itself. */
  tables(database: Database): Promise<string[]>;
  /** A test, skipped with a reason where the engine is not to be had. */
  test(title: string, run: (context: TestContext) => Promise<void>, timeout?: number): void;
}

export const sqlite: Engine = {
  name: "SQLite",
  async makePlace() {
    const folder = await temporaryFolder();
    const name = folder.file("a.db");
    return { name, open: (options) => openSqlite(name, options), [Symbol.asyncDispose]: folder[Symbol.asyncDispose] };
  },
  tables: async (database) =>
    names(
      await database.read
        .selectFrom("sqlite_schema")
        .select("name")
        .where("type", "=", "table")
        .where("name", "not like", "millwright_%")
        .where("name", "not like", "sqlite_%")
        .orderBy("name")
        .execute(),
    ),
  test: (title, run, timeout = 600_000) => test(title, { timeout }, run),
};

const names = (rows: readonly Record<string, unknown>[]): string[] => rows.map((row) => String(row["name"]));

/** PostgreSQL on a server of the calling file's own. */
export function postgresEngine(...settings: readonly string[]): Engine & { readonly server: () => PostgresServer } {
  if (!hasPostgres && process.env["CI"] === "true") throw new Error(postgresMissing);
  let server: PostgresServer;
  let places = 0;
  beforeAll(async () => {
    if (hasPostgres) server = await startPostgres(...settings);
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  return {
    name: "PostgreSQL",
    server: () => server,
    async makePlace() {
      places += 1;
      const schema = `place ${places}`;
      return {
        name: `${server.url}?schema=${encodeURIComponent(schema)}`,
        open: (options) => openOnPool(server.url, schema, options),
        [Symbol.asyncDispose]: async () => {},
      };
    },
    tables: async (database) =>
      names(
        await database
          .typed<{ pg_tables: { schemaname: string; tablename: string } }>()
          .read.selectFrom("pg_tables")
          .select("tablename as name")
          .where("schemaname", "=", database.path.slice(database.path.indexOf("/") + 1))
          .where("tablename", "not like", "millwright_%")
          .orderBy("tablename")
          .execute(),
      ),
    test: (title, run, timeout = 600_000) =>
      test(title, { timeout }, async (context) => {
        context.skip(!hasPostgres, postgresMissing);
        await run(context);
      }),
  };
}

/** A database with a pool of its own, which ends with it. */
async function openOnPool(
  connectionString: string,
  schema: string,
  options: Parameters<Place["open"]>[0],
): Promise<Database> {
  const pool = new pg.Pool({ connectionString });
  // A server that stops is one of the tests, also after the database was closed.
  pool.on("error", () => {});
  const database = await openPostgres({ pool, schema, ...options });
  let ending: Promise<void> | undefined;
  const close = database[Symbol.asyncDispose].bind(database);
  return Object.defineProperty(database, Symbol.asyncDispose, {
    value: async () => {
      await close();
      await (ending ??= pool.end());
    },
  });
}
