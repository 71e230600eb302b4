import type { CallOptions, Schema } from "@millwright/contracts";
import { relationInvalid } from "./errors.ts";
import { identifier } from "./sql.ts";

/** A column to order by: ascending with nulls last, unless it says otherwise. */
export type SortKey =
  | string
  | {
      readonly column: string;
      /** Default: false. */
      readonly descending?: boolean | undefined;
      /** Default: `last`. */
      readonly nulls?: "first" | "last" | undefined;
    };

export interface JoinOptions extends CallOptions {
  /** The columns whose values must be equal, at least one: a name that both have, or the left's and the right's. NaN equals NaN, and −0 equals 0. */
  readonly on: readonly (string | readonly [left: string, right: string])[];
  /**
   * `inner`: pairs that match; `left`: those, and left rows without a match, with nulls; `semi`: left rows that have a match, once each; `anti`: left rows
   * that have none. Default: `inner`.
   */
  readonly how?: "inner" | "left" | "semi" | "anti" | undefined;
  /** Whether null matches null. Default: false, so that an anti join keeps rows with a null key. */
  readonly nullsMatch?: boolean | undefined;
  /** Put behind the names of right columns that the left has too. Default: `"_right"`. */
  readonly suffix?: string | undefined;
  /** Order of the rows, by columns of the result. Default: none is promised. */
  readonly orderBy?: readonly SortKey[] | undefined;
}

/**
 * One value of many rows. `rows` counts rows, `count` those that are not null, `countDistinct` their different values. The others leave nulls out, and
 * are null where nothing is left: `sum` of integers is int64, of floats float64; `mean` and `standardDeviation` (divisor `count`) are float64.
 */
export type Aggregate =
  | { readonly kind: "rows" }
  | {
      readonly kind: "count" | "countDistinct" | "sum" | "mean" | "min" | "max" | "standardDeviation";
      readonly column: string;
    };

export interface GroupByOptions extends CallOptions {
  /** The columns whose equal values make a group; nulls are equal here, and so are NaNs. None: one group of all rows. */
  readonly by: readonly string[];
  /** By the name of their column in the result. */
  readonly aggregates: Readonly<Record<string, Aggregate>>;
  /** Order of the groups, by columns of the result. Default: by the columns of `by`. */
  readonly orderBy?: readonly SortKey[] | undefined;
}

/**
 * A value beside each row, from the rows of its partition in their order. `rowNumber`, `rank` and `denseRank` count from 1; `lag` and `lead` are the value
 * `offset` rows before or after (default: 1), null where there is none. An aggregate is that of the row and those around it: `preceding` rows before (default:
 * all) to `following` rows after (default: 0).
 */
export type WindowColumn =
  | { readonly kind: "rowNumber" | "rank" | "denseRank" }
  | { readonly kind: "lag" | "lead"; readonly column: string; readonly offset?: number | undefined }
  | (Aggregate & { readonly preceding?: number | undefined; readonly following?: number | undefined });

export interface WindowOptions extends CallOptions {
  /** The columns whose equal values make a partition. Default: all rows are one. */
  readonly partitionBy?: readonly string[] | undefined;
  /** The order within a partition, at least one column. Among rows that are equal in it none is promised. */
  readonly orderBy: readonly SortKey[];
  /** By the name of their column in the result, which stands behind those of the dataset. */
  readonly columns: Readonly<Record<string, WindowColumn>>;
}

const AGGREGATES = {
  rows: () => "count(*)",
  count: (column) => `count(${column})`,
  countDistinct: (column) => `count(DISTINCT ${column})`,
  sum: (column) => `sum(${column})`,
  mean: (column) => `avg(${column})`,
  min: (column) => `min(${column})`,
  max: (column) => `max(${column})`,
  standardDeviation: (column) => `stddev_pop(${column})`,
} as const satisfies Readonly<Record<Aggregate["kind"], (column: string) => string>>;

const RANKS = { rowNumber: "row_number()", rank: "rank()", denseRank: "dense_rank()" } as const;

/** A table in SQL's FROM and its columns. */
export interface Table {
  readonly sql: string;
  readonly schema: Schema;
}

/** The name as SQL, once it is known to be a column. Throws `DUCKDB_RELATION_INVALID`. */
function known(schema: Schema, name: string, what: string): string {
  if (schema.some((field) => field.name === name)) return identifier(name);
  throw relationInvalid(`${what} "${name}" is no column`, `Columns: ${schema.map((field) => field.name).join(", ")}.`);
}

function listed<Item>(items: readonly Item[], what: string): readonly Item[] {
  if (Array.isArray(items) && items.length > 0) return items;
  throw relationInvalid(`\`${what}\` names no column`, "Name at least one.");
}

function member<Known extends object>(choices: Known, kind: unknown): keyof Known {
  if (typeof kind === "string" && Object.hasOwn(choices, kind)) return kind as keyof Known;
  throw relationInvalid(`"${String(kind)}" is unknown`, `Known: ${Object.keys(choices).join(", ")}.`);
}

/** Throws `DUCKDB_RELATION_INVALID` where two names are alike to DuckDB, which takes those that differ in their case alone for one. */
function assertDistinct(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    const folded = name.toLowerCase();
    if (seen.has(folded))
      throw relationInvalid(`two columns would be named "${name}"`, "Give one of them another name.");
    seen.add(folded);
  }
}

