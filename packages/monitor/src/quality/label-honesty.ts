import { qualityInvalid } from "../errors.ts";
import { benjaminiHochberg, chiSquaredContingency, jensenShannon, wilsonInterval } from "../statistics/count-tests.ts";
import { kolmogorovSmirnov } from "../statistics/sample-tests.ts";
import { type BinaryQuality, scoreBinary } from "./binary.ts";
import { type ClassesQuality, type ClassName, scoreClasses } from "./classes.ts";
import type { LabelledAnswers } from "./join-labels.ts";
import type { IntervalOptions } from "./metric-value.ts";
import { type RegressionQuality, scoreRegression } from "./regression.ts";
import { pickRows, type SegmentValue } from "./segments.ts";

/** How long labels took, milliseconds; NaN without labels. */
export interface LagDistribution {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly largest: number;
}

/** One way in which the labelled differ from the others. */
export interface SelectionTest {
  /** `score`, or a segment column. */
  readonly by: string;
  /** Of scores the Kolmogorov–Smirnov distance, of segments the Jensen–Shannon distance (base 2). */
  readonly distance: number;
  /** After Benjamini and Hochberg over all tests. */
  readonly pValue: number;
  readonly differs: boolean;
}

/** What labels can say of all answers. */
export interface LabelCoverage {
  readonly answers: number;
  readonly labelled: number;
  /** Labelled over answers, with Wilson's 95 % interval; 0 without answers. */
  readonly coverage: { readonly value: number; readonly low: number; readonly high: number };
  readonly lag: LagDistribution;
  /** Of answers that are older than 95 % of the lags: the others' labels may still come. NaN without such. */
  readonly settledCoverage: number;
  /** Whether the labelled are no random part of all answers, so that numbers on them alone are one-sided. */
  readonly selective: boolean;
  /** One sentence for each way in which they differ, and for too few labels. */
  readonly warnings: readonly string[];
  readonly tests: readonly SelectionTest[];
}

export interface LabelCoverageOptions {
  /** When the labels were looked at, for `settledCoverage`. Default: when the last label came. */
  readonly nowMs?: number | undefined;
  /** Default: 0.001. */
  readonly alpha?: number | undefined;
  /** Smallest distance that matters, in (0, 1]. Default: 0.05. */
  readonly minimumDistance?: number | undefined;
  /** Fewest labels that anything is said on. Default: 30. */
  readonly minimumLabels?: number | undefined;
}

/** How many answers are labelled, how long that took, and whether they are like the others. Throws `MONITOR_QUALITY_INVALID`. */
export function labelCoverage(answers: LabelledAnswers, options: LabelCoverageOptions = {}): LabelCoverage {
  const { alpha = 0.001, minimumDistance = 0.05, minimumLabels = 30 } = options;
  if (!(alpha > 0 && alpha <= 1)) throw qualityInvalid(`alpha must be in (0, 1], not ${String(alpha)}`);
  const { truths, timesMs } = answers;
  const lags = answers.lagsMs.filter((lag) => !Number.isNaN(lag)).sort();
  const total = truths.length;
  const labelled = lags.length;
  const share = total === 0 ? 0 : labelled / total;
  const [low, high] = wilsonInterval(labelled, total);
  const tests = selectionTests(answers, alpha, minimumDistance);
  const lastMs = timesMs.reduce((last, timeMs, row) => Math.max(last, timeMs + (answers.lagsMs[row] || 0)), 0);
  const settledBefore = (options.nowMs ?? lastMs) - quantile(lags, 0.95);
  const settled = Array.from(truths.keys()).filter((row) => (timesMs[row] as number) <= settledBefore);
  const differing = tests.filter(({ differs }) => differs);
  const percent = Number((share * 100).toPrecision(3));
  return {
    answers: total,
    labelled,
    coverage: { value: share, low, high },
    lag: {
      median: quantile(lags, 0.5),
      p90: quantile(lags, 0.9),
      p99: quantile(lags, 0.99),
      largest: lags.at(-1) ?? Number.NaN,
    },
    settledCoverage: settled.filter((row) => !Number.isNaN(truths[row])).length / settled.length,
    selective: differing.length > 0,
    warnings: [
      ...(labelled < minimumLabels ? [`Only ${labelled} of ${total} answers are labelled.`] : []),
      ...differing.map(
        ({ by, distance }) =>
          `The labelled ${percent} % differ from the other answers by ${by} (distance ${Number(distance.toPrecision(2))}): what is measured on them alone is one-sided.`,
      ),
    ],
    tests,
  };
}

