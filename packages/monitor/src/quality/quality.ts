import type { CapturedLabel, Tensor } from "@millwright/contracts";
import { z95 } from "../statistics/distributions.ts";
import { chiSquaredContingency, jensenShannon } from "../statistics/count-tests.ts";
import { area, type MetricValue, none, proportion } from "./metric-value.ts";
import type { ClassesQuality, ClassName } from "./classes.ts";
import { type ClassSums, readClasses } from "./class-sums.ts";
import type { QualitySums, ScoreCell } from "./quality-sums.ts";
import { delong } from "./roc.ts";

/** How an endpoint's answers are scored once the truth is known. */
export interface QualityOptions {
  /** The output tensor that holds the answer: shape `[rows]`, `[rows, 1]`, or `[rows, 2]` whose second column is the probability; for `classes` `[rows, classes]`. */
  readonly output: string;
  /** `binary`: the output is a probability of the positive label; `regression`: it is the value itself; `classes`: it is a probability of each class. */
  readonly kind: "binary" | "regression" | "classes";
  /** For `classes`: their names, as labels tell them, in the order of the output; 2 to 100. */
  readonly classes?: readonly ClassName[] | undefined;
  /** For `classes`: answers count as right for `topAccuracy` where the truth is among so many most probable classes. Default: 3. */
  readonly top?: number | undefined;
  /** The label that is positive, for `binary`. Default: true, 1, "1" and "true". */
  readonly positive?: CapturedLabel["value"] | undefined;
  /** Probabilities from here on count as positive answers, for `binary`. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** Features by whose values quality is told apart too, as the redactor leaves them; a few values each, since each has sums of its own. Default: none. */
  readonly segments?: readonly string[] | undefined;
}

/** A mean with its 95 % interval by the normal approximation. */
export interface Estimate {
  readonly mean: number;
  readonly standardError: number;
  readonly low: number;
  readonly high: number;
}

/** How good a variant's answers were, as far as labels have come. */
export interface Quality {
  /** Answers that a label could come for, one per row. */
  readonly predictions: number;
  readonly labels: number;
  /** Of these, labels of answers that are not among `predictions`: what was counted of them was lost with a process, and they were found in the log of answers. */
  readonly recovered: number;
  /** Labels, but for those recovered, over predictions, in [0, 1]: what the other numbers rest on. Labels that come for some kinds of answers only make them one-sided. */
  readonly coverage: number;
  /** From answer to label. NaN without labels. */
  readonly meanLagMs: number;
  readonly largestLagMs: number;
  /** Means over labelled answers; NaN without labels. Probabilities are held 1e-15 away from 0 and 1. */
  readonly logLoss: Estimate;
  /** Squared distance of the probability from 0 or 1; for `regression` the squared error. */
  readonly brier: Estimate;
  /** Mean answer and mean truth of labelled rows: equal where calibrated. */
  readonly meanPredicted: number;
  readonly meanActual: number;
  /** From answer to label, within 4.5 %. NaN without labels. */
  readonly lag: { readonly medianMs: number; readonly p90Ms: number; readonly p99Ms: number };
  /** Of `binary` answers, at the threshold, with Wilson's interval; NaN otherwise. */
  readonly accuracy: MetricValue;
  readonly precision: MetricValue;
  readonly recall: MetricValue;
  /** Of `binary` answers, from bins of a sixteenth of the log-odds, with DeLong's interval; NaN otherwise. */
  readonly auc: MetricValue;
  /** Most that the bins may have moved `auc`: half of the pairs that share a bin. */
  readonly aucError: number;
  /**
   * Of `classes`, as `scoreClasses` tells it of the labelled answers: confusion, each class, and the metrics; without areas under curves. Undefined without labels, and for other kinds. `accuracy`
   * is that of the answers then, `meanPredicted` the mean of the largest probabilities and `meanActual` the share of right answers: equal where calibrated; `brier` sums over the classes.
   */
  readonly classes: ClassesQuality | undefined;
  /** Whether the labelled have other scores than the rest (chi-squared over tenths, p ≤ 0.001 and Jensen–Shannon distance ≥ 0.05): then the numbers above are one-sided. */
  readonly selective: boolean;
  /**
   * Means with each tenth of the scores weighted as it occurs among all answers (post-stratification): right where labels come by chance among answers of like score.
   * `unreached` is the share of answers in tenths without any label.
   */
  readonly corrected: {
    readonly logLoss: number;
    readonly brier: number;
    readonly meanActual: number;
    readonly unreached: number;
  };
  /** The same by segment column and value; what is beyond 200 values stands under `(other)`. */
  readonly segments: Readonly<Record<string, Readonly<Record<string, Quality>>>>;
}

