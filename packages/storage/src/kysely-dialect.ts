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

/** A Kysely handle whose queries go wherever `driver` sends them, in SQLite's dialect. */
export function openKysely<Tables>(driver: Driver): Kysely<Tables> {
  const dialect: Dialect = {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driver,
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
  return new Kysely<Tables>({ dialect });
}

export function kyselyResult<Row>(result: SqliteQueryResult): QueryResult<Row> {
  return {
    rows: result.rows as Row[],
    numAffectedRows: BigInt(result.changes),
    insertId: BigInt(result.lastInsertRowid),
  };
}

/** The queries of one write: all go to the one writing connection, in its transaction. */
export function openWriteDriver(query: (compiled: CompiledQuery) => Promise<SqliteQueryResult>): Driver {
  const connection: DatabaseConnection = {
    executeQuery: async <Row>(compiled: CompiledQuery) => kyselyResult<Row>(await query(compiled)),
    async *streamQuery<Row>(compiled: CompiledQuery) {
      yield kyselyResult<Row>(await query(compiled));
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
