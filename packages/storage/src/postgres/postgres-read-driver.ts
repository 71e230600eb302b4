import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from "kysely";
import { fileReadonly } from "../errors.ts";
import { type ConnectionSource, PostgresConnection, quotedName } from "./postgres-connection.ts";
import { kyselyResult } from "./postgres-transaction.ts";
import { boundValues } from "./postgres-values.ts";
import { tokensOf } from "./sql-tokens.ts";

const defaultChunkRows = 256;
const cursor = quotedName("millwright stream");
const beginRead = "begin isolation level repeatable read read only";

/** Sends reads to connections of the pool. @param checkOpen Throws where the database is closed. */
export function openPostgresReadDriver(source: ConnectionSource, checkOpen: () => void): Driver {
  return {
    init: async () => {},
    acquireConnection: async () => {
      checkOpen();
      return new ReadConnection(await PostgresConnection.acquire(source), source.path);
    },
    beginTransaction: (connection) => asRead(connection).begin(),
    commitTransaction: (connection) => asRead(connection).end(),
    rollbackTransaction: (connection) => asRead(connection).end(),
    releaseConnection: async (connection) => asRead(connection).connection.release(),
    destroy: async () => {},
  };
}

function asRead(connection: DatabaseConnection): ReadConnection {
  if (!(connection instanceof ReadConnection)) throw new TypeError("This connection is another driver's.");
  return connection;
}

class ReadConnection implements DatabaseConnection {
  readonly connection: PostgresConnection;
  readonly #path: string;
  #inTransaction = false;

  constructor(connection: PostgresConnection, path: string) {
    this.connection = connection;
    this.#path = path;
  }

  async executeQuery<Row>(compiled: CompiledQuery): Promise<QueryResult<Row>> {
    const values = boundValues(compiled.sql, compiled.parameters);
    if (this.#inTransaction || onlyReads(compiled)) {
      return kyselyResult<Row>(await this.connection.query(compiled.sql, values));
    }
    if (isWrite(compiled)) throw fileReadonly(this.#path);
    await this.begin();
    try {
      return kyselyResult<Row>(await this.connection.query(compiled.sql, values));
    } finally {
      await this.end();
    }
  }

  async *streamQuery<Row>(
    { sql, parameters }: CompiledQuery,
    chunkRows: number = defaultChunkRows,
  ): AsyncIterableIterator<QueryResult<Row>> {
    const values = boundValues(sql, parameters);
    const isOwn = !this.#inTransaction;
    if (isOwn) await this.begin();
    try {
      await this.connection.query(`declare ${cursor} no scroll cursor for ${sql}`, values);
      for (;;) {
        const { rows } = await this.connection.control(`fetch ${chunkRows} from ${cursor}`);
        if (rows.length > 0) yield { rows: rows as Row[] };
        if (rows.length < chunkRows) return;
      }
    } finally {
      if (isOwn) await this.end();
      else await this.connection.control(`close ${cursor}`);
    }
  }

  /** Its snapshot is taken by the first query. */
  async begin(): Promise<void> {
    await this.connection.control(beginRead);
    this.#inTransaction = true;
  }

  async end(): Promise<void> {
    this.#inTransaction = false;
    try {
      // There is nothing to keep of a reader's.
      await this.connection.control("rollback");
    } catch {
      // The server ends what nobody goes on with.
    }
  }
}

const writingNodes = /^(?:Insert|Update|Delete|Merge)QueryNode$|^(?:Create|Alter|Drop|Refresh)\w*Node$/;
const isWrite = ({ query }: CompiledQuery): boolean => writingNodes.test(query.kind);

/** Words without which a `select` of Kysely changes nothing; functions that write are the caller's own doing. */
const writingWords = /^(?:insert|update|delete|merge|into|nextval|setval)$/i;

const knownTexts = new Map<string, boolean>();
const keptTexts = 1024;

/** Whether the query needs no transaction that refuses writing. What is not surely so gets one. */
function onlyReads({ query, sql }: CompiledQuery): boolean {
  if (query.kind !== "SelectQueryNode") return false;
  let known = knownTexts.get(sql);
  if (known === undefined) {
    known = !tokensOf(sql).some(({ kind, text }) => kind === "word" && writingWords.test(text));
    if (knownTexts.size >= keptTexts) knownTexts.clear();
    knownTexts.set(sql, known);
  }
  return known;
}
