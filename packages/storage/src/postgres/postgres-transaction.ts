import type { CompiledQuery, QueryResult } from "kysely";
import { type ChainHead, chainHash, chainStart } from "../hash-chain.ts";
import type { EngineDialect } from "../kysely-dialect.ts";
import type { EventRow } from "../sqlite-messages.ts";
import type { WriteChannel } from "../write-scope.ts";
import { postgresDialect } from "./postgres-compiler.ts";
import { type ConnectionSource, PostgresConnection, type PostgresResult } from "./postgres-connection.ts";
import { commitUnknown, databaseUnreachable, errorOfPostgres, isSameRowTwice, problemOf } from "./postgres-errors.ts";
import { boundValues } from "./postgres-values.ts";

export interface TransactionSource extends ConnectionSource {
  /** Key of the lock that writes one after another take. */
  readonly lockKey: readonly [number, number];
  readonly busyTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface TransactionOptions {
  /** Whether others who ask for it wait until this one has ended. Events need it. */
  readonly locked: boolean;
  /** Whether a mark is set at once. */
  readonly marked: boolean;
  /** Whether the commit is acknowledged before it is on the server's disk. */
  readonly relaxed: boolean;
}

/** A pool may lend connections that were lost while nobody looked. */
const beginAttempts = 3;
const eventsPerStatement = 1000;
const mark = "savepoint millwright";
const unmark = "release savepoint millwright";

/** A transaction for writing, in which parts can be undone by themselves. */
export class PostgresTransaction implements WriteChannel {
  readonly dialect: EngineDialect = postgresDialect;
  readonly connection: PostgresConnection;
  readonly #path: string;
  #head: ChainHead | undefined;
  #markedHead: ChainHead | undefined;
  /** Marks that nobody waits for: sent with what comes next. */
  #unsent: string[] = [];
  /** What failed since the mark: until it is undone the server does nothing more. */
  #failure: { readonly error: unknown } | undefined;

  private constructor(connection: PostgresConnection, path: string, head: ChainHead | undefined) {
    this.connection = connection;
    this.#path = path;
    this.#head = head;
    this.#markedHead = head;
  }

  static async begin(source: TransactionSource, options: TransactionOptions): Promise<PostgresTransaction> {
    const text = beginText(source, options);
    for (let attempt = 1; ; attempt += 1) {
      const connection = await PostgresConnection.acquire(source);
      try {
        const { rows } = await connection.control(text);
        return new PostgresTransaction(connection, source.path, options.locked ? headOf(rows) : undefined);
      } catch (error) {
        connection.release(true);
        if (connection.lost === undefined || attempt === beginAttempts) throw error;
      }
    }
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  async query({ sql, parameters }: CompiledQuery): Promise<QueryResult<unknown>> {
    return kyselyResult(await this.run(sql, boundValues(sql, parameters)));
  }

  /** Runs a statement. After one that failed, all fail the same way until `undo`. */
  async run(text: string, values: unknown[]): Promise<PostgresResult> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#sendMarks();
    try {
      return await this.connection.query(text, values);
    } catch (error) {
      this.#failure ??= { error };
      throw this.#failure.error;
    }
  }

  /** Runs a statement of many rows. @returns `undefined`, and nothing was done, where two of them meet in one row of the table. */
  async runApart(text: string, values: unknown[]): Promise<PostgresResult | undefined> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#unsent.push("savepoint attempt");
    this.#sendMarks();
    try {
      const result = await this.connection.send(text, values);
      this.#unsent.push("release savepoint attempt");
      return result;
    } catch (error) {
      if (!isSameRowTwice(error)) {
        this.#failure ??= { error: errorOfPostgres(this.#path, text, error) };
        throw this.#failure.error;
      }
      this.#unsent.push("rollback to savepoint attempt", "release savepoint attempt");
      return undefined;
    }
  }

