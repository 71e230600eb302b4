import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { SqliteQueryResult } from "./sqlite-messages.ts";

/** What Kysely must know of an engine, without the way there. */
export type EngineDialect = Omit<Dialect, "createDriver">;

export const sqliteDialect: EngineDialect = {
  createAdapter: () => new SqliteAdapter(),
  createIntrospector: (database) => new SqliteIntrospector(database),
  createQueryCompiler: () => new SqliteQueryCompiler(),
};

/** A Kysely handle whose queries go wherever `driver` sends them. */
export function openKysely<Tables>(dialect: EngineDialect, driver: Driver): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: { ...dialect, createDriver: () => driver } });
}

export function kyselyResult<Row>(result: SqliteQueryResult): QueryResult<Row> {
  return {
    rows: result.rows as Row[],
    numAffectedRows: BigInt(result.changes),
    insertId: BigInt(result.lastInsertRowid),
  };
}

/** The queries of one write: all go to the one writing connection, in its transaction. */
export function openWriteDriver(query: (compiled: CompiledQuery) => Promise<QueryResult<unknown>>): Driver {
  const connection: DatabaseConnection = {
    executeQuery: async <Row>(compiled: CompiledQuery) => (await query(compiled)) as QueryResult<Row>,
    async *streamQuery<Row>(compiled: CompiledQuery) {
      yield (await query(compiled)) as QueryResult<Row>;
    },
  };
  const refuse = async (): Promise<never> => {
    throw new TypeError("A write is a transaction already: there is none to begin or to end inside it.");
  };
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
}
