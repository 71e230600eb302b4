import type { Batch } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { type Feature, fitFeatures, readFeatures } from "./feature-table.ts";

/** How a feature becomes a standard score. */
export interface ScoreColumn {
  readonly feature: Feature;
  /** For missing values: the mean, or for categories the share of the most frequent one. */
  readonly fill: number;
  /** For categories: the share of each among the rows that were fitted on; one that is not known has the share 0. */
  readonly shares?: readonly number[] | undefined;
  readonly mean: number;
  /** The population's standard deviation, 1 where it is 0. */
  readonly scale: number;
}

/** Rows of numbers one after another. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly values: Float64Array;
}

/**
 * What NannyML's data reconstruction does to columns: missing numbers become the mean, missing texts the most frequent one, texts their share, and
 * everything is standardised. JSON-safe. Numbers that are not finite count as missing. Throws `MONITOR_ROWS_INVALID`.
 */
export function fitScores(rows: Batch, names?: readonly string[]): ScoreColumn[] {
  const features = fitFeatures(rows, names);
  const columns = readFeatures(rows, features);
  return features.map((feature, index) => {
    const values = columns[index] as Float64Array;
    const column = feature.kind === "category" ? fitCategory(rows, feature, values) : fitNumber(feature, values);
    return { ...column, ...spreadOf(values.map((value) => numberOf(value, column, false))) };
  });
}

const finiteMean = (values: Float64Array): number => {
  let [sum, count] = [0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += value;
    count += 1;
  }
  return count === 0 ? 0 : sum / count;
};

const fitNumber = (feature: Feature, values: Float64Array) => ({ feature, fill: finiteMean(values) });

function fitCategory(rows: Batch, feature: Feature & { readonly kind: "category" }, values: Float64Array) {
  const counts = feature.categories.map(() => 0);
  let missing = 0;
  const texts = toArray(rows.columns[feature.name]!);
  for (const [row, position] of values.entries()) {
    if (position === position) counts[position]! += 1;
    else if (texts[row] === null || texts[row] === "") missing += 1;
  }
  // Missing ones join the most frequent category, which comes first.
  if (counts.length > 0) counts[0]! += missing;
  const shares = counts.map((count) => count / values.length);
  return { feature, fill: shares[0] ?? 0, shares };
}

function spreadOf(values: Float64Array): { readonly mean: number; readonly scale: number } {
  const mean = finiteMean(values);
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const scale = Math.sqrt(squares / values.length);
  // As scikit-learn: what differs by rounding alone is constant.
  return { mean, scale: scale <= 10 * Number.EPSILON * Math.abs(mean) || scale === 0 ? 1 : scale };
}

/** @param isUnknown The text is there, and no category. */
function numberOf(value: number, { fill, shares }: Pick<ScoreColumn, "fill" | "shares">, isUnknown: boolean): number {
  if (isUnknown) return 0;
  if (!Number.isFinite(value)) return fill;
  return shares === undefined ? value : (shares[value] as number);
}

/**
 * The standard score of one value.
 * @param value As `readValue` gives it.
 * @param given What it was made of.
 */
export const scoreOf = (value: number, column: ScoreColumn, given: unknown): number =>
  (numberOf(
    value,
    column,
    column.shares !== undefined && value !== value && typeof given === "string" && given !== "",
  ) -
    column.mean) /
  column.scale;

/** The standard scores of rows. Throws `MONITOR_ROWS_INVALID`. */
export function scoresOf(rows: Batch, columns: readonly ScoreColumn[]): Matrix {
  const read = readFeatures(
    rows,
    columns.map(({ feature }) => feature),
  );
  const width = columns.length;
  const values = new Float64Array(rows.length * width);
  for (const [index, column] of columns.entries()) {
    const from = read[index] as Float64Array;
    const texts = column.shares === undefined ? undefined : toArray(rows.columns[column.feature.name]!);
    for (let row = 0; row < rows.length; row += 1) {
      const value = from[row] as number;
      const isUnknown = texts !== undefined && value !== value && texts[row] !== null && texts[row] !== "";
      values[row * width + index] = (numberOf(value, column, isUnknown) - column.mean) / column.scale;
    }
  }
  return { rows: rows.length, width, values };
}