/** @returns what the sums say. */
export function readQuality(sums: QualitySums): Quality {
  const { predictions, labels, recovered } = sums;
  const coverage = predictions === 0 ? 0 : Math.min(1, (labels - recovered) / predictions);
  return {
    predictions,
    labels,
    recovered,
    coverage,
    meanLagMs: sums.lagMs / labels,
    largestLagMs: sums.largestLagMs,
    lag: lagsOf(sums),
    logLoss: estimate(sums.logLoss, sums.logLossSquared, labels),
    brier: estimate(sums.brier, sums.brierSquared, labels),
    meanPredicted: sums.predicted / labels,
    meanActual: sums.actual / labels,
    ...classified(sums),
    ...(sums.classes === undefined ? { classes: undefined } : ofClasses(sums.classes, sums)),
    ...selectionOf(sums),
    segments: segmentsOf(sums),
  };
}

function ofClasses(classes: ClassSums, sums: QualitySums): Pick<Quality, "classes" | "accuracy"> {
  const { mean, low, high } = estimate(sums.logLoss, sums.logLossSquared, sums.labels);
  const all = { labels: sums.labels, hits: sums.actual };
  const found = readClasses(classes, all, { value: mean, low, high, interval: "delta" });
  return { classes: found, accuracy: found.metrics.accuracy };
}

function segmentsOf({ segments }: QualitySums): Quality["segments"] {
  const columns: Record<string, Record<string, Quality>> = {};
  for (const [key, sums] of segments) {
    const [column, value] = JSON.parse(key) as [string, string];
    (columns[column] ??= {})[value] = readQuality(sums);
  }
  return columns;
}