export function orderSql(schema: Schema, keys: readonly SortKey[]): string {
  const terms = keys.map((key) => {
    const { column, descending = false, nulls = "last" } = typeof key === "string" ? { column: key } : key;
    return `${known(schema, column, "orderBy:")} ${descending ? "DESC" : "ASC"} NULLS ${member({ first: 1, last: 1 }, nulls)}`;
  });
  return terms.join(", ");
}

/** The rows in the order that was asked for. */
export const ordered = (sql: string, schema: Schema, keys: readonly SortKey[] = []): string =>
  keys.length === 0 ? sql : `SELECT * FROM (${sql}) AS o ORDER BY ${orderSql(schema, keys)}`;

const JOINS = { inner: "JOIN", left: "LEFT JOIN", semi: "SEMI JOIN", anti: "ANTI JOIN" } as const;

export function joinSql(left: Table, right: Table, options: JoinOptions): string {
  const { on, nullsMatch = false, suffix = "_right" } = options;
  const how = member(JOINS, options.how ?? "inner");
  const pairs = listed(on, "on").map((key) => (typeof key === "string" ? ([key, key] as const) : key));
  const equal = nullsMatch ? "IS NOT DISTINCT FROM" : "=";
  const condition = pairs.map(
    ([a, b]) => `l.${known(left.schema, a, "on:")} ${equal} r.${known(right.schema, b, "on, right:")}`,
  );
  const keys = new Set(pairs.map(([, b]) => b));
  const names = left.schema.map(({ name }) => name);
  const taken = new Set(names.map((name) => name.toLowerCase()));
  const added = how === "semi" || how === "anti" ? [] : right.schema.filter(({ name }) => !keys.has(name));
  const renamed = added.map(({ name }) => (taken.has(name.toLowerCase()) ? `${name}${suffix}` : name));
  assertDistinct([...names, ...renamed]);
  const columns = [
    ...names.map((name) => `l.${identifier(name)}`),
    ...added.map(({ name }, at) => `r.${identifier(name)} AS ${identifier(renamed[at] as string)}`),
  ];
  return `SELECT ${columns.join(", ")} FROM (${left.sql}\n) AS l ${JOINS[how]} (${right.sql}\n) AS r ON ${condition.join(" AND ")}`;
}

function aggregateSql(schema: Schema, aggregate: Aggregate): string {
  const kind = member(AGGREGATES, aggregate.kind);
  return AGGREGATES[kind]("column" in aggregate ? known(schema, aggregate.column, `${kind}:`) : "*");
}

export function groupBySql({ sql, schema }: Table, { by, aggregates }: GroupByOptions): string {
  const keys = by.map((name) => known(schema, name, "by:"));
  const values = Object.entries(aggregates).map(
    ([name, each]) => `${aggregateSql(schema, each)} AS ${identifier(name)}`,
  );
  assertDistinct([...by, ...Object.keys(aggregates)]);
  listed([...keys, ...values], "by");
  const group = keys.length === 0 ? "" : ` GROUP BY ${keys.join(", ")}`;
  return `SELECT ${[...keys, ...values].join(", ")} FROM (${sql}\n) AS g${group}`;
}

export function windowSql({ sql, schema }: Table, { partitionBy = [], orderBy, columns }: WindowOptions): string {
  const partition = partitionBy.map((name) => known(schema, name, "partitionBy:"));
  const order = orderSql(schema, listed(orderBy, "orderBy"));
  const over = `${partition.length === 0 ? "" : `PARTITION BY ${partition.join(", ")} `}ORDER BY ${order}`;
  const values = Object.entries(columns).map(
    ([name, each]) => `${windowColumnSql(schema, each, over)} AS ${identifier(name)}`,
  );
  assertDistinct([...schema.map(({ name }) => name), ...Object.keys(columns)]);
  listed(values, "columns");
  return `SELECT *, ${values.join(", ")} FROM (${sql}\n) AS w`;
}

function windowColumnSql(schema: Schema, column: WindowColumn, over: string): string {
  switch (column.kind) {
    case "rowNumber":
    case "rank":
    case "denseRank":
      return `${RANKS[column.kind]} OVER (${over})`;
    case "lag":
    case "lead": {
      const { kind, offset = 1 } = column;
      return `${kind}(${known(schema, column.column, `${kind}:`)}, ${whole(offset, "offset")}) OVER (${over})`;
    }
    default: {
      const { preceding = Infinity, following = 0 } = column;
      const bound = (rows: number, what: string): string => (rows === Infinity ? "UNBOUNDED" : whole(rows, what));
      const frame = `ROWS BETWEEN ${bound(preceding, "preceding")} PRECEDING AND ${bound(following, "following")} FOLLOWING`;
      return `${aggregateSql(schema, column)} OVER (${over} ${frame})`;
    }
  }
}

function whole(value: number, what: string): string {
  if (Number.isSafeInteger(value) && value >= 0) return String(value);
  throw relationInvalid(`\`${what}\` is ${String(value)}`, "Give a whole number from 0.");
}
