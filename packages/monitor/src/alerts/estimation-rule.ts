import type { Batch } from "@millwright/contracts";
import { takeRows } from "@millwright/data";
import type { SampledRows } from "../capture/row-sample.ts";
import { ruleInvalid } from "../errors.ts";
import type { BinaryMetric } from "../estimation/binary-metrics.ts";
import { type ConfidenceEstimator, estimateCbpe } from "../estimation/confidence-based.ts";
import { type DirectLossEstimator, estimateDirectLoss, type RegressionMetric } from "../estimation/direct-loss.ts";
import { estimateMulticlassCbpe, type MulticlassEstimator, type MulticlassMetric } from "../estimation/multiclass.ts";
import type { MetricEstimate, MetricReference } from "../estimation/performance-estimate.ts";
import { type AlertRule, checkRule, shown, shownPercent } from "./alert-rule.ts";
import { numbersOf } from "./labelled-rows.ts";
import { type RowJudgement, rowRule, type RowRuleOptions, sampleText, tooFewRows } from "./row-rule.ts";
import { alertSeverities } from "./severities.ts";

/** A metric that is no count of rows. */
export type EstimatedMetric = Exclude<
  BinaryMetric | MulticlassMetric | RegressionMetric,
  "falseNegatives" | "falsePositives" | "trueNegatives" | "truePositives"
>;

export type QualityEstimator =
  | ConfidenceEstimator
  | MulticlassEstimator
  | (Omit<DirectLossEstimator, "metrics"> & {
      readonly metrics: Readonly<Partial<Record<RegressionMetric, MetricReference>>>;
    });

export interface EstimatedQualityAlertOptions extends RowRuleOptions {
  /** Fitted on labelled rows: `fitCbpe`, `fitMulticlassCbpe`, or `fitDirectLoss` with trees. */
  readonly estimator: QualityEstimator;
  /** The output tensor that holds the answer: of two classes the probability, in its last column where it has two; of more classes a column each, in the estimator's order of classes; of a regression the number. */
  readonly output: string;
  /** Default: `auc` of classifiers, `mae` of regressions. */
  readonly metric?: EstimatedMetric | undefined;
  /** The largest loss, or the least of the other metrics, that is allowed. Default: what the metric was in the parts of the estimator's reference, within its deviations. */
  readonly against?: number | undefined;
  /** Default: 200. */
  readonly minimumRows?: number | undefined;
}

interface Estimate extends MetricEstimate {
  readonly rows: number;
  readonly unseenShare?: number | undefined;
}

const hourMs = 3_600_000;
const losses: readonly string[] = ["logLoss", "brier", "mae", "mape", "mse", "msle", "rmse", "rmsle"];

/**
 * Fires when a model is surely worse than it may be, as far as that can be estimated from its answers before labels come: when the metric's whole interval is beyond `against`; or when the metric is beyond what it was in the reference's
 * parts, and its interval does not hold what it was in all of it. Concept drift is not seen; the summary says so. Default window: 24 hours, default severity: `ticket`. Throws `MONITOR_RULE_INVALID`.
 */
export function estimatedQualityAlert(options: EstimatedQualityAlertOptions): AlertRule {
  const { estimator, output, against, minimumRows = 200 } = options;
  const { name = "estimated-quality", windowMs = 24 * hourMs } = options;
  const { metric = estimator.kind === "direct-loss" ? "mae" : "auc" } = options;
  const { severity = alertSeverities["estimated-quality"] } = options;
  checkRule(name, { minimumRows: { value: minimumRows, above: 0 } });
  if (against !== undefined && !Number.isFinite(against))
    throw ruleInvalid(name, `against must be a finite number, not ${against}`);
  if (!Object.hasOwn(estimator.metrics, metric))
    throw ruleInvalid(
      name,
      `the estimator knows no ${metric}, but ${Object.keys(estimator.metrics).join(", ") || "nothing"}`,
    );
  if (estimator.kind === "direct-loss" && Object.keys(estimator.models).length === 0)
    throw ruleInvalid(name, "the estimator has no loss model of its own");
  return rowRule(options, {
    kind: "estimated-quality",
    windowMs,
    severity,
    sizeOf: ({ requests }) => requests,
    judge(rows): RowJudgement {
      const estimate = estimateOf(estimator, rows, output, metric, minimumRows);
      if (typeof estimate === "number") return tooFewRows(estimate, minimumRows, "answers");
      return judgeEstimate(metric, estimate, against, sampleText(estimate.rows, rows));
    },
  });
}

function judgeEstimate(
  metric: EstimatedMetric,
  { value, lower, upper, reference, limits, rows, unseenShare }: Estimate,
  against: number | undefined,
  of: string,
): RowJudgement {
  const isLoss = losses.includes(metric);
  const limit = against ?? (isLoss ? limits.upper : limits.lower);
  const isBeyond = (figure: number, than: number): boolean => (isLoss ? figure > than : figure < than);
  const best = isLoss ? lower : upper;
  const surely = isBeyond(best, against ?? reference) && isBeyond(value, limit);
  const allowed = `${isLoss ? "at most" : "at least"} ${shown(limit)}`;
  const unseen =
    (unseenShare ?? 0) === 0
      ? ""
      : ` ${shownPercent(unseenShare ?? 0)} of the scores are beyond all of the reference's.`;
  return {
    state: Number.isNaN(value) ? "unknown" : surely ? "firing" : isBeyond(value, limit) ? "unknown" : "ok",
    value,
    threshold: limit,
    samples: rows,
    summary: `The ${metric} is estimated at ${shown(value)} (${shown(lower)} to ${shown(upper)}) on ${of} without labels; it was ${shown(reference)}, and ${allowed} is allowed. Concept drift would not show.${unseen}`,
  };
}

/** @returns how many rows there are, where they are too few. */
function estimateOf(
  estimator: QualityEstimator,
  rows: SampledRows,
  output: string,
  metric: EstimatedMetric,
  minimumRows: number,
): Estimate | number {
  const columns = answersOf(estimator, rows.outputs, output);
  const answered = Int32Array.from(
    Array.from({ length: rows.length }, (_, row) => row).filter((row) =>
      columns.every((column) => Number.isFinite(column[row])),
    ),
  );
  if (answered.length < minimumRows) return answered.length;
  const [first, ...others] = columns.map((column) => Float64Array.from(answered, (row) => column[row] as number));
  const answers = first as Float64Array;
  switch (estimator.kind) {
    case "binary": {
      const { metrics, unseenShare } = estimateCbpe(estimator, { scores: answers });
      return { ...metrics[metric as BinaryMetric], rows: answered.length, unseenShare };
    }
    case "multiclass": {
      const scores = Object.fromEntries(
        estimator.classes.map((name, at) => [name, [answers, ...others][at] as Float64Array]),
      );
      return {
        ...estimateMulticlassCbpe(estimator, { scores }).metrics[metric as MulticlassMetric],
        rows: answered.length,
      };
    }
    case "direct-loss": {
      const asked = { rows: takeRows(rows.features, answered), predictions: answers };
      return {
        ...estimateDirectLoss(estimator as DirectLossEstimator, asked).metrics[metric as RegressionMetric],
        rows: answered.length,
      };
    }
  }
}

/** A column of numbers for each class; one for an answer that is one number. NaN where a row has none. */
function answersOf(estimator: QualityEstimator, outputs: Batch, output: string): readonly Float64Array[] {
  if (estimator.kind === "multiclass")
    return estimator.classes.map((_, at) => numbersOf(outputs, [`${output}[${at}]`]));
  return [numbersOf(outputs, [output, `${output}[1]`])];
}