const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;

const isLabelled = ({ truths }: LabelledAnswers, row: number): boolean => !Number.isNaN(truths[row]);

function selectionTests(answers: LabelledAnswers, alpha: number, minimumDistance: number): readonly SelectionTest[] {
  const all = Array.from(answers.truths.keys());
  const [yes, no] = [all.filter((row) => isLabelled(answers, row)), all.filter((row) => !isLabelled(answers, row))];
  if (yes.length === 0 || no.length === 0) return [];
  const finite = (rows: readonly number[]): number[] =>
    rows.map((row) => answers.scores[row] as number).filter((score) => Number.isFinite(score));
  const found: { by: string; distance: number; pValue: number }[] = [];
  const [with_, without] = [finite(yes), finite(no)];
  if (answers.kind !== "classes" && with_.length > 0 && without.length > 0) {
    const { statistic, pValue } = kolmogorovSmirnov(with_, without);
    found.push({ by: "score", distance: statistic, pValue });
  }
  const columns: Readonly<Record<string, ArrayLike<SegmentValue>>> =
    answers.kind === "classes" ? { score: Array.from(answers.scores), ...answers.segments } : answers.segments;
  for (const [by, values] of Object.entries(columns)) {
    const names = [...new Set(Array.from(values))];
    const counts = (rows: readonly number[]): number[] => {
      const counted = new Map<SegmentValue, number>();
      for (const row of rows) counted.set(values[row], (counted.get(values[row]) ?? 0) + 1);
      return names.map((name) => counted.get(name) ?? 0);
    };
    const [a, b] = [counts(yes), counts(no)];
    found.push({ by, distance: jensenShannon(a, b), pValue: chiSquaredContingency(a, b).pValue });
  }
  const adjusted = benjaminiHochberg(found.map(({ pValue }) => pValue));
  return found.map(({ by, distance }, index) => {
    const pValue = adjusted[index] as number;
    return { by, distance, pValue, differs: pValue <= alpha && distance >= minimumDistance };
  });
}

export interface LabelWeights {
  /** By answer: one over the share of its like that is labelled; 0 where it has no label. */
  readonly weights: Float64Array;
  /** Answers none of whose like is labelled, over all: nothing is known of them. */
  readonly unreached: number;
}

export interface LabelWeightOptions {
  /** Scores are alike within so many bins of equal shares. Default: 10. */
  readonly scoreBins?: number | undefined;
  /** Fewest labels of a group of like answers; smaller ones are put together. Default: 10. */
  readonly minimumLabels?: number | undefined;
}

/**
 * Weights that make the labelled stand for all answers, where labels come by chance among answers alike in score and segments (inverse propensity weighting, Horvitz and
 * Thompson, 1952, by groups). What else labels depend on, such as the truth itself, they do not mend. Throws `MONITOR_QUALITY_INVALID`.
 */
