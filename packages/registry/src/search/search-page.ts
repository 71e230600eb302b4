import { sql } from "@millwright/storage";
import { pageTokenInvalid } from "../errors.ts";
import type { SqlDialect } from "./comparison-sql.ts";
import type { Condition } from "./filter.ts";
import type { OrderTerm } from "./order.ts";
import { checkValues, type PagePosition } from "./page-token.ts";
import { type SearchReader, mostSelective } from "./search-begin.ts";
import { type SegmentQuery, boundSql, keyName, segmentSql } from "./search-segment.ts";
import { type RowGroup, type SearchSource, partsOf } from "./search-source.ts";
import { type KeyValue, type Segment, laterTerm, segmentsOf } from "./sort-keys.ts";

export interface SearchQuery {
  readonly condition: Condition | undefined;
  readonly order: readonly OrderTerm[];
  /** Most records, 1 or more. */
  readonly limit: number;
  readonly after?: PagePosition | undefined;
  /** Default: what serves a hundred thousand records. */
  readonly effort?: SearchEffort | undefined;
}

/** How many rows of an index are looked at before another way is taken. */
export interface SearchEffort {
  /** So many rows are sorted without a thought. */
  readonly few: number;
  /** So many rows of the order are walked before anything is counted further. */
  readonly walked: number;
  /** So many rows are sorted rather than all that the order has. */
  readonly many: number;
}

export interface SearchPage<Row> {
  readonly rows: readonly Row[];
  /** Where to go on; undefined at the end. */
  readonly next: PagePosition | undefined;
}

const usualEffort: SearchEffort = { few: 2000, walked: 4000, many: 50_000 };

/** One page of what the source holds: an index is walked in the wanted order, or the few rows of the most selective comparison are sorted. */
export async function readSearchPage<Row extends object>(
  reader: SearchReader,
  dialect: SqlDialect,
  source: SearchSource,
  { condition, order, limit, after, effort = usualEffort }: SearchQuery,
): Promise<SearchPage<Row>> {
  const [first, ...later] = order;
  const parts = partsOf(source, condition);
  const segments = first === undefined ? [{ isJoined: false, where: [], keys: [] }] : segmentsOf(source, first);
  const others = later.map((term, index) => laterTerm(source, term, index + 1));
  const begin = dialect === "sqlite" ? await mostSelective(reader, dialect, source, parts, effort.few) : undefined;
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
    const joins = others.flatMap(({ join }) => (join === undefined ? [] : [join]));
    const query = { dialect, source, parts, segment, term: first, joins, keys, values, begin };
    for (const row of await readSegment<Row>(reader, query, effort, limit + 1 - rows.length)) {
      if (rows.length === limit) return { rows, next: position };
      position = { segment: start, values: keys.map((_, index) => takeKey(row, index)) };
      rows.push(row);
    }
  }
  return { rows, next: undefined };
}

/** Where nothing is few, a part of the order is walked first: most filters fill a page there. Only if it stays empty are rows counted up to many. */
async function readSegment<Row extends object>(
  reader: SearchReader,
  query: SegmentQuery,
  { walked, many }: SearchEffort,
  limit: number,
): Promise<readonly Row[]> {
  const { dialect, source, parts, begin } = query;
  const read = async (changes: Partial<SegmentQuery>): Promise<readonly Row[]> =>
    (await sql<Row>`${segmentSql({ ...query, ...changes })} limit ${limit}`.execute(reader)).rows;
  const isFiltered = parts.groups.length + parts.rest.length > 0;
  const bounded = dialect === "sqlite" && begin === undefined && isFiltered ? boundSql(query, walked) : undefined;
  if (bounded === undefined) return read({});
  const found = await sql<Readonly<Record<string, KeyValue>>>`${bounded}`.execute(reader);
  const bound = found.rows[0]?.[keyName(0)];
  if (bound === undefined || bound === null) return read({});
  const rows = await read({ bound });
  if (rows.length >= limit) return rows;
  return read({ begin: await mostSelective(reader, dialect, source, parts, many) });
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
