import { edgesOf } from "../learners/feature-bins.ts";
import type { Feature } from "../features/feature-table.ts";

/** What the rows of a slice have in one column. */
export type SliceCondition =
  | { readonly column: string; readonly is: string }
  /** Numbers above `above`, up to and with `upTo`; one of the two may be absent. Booleans are 0 and 1. */
  | { readonly column: string; readonly above?: number | undefined; readonly upTo?: number | undefined }
  | { readonly column: string; readonly missing: true };

/** Most categories of a column that are conditions, the most frequent first. */
const mostCategories = 50;

/** Every condition that a column offers: each text, each range between two quantiles and beyond each, and the lack of a value. */
export function conditionsOf(feature: Feature, values: Float64Array, bins: number): SliceCondition[] {
  const { name: column } = feature;
  const missing: SliceCondition[] = values.some((value) => value !== value) ? [{ column, missing: true }] : [];
  if (feature.kind === "category")
    return [...feature.categories.slice(0, mostCategories).map((is) => ({ column, is })), ...missing];
  const edges = [...edgesOf(values, bins)];
  return [
    ...edges.flatMap((edge): SliceCondition[] => [
      { column, upTo: edge },
      { column, above: edge },
    ]),
    ...edges.slice(1).map((upTo, index): SliceCondition => ({ column, above: edges[index], upTo })),
    ...missing,
  ];
}

/** Whether a value that `readFeatures` gave meets the condition. */
export function meets(condition: SliceCondition, feature: Feature): (value: number) => boolean {
  if ("missing" in condition) return (value) => value !== value;
  if ("is" in condition) {
    const position = feature.kind === "category" ? feature.categories.indexOf(condition.is) : -1;
    return (value) => value === position;
  }
  const { above = -Infinity, upTo = Infinity } = condition;
  return (value) => value <= upTo && (value > above || (above === -Infinity && value === above));
}

const rounded = (value: number): string => String(Number(value.toPrecision(6)));

export function describeCondition(condition: SliceCondition): string {
  if ("missing" in condition) return `${condition.column} is missing`;
  if ("is" in condition) return `${condition.column} is "${condition.is}"`;
  const { column, above, upTo } = condition;
  if (above === undefined) return `${column} ≤ ${rounded(upTo ?? Infinity)}`;
  return upTo === undefined ? `${column} > ${rounded(above)}` : `${rounded(above)} < ${column} ≤ ${rounded(upTo)}`;
}
