import { sql } from "@millwright/storage";
import { type Fragment, prefixSql } from "./comparison-sql.ts";
import type { OrderTerm } from "./order.ts";
import { type AttributeColumn, type NamedRows, type SearchSource, columnOf, ownedBy } from "./search-source.ts";

/** A value that records are ordered by. */
export interface SortKey {
  readonly column: Fragment;
  readonly type: "text" | "integer" | "double";
  readonly isDescending: boolean;
}

/** Records that come together by the first term: those with a value, those with NaN, those with none. */
export interface Segment {
  /** The first term's row is joined. */
  readonly isJoined: boolean;
  readonly where: readonly Fragment[];
  readonly keys: readonly SortKey[];
}

/** The alias of the row of the term at `index`. */
export const termAlias = (index: number): string => `o${index}`;

const rowsOf = (source: SearchSource, term: OrderTerm): NamedRows | undefined => source.rows[term.entity];

interface TermColumns {
  readonly rows: NamedRows | undefined;
  /** What is null where there is no value; undefined where that cannot be. */
  readonly value: Fragment | undefined;
  readonly keys: readonly SortKey[];
  /** Of records that have no such value but the row. */
  readonly keysWithout: readonly SortKey[];
}

/** Numbers order params before the texts that are none, in Millwright's language; MLflow's orders them all as texts. */
function columnsOf(source: SearchSource, term: OrderTerm, index: number): TermColumns {
  const { isDescending } = term;
  const rows = rowsOf(source, term);
  if (rows === undefined) {
    const { column, type, isNullable = false } = source.attributes[term.key] as AttributeColumn;
    const keys = [{ column, type, isDescending }];
    return { rows, value: isNullable ? column : undefined, keys, keysWithout: [] };
  }
  const value = columnOf(termAlias(index), rows.value as string);
  if (rows.type === "double")
    return { rows, value, keys: [{ column: value, type: "double", isDescending }], keysWithout: [] };
  const text: SortKey = { column: value, type: "text", isDescending };
  const prefix: SortKey = { column: prefixSql(value), type: "text", isDescending };
  const texts = rows.isIndexed === true ? [prefix, text] : [text];
  if (rows.number === undefined) return { rows, value: undefined, keys: texts, keysWithout: [] };
  const number = columnOf(termAlias(index), rows.number);
  return {
    rows,
    value: number,
    keys: [{ column: number, type: "double", isDescending }, text],
    keysWithout: texts,
  };
}

export function segmentsOf(source: SearchSource, term: OrderTerm): readonly Segment[] {
  const { rows, value, keys, keysWithout } = columnsOf(source, term, 0);
  const isJoined = rows !== undefined;
  const withValue = { isJoined, where: value === undefined ? [] : [sql`${value} is not null`], keys };
  const without = { isJoined, where: [sql`${value} is null`], keys: keysWithout };
  if (rows === undefined) return value === undefined ? [withValue] : [withValue, without];
  const named = sql`${columnOf("n", rows.name as string)} = ${term.key}`;
  const absent = sql`not exists (select 1 from ${sql.table(rows.table)} as n where ${ownedBy(source, rows, "n")} and ${named})`;
  const none = { isJoined: false, where: [absent], keys: [] };
  return value === undefined ? [withValue, none] : [withValue, without, none];
}

/** A later term: what is joined for it, and what it orders by, whether the record has it or not. */
export function laterTerm(
  source: SearchSource,
  term: OrderTerm,
  index: number,
): { readonly join: Fragment | undefined; readonly keys: readonly SortKey[] } {
  const { rows, value, keys } = columnsOf(source, term, index);
  const alias = termAlias(index);
  const rank = (column: Fragment): SortKey => ({ column, type: "integer", isDescending: false });
  if (rows === undefined) {
    const isNull = rank(sql`case when ${value} is null then 1 else 0 end`);
    return { join: undefined, keys: value === undefined ? keys : [isNull, ...keys] };
  }
  const missing = sql`${columnOf(alias, rows.owner[0] as string)} is null`;
  const without = value === undefined ? sql`` : sql` when ${value} is null then 1`;
  return {
    join: sql`left join ${sql.table(rows.table)} as ${sql.table(alias)} on ${ownedBy(source, rows, alias)} and ${columnOf(alias, rows.name as string)} = ${term.key}`,
    keys: [rank(sql`case when ${missing} then 2${without} else 0 end`), ...keys],
  };
}

/** What a row of the page before had for the keys. Null: the record had no such value; keys before tell those records apart. */
export type KeyValue = string | number | null;

/** Says that a record comes after the one with `values`. */
export function afterSql(keys: readonly SortKey[], values: readonly KeyValue[]): Fragment {
  const given = keys
    .map((key, index) => ({ ...key, value: values[index] as KeyValue }))
    .filter(({ value }) => value !== null);
  const alternatives = given.map(({ column, isDescending, value }, index) => {
    const equal = given.slice(0, index).map((each) => sql`${each.column} = ${each.value}`);
    return sql`(${sql.join([...equal, isDescending ? sql`${column} < ${value}` : sql`${column} > ${value}`], sql` and `)})`;
  });
  const after = sql`(${sql.join(alternatives, sql` or `)})`;
  const first = given[0];
  if (first === undefined || given.length === 1) return after;
  // Said beside, because an index finds where to begin by this alone.
  return sql`${first.column} ${first.isDescending ? sql`<=` : sql`>=`} ${first.value} and ${after}`;
}

export const orderSql = (keys: readonly SortKey[]): Fragment =>
  sql.join(keys.map(({ column, isDescending }) => (isDescending ? sql`${column} desc` : sql`${column} asc`)));
