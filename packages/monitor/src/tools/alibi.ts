import { parameterInvalid } from "../errors.ts";
import { chiSquaredContingency } from "../statistics/count-tests.ts";
import { kolmogorovSmirnov } from "../statistics/sample-tests.ts";
import { type DatasetDrift, datasetDrift } from "./dataset-drift.ts";
import { countPairs, pairsOf, type ToolColumn, type ToolProfile, type ToolValues } from "./tool-profile.ts";

export interface AlibiOptions {
  /** In (0, 1). Default: 0.05. */
  readonly significance?: number | undefined;
  /** Over the columns. Default: `bonferroni`. */
  readonly correction?: "bonferroni" | "fdr" | undefined;
  /** Columns of numbers that are categories. Default: none. */
  readonly categorical?: readonly string[] | undefined;
}

const tool = "alibi-detect 0.13";

/**
 * `TabularDrift` with its defaults: the asymptotic two-sided Kolmogorov–Smirnov test for numbers, chi-squared of the contingency table (with Yates's correction for two categories) for texts and booleans, and the table
 * drifts where a p-value is below the level over the number of columns. Columns with nulls, for which it finds no p-value, are not compared, and count as columns.
 */
export function alibiProfile({
  significance = 0.05,
  correction = "bonferroni",
  categorical = [],
}: AlibiOptions = {}): ToolProfile {
  if (!(significance > 0 && significance < 1))
    throw parameterInvalid(`significance is ${significance}, and must be in (0, 1)`);
  if (correction !== "bonferroni" && correction !== "fdr")
    throw parameterInvalid(`correction is ${String(correction)}, and must be bonferroni or fdr`);
  return {
    tool,
    compare(reference, current) {
      const tested = pairsOf(reference, current).map(([name, before, now]) =>
        testOf(name, before, now, categorical.includes(name)),
      );
      const scores = tested.map(({ score }) => score).filter((score) => score !== undefined);
      const threshold =
        correction === "bonferroni" ? significance / tested.length : steppedLevel(scores, significance, tested.length);
      const columns = tested.map((column) =>
        column.score === undefined ? column : { ...column, threshold, drifted: column.score < threshold },
      );
      return { tool, columns, ...anyColumn(columns) };
    },
  };
}

const anyColumn = (columns: readonly ToolColumn[]): DatasetDrift => {
  const found = datasetDrift(columns);
  return { ...found, drifted: found.driftedColumns.length > 0 };
};

/** The largest level of Benjamini and Hochberg's steps that a p-value lies below; none: the smallest. */
function steppedLevel(scores: readonly number[], level: number, count: number): number {
  const sorted = [...scores].sort((a, b) => a - b);
  const levels = sorted.map((_, index) => (level * (index + 1)) / count);
  const last = sorted.findLastIndex((score, index) => score < (levels[index] as number));
  return levels[Math.max(0, last)] ?? level / Math.max(1, count);
}

function testOf(name: string, before: ToolValues, now: ToolValues, asCategories: boolean): ToolColumn {
  if (before.kind === "other") return { name, reason: "Columns of this type are neither numbers nor categories." };
  if (before.nulls + now.nulls > 0) return { name, reason: "Alibi Detect finds no p-value where there are nulls." };
  const isNumber = before.kind === "float" || before.kind === "integer";
  const [x, y] = isNumber ? [before.numbers, now.numbers] : [before.texts, now.texts];
  if (x.length === 0 || y.length === 0)
    return { name, reason: `The ${x.length === 0 ? "reference" : "current side"} has no value.` };
  if (isNumber && !asCategories) {
    const { pValue } = kolmogorovSmirnov(before.numbers, now.numbers, { method: "asymptotic" });
    return { name, kind: "numerical", method: "K-S", score: pValue };
  }
  const counts = countPairs<number | string | boolean>(x, y);
  return {
    name,
    kind: "categorical",
    method: "Chi2",
    score: chiSquaredContingency(counts.before, counts.now, { correction: true }).pValue,
  };
}
