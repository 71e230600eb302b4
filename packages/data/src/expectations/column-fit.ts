import type { ColumnType, Schema } from "@millwright/contracts";
import { isNumericType } from "../column.ts";
import { parseProfile } from "../profile-json.ts";
import type { CheckState } from "./check-state.ts";
import { columnsOf, type Expectation } from "./expectation.ts";
import { isText } from "./row-tests.ts";

/** @returns why the expectation cannot be asked of a table with this schema; undefined where it can. */
export function problemOf(expectation: Expectation, schema: Schema): CheckState["problem"] {
  const types: ColumnType[] = [];
  for (const name of columnsOf(expectation)) {
    const field = schema.find((each) => each.name === name);
    if (field === undefined)
      return {
        code: "columnMissing",
        detail: `No column is named "${name}". Columns present: ${schema.map((each) => each.name).join(", ") || "none"}.`,
      };
    types.push(field.type);
  }
  const wanted = wantedType(expectation, types);
  if (wanted === undefined) return undefined;
  const named = columnsOf(expectation).map((name, index) => `"${name}" (${types[index]})`);
  return { code: "columnType", detail: `${expectation.kind} needs ${wanted}, not ${named.join(" and ")}.` };
}

const isTime = (type: ColumnType): boolean => type === "date" || type === "timestamp";
const isNumber = (type: ColumnType): boolean => isNumericType(type) && !isTime(type);

/** @returns what the columns should be where they are not. */
function wantedType(expectation: Expectation, types: readonly ColumnType[]): string | undefined {
  const [type] = types;
  if (type === undefined) return undefined;
  switch (expectation.kind) {
    case "complete":
    case "rowCount":
      return undefined;
    case "unique":
    case "references":
      return types.includes("list") ? "columns other than lists" : undefined;
    case "oneOf":
      return type === "list" || type === "binary" ? "text, numbers or booleans" : undefined;
    case "between": {
      const ofTimes = typeof (expectation.min ?? expectation.max) === "string";
      if (ofTimes) return isTime(type) ? undefined : "a date or timestamp for bounds that are times";
      return isNumericType(type) ? undefined : "numbers";
    }
    case "match":
      return isText(type) ? undefined : "text";
    case "compare": {
      const [, right] = types as [ColumnType, ColumnType];
      const alike = (isText(type) && isText(right)) || (isNumber(type) && isNumber(right)) || type === right;
      return alike && type !== "list" && type !== "binary" ? undefined : "two columns that can be compared";
    }
    case "monotonic":
      return isNumericType(type) ? undefined : "numbers or times";
    case "fresh":
      return isTime(type) ? undefined : "a date or timestamp";
    case "statistic":
      if (expectation.statistic === "distinctCount")
        return type === "list" || type === "binary" ? "a type other than list and binary" : undefined;
      return isNumericType(type) || type === "bool" ? undefined : "numbers";
    case "distribution": {
      const reference = parseProfile(expectation.reference).columns[expectation.column];
      const alike = isText(type) || type === "bool" ? reference?.frequent !== undefined : isNumericType(type);
      return alike && (isText(type) || reference?.quantiles !== undefined)
        ? undefined
        : `a type comparable with the reference's ${reference?.type}`;
    }
  }
}
