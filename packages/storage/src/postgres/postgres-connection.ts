import { databaseUnreachable, errorOfPostgres, isAnswer, problemOf } from "./postgres-errors.ts";
import { valueTypes } from "./postgres-values.ts";

/** What is used of a `Pool` of the package `pg`. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  readonly options?: { readonly max?: number | undefined } | undefined;
}

/** A pool as it tells of connections that it has made. */
interface TellingPool {
  on(event: "connect", listener: (client: PostgresClient) => void): unknown;
  off(event: "connect", listener: (client: PostgresClient) => void): unknown;
}

const guarded = new WeakSet<PostgresClient>();
const ignore = (): void => {};

/**
 * A connection that is lost would end the process while nobody listens: while it is idle, and in the moment in which the pool lends a new one, before its borrower is told. The pool makes another, and who asks a lost one
 * is told by the answer. @returns ends it for connections that are made later.
 */
export function outliveConnections(pool: PostgresPool): () => void {
  const telling = pool as unknown as TellingPool;
  const guard = (client: PostgresClient): void => {
    if (guarded.has(client)) return;
    guarded.add(client);
    client.on("error", ignore);
  };
  pool.on("error", ignore);
  telling.on("connect", guard);
  return () => {
    pool.off("error", ignore);
    telling.off("connect", guard);
  };
}

/** What is used of a client that a pool lends. */
export interface PostgresClient {
  query(statement: PostgresStatement): Promise<PostgresResult>;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  release(destroy?: boolean): void;
}

/** A statement as `pg` takes it. */
export interface PostgresStatement {
  readonly text: string;
  values?: unknown[];
  readonly types?: typeof valueTypes;
}

export interface PostgresResult {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: Record<string, unknown>[];
}

/** What belongs to all connections of one database. */
export interface ConnectionSource {
  readonly pool: PostgresPool;
  /** Names the database in errors. */
  readonly path: string;
  /** The schema that names of tables are looked up in. Undefined: that of the connection. */
  readonly schema: string | undefined;
}

/** The schema that we made a client's own: a pool gives it to others again. */
const clientSchemas = new WeakMap<PostgresClient, string>();

/** A connection lent by the pool. What is asked of it is done in the order of the calls; there is no need to wait for one before the next. */
export class PostgresConnection {
  readonly #client: PostgresClient;
  readonly #path: string;
  readonly #noteError: (error: Error) => void;
  /** `pg` queues no queries by itself, except where the pool was made with `pipeline`. */
  readonly #pipelined: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #lost: { readonly error: unknown } | undefined;
  #released = false;

  private constructor(client: PostgresClient, path: string) {
    this.#client = client;
    this.#path = path;
    this.#pipelined = "pipeline" in client && client.pipeline === true;
    // Without a listener the loss of a connection would end the process.
    this.#noteError = (error) => (this.#lost ??= { error });
    client.on("error", this.#noteError);
  }

  static async acquire({ pool, path, schema }: ConnectionSource): Promise<PostgresConnection> {
    let client: PostgresClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw errorOfConnecting(path, error);
    }
    const connection = new PostgresConnection(client, path);
    if (clientSchemas.get(client) === schema) return connection;
    try {
      await connection.control(schema === undefined ? "reset search_path" : `set search_path to ${quotedName(schema)}`);
    } catch (error) {
      connection.release();
      throw error;
    }
    if (schema === undefined) clientSchemas.delete(client);
    else clientSchemas.set(client, schema);
    return connection;
  }

  /** Why the connection can be used no more. */
  get lost(): { readonly error: unknown } | undefined {
    return this.#lost;
  }

  /** Rejects with what `pg` rejects with. */
  send(text: string, values: unknown[] = []): Promise<PostgresResult> {
    return this.#enqueue({ text, values, types: valueTypes });
  }

  /** Rejects with an error of the house. */
  async query(text: string, values: unknown[] = []): Promise<PostgresResult> {
    try {
      return await this.send(text, values);
    } catch (error) {
      throw errorOfPostgres(this.#path, text, error);
    }
  }

  /** Statements without values, one or several with semicolons between them. @returns the result of the last. */
  async control(text: string): Promise<PostgresResult> {
    try {
      const answer: unknown = await this.#enqueue({ text, types: valueTypes });
      return (Array.isArray(answer) ? answer.at(-1) : answer) as PostgresResult;
    } catch (error) {
      throw errorOfPostgres(this.#path, text, error);
    }
  }

  /** Gives it back to the pool, which closes it where it was lost or may be in the middle of something. */
  release(destroy = false): void {
    if (this.#released) return;
    this.#released = true;
    this.#client.off("error", this.#noteError);
    this.#client.release(destroy || this.#lost !== undefined);
  }

  #enqueue(statement: PostgresStatement): Promise<PostgresResult> {
    const answer = this.#pipelined ? this.#ask(statement) : this.#last.then(() => this.#ask(statement));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #ask(statement: PostgresStatement): Promise<PostgresResult> {
    if (this.#lost !== undefined) throw this.#lost.error;
    try {
      return await this.#client.query(statement);
    } catch (error) {
      if (!isAnswer(error)) this.#lost ??= { error };
      throw error;
    }
  }
}

function errorOfConnecting(path: string, error: unknown): unknown {
  const { code, message } = problemOf(error);
  // More connections than the server lets in.
  if (code === "53300") return errorOfPostgres(path, "", error);
  return databaseUnreachable(path, message, error);
}

export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
