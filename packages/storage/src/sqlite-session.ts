import { DatabaseSync } from "@photostructure/sqlite";
import { problemOfValue } from "./storable-value.ts";
import type { SqliteFailure, SqliteQueryResult, SqliteRow } from "./sqlite-messages.ts";

/** The few things this package uses of a prepared statement. */
interface PreparedStatement {
  run(...values: unknown[]): { changes: number; lastInsertRowid: number | bigint };
  all(...values: unknown[]): unknown[];
  iterate(...values: unknown[]): IterableIterator<unknown>;
  columns(): readonly unknown[];
  setReadBigInts(on: boolean): void;
}

interface CachedStatement {
  readonly statement: PreparedStatement;
  readonly yieldsRows: boolean;
}

const cachedStatements = 256;

/** One SQLite connection with its prepared statements. Synchronous: belongs in a thread of its own. */
export class SqliteSession {
  readonly connection: InstanceType<typeof DatabaseSync>;
  readonly #statements = new Map<string, CachedStatement>();
  readonly #enter: () => void;

  /** @param enter Called before each run of a statement. */
  constructor(
    path: string,
    options: { readonly readOnly: boolean; readonly timeout: number },
    enter: () => void = () => {},
  ) {
    this.#enter = enter;
    this.connection = new DatabaseSync(path, { ...options, enableForeignKeyConstraints: true });
  }

  get inTransaction(): boolean {
    return this.connection.isTransaction;
  }

  exec(sql: string): void {
    this.#enter();
    this.connection.exec(sql);
  }

  /** First column of the first row. */
  scalar(sql: string): unknown {
    const row = this.connection.prepare(sql).get() as Record<string, unknown> | undefined;
    return row === undefined ? undefined : Object.values(row)[0];
  }

  query(sql: string, parameters: readonly unknown[]): SqliteQueryResult {
    return this.runMany(sql, [parameters]);
  }

  /** Runs a statement once per row of values. */
  runMany(sql: string, valueRows: readonly (readonly unknown[])[]): SqliteQueryResult {
    const { statement, yieldsRows } = this.#prepare(sql);
    const rows: SqliteRow[] = [];
    let changes = 0;
    let lastInsertRowid: number | bigint = 0;
    for (const values of valueRows) {
      this.#enter();
      const bound = bind(sql, values);
      if (yieldsRows) {
        const found = statement.all(...bound) as SqliteRow[];
        for (const row of found) rows.push(plainRow(row));
      } else {
        const result = statement.run(...bound);
        changes += Number(result.changes);
        lastInsertRowid = result.lastInsertRowid;
      }
    }
    return { rows, changes: yieldsRows ? rows.length : changes, lastInsertRowid };
  }

  iterate(sql: string, parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#prepare(sql).statement.iterate(...bind(sql, parameters));
  }

  close(): void {
    this.#statements.clear();
    this.connection.close();
  }

  #prepare(sql: string): CachedStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) {
      // Moved to the end, so that the first key is the one used longest ago.
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const statement = this.connection.prepare(sql) as unknown as PreparedStatement;
    statement.setReadBigInts(true);
    const cached = { statement, yieldsRows: statement.columns().length > 0 };
    this.#statements.set(sql, cached);
    if (this.#statements.size > cachedStatements) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    return cached;
  }
}

/** A row as callers get it: integers read as bigint become numbers where that is exact. */
export function plainRow(row: SqliteRow): SqliteRow {
  const plain: SqliteRow = {};
  for (const name in row) {
    const value = row[name];
    plain[name] =
      typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
        ? Number(value)
        : value;
  }
  return plain;
}

/** A failure that has its name already in the thread, where the error classes of the house are not made. */
export class ThreadProblem extends Error {
  readonly problem: SqliteFailure["problem"];
  readonly detail: number | undefined;
  readonly sql: string | undefined;
  constructor(problem: SqliteFailure["problem"], message: string, detail?: number, sql?: string) {
    super(message);
    this.problem = problem;
    this.detail = detail;
    this.sql = sql;
  }
}

/** A failure that SQLite shows without throwing, with the result code that tells what it is. */
export class SilentFailure extends Error {
  readonly errcode: number;
  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

function bind(sql: string, values: readonly unknown[]): unknown[] {
  return values.map((value, position) => {
    const problem = problemOfValue(value);
    if (problem !== undefined) throw new ThreadProblem("value", problem, position, sql);
    return typeof value === "boolean" ? Number(value) : value;
  });
}

/** What crosses to the main thread in place of an error. */
export function describeFailure(error: unknown, sql?: string): SqliteFailure {
  if (error instanceof ThreadProblem) {
    const { message, problem, detail } = error;
    return { message, resultCode: undefined, problem, detail, sql: error.sql ?? sql };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, resultCode: resultCodeOf(error), sql };
}

/** SQLite's extended result code, where the error is SQLite's. */
export function resultCodeOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