export function labelWeights(answers: LabelledAnswers, options: LabelWeightOptions = {}): LabelWeights {
  const { scoreBins = 10, minimumLabels = 10 } = options;
  if (!Number.isSafeInteger(scoreBins) || scoreBins < 1 || !(minimumLabels >= 1))
    throw qualityInvalid(
      `scoreBins and minimumLabels must be from 1, not ${String(scoreBins)} and ${String(minimumLabels)}`,
    );
  const { scores, segments } = answers;
  const sorted = scores.filter((score) => Number.isFinite(score)).sort();
  const edges = Array.from({ length: scoreBins - 1 }, (_, at) => quantile(sorted, (at + 1) / scoreBins));
  const columns = Object.values(segments);
  const bins = Array.from(scores, (score) => edges.filter((edge) => score > edge).length);
  let groups = bins.map((bin, row) => JSON.stringify([bin, ...columns.map((values) => values[row])]));
  // Groups of few labels join the rest of their bin, and where that has few either, all of the rest.
  groups = pooled(answers, groups, minimumLabels, (row) => `bin ${bins[row]}`);
  groups = pooled(answers, groups, minimumLabels, () => "rest");
  const counts = countsOf(answers, groups);
  const weights = Float64Array.from(groups, (group, row) => {
    const { all, labelled } = counts.get(group) as GroupCount;
    return isLabelled(answers, row) ? all / labelled : 0;
  });
  const unreached = [...counts.values()].reduce((sum, { all, labelled }) => sum + (labelled === 0 ? all : 0), 0);
  return { weights, unreached: groups.length === 0 ? 0 : unreached / groups.length };
}

interface GroupCount {
  all: number;
  labelled: number;
}

function countsOf(answers: LabelledAnswers, groups: readonly string[]): ReadonlyMap<string, GroupCount> {
  const counts = new Map<string, GroupCount>();
  for (const [row, group] of groups.entries()) {
    const count = counts.get(group) ?? { all: 0, labelled: 0 };
    counts.set(group, count);
    count.all += 1;
    if (isLabelled(answers, row)) count.labelled += 1;
  }
  return counts;
}

function pooled(
  answers: LabelledAnswers,
  groups: readonly string[],
  minimum: number,
  into: (row: number) => string,
): string[] {
  const counts = countsOf(answers, groups);
  return groups.map((group, row) => ((counts.get(group)?.labelled ?? 0) >= minimum ? group : into(row)));
}

export interface LabelledQuality<Report> {
  readonly coverage: LabelCoverage;
  /** On the labelled as they are. */
  readonly measured: Report;
  /** With the labelled weighted to stand for all answers; see `labelWeights`. */
  readonly corrected: Report;
  readonly unreached: number;
}

export interface LabelledQualityOptions extends Omit<IntervalOptions, "weights">, LabelCoverageOptions {
  /** For `binary`. Default: 0.5. */
  readonly threshold?: number | undefined;
}

/** Quality of joined answers with what it rests on: coverage, lags, whether the labelled are like the others, and the numbers corrected for that. Throws `MONITOR_QUALITY_INVALID`. */
export function scoreLabelled(
  answers: LabelledAnswers,
  options: LabelledQualityOptions = {},
): LabelledQuality<BinaryQuality | ClassesQuality | RegressionQuality> {
  const { weights, unreached } = labelWeights(answers, { minimumLabels: Math.min(10, options.minimumLabels ?? 10) });
  const rows = Int32Array.from(answers.truths.keys()).filter((row) => isLabelled(answers, row));
  const score = (given: readonly number[] | undefined): BinaryQuality | ClassesQuality | RegressionQuality =>
    scoreRows(answers, rows, { ...options, weights: given });
  return {
    coverage: labelCoverage(answers, options),
    measured: score(undefined),
    corrected: score(pickRows(weights, rows)),
    unreached,
  };
}

function scoreRows(
  { kind, truths, scores, probabilities, classes }: LabelledAnswers,
  rows: Int32Array,
  options: IntervalOptions & { readonly threshold?: number | undefined },
): BinaryQuality | ClassesQuality | RegressionQuality {
  const [truth, answer] = [pickRows(truths, rows), pickRows(scores, rows)];
  if (kind === "binary") return scoreBinary(truth, answer, options);
  if (kind === "regression") return scoreRegression(truth, answer, options);
  const named = (numbers: readonly number[]): ClassName[] => numbers.map((number) => classes[number] as ClassName);
  const width = classes.length;
  const given = Array.from(rows).flatMap((row) => Array.from(probabilities.subarray(row * width, (row + 1) * width)));
  return scoreClasses(named(truth), named(answer), { ...options, classes, probabilities: given });
}
