import { sql } from "@millwright/storage";
import {
  type Fragment,
  type SqlDialect,
  doubleCondition,
  integerCondition,
  prefixCondition,
  textCondition,
} from "./comparison-sql.ts";
import type { Comparison, Condition } from "./filter.ts";
import type { EntityName } from "./grammar.ts";

export interface AttributeColumn {
  readonly column: Fragment;
  readonly type: "text" | "integer";
  /** Default: false. */
  readonly isNullable?: boolean | undefined;
  /** Few records have one value, and an index finds them. Default: false. */
  readonly isSelective?: boolean | undefined;
}

/** Rows with a name and a value that belong to a record: its metrics, params or tags. */
export interface NamedRows {
  readonly table: string;
  /** Which columns say whose row it is, in the order of the source's `key`. */
  readonly owner: readonly string[];
  /** The column of the row's name; without it `values` are asked by the comparison's key. */
  readonly name?: string | undefined;
  /** `double`: null is NaN. `text`: never null. `param`: a text, and beside it the finite number it is, or null. */
  readonly type: "double" | "text" | "param";
  /** Columns of the value; of a `param` the text. By the key where rows have no name. */
  readonly value: string | Readonly<Record<string, string>>;
  readonly number?: string | undefined;
  /** An index on name, value (the beginning of a text) and owner finds rows by their values. Default: false. */
  readonly isIndexed?: boolean | undefined;
}

/** What a search looks through. */
export interface SearchSource {
  readonly table: string;
  /** What tells one record from another. */
  readonly key: readonly string[];
  /** Parts of the key that are no columns. */
  readonly keyColumns?: Readonly<Record<string, Fragment>> | undefined;
  /** What is read of each record. */
  readonly select: Fragment;
  /** Tables joined to each record, as `cross join … ` with the condition in `where`. */
  readonly joins?: Fragment | undefined;
  readonly where: readonly Fragment[];
  /** Selects a row for each record that `where` lets through, where it may be few. */
  readonly few?: Fragment | undefined;
  readonly attributes: Readonly<Record<string, AttributeColumn>>;
  readonly rows: Readonly<Partial<Record<EntityName, NamedRows>>>;
  /** An index has the first of `ties`. Default: false. */
  readonly isWalkable?: boolean | undefined;
  /** What orders records that nothing else does; the last tells any two apart. */
  readonly ties: readonly {
    readonly column: Fragment;
    readonly type: "text" | "integer";
    readonly isDescending: boolean;
  }[];
}

export const columnOf = (alias: string, column: string): Fragment => sql.ref(`${alias}.${column}`);

const keyColumn = ({ table, keyColumns }: SearchSource, name: string): Fragment =>
  keyColumns?.[name] ?? columnOf(table, name);

/** Says that the row `alias` belongs to the record, or to the owner of the row `via`. */
export function ownedBy(
  source: SearchSource,
  rows: NamedRows,
  alias: string,
  via?: readonly [string, NamedRows],
): Fragment {
  return sql.join(
    rows.owner.map((column, index) => {
      const owner =
        via === undefined
          ? keyColumn(source, source.key[index] as string)
          : columnOf(via[0], via[1].owner[index] as string);
      return sql`${columnOf(alias, column)} = ${owner}`;
    }),
    sql` and `,
  );
}

/** Comparisons of one name of one table: one row fulfils them all. */
export interface RowGroup {
  readonly rows: NamedRows;
  readonly key: string;
  readonly comparisons: readonly Comparison[];
}

/**
 * What the row `alias` must be for its group. @param isFound The row is known already: no index is to find it by its value. SQLite knows no counts,
 * and would rather walk all rows below a value than look one up by its owner; a sign before the column keeps it from that.
 */
export function groupCondition(
  dialect: SqlDialect,
  { rows, key, comparisons }: RowGroup,
  alias: string,
  isFound: boolean,
): Fragment {
  const named = (name: string): Fragment =>
    isFound && dialect === "sqlite" ? sql`+${columnOf(alias, name)}` : columnOf(alias, name);
  const value = named(typeof rows.value === "string" ? rows.value : (rows.value[key] as string));
  const conditions = comparisons.flatMap(({ operator, value: wanted }) => {
    if (typeof wanted === "number")
      return [doubleCondition(rows.number === undefined ? value : named(rows.number), operator, wanted)];
    const prefix = rows.isIndexed === true && !isFound ? prefixCondition(value, operator, wanted) : undefined;
    return [...(prefix === undefined ? [] : [prefix]), textCondition(dialect, value, operator, wanted)];
  });
  if (rows.name !== undefined) conditions.unshift(sql`${columnOf(alias, rows.name)} = ${key}`);
  // A text that nobody gave is kept as an empty one.
  else conditions.unshift(sql`${value} <> ''`);
  return sql.join(conditions, sql` and `);
}

/** Conditions that must all hold: comparisons of one row each together, and what is left of them. */
export interface QueryParts {
  readonly groups: readonly RowGroup[];
  readonly rest: readonly Condition[];
}

export function partsOf(source: SearchSource, condition: Condition | undefined): QueryParts {
  const groups = new Map<string, RowGroup>();
  const rest: Condition[] = [];
  for (const part of flatten(condition)) {
    const rows = part.kind === "comparison" ? source.rows[part.entity] : undefined;
    if (part.kind !== "comparison" || rows?.name === undefined) {
      rest.push(part);
      continue;
    }
    const name = JSON.stringify([part.entity, part.key]);
    groups.set(name, { rows, key: part.key, comparisons: [...(groups.get(name)?.comparisons ?? []), part] });
  }
  return { groups: [...groups.values()], rest };
}

function flatten(condition: Condition | undefined): readonly Condition[] {
  if (condition === undefined) return [];
  return condition.kind === "and" ? condition.conditions.flatMap(flatten) : [condition];
}

export interface ConditionContext {
  readonly source: SearchSource;
  readonly dialect: SqlDialect;
  /** A row already joined that belongs to the record. */
  readonly via?: readonly [alias: string, rows: NamedRows] | undefined;
}

export function existsSql({ source, dialect, via }: ConditionContext, group: RowGroup): Fragment {
  const { rows } = group;
  return sql`exists (select 1 from ${sql.table(rows.table)} as e where ${ownedBy(source, rows, "e", via)} and ${groupCondition(dialect, group, "e", true)})`;
}

export function conditionSql(context: ConditionContext, condition: Condition): Fragment {
  if (condition.kind !== "comparison") {
    const parts = condition.conditions.map((each) => conditionSql(context, each));
    return sql`(${sql.join(parts, condition.kind === "and" ? sql` and ` : sql` or `)})`;
  }
  const { entity, key, operator, value } = condition;
  const rows = context.source.rows[entity];
  if (rows !== undefined) return existsSql(context, { rows, key, comparisons: [condition] });
  const { column, type } = context.source.attributes[key] as AttributeColumn;
  return type === "integer"
    ? integerCondition(column, operator, value as number)
    : textCondition(context.dialect, column, operator, value);
}