function lagsOf({ lags, labels, largestLagMs }: QualitySums): Quality["lag"] {
  const bins = [...lags].filter(([, count]) => count > 0).toSorted(([a], [b]) => a - b);
  const at = (share: number): number => {
    let below = 0;
    for (const [bin, count] of bins) {
      below += count;
      if (below >= share * labels) return bin === 0 ? 0 : Math.min(largestLagMs, 2 ** (bin / 8));
    }
    return Number.NaN;
  };
  return { medianMs: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}

const sortedCells = ({ cells }: QualitySums): readonly ScoreCell[] =>
  [...cells].toSorted(([a], [b]) => a - b).map(([, cell]) => cell);

function classified(sums: QualitySums): Pick<Quality, "accuracy" | "precision" | "recall" | "auc" | "aucError"> {
  const { truePositives: tp, falsePositives: fp, trueNegatives: tn, falseNegatives: fn } = sums;
  const share = (hits: number, total: number): MetricValue => proportion(hits, total, total);
  const runs = sortedCells(sums)
    .filter(({ labels }) => labels > 0)
    .map(({ labels, actual }) => ({ positives: actual, negatives: labels - actual }));
  const [positives, negatives] = [tp + fn, fp + tn];
  const isBinary = positives + negatives > 0;
  const { auc, variance } = isBinary ? delong(runs) : { auc: Number.NaN, variance: 0 };
  const tied = runs.reduce((sum, run) => sum + run.positives * run.negatives, 0);
  return {
    accuracy: share(tp + tn, positives + negatives),
    precision: share(tp, tp + fp),
    recall: share(tp, positives),
    auc: isBinary ? area(auc, Number.isNaN(variance) ? 0 : variance, Math.min(positives, negatives)) : none(Number.NaN),
    aucError: isBinary && positives * negatives > 0 ? tied / (2 * positives * negatives) : Number.NaN,
  };
}

/** Most groups of like scores that selection is looked for in. */
const mostStrata = 10;
const selectionAlpha = 0.001;
const selectionDistance = 0.05;

/** Whether the labelled have other scores than the rest, and the losses weighted to stand for all answers, by strata of scores. */
function selectionOf(sums: QualitySums): Pick<Quality, "selective" | "corrected"> {
  const strata: ScoreCell[] = [];
  const total = sortedCells(sums).reduce((sum, { answers }) => sum + answers, 0);
  for (const cell of sortedCells(sums)) {
    const last = strata.at(-1);
    if (last === undefined || last.answers >= total / mostStrata) strata.push({ ...cell });
    else for (const name of ["answers", "labels", "actual", "logLoss", "brier"] as const) last[name] += cell[name];
  }
  const labelled = strata.map(({ labels }) => labels);
  const rest = strata.map(({ answers, labels }) => Math.max(0, answers - labels));
  const someOf = (counts: readonly number[]): boolean => counts.some((count) => count > 0);
  const differs =
    someOf(labelled) &&
    someOf(rest) &&
    chiSquaredContingency(labelled, rest).pValue <= selectionAlpha &&
    jensenShannon(labelled, rest) >= selectionDistance;
  const reached = strata.filter(({ labels }) => labels > 0);
  const of = reached.reduce((sum, { answers }) => sum + answers, 0);
  const mean = (part: "logLoss" | "brier" | "actual"): number =>
    reached.reduce((sum, stratum) => sum + (stratum.answers * stratum[part]) / stratum.labels, 0) / of;
  return {
    selective: differs,
    corrected: {
      logLoss: mean("logLoss"),
      brier: mean("brier"),
      meanActual: mean("actual"),
      unreached: total === 0 ? 0 : 1 - of / total,
    },
  };
}

function estimate(sum: number, squares: number, count: number): Estimate {
  const mean = sum / count;
  const variance = count < 2 ? 0 : Math.max(0, squares - count * mean * mean) / (count - 1);
  const standardError = count < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(variance / count);
  return { mean, standardError, low: mean - z95 * standardError, high: mean + z95 * standardError };
}

/** @returns the answer of each row, of `classes` a number for each class; undefined where the tensor holds no numbers of such a shape. */
export function scoresOf(tensor: Tensor | undefined, { classes }: QualityOptions): readonly number[] | undefined {
  if (tensor === undefined || tensor.dtype === "string" || tensor.shape.length > 2) return undefined;
  const [rows = 0, width = 1] = tensor.shape;
  if (classes !== undefined) return width === classes.length ? Array.from(tensor.data, Number) : undefined;
  if (width !== 1 && width !== 2) return undefined;
  return Array.from({ length: rows }, (_, row) => Number(tensor.data[row * width + width - 1]));
}

/** @returns the label as a number, of `classes` the number of the class; undefined where it is none. */
export function truthOf(
  value: CapturedLabel["value"],
  { kind, positive, classes = [] }: QualityOptions,
): number | undefined {
  if (kind === "classes") {
    const index = classes.indexOf(value);
    return index < 0 ? undefined : index;
  }
  if (kind === "binary" && positive !== undefined) return value === positive ? 1 : 0;
  const number = value === "true" ? 1 : value === "false" ? 0 : value === "" ? Number.NaN : Number(value);
  if (!Number.isFinite(number) || (kind === "binary" && number !== 0 && number !== 1)) return undefined;
  return number;
}
