import type { ColumnType } from "@millwright/contracts";
import { columnMissing } from "../errors.ts";
import type { ColumnProfile, Profile } from "../profile.ts";
import { isSmallDomain, largestDomain } from "../small-domain.ts";
import { type ColumnConstraint, type Constraints, type ConstraintType, defaultMonitoring } from "./constraints.ts";

export interface SuggestConstraintsOptions {
  /** Most values of a domain, from 0. A column of text has a domain where all its texts are known and at most a tenth as many as its values. Default: 100. */
  readonly maxDomainSize?: number | undefined;
  /** Columns without constraints, such as keys. They must still be there. Default: none. */
  readonly unconstrained?: readonly string[] | undefined;
}

/**
 * Suggests what later tables should satisfy, from the profile of a good one: the type, the completeness, that numbers are not negative, and domains of few values.
 * The table itself satisfies what is suggested. Throws `DATA_COLUMN_MISSING` where an unconstrained column is not there. Booleans, dates and timestamps count as `String`, the nearest type that Model Monitor knows.
 */
export function suggestConstraints(
  profile: Profile,
  { maxDomainSize = largestDomain, unconstrained = [] }: SuggestConstraintsOptions = {},
): Constraints {
  if (!(Number.isInteger(maxDomainSize) && maxDomainSize >= 0))
    throw new RangeError(`maxDomainSize must be an integer from 0, not ${maxDomainSize}.`);
  const unknown = unconstrained.find((name) => !Object.hasOwn(profile.columns, name));
  if (unknown !== undefined) throw columnMissing(unknown, Object.keys(profile.columns));
  const free = new Set(unconstrained);
  const columns = Object.entries(profile.columns).map(([name, column]): ColumnConstraint =>
    free.has(name) ? { name, inferredType: "Unknown" } : suggestForColumn(name, column, maxDomainSize),
  );
  return { columns, monitoring: defaultMonitoring };
}

function suggestForColumn(name: string, column: ColumnProfile, maxDomainSize: number): ColumnConstraint {
  const rows = column.count + column.missing;
  const inferredType = constraintTypeOf(column);
  const { frequent, moments } = column;
  const isNumeric = inferredType === "Integral" || inferredType === "Fractional";
  const isDomain =
    inferredType === "String" &&
    frequent !== undefined &&
    frequent.error === 0 &&
    isSmallDomain(frequent.counts.size, frequent.total, maxDomainSize);
  return {
    name,
    inferredType,
    completeness: rows === 0 ? 1 : column.count / rows,
    ...(isNumeric && moments !== undefined && moments.count > 0 ? { nonNegative: moments.min >= 0 } : {}),
    ...(isDomain ? { domain: [...frequent.counts.keys()].sort() } : {}),
  };
}

/** @returns the type that Model Monitor gives such a column. */
export function constraintTypeOf({ type, count }: Pick<ColumnProfile, "type" | "count">): ConstraintType {
  return count === 0 ? "Unknown" : constraintTypeOfColumn(type);
}

function constraintTypeOfColumn(type: ColumnType): ConstraintType {
  switch (type) {
    case "float32":
    case "float64":
      return "Fractional";
    case "utf8":
    case "dictionary":
    case "bool":
    case "date":
    case "timestamp":
      return "String";
    case "binary":
    case "list":
      return "Unknown";
    default:
      return "Integral";
  }
}
