import type { Batch } from "@millwright/contracts";
import { sliceBatch } from "@millwright/data";
import { type Chunk, chunksByCount } from "./chunks.ts";
import { type DatasetDriftOptions, datasetDrift } from "./dataset-drift.ts";
import {
  type CategoricalMethod,
  categoricalMeasure,
  type ContinuousMethod,
  continuousMeasure,
  type Measured,
} from "./nannyml-methods.ts";
import { clipLimits, isBeyond, type Limits, standardDeviationThreshold, type ThresholdStrategy } from "./thresholds.ts";
import {
  type ColumnKind,
  pairsOf,
  type ToolColumn,
  type ToolProfile,
  type ToolValues,
  valuesOf,
} from "./tool-profile.ts";

export interface NannymlOptions extends DatasetDriftOptions {
  /** Default: `jensen_shannon`. */
  readonly continuousMethod?: ContinuousMethod | undefined;
  /** Default: `jensen_shannon`. */
  readonly categoricalMethod?: CategoricalMethod | undefined;
  /** How rows are cut, of both sides. Default: `chunksByCount(rows)`, ten chunks of one size and one of what remains. */
  readonly chunks?: ((rows: number) => readonly Chunk[]) | undefined;
  /** From the scores of the reference's chunks; chi2, which has its p-value, ignores it. Default: the mean and three standard deviations, the upper side alone. */
  readonly threshold?: ThresholdStrategy | undefined;
}

const tool = "nannyml 0.13.1";
const significance = 0.05;

/**
 * `UnivariateDriftCalculator` with its defaults: the Jensen–Shannon distance (base 2) of each chunk from the whole reference, numbers in Doane's bins of the reference, and limits from
 * the reference's own chunks. Numbers are continuous, texts and booleans categorical; nulls are left out. A column drifts where any chunk alarms; `score` is that of the chunk with the largest. NannyML has
 * no verdict on tables: `share` decides. Throws `MONITOR_PARAMETER_INVALID` where a side has fewer rows than chunks.
 */
export function nannymlProfile(options: NannymlOptions = {}): ToolProfile {
  const {
    continuousMethod = "jensen_shannon",
    categoricalMethod = "jensen_shannon",
    chunks = (rows: number) => chunksByCount(rows),
  } = options;
  const threshold = options.threshold ?? standardDeviationThreshold({ below: null });
  return {
    tool,
    compare(reference, current) {
      const pairs = pairsOf(reference, current);
      const cuts = [reference, current].map((rows) =>
        chunks(rows.length).map((chunk) => ({ chunk, rows: sliceBatch(rows, chunk.start, chunk.end) })),
      ) as [Cut[], Cut[]];
      const columns = pairs.map(([name, before]): ToolColumn => {
        if (before.kind === "other")
          return { name, reason: "Columns of this type have no distribution that NannyML compares." };
        const isNumber = before.kind === "float" || before.kind === "integer";
        const kind: ColumnKind = isNumber ? "numerical" : "categorical";
        const method = isNumber ? continuousMethod : categoricalMethod;
        if (before.numbers.length + before.texts.length === 0)
          return { name, kind, reason: "The reference has no value." };
        const measure = measureOf(before, isNumber, { continuousMethod, categoricalMethod });
        const [own, scores] = cuts.map((each) => each.map(({ rows }) => measure(valuesOf(rows, name)))) as [
          Measured[],
          Measured[],
        ];
        return { name, kind, method, ...verdictOf({ method, own, scores, threshold, chunks: cuts[1] }) };
      });
      return { tool, columns, ...datasetDrift(columns, options) };
    },
  };
}

interface Cut {
  readonly chunk: Chunk;
  readonly rows: Batch;
}

function measureOf(
  reference: ToolValues,
  isNumber: boolean,
  {
    continuousMethod,
    categoricalMethod,
  }: { readonly continuousMethod: ContinuousMethod; readonly categoricalMethod: CategoricalMethod },
): (values: ToolValues) => Measured {
  if (isNumber) {
    const measure = continuousMeasure(continuousMethod, reference.numbers.slice().sort());
    return ({ numbers }) => (numbers.length === 0 ? { score: Number.NaN } : measure(numbers));
  }
  const measure = categoricalMeasure(categoricalMethod, reference.texts);
  return ({ texts }) => (texts.length === 0 ? { score: Number.NaN } : measure(texts));
}

interface Scored {
  readonly method: string;
  /** Of the reference's chunks. */
  readonly own: readonly Measured[];
  readonly scores: readonly Measured[];
  readonly threshold: ThresholdStrategy;
  readonly chunks: readonly Cut[];
}

function verdictOf({ method, own, scores, threshold, chunks }: Scored): Omit<ToolColumn, "name"> {
  const byPValue = method === "chi2";
  const limits: Limits = byPValue
    ? {}
    : clipLimits(threshold.limits(own.map(({ score }) => score)), {
        lowest: 0,
        highest: method === "kolmogorov_smirnov" ? 1 : undefined,
      });
  const judged = scores.map(({ score, pValue = 1 }, index) => ({
    key: (chunks[index] as Cut).chunk.key,
    score,
    drifted: byPValue ? pValue < significance : isBeyond(score, limits),
  }));
  const largest = judged.reduce((most, { score }) => (score > most || Number.isNaN(most) ? score : most), Number.NaN);
  return {
    score: Number.isNaN(largest) ? undefined : largest,
    threshold: byPValue ? significance : limits.upper,
    drifted: judged.some(({ drifted }) => drifted),
    chunks: judged,
  };
}
