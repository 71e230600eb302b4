import { type Kysely, sql } from "@millwright/storage";
import type { SqlDialect } from "./comparison-sql.ts";
import type { Condition } from "./filter.ts";
import type { SearchBegin } from "./search-segment.ts";
import { type QueryParts, type RowGroup, type SearchSource, groupCondition } from "./search-source.ts";

/** What reads: a database's `read`, whatever its tables. */
export type SearchReader = Pick<Kysely<unknown>, "getExecutor">;

/** The comparison that the fewest rows fulfil, or the source itself, where there are at most `few` of them; SQLite keeps no counts that could tell. */
export async function mostSelective(
  reader: SearchReader,
  dialect: SqlDialect,
  source: SearchSource,
  { groups, rest }: QueryParts,
  few: number,
): Promise<SearchBegin> {
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
  let begin: SearchBegin;
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
