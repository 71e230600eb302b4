import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from "kysely";
import { kyselyResult } from "./kysely-dialect.ts";
import type { SqliteThread } from "./sqlite-thread.ts";

/** The connection of a thread that plain queries share. */
const shared = 0;

const defaultChunkRows = 256;

/** Sends reads to threads in turn. A thread is started when it is first needed. */
export function openReadDriver(acquireThread: () => SqliteThread): Driver {
  let lastConnection = shared;
  const nextConnection = (): number => (lastConnection += 1);
  return {
    init: async () => {},
    acquireConnection: async () => new ReadConnection(acquireThread(), nextConnection),
    beginTransaction: (connection) => asRead(connection).begin(),
    commitTransaction: (connection) => asRead(connection).end(),
    rollbackTransaction: (connection) => asRead(connection).end(),
    releaseConnection: async () => {},
    destroy: async () => {},
  };
}

function asRead(connection: DatabaseConnection): ReadConnection {
  if (!(connection instanceof ReadConnection)) throw new TypeError("This connection is another driver's.");
  return connection;
}

class ReadConnection implements DatabaseConnection {
  readonly #thread: SqliteThread;
  readonly #nextConnection: () => number;
  #connection = shared;

  constructor(thread: SqliteThread, nextConnection: () => number) {
    this.#thread = thread;
    this.#nextConnection = nextConnection;
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const connection = this.#connection;
    return kyselyResult<Row>(await this.#thread.request({ op: "query", connection, sql, parameters }));
  }

  async *streamQuery<Row>(
    { sql, parameters }: CompiledQuery,
    chunkRows: number = defaultChunkRows,
  ): AsyncIterableIterator<QueryResult<Row>> {
    const connection = this.#nextConnection();
    await this.#thread.request({ op: "openConnection", connection });
    try {
      let chunk = await this.#thread.request({ op: "streamStart", connection, sql, parameters, chunkRows });
      for (;;) {
        if (chunk.rows.length > 0) yield { rows: chunk.rows as Row[] };
        if (chunk.done) return;
        chunk = await this.#thread.request({ op: "streamNext", connection });
      }
    } finally {
      await this.#thread.request({ op: "closeConnection", connection });
    }
  }

  /** Its own connection, whose snapshot is taken by the first query. */
  async begin(): Promise<void> {
    const connection = this.#nextConnection();
    await this.#thread.request({ op: "openConnection", connection });
    await this.#thread.request({ op: "query", connection, sql: "begin", parameters: [] });
    this.#connection = connection;
  }

  async end(): Promise<void> {
    const connection = this.#connection;
    this.#connection = shared;
    // Closing ends the transaction: there is nothing to keep of a reader's.
    await this.#thread.request({ op: "closeConnection", connection });
  }
}
