import { sql } from "@millwright/storage";
import type { Fragment, SqlDialect } from "./comparison-sql.ts";
import type { OrderTerm } from "./order.ts";
import {
  type ConditionContext,
  type NamedRows,
  type QueryParts,
  type RowGroup,
  type SearchSource,
  columnOf,
  conditionSql,
  existsSql,
  groupCondition,
  ownedBy,
} from "./search-source.ts";
import { type KeyValue, type Segment, type SortKey, afterSql, orderSql, termAlias } from "./sort-keys.ts";

/** What a query begins with: the rows of a comparison, or the source itself. Undefined: what it is ordered by. */
export type SearchBegin = RowGroup | "source" | undefined;

export const keyName = (index: number): string => `page_key_${index}`;

export interface SegmentQuery {
  readonly dialect: SqlDialect;
  readonly source: SearchSource;
  readonly parts: QueryParts;
  readonly segment: Segment;
  readonly term: OrderTerm | undefined;
  readonly joins: readonly Fragment[];
  readonly keys: readonly SortKey[];
  readonly values: readonly KeyValue[] | undefined;
  readonly begin: SearchBegin;
  /** Only what comes before this value of the first key. Default: no bound. */
  readonly bound?: KeyValue | undefined;
}

/** Tables are joined by `cross join`, which SQLite takes in the order written; PostgreSQL plans it as it likes. */
export function segmentSql(query: SegmentQuery): Fragment {
  const { source, segment, parts, keys, values, term, begin, dialect } = query;
  const ordered = segment.isJoined && term !== undefined ? source.rows[term.entity] : undefined;
  const isOrdered = (group: RowGroup): boolean => group.rows === ordered && group.key === term?.key;
  const beginGroup = begin === "source" || begin === undefined || isOrdered(begin) ? undefined : begin;
  const tables: Fragment[] = [];
  const where: Fragment[] = [...source.where];
  let via: ConditionContext["via"];
  const add = (alias: string, rows: NamedRows, condition: Fragment): void => {
    if (via !== undefined) where.push(ownedBy(source, rows, alias, via));
    tables.push(sql`${sql.table(rows.table)} as ${sql.table(alias)}`);
    where.push(condition);
    via ??= [alias, rows];
  };
  if (begin === "source") tables.push(sql.table(source.table));
  if (beginGroup !== undefined) add("b", beginGroup.rows, groupCondition(dialect, beginGroup, "b", false));
  if (ordered !== undefined) {
    const alias = termAlias(0);
    const own = parts.groups.find(isOrdered);
    const named = sql`${columnOf(alias, ordered.name as string)} = ${term?.key}`;
    add(alias, ordered, own === undefined ? named : groupCondition(dialect, own, alias, false));
  }
  if (via !== undefined) where.push(ownedBy(source, via[1], via[0]));
  if (begin !== "source") tables.push(sql.table(source.table));
  const context: ConditionContext = { source, dialect, via: begin === "source" ? undefined : via };
  for (const group of parts.groups)
    if (group !== beginGroup && !isOrdered(group)) where.push(existsSql(context, group));
  where.push(...parts.rest.map((condition) => conditionSql(context, condition)), ...segment.where);
  if (values !== undefined) where.push(afterSql(keys, values));
  if (query.bound !== undefined) where.push(beforeSql(keys, query.bound));
  const keyColumns = keys.map(({ column }, index) => sql`, ${column} as ${sql.ref(keyName(index))}`);
  return sql`select ${source.select}${sql.join(keyColumns, sql``)} from ${sql.join(tables, sql` cross join `)} ${source.joins ?? sql``} ${sql.join(query.joins, sql` `)} where ${sql.join(where.length === 0 ? [sql`1 = 1`] : where, sql` and `)} order by ${orderSql(keys)}`;
}

const beforeSql = ([first]: readonly SortKey[], bound: KeyValue): Fragment => {
  const { column, isDescending } = first as SortKey;
  return sql`${column} ${isDescending ? sql`>` : sql`<`} ${bound}`;
};

/**
 * What the first key of a segment comes to after a walk of so many rows of its index, so far as an index has it; undefined where there is none, or where it ends before.
 */
export function boundSql(
  { source, segment, term, keys, values, joins, parts, dialect }: SegmentQuery,
  walked: number,
): Fragment | undefined {
  const first = keys[0];
  const rows = term === undefined ? undefined : source.rows[term.entity];
  const from = values?.[0] ?? null;
  const after =
    first === undefined || from === null
      ? []
      : [sql`${first.column} ${first.isDescending ? sql`<=` : sql`>=`} ${from}`];
  if (first === undefined) return undefined;
  let walk: Fragment | undefined;
  if (segment.isJoined && rows?.isIndexed === true && segment.keys.length > 0) {
    const own = parts.groups.find((group) => group.rows === rows && group.key === term?.key);
    const alias = termAlias(0);
    const named =
      own === undefined
        ? sql`${columnOf(alias, rows.name as string)} = ${term?.key}`
        : groupCondition(dialect, own, alias, false);
    const where = sql.join([named, ...segment.where, ...after], sql` and `);
    walk = sql`${sql.table(rows.table)} as ${sql.table(alias)} where ${where}`;
  } else if (term === undefined && source.isWalkable === true && joins.length === 0) {
    const where = sql.join([...source.where, ...after], sql` and `);
    walk = sql`${sql.table(source.table)} ${source.joins ?? sql``} where ${where}`;
  }
  if (walk === undefined) return undefined;
  return sql`select ${first.column} as ${sql.ref(keyName(0))} from ${walk} order by ${orderSql([first])} limit 1 offset ${walked}`;
}
