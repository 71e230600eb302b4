import type { Statistic } from "./bootstrap.ts";

/** How good answers are. */
export type Metric = "accuracy" | "areaUnder" | "brier" | "logLoss" | "meanAbsoluteError" | "rmse";

/** Whether more is better. */
export const isGain = (metric: Metric): boolean => metric === "accuracy" || metric === "areaUnder";

export type MetricTask = "binary" | "multiclass" | "regression";

export const metricsOf: Readonly<Record<MetricTask, readonly Metric[]>> = {
  binary: ["logLoss", "accuracy", "areaUnder", "brier"],
  multiclass: ["logLoss", "accuracy"],
  regression: ["rmse", "meanAbsoluteError"],
};

/** scikit-learn's: an answer of 0 must not cost infinitely much. */
const least = 2 ** -52;

/** @param answers One number a row, or for `multiclass` `classes` a row. */
export function scoreOf(
  metric: Metric,
  labels: Float64Array,
  answers: Float64Array,
  weights: Float64Array,
  classes: number,
): Statistic {
  if (metric === "areaUnder") return areaUnder(labels, answers, weights);
  const losses = labels.map((label, row) => lossOf(metric, label, answers, row, classes));
  return (counts) => {
    let [sum, total] = [0, 0];
    for (let row = 0; row < losses.length; row += 1) {
      const weight = counts[row]! * weights[row]!;
      sum += weight * losses[row]!;
      total += weight;
    }
    const mean = sum / total;
    return metric === "rmse" ? Math.sqrt(mean) : mean;
  };
}

function lossOf(metric: Metric, label: number, answers: Float64Array, row: number, classes: number): number {
  const answer = answers[row]!;
  if (metric === "rmse") return (answer - label) ** 2;
  if (metric === "meanAbsoluteError") return Math.abs(answer - label);
  if (metric === "brier") return (answer - label) ** 2;
  if (classes === 1) {
    if (metric === "accuracy") return (answer >= 0.5 ? 1 : 0) === label ? 1 : 0;
    return -Math.log(Math.max(least, label === 1 ? answer : 1 - answer));
  }
  const own = answers.subarray(row * classes, (row + 1) * classes);
  if (metric === "logLoss") return -Math.log(Math.max(least, own[label]!));
  let best = 0;
  for (let at = 1; at < classes; at += 1) if (own[at]! > own[best]!) best = at;
  return best === label ? 1 : 0;
}

/** The share of pairs of a 1 and a 0 in which the 1 has the larger answer, ties halved; ½ where there is no pair. */
function areaUnder(labels: Float64Array, answers: Float64Array, weights: Float64Array): Statistic {
  const order = [...answers.keys()].sort((a, b) => answers[a]! - answers[b]!);
  return (counts) => {
    let [below, won, positive] = [0, 0, 0];
    for (let from = 0; from < order.length;) {
      let [ones, zeros, to] = [0, 0, from];
      for (; to < order.length && answers[order[to]!] === answers[order[from]!]; to += 1) {
        const row = order[to]!;
        if (labels[row] === 1) ones += counts[row]! * weights[row]!;
        else zeros += counts[row]! * weights[row]!;
      }
      won += ones * (below + zeros / 2);
      below += zeros;
      positive += ones;
      from = to;
    }
    return positive > 0 && below > 0 ? won / (positive * below) : 0.5;
  };
}