  async append(events: readonly EventRow[]): Promise<readonly number[]> {
    if (events.length === 0) return [];
    if (this.#head === undefined) throw new TypeError("Events are appended under the lock.");
    let { cursor, hash } = this.#head;
    const rows = events.map(({ id, type, body }) => {
      cursor += 1;
      hash = chainHash(cursor, hash, body);
      return [cursor, id, type, body, hash] as const;
    });
    this.#head = { cursor, hash };
    for (let start = 0; start < rows.length; start += eventsPerStatement) {
      const some = rows.slice(start, start + eventsPerStatement);
      await this.run(appendText(some.length), [(some.at(-1) as (typeof some)[number])[0], ...some.flat()]);
    }
    return rows.map(([number]) => number);
  }

  /** From here on `undo` takes back what is done. */
  mark(): void {
    this.#unsent.push(mark);
    this.#markedHead = this.#head;
  }

  unmark(): void {
    this.#unsent.push(unmark);
  }

  /** Takes back what was done since the mark, and lets it go. */
  undo(): void {
    this.#failure = undefined;
    this.#head = this.#markedHead;
    this.#unsent.push("rollback to savepoint millwright", unmark);
  }

  /** Rejects with `STORAGE_COMMIT_UNKNOWN` where the answer was lost. */
  async commit(): Promise<void> {
    const lost = this.connection.lost;
    try {
      if (lost !== undefined) throw databaseUnreachable(this.#path, problemOf(lost.error).message, lost.error);
      const { command } = await this.connection.control([...this.#unsent, "commit"].join("; "));
      // A transaction that has failed is undone, and the server does not call that an error.
      if (command !== "COMMIT") throw databaseUnreachable(this.#path, "the server undid the transaction");
    } catch (error) {
      const after = this.connection.lost;
      if (lost !== undefined || after === undefined) throw error;
      throw commitUnknown(this.#path, problemOf(after.error).message, after.error);
    } finally {
      this.connection.release();
    }
  }

  async rollback(): Promise<void> {
    try {
      await this.connection.control("rollback");
    } catch {
      // The server undoes what nobody commits.
    } finally {
      this.connection.release();
    }
  }

  #sendMarks(): void {
    if (this.#unsent.length === 0) return;
    const text = this.#unsent.join("; ");
    this.#unsent = [];
    // Not waited for: what follows fails if it does.
    this.connection.control(text).catch(() => {});
  }
}

function beginText({ busyTimeoutMs, idleTimeoutMs, lockKey }: TransactionSource, options: TransactionOptions): string {
  const texts = [
    "begin isolation level read committed read write",
    // 0 would be for ever.
    `set local lock_timeout = ${Math.max(1, Math.ceil(busyTimeoutMs))}`,
    `set local idle_in_transaction_session_timeout = ${Math.ceil(idleTimeoutMs)}`,
  ];
  if (options.relaxed) texts.push("set local synchronous_commit = off");
  if (options.locked) texts.push(`select pg_advisory_xact_lock(${lockKey.join(", ")})`);
  if (options.marked) texts.push(mark);
  if (options.locked) texts.push("select cursor, hash from millwright_events order by cursor desc limit 1");
  return texts.join("; ");
}

const headOf = ([row]: readonly Record<string, unknown>[]): ChainHead =>
  row === undefined ? { cursor: 0, hash: chainStart } : { cursor: Number(row["cursor"]), hash: String(row["hash"]) };

/** The first parameter is the greatest cursor: who cuts the log short must change it in two places. */
function appendText(rows: number): string {
  const values = Array.from({ length: rows }, (_, row) => {
    const first = 2 + row * 5;
    return `($${first}, $${first + 1}, $${first + 2}, $${first + 3}, $${first + 4})`;
  });
  return `with counted as (
  insert into millwright_sequence (name, seq) values ('millwright_events', $1) on conflict (name) do update set seq = excluded.seq
) insert into millwright_events (cursor, id, type, body, hash) values ${values.join(", ")}`;
}

export function kyselyResult<Row>({ command, rowCount, rows }: PostgresResult): QueryResult<Row> {
  if (!/^(?:INSERT|UPDATE|DELETE|MERGE)$/.test(command)) return { rows: rows as Row[] };
  return { rows: rows as Row[], numAffectedRows: BigInt(rowCount ?? 0) };
}
