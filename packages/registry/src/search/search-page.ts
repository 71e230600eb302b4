import { type Kysely, sql } from "@millwright/storage";
import { pageTokenInvalid } from "../errors.ts";
import type { Fragment, SqlDialect } from "./comparison-sql.ts";
import type { Condition } from "./filter.ts";
import type { OrderTerm } from "./order.ts";
import { checkValues, type PagePosition } from "./page-token.ts";
import {
  type ConditionContext,
  type NamedRows,
  type RowGroup,
  type SearchSource,
  columnOf,
  conditionSql,
  existsSql,
  groupCondition,
  ownedBy,
  partsOf,
} from "./search-source.ts";
import {
  type KeyValue,
  type Segment,
  type SortKey,
  afterSql,
  laterTerm,
  orderSql,
  segmentsOf,
  termAlias,
} from "./sort-keys.ts";

export interface SearchQuery {
  readonly condition: Condition | undefined;
  readonly order: readonly OrderTerm[];
  /** Most records, 1 or more. */
  readonly limit: number;
  readonly after?: PagePosition | undefined;
}

export interface SearchPage<Row> {
  readonly rows: readonly Row[];
  /** Where to go on; undefined at the end. */
  readonly next: PagePosition | undefined;
}

/** What reads: a database's `read`, whatever its tables. */
export type SearchReader = Pick<Kysely<unknown>, "getExecutor">;

/** A row found in fewer tries than this is where a search begins; a longer list is only looked at while the page is not full. */
const few = 2000;
const keyName = (index: number): string => `page_key_${index}`;

/** One page of what the source holds: an index is walked in the wanted order, or the few rows of the most selective comparison are sorted. */
export async function readSearchPage<Row extends object>(
  reader: SearchReader,
  dialect: SqlDialect,
  source: SearchSource,
  { condition, order, limit, after }: SearchQuery,
): Promise<SearchPage<Row>> {
  const [first, ...later] = order;
  const parts = partsOf(source, condition);
  const segments = first === undefined ? [{ isJoined: false, where: [], keys: [] }] : segmentsOf(source, first);
  const others = later.map((term, index) => laterTerm(source, term, index + 1));
  const begin = dialect === "sqlite" ? await mostSelective(reader, dialect, source, parts) : undefined;
  const rows: Row[] = [];
  let position: PagePosition | undefined;
  let start = after?.segment ?? 0;
  if (after !== undefined && start >= segments.length) throw pageTokenInvalid("it is damaged");
  for (; start < segments.length; start += 1) {
    const segment = segments[start] as Segment;
    const keys = [...segment.keys, ...others.flatMap((term) => term.keys), ...source.ties];
    const values = after?.segment === start ? after.values : undefined;
    if (values !== undefined) checkValues(keys, values);
    if (isEmpty(segment, first, source, parts.groups)) continue;
    const found = await sql<Row>`${segmentSql({
      dialect,
      source,
      parts,
      segment,
      term: first,
      joins: others.flatMap(({ join }) => (join === undefined ? [] : [join])),
      keys,
      values,
      begin,
    })} limit ${limit + 1 - rows.length}`.execute(reader);
    for (const row of found.rows) {
      if (rows.length === limit) return { rows, next: position };
      position = { segment: start, values: keys.map((_, index) => takeKey(row, index)) };
      rows.push(row);
    }
  }
  return { rows, next: undefined };
}

function takeKey(row: object, index: number): KeyValue {
  const value = (row as Record<string, KeyValue>)[keyName(index)] ?? null;
  delete (row as Record<string, KeyValue>)[keyName(index)];
  return value;
}

/** A record without what the filter asks for cannot be among those that lack it. */
function isEmpty(
  { isJoined }: Segment,
  term: OrderTerm | undefined,
  source: SearchSource,
  groups: readonly RowGroup[],
): boolean {
  if (isJoined || term === undefined) return false;
  const rows = source.rows[term.entity];
  return rows !== undefined && groups.some((group) => group.rows.table === rows.table && group.key === term.key);
}

interface SegmentQuery {
  readonly dialect: SqlDialect;
  readonly source: SearchSource;
  readonly parts: ReturnType<typeof partsOf>;
  readonly segment: Segment;
  readonly term: OrderTerm | undefined;
  readonly joins: readonly Fragment[];
  readonly keys: readonly SortKey[];
  readonly values: readonly KeyValue[] | undefined;
  readonly begin: RowGroup | "source" | undefined;
}

/** Tables are joined by `cross join`, which SQLite takes in the order written; PostgreSQL plans it as it likes. */
function segmentSql(query: SegmentQuery): Fragment {
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
  const keyColumns = keys.map(({ column }, index) => sql`, ${column} as ${sql.ref(keyName(index))}`);
  return sql`select ${source.select}${sql.join(keyColumns, sql``)} from ${sql.join(tables, sql` cross join `)} ${source.joins ?? sql``} ${sql.join(query.joins, sql` `)} where ${sql.join(where.length === 0 ? [sql`1 = 1`] : where, sql` and `)} order by ${orderSql(keys)}`;
}

/** The comparison that the fewest rows fulfil, or the source itself, where that is few; SQLite keeps no counts that could tell. */
async function mostSelective(
  reader: SearchReader,
  dialect: SqlDialect,
  source: SearchSource,
  { groups, rest }: ReturnType<typeof partsOf>,
): Promise<SegmentQuery["begin"]> {
  if (rest.some((condition) => namesFew(source, condition))) return "source";
  const candidates = groups.filter(canBegin);
  const counted = [
    ...(source.few === undefined ? [] : [{ begin: "source" as const, rows: source.few }]),
    ...candidates.map((group) => ({
      begin: group,
      rows: sql`select 1 from ${sql.table(group.rows.table)} as c where ${groupCondition(dialect, group, "c", false)}`,
    })),
  ];
  if (counted.length === 0) return undefined;
  const counts = counted.map(
    ({ rows }, index) => sql`(select count(*) from (${rows} limit ${few + 1}) as f) as ${sql.ref(`count_${index}`)}`,
  );
  const { rows } = await sql<Record<string, number>>`select ${sql.join(counts)}`.execute(reader);
  let least = few + 1;
  let begin: SegmentQuery["begin"];
  for (const [index, each] of counted.entries()) {
    const count = rows[0]?.[`count_${index}`] ?? few + 1;
    if (count >= least) continue;
    least = count;
    begin = each.begin;
  }
  return begin;
}

/** An index finds what fulfils one of the comparisons. */
function canBegin({ rows, comparisons }: RowGroup): boolean {
  if (rows.isIndexed !== true) return false;
  return comparisons.some(({ operator, value }) => {
    if (typeof value === "number") return operator !== "!=" && !Number.isNaN(value);
    return operator === "=" || operator === "IN";
  });
}

/** A few records by their own index, such as runs by their ids. */
const namesFew = ({ attributes }: SearchSource, condition: Condition): boolean =>
  condition.kind === "comparison" &&
  condition.entity === "attribute" &&
  attributes[condition.key]?.isSelective === true &&
  (condition.operator === "=" || condition.operator === "IN");
