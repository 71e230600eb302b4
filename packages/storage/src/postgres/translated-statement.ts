import { type SqlToken, tokensOf } from "./sql-tokens.ts";

/** A statement as PostgreSQL takes it. */
export interface TranslatedStatement {
  readonly text: string;
  /** Of `insert … values (…)` whose placeholders all stand in the one row of values: the means to insert many rows at once. */
  readonly insert: BulkInsert | undefined;
}

export interface BulkInsert {
  /** Values that one row binds. */
  readonly perRow: number;
  /** Whether it may change rows that are there: then no two rows of one statement may meet in the same one. */
  readonly updates: boolean;
  textOf(rows: number): string;
}

/** PostgreSQL counts the parameters of a statement in 16 bits. */
export const mostParameters = 65_535;

/** Replaces `?` and `?1` by `$1`, as SQLite numbers them: a bare `?` is one more than the greatest number before it. `$1` stays. */
export function translate(sql: string): TranslatedStatement {
  let greatest = 0;
  const tokens = tokensOf(sql).map((token): SqlToken => {
    if (token.kind !== "placeholder") return token;
    const digits = token.text.slice(1);
    const number = digits === "" ? greatest + 1 : Number(digits);
    greatest = Math.max(greatest, number);
    return { kind: "placeholder", text: `$${number}` };
  });
  return { text: textOf(tokens), insert: bulkInsert(tokens, greatest) };
}

const textOf = (tokens: readonly SqlToken[]): string => tokens.map(({ text }) => text).join("");

function bulkInsert(tokens: readonly SqlToken[], perRow: number): BulkInsert | undefined {
  if (perRow === 0 || perRow > mostParameters) return undefined;
  if (!isWord(tokens.find(isCode), "insert")) return undefined;
  const row = rowOfValues(tokens);
  if (row === undefined) return undefined;
  const [head, tail] = [tokens.slice(0, row.start), tokens.slice(row.end)];
  if ([...head, ...tail].some(({ kind }) => kind === "placeholder")) return undefined;
  const next = tail.find(isCode);
  if (next !== undefined && !isWord(next, "on") && !isWord(next, "returning")) return undefined;
  const values = tokens.slice(row.start, row.end);
  const [before, after] = [textOf(head), textOf(tail)];
  return {
    perRow,
    updates: tail.some((token) => isWord(token, "update")),
    textOf: (rows) =>
      before + Array.from({ length: rows }, (_, row) => shifted(values, row * perRow)).join(",") + after,
  };
}

/** Where the parentheses after `values` begin and end. */
function rowOfValues(tokens: readonly SqlToken[]): { readonly start: number; readonly end: number } | undefined {
  let depth = 0;
  let start: number | undefined;
  let afterValues = false;
  for (const [index, token] of tokens.entries()) {
    if (!isCode(token)) continue;
    if (token.text === "(") {
      if (depth === 0 && afterValues) start ??= index;
      depth += 1;
    } else if (token.text === ")") {
      depth -= 1;
      if (depth === 0 && start !== undefined) return { start, end: index + 1 };
    }
    afterValues = depth === 0 && isWord(token, "values");
  }
  return undefined;
}

const isCode = ({ kind }: SqlToken): boolean => kind !== "space";
const isWord = (token: SqlToken | undefined, word: string): boolean =>
  token?.kind === "word" && token.text.toLowerCase() === word;

function shifted(values: readonly SqlToken[], by: number): string {
  if (by === 0) return textOf(values);
  return values.map(({ kind, text }) => (kind === "placeholder" ? `$${Number(text.slice(1)) + by}` : text)).join("");
}
