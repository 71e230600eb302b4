import type { Batch } from "@millwright/contracts";
import { chiSquaredFit, jensenShannon, twoProportions } from "../statistics/count-tests.ts";
import { kolmogorovSmirnov, wassersteinNormed } from "../statistics/sample-tests.ts";
import { type DatasetDriftOptions, datasetDrift } from "./dataset-drift.ts";
import {
  type ColumnKind,
  countPairs,
  pairsOf,
  type ToolColumn,
  type ToolProfile,
  type ToolValues,
} from "./tool-profile.ts";

export interface EvidentlyOptions extends DatasetDriftOptions {
  /** How columns count that Evidently would judge by their values: integers with at most 10 distinct ones are categorical, others numerical. Default: so. */
  readonly kinds?: Readonly<Record<string, ColumnKind>> | undefined;
}

const tool = "evidently 0.7";
/** References with more rows than this get distances in place of tests. */
const smallReference = 1_000;
const fewValues = 5;
const mostCategories = 10;
const significance = 0.05;
const distance = 0.1;

/**
 * `DataDriftPreset` with its defaults. Up to 1,000 reference rows without nulls: Kolmogorov–Smirnov for numbers with more than 5 distinct values on both sides together,
 * else chi-squared of the current counts against the reference's shares, or a z-test for at most two values; above: the Wasserstein distance in standard deviations of the reference, else
 * the Jensen–Shannon distance to base e. p-values of at most (Kolmogorov–Smirnov) or below 0.05 drift, distances from 0.1 on. Nulls and infinities are left out first. Texts of which more than half
 * are distinct, which Evidently judges by a classifier of their words, and booleans with nulls, which it refuses, are not compared.
 */
export function evidentlyProfile({ kinds = {}, ...dataset }: EvidentlyOptions = {}): ToolProfile {
  return {
    tool,
    compare(reference: Batch, current: Batch) {
      const columns = pairsOf(reference, current).map(([name, before, now]) => judge(name, before, now, kinds[name]));
      return { tool, columns, ...datasetDrift(columns, dataset) };
    },
  };
}

/** The kind that `Dataset.from_pandas` finds in the current side, or why none. */
function kindOf(now: ToolValues): ColumnKind | { readonly reason: string } {
  switch (now.kind) {
    case "float":
      return "numerical";
    case "integer":
      // With a null, pandas has floats.
      return now.nulls > 0 || new Set(now.numbers).size > mostCategories ? "numerical" : "categorical";
    case "boolean":
      return now.nulls > 0 ? { reason: "Evidently knows no type for booleans with nulls." } : "categorical";
    case "text":
      if (now.texts.length === 0) return { reason: "The current side has no value." };
      return new Set(now.texts).size > now.texts.length / 2
        ? { reason: "More than half of the texts are distinct: Evidently takes them as prose." }
        : "categorical";
    default:
      return { reason: "Columns of this type have no distribution that Evidently compares." };
  }
}

const finite = (values: Float64Array): Float64Array => values.filter(Number.isFinite);

function judge(name: string, before: ToolValues, now: ToolValues, given: ColumnKind | undefined): ToolColumn {
  const kind = given ?? kindOf(now);
  if (typeof kind === "object") return { name, reason: kind.reason };
  const numeric = before.kind === "float" || before.kind === "integer";
  if (kind === "numerical" && !numeric) return { name, reason: "The column holds no numbers." };
  const [x, y] = numeric ? [finite(before.numbers), finite(now.numbers)] : [before.texts, now.texts];
  if (x.length === 0 || y.length === 0)
    return { name, kind, reason: `The ${x.length === 0 ? "reference" : "current side"} has no value.` };
  const { keys, before: counts, now: counted } = countPairs<number | string | boolean>(x, y);
  const small = x.length <= smallReference;
  if (kind === "numerical" && keys.length > fewValues) {
    const [numbers, others] = [x as Float64Array, y as Float64Array];
    if (!small) return byDistance(name, kind, "Wasserstein distance (normed)", wassersteinNormed(numbers, others));
    const { pValue } = kolmogorovSmirnov(numbers, others);
    return {
      name,
      kind,
      method: "K-S p_value",
      score: pValue,
      threshold: significance,
      drifted: pValue <= significance,
    };
  }
  if (!small) return byDistance(name, kind, "Jensen-Shannon distance", jensenShannon(counts, counted, "e"));
  const [method, pValue] =
    keys.length > 2
      ? (["chi-square p_value", chiSquaredFit(counts, counted).pValue] as const)
      : (["Z-test p_value", keys.length < 2 ? 1 : ofTwo(counts, counted)] as const);
  return { name, kind, method, score: pValue, threshold: significance, drifted: pValue < significance };
}

const ofTwo = (before: readonly number[], now: readonly number[]): number => {
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  return twoProportions(before[0] as number, total(before), now[0] as number, total(now)).pValue;
};

const byDistance = (name: string, kind: ColumnKind, method: string, score: number): ToolColumn => ({
  name,
  kind,
  method,
  score,
  threshold: distance,
  drifted: score >= distance,
});
