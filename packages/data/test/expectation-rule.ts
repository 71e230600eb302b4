import type { ColumnType } from "@millwright/contracts";
import type { ExpectationDraft, ExpectationOutcome, ValueInput } from "../src/index.ts";

export type Rows = Readonly<Record<string, readonly ValueInput[]>>;

export interface Rule {
  readonly draft: ExpectationDraft;
  readonly types: Readonly<Record<string, ColumnType>>;
  readonly pass: Rows;
  /** Rows, and the numbers of those that violate; undefined for expectations of the whole table. */
  readonly fail: readonly [rows: Rows, samples: readonly number[] | undefined];
  /** Rows that lie exactly on the limit, what comes out, and the violations among them. */
  readonly boundary: readonly [rows: Rows, outcome: ExpectationOutcome, violations: number];
  readonly empty: ExpectationOutcome;
}

export const nowMs = Date.parse("2024-03-01T12:00:00Z");
export const times = (...texts: (string | null)[]): (Date | null)[] =>
  texts.map((text) => (text === null ? null : new Date(text)));
export const many = <Item>(length: number, item: (index: number) => Item): Item[] =>
  Array.from({ length }, (_, row) => item(row));

export function rule(
  draft: ExpectationDraft,
  types: Rule["types"],
  pass: Rows,
  fail: Rule["fail"],
  boundary: Rule["boundary"],
  empty: ExpectationOutcome = "passed",
): Rule {
  return { draft, types, pass, fail, boundary, empty };
}

export const x = (...values: ValueInput[]): Rows => ({ x: values });
export const numbers = { x: "float64" } as const;
export const texts = { x: "utf8" } as const;
