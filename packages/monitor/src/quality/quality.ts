import type { CapturedLabel, Tensor } from "@millwright/contracts";
import { z95 } from "../statistics/distributions.ts";

/** How an endpoint's answers are scored once the truth is known. */
export interface QualityOptions {
  /** The output tensor that holds the answer: shape `[rows]`, `[rows, 1]`, or `[rows, 2]` whose second column is the probability. */
  readonly output: string;
  /** `binary`: the output is a probability of the positive label; `regression`: it is the value itself. */
  readonly kind: "binary" | "regression";
  /** The label that is positive, for `binary`. Default: true, 1, "1" and "true". */
  readonly positive?: CapturedLabel["value"] | undefined;
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
  /** Labels over predictions, in [0, 1]: what the other numbers rest on. Labels that come for some kinds of answers only make them one-sided. */
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
}

/** Sums that quality is computed from: they merge by adding, and a corrected label takes its first part back. */
export type QualitySums = {
  predictions: number;
  labels: number;
  lagMs: number;
  largestLagMs: number;
  logLoss: number;
  logLossSquared: number;
  brier: number;
  brierSquared: number;
  predicted: number;
  actual: number;
};

export function emptyQuality(): QualitySums {
  return {
    predictions: 0,
    labels: 0,
    lagMs: 0,
    largestLagMs: 0,
    logLoss: 0,
    logLossSquared: 0,
    brier: 0,
    brierSquared: 0,
    predicted: 0,
    actual: 0,
  };
}

export function mergeQuality(a: QualitySums, b: QualitySums): QualitySums {
  const sum = emptyQuality();
  for (const key of Object.keys(sum) as (keyof QualitySums)[]) sum[key] = a[key] + b[key];
  sum.largestLagMs = Math.max(a.largestLagMs, b.largestLagMs);
  return sum;
}

/** Counts one labelled answer; `sign` −1 takes it back. */
export function addOutcome(sums: QualitySums, predicted: number, actual: number, lagMs: number, sign: 1 | -1): void {
  const clipped = Math.min(1 - 1e-15, Math.max(1e-15, predicted));
  const logLoss = -(actual * Math.log(clipped) + (1 - actual) * Math.log1p(-clipped));
  const brier = (predicted - actual) ** 2;
  sums.labels += sign;
  sums.lagMs += sign * lagMs;
  if (sign > 0) sums.largestLagMs = Math.max(sums.largestLagMs, lagMs);
  sums.logLoss += sign * logLoss;
  sums.logLossSquared += sign * logLoss * logLoss;
  sums.brier += sign * brier;
  sums.brierSquared += sign * brier * brier;
  sums.predicted += sign * predicted;
  sums.actual += sign * actual;
}

export function readQuality(sums: QualitySums): Quality {
  const { predictions, labels } = sums;
  return {
    predictions,
    labels,
    coverage: predictions === 0 ? 0 : Math.min(1, labels / predictions),
    meanLagMs: sums.lagMs / labels,
    largestLagMs: sums.largestLagMs,
    logLoss: estimate(sums.logLoss, sums.logLossSquared, labels),
    brier: estimate(sums.brier, sums.brierSquared, labels),
    meanPredicted: sums.predicted / labels,
    meanActual: sums.actual / labels,
  };
}

function estimate(sum: number, squares: number, count: number): Estimate {
  const mean = sum / count;
  const variance = count < 2 ? 0 : Math.max(0, squares - count * mean * mean) / (count - 1);
  const standardError = count < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(variance / count);
  return { mean, standardError, low: mean - z95 * standardError, high: mean + z95 * standardError };
}

/** @returns the answer of each row; undefined where the tensor holds no numbers of such a shape. */
export function scoresOf(tensor: Tensor | undefined): Float64Array | undefined {
  if (tensor === undefined || tensor.dtype === "string") return undefined;
  const [rows = 0, width = 1] = tensor.shape;
  if (tensor.shape.length > 2 || (width !== 1 && width !== 2)) return undefined;
  return Float64Array.from({ length: rows }, (_, row) => Number(tensor.data[row * width + width - 1]));
}

/** @returns the label as a number; undefined where it is none. */
export function truthOf(value: CapturedLabel["value"], { kind, positive }: QualityOptions): number | undefined {
  if (kind === "binary" && positive !== undefined) return value === positive ? 1 : 0;
  const number = value === "true" ? 1 : value === "false" ? 0 : value === "" ? Number.NaN : Number(value);
  if (!Number.isFinite(number) || (kind === "binary" && number !== 0 && number !== 1)) return undefined;
  return number;
}
