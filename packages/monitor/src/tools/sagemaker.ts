import { parameterInvalid } from "../errors.ts";
import { largestDifference } from "../statistics/count-tests.ts";
import { kolmogorovSmirnov } from "../statistics/sample-tests.ts";
import { type DatasetDriftOptions, datasetDrift } from "./dataset-drift.ts";
import { countPairs, pairsOf, type ToolColumn, type ToolProfile, type ToolValues } from "./tool-profile.ts";

export interface SagemakerOptions extends DatasetDriftOptions {
  /** `Simple`: the largest difference; `Robust`: less what chance explains, 1.8·√((n + m) / (n·m)). Default: `Robust`, as in constraints.json. */
  readonly comparisonMethod?: "Simple" | "Robust" | undefined;
  /** Distances above it drift, in [0, 1]. Default: 0.1. */
  readonly comparisonThreshold?: number | undefined;
  /** The same for texts and booleans. Default: `comparisonThreshold`. */
  readonly categoricalThreshold?: number | undefined;
}

const tool = "sagemaker model-monitor";

/**
 * The baseline drift check of Model Monitor, by Deequ's formulas: the largest difference of two cumulative distributions of numbers, or of one share of texts and booleans, above 0.1. From the rows themselves, so that
 * no sketch blurs it; `distributionDistance` of `@millwright/data` has it from two profiles. Any column is enough: Model Monitor reports each violation, and `share` judges the table besides.
 */
export function sagemakerProfile(options: SagemakerOptions = {}): ToolProfile {
  const {
    comparisonMethod = "Robust",
    comparisonThreshold = 0.1,
    categoricalThreshold = comparisonThreshold,
  } = options;
  if (comparisonMethod !== "Simple" && comparisonMethod !== "Robust")
    throw parameterInvalid(`comparisonMethod is ${String(comparisonMethod)}, and must be Simple or Robust`);
  for (const threshold of [comparisonThreshold, categoricalThreshold])
    if (!(threshold >= 0 && threshold <= 1))
      throw parameterInvalid(`a threshold is ${threshold}, and must be in [0, 1]`);
  return {
    tool,
    compare(reference, current) {
      const columns = pairsOf(reference, current).map(([name, before, now]): ToolColumn => {
        const measured = distanceOf(before, now);
        if (measured === undefined)
          return { name, reason: "A side has no value, or the column is neither numbers nor texts." };
        const { distance, n, m } = measured;
        const score =
          comparisonMethod === "Simple" ? distance : Math.max(0, distance - 1.8 * Math.sqrt((n + m) / (n * m)));
        const threshold = measured.kind === "numerical" ? comparisonThreshold : categoricalThreshold;
        return {
          name,
          kind: measured.kind,
          method: comparisonMethod === "Simple" ? "linf_simple" : "linf_robust",
          score,
          threshold,
          drifted: score > threshold,
        };
      });
      return { tool, columns, ...datasetDrift(columns, options) };
    },
  };
}

function distanceOf(before: ToolValues, now: ToolValues) {
  const isNumber = before.kind === "float" || before.kind === "integer";
  const [n, m] = isNumber ? [before.numbers.length, now.numbers.length] : [before.texts.length, now.texts.length];
  if (n === 0 || m === 0) return undefined;
  if (isNumber)
    return {
      kind: "numerical" as const,
      n,
      m,
      distance: kolmogorovSmirnov(before.numbers, now.numbers, { method: "asymptotic" }).statistic,
    };
  const counts = countPairs(before.texts, now.texts);
  return { kind: "categorical" as const, n, m, distance: largestDifference(counts.before, counts.now) };
}
