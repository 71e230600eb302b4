import type { BatchResult, Statement, StatementResult } from "../database.ts";
import { sqlRefused } from "../errors.ts";
import type { PostgresResult } from "./postgres-connection.ts";
import type { PostgresTransaction } from "./postgres-transaction.ts";
import { boundValues, sizeOfValues } from "./postgres-values.ts";
import { type BulkInsert, mostParameters, translate, type TranslatedStatement } from "./translated-statement.ts";

export type PreparedBatch = readonly PreparedStatement[];

interface PreparedStatement {
  readonly translated: TranslatedStatement;
  readonly rows: readonly unknown[][];
}

/** Where the server's cost of reading a statement outgrows that of a round trip, and where the memory of a message does. */
const mostRows = 1000;
const mostBytes = 8 * 1024 * 1024;
const translations = new Map<string, TranslatedStatement>();
const keptTranslations = 256;

/** Checks and translates before anything is sent; the values are copied. */
export function prepareBatch(statements: readonly Statement[]): PreparedBatch {
  return statements.map(({ sql, parameters, rows }) => {
    if (typeof sql !== "string") throw sqlRefused(String(sql), "it is no text", undefined, "PostgreSQL");
    return {
      translated: translated(sql),
      rows: (rows ?? [parameters ?? []]).map((values) => boundValues(sql, values)),
    };
  });
}

function translated(sql: string): TranslatedStatement {
  let found = translations.get(sql);
  if (found === undefined) {
    found = translate(sql);
    if (translations.size >= keptTranslations) translations.clear();
    translations.set(sql, found);
  }
  return found;
}

/** Runs all statements in order. */
export async function applyBatch(
  transaction: PostgresTransaction,
  batch: PreparedBatch,
): Promise<BatchResult["results"]> {
  const results: StatementResult[] = [];
  for (const { translated: statement, rows } of batch) {
    const { insert } = statement;
    const answers =
      insert !== undefined && rows.length > 1 && rows.every(({ length }) => length === insert.perRow)
        ? await insertRows(transaction, insert, rows)
        : await runRows(transaction, statement.text, rows);
    results.push({
      changes: answers.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0),
      rows: answers.length === 1 ? (answers[0] as PostgresResult).rows : answers.flatMap((answer) => answer.rows),
    });
  }
  return results;
}

async function runRows(
  transaction: PostgresTransaction,
  text: string,
  rows: readonly unknown[][],
): Promise<readonly PostgresResult[]> {
  const answers: PostgresResult[] = [];
  for (const values of rows) answers.push(await transaction.run(text, values));
  return answers;
}

async function insertRows(
  transaction: PostgresTransaction,
  insert: BulkInsert,
  rows: readonly unknown[][],
): Promise<readonly PostgresResult[]> {
  const answers: PostgresResult[] = [];
  for (const chunk of chunksOf(rows, insert.perRow)) {
    if (insert.updates) answers.push(...(await insertApart(transaction, insert, chunk)));
    else answers.push(await transaction.run(insert.textOf(chunk.length), chunk.flat()));
  }
  return answers;
}

/** Where two rows meet in one that is there, they must come in two statements: the halves are tried, and their halves, down to one row. */
async function insertApart(
  transaction: PostgresTransaction,
  insert: BulkInsert,
  rows: readonly unknown[][],
): Promise<readonly PostgresResult[]> {
  if (rows.length === 1) return [await transaction.run(insert.textOf(1), rows.flat())];
  const whole = await transaction.runApart(insert.textOf(rows.length), rows.flat());
  if (whole !== undefined) return [whole];
  const half = rows.length >> 1;
  const first = await insertApart(transaction, insert, rows.slice(0, half));
  return [...first, ...(await insertApart(transaction, insert, rows.slice(half)))];
}

function* chunksOf(rows: readonly unknown[][], perRow: number): Generator<readonly unknown[][]> {
  const longest = Math.min(mostRows, Math.floor(mostParameters / perRow));
  let start = 0;
  let bytes = 0;
  for (const [index, values] of rows.entries()) {
    const size = sizeOfValues(values);
    if (index > start && (index - start >= longest || bytes + size > mostBytes)) {
      yield rows.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (start < rows.length) yield rows.slice(start);
}
