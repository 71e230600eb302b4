import type { SqliteRequest, SqliteRow, SqliteStreamChunk, SqliteThreadData } from "./sqlite-messages.ts";
import { plainRow, SqliteSession } from "./sqlite-session.ts";

/** The connection that plain queries share. */
const shared = 0;

/** Opens reading connections of a file. Streams and transactions get one each, because a connection has one snapshot at a time. */
export function openReader(data: SqliteThreadData, enter: () => void): (request: SqliteRequest) => unknown {
  const reader = new SqliteReader(data, enter);
  reader.handle({ op: "openConnection", connection: shared });
  return (request) => reader.handle(request);
}

class SqliteReader {
  readonly #data: SqliteThreadData;
  readonly #enter: () => void;
  readonly #sessions = new Map<number, SqliteSession>();
  readonly #streams = new Map<number, { readonly rows: IterableIterator<unknown>; readonly chunkRows: number }>();

  constructor(data: SqliteThreadData, enter: () => void) {
    this.#data = data;
    this.#enter = enter;
  }

  handle(request: SqliteRequest): unknown {
    switch (request.op) {
      case "openConnection":
        this.#sessions.set(
          request.connection,
          new SqliteSession(this.#data.path, { readOnly: true, timeout: this.#data.busyTimeoutMs }, this.#enter),
        );
        return undefined;
      case "closeConnection":
        this.#closeConnection(request.connection);
        return undefined;
      case "query":
        return this.#session(request.connection).query(request.sql, request.parameters);
      case "streamStart": {
        const rows = this.#session(request.connection).iterate(request.sql, request.parameters);
        this.#streams.set(request.connection, { rows, chunkRows: request.chunkRows });
        return this.#nextChunk(request.connection);
      }
      case "streamNext":
        return this.#nextChunk(request.connection);
      case "close":
        for (const connection of this.#sessions.keys()) this.#closeConnection(connection);
        return undefined;
      default:
        throw new TypeError(`A reader does not ${request.op}.`);
    }
  }

  #session(connection: number): SqliteSession {
    const session = this.#sessions.get(connection);
    if (session === undefined) throw new TypeError(`Connection ${connection} is closed.`);
    return session;
  }

  #nextChunk(connection: number): SqliteStreamChunk {
    const stream = this.#streams.get(connection);
    if (stream === undefined) return { rows: [], done: true };
    const rows: SqliteRow[] = [];
    while (rows.length < stream.chunkRows) {
      const next = stream.rows.next();
      if (next.done === true) {
        this.#streams.delete(connection);
        return { rows, done: true };
      }
      rows.push(plainRow(next.value as SqliteRow));
    }
    return { rows, done: false };
  }

  #closeConnection(connection: number): void {
    this.#streams.get(connection)?.rows.return?.();
    this.#streams.delete(connection);
    this.#sessions.get(connection)?.close();
    this.#sessions.delete(connection);
  }
}
