import { type RawBuilder, sql } from "@millwright/storage";
import { indexedCharacters } from "../tables/search-indexes.ts";
import type { Comparison } from "./filter.ts";

export type Fragment = RawBuilder<unknown>;
export type SqlDialect = "sqlite" | "postgres";

const never = sql`1 = 0`;

/** A condition on a text. Both engines tell case apart by LIKE, and fold the letters A to Z alone by ILIKE; neither has an escape. */
export function textCondition(
  dialect: SqlDialect,
  column: Fragment,
  operator: Comparison["operator"],
  value: Comparison["value"],
): Fragment {
  switch (operator) {
    case "IN":
      return sql`${column} in (${sql.join(value as readonly string[])})`;
    case "NOT IN":
      return sql`${column} not in (${sql.join(value as readonly string[])})`;
    case "LIKE":
      return dialect === "sqlite"
        ? sql`${column} glob ${globOf(value as string)}`
        : sql`${column} like ${value} escape ''`;
    case "ILIKE":
      return dialect === "sqlite" ? sql`${column} like ${value}` : sql`${column} ilike ${value} escape ''`;
    default:
      return plain(column, operator, value);
  }
}

/** A condition on a double of a row that is there, kept as null where it is NaN. NaN is unequal to every number; `= NaN` finds it. */
export function doubleCondition(column: Fragment, operator: Comparison["operator"], value: number): Fragment {
  if (Number.isNaN(value)) {
    if (operator === "=") return sql`${column} is null`;
    return operator === "!=" ? sql`${column} is not null` : never;
  }
  return operator === "!=" ? sql`(${column} <> ${value} or ${column} is null)` : plain(column, operator, value);
}

/** A condition on an integer or null; null fulfils none. Engines that tell integers from doubles are asked with integers alone. */
export function integerCondition(column: Fragment, operator: Comparison["operator"], value: number): Fragment {
  if (operator === "=" || operator === "!=") {
    if (Number.isSafeInteger(value)) return plain(column, operator, value);
    return operator === "=" ? never : sql`${column} is not null`;
  }
  if (Number.isNaN(value)) return never;
  const isBelow = operator.startsWith("<");
  const rounded = isBelow ? Math.floor(value) : Math.ceil(value);
  const bound = Math.min(Math.max(rounded, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  // Between two integers, below and at most the lower one are the same.
  const isExact = rounded === value && bound === rounded;
  return plain(column, isExact ? operator : bound === rounded ? (isBelow ? "<=" : ">=") : operator, bound);
}

const signs: Readonly<Record<string, Fragment>> = {
  "=": sql`=`,
  "!=": sql`<>`,
  "<": sql`<`,
  "<=": sql`<=`,
  ">": sql`>`,
  ">=": sql`>=`,
};

const plain = (column: Fragment, operator: string, value: unknown): Fragment =>
  sql`${column} ${signs[operator] as Fragment} ${value}`;

/** The beginning of a text, as an index has it. */
export const prefixSql = (column: Fragment): Fragment => sql`substr(${column}, 1, ${sql.lit(indexedCharacters)})`;

/** Says of a text's beginning what `=` or `IN` say of the whole, for the index; undefined for other operators. */
export function prefixCondition(
  column: Fragment,
  operator: Comparison["operator"],
  value: Comparison["value"],
): Fragment | undefined {
  if (operator !== "=" && operator !== "IN") return undefined;
  const values = typeof value === "string" ? [value] : (value as readonly string[]);
  const prefixes = values.map((each) => Array.from(each).slice(0, indexedCharacters).join(""));
  return sql`${prefixSql(column)} in (${sql.join(prefixes)})`;
}

/** LIKE's pattern in the words of GLOB, which tells case apart. */
function globOf(pattern: string): string {
  return pattern.replaceAll(/[*?[]/g, (mark) => `[${mark}]`).replaceAll(/[%_]/g, (mark) => (mark === "%" ? "*" : "?"));
}
