import type { ColumnProfile, Profile } from "@millwright/data";
import type { Finding } from "./alert-record.ts";
import { alertSeverities } from "./severities.ts";
import { type AlertRule, checkRule, evidenceOf, type RuleOptions, shown, variantsOf } from "./alert-rule.ts";
import type { ClassesMetric } from "../quality/classes.ts";
import { none } from "../quality/metric-value.ts";
import { baselineInvalid, ruleInvalid } from "../errors.ts";
import type { Quality } from "../quality/quality.ts";
import { kolmogorovSmirnovPValue } from "../statistics/sample-tests.ts";
import { sketchDistance } from "../drift/sketch-distance.ts";
import { subjectOf } from "../slo/slo.ts";
import { z95 } from "../statistics/distributions.ts";

const hourMs = 3_600_000;

export interface PredictionShiftOptions extends RuleOptions {
  /** What is right: another variant's answers in the same window, or a profile of answers, such as those to the training rows. Default: the variant `main`. */
  readonly against?: string | Profile | undefined;
  /** Default: every output that both sides have. */
  readonly output?: string | undefined;
  /** Fewest answers on both sides. Default: 200. */
  readonly minimumSamples?: number | undefined;
  /** Default: 0.001. */
  readonly alpha?: number | undefined;
  /** Smallest Kolmogorov–Smirnov distance that matters, in (0, 1]. Default: 0.15. */
  readonly minimumDistance?: number | undefined;
}

/**
 * Fires when a variant answers otherwise than it should: when the distance between the distributions of answers is significant and large enough to matter.
 * It needs no labels. Default window: 1 hour, default severity: `ticket`. Throws `MONITOR_RULE_INVALID`, and `MONITOR_BASELINE_INVALID` for a profile without rows.
 */
export function predictionShiftAlert(options: PredictionShiftOptions): AlertRule {
  const {
    name = "prediction-shift",
    endpoint,
    windowMs = hourMs,
    against = "main",
    output,
    minimumSamples = 200,
    alpha = 0.001,
    minimumDistance = 0.15,
    severity = alertSeverities["prediction-shift"],
  } = options;
  checkRule(name, {
    alpha: { value: alpha, above: 0, to: 1 },
    minimumDistance: { value: minimumDistance, above: 0, to: 1 },
    windowMs: { value: windowMs, above: 0 },
    minimumSamples: { value: minimumSamples, above: 0 },
  });
  if (typeof against !== "string" && against.rows === 0) throw baselineInvalid("it has no rows");
  return {
    name,
    alerting: options.alerting,
    evaluate(view) {
      const right = typeof against === "string" ? view.read(endpoint, against, windowMs).outputs : against;
      return variantsOf(view, options)
        .filter((variant) => variant !== against)
        .map((variant): Finding => {
          const { outputs } = view.read(endpoint, variant, windowMs);
          const evidence = evidenceOf(view, windowMs, outputs.rows);
          const shifts = Object.entries(outputs.columns)
            .filter(([column]) => output === undefined || column === output)
            .map(([column, actual]) =>
              shiftOf(
                column,
                Object.hasOwn(right.columns, column) ? right.columns[column] : undefined,
                actual,
                minimumSamples,
              ),
            )
            .filter((shift) => shift !== undefined);
          const worst = shifts.toSorted((a, b) => b.distance - a.distance)[0];
          const base = { subject: subjectOf(endpoint, variant), severity, evidence, threshold: minimumDistance };
          if (worst === undefined)
            return { ...base, state: "unknown", summary: `Fewer than ${minimumSamples} answers to compare.` };
          const fires = worst.distance >= minimumDistance && worst.pValue <= alpha;
          const summary = `The distribution of "${worst.column}" is ${shown(worst.distance)} away from ${typeof against === "string" ? `the variant ${against}` : "the baseline"} (p = ${shown(worst.pValue)}); allowed ${minimumDistance}.`;
          return { ...base, state: fires ? "firing" : "ok", value: worst.distance, summary };
        });
    },
  };
}

interface Shift {
  readonly column: string;
  readonly distance: number;
  readonly pValue: number;
}

function shiftOf(
  column: string,
  right: ColumnProfile | undefined,
  actual: ColumnProfile,
  minimum: number,
): Shift | undefined {
  const [a, b] = [right?.quantiles, actual.quantiles];
  if (a === undefined || b === undefined || Math.min(a.count, b.count) < minimum) return undefined;
  const { lower } = sketchDistance(a, b);
  return { column, distance: lower, pValue: kolmogorovSmirnovPValue(lower, a.count, b.count) };
}

/** `logLoss` and `brier` (of `regression` the squared error) should be small, the others great. */
export type QualityMetric =
  | "logLoss"
  | "brier"
  | "accuracy"
  | "precision"
  | "recall"
  | "auc"
  /** The others: of `classes` alone. */
  | Exclude<ClassesMetric, "aucMacro" | "aucWeighted">;

export interface QualityAlertOptions extends RuleOptions {
  /** Default: `logLoss`. */
  readonly metric?: QualityMetric | undefined;
  /** Another variant; or the largest loss, or the least of the other metrics, that is allowed. Default: the variant `main`. */
  readonly against?: string | number | undefined;
  /** How much worse than the other variant is still allowed. Default: 0.02. */
  readonly margin?: number | undefined;
  /** Fewest labels on both sides. Default: 100. */
  readonly minimumLabels?: number | undefined;
}

/**
 * Fires when a variant's quality, as far as labels have come, is surely worse than allowed: when the lower end of the 95 % interval of the difference is. The
 * variants of one endpoint answer a random split of the same traffic, so their labels are comparable. Default window: 24 hours,
 * default severity: `ticket`. Throws `MONITOR_RULE_INVALID`.
 */
export function qualityAlert(options: QualityAlertOptions): AlertRule {
  const {
    name = "quality",
    endpoint,
    windowMs = 24 * hourMs,
    metric = "logLoss",
    against = "main",
    margin = 0.02,
    minimumLabels = 100,
    severity = alertSeverities.quality,
  } = options;
  checkRule(name, {
    margin: { value: margin, above: -1e-12 },
    windowMs: { value: windowMs, above: 0 },
    minimumLabels: { value: minimumLabels, above: 1 },
  });
  if (typeof against === "number" && !isReached(metric, against))
    throw ruleInvalid(name, `the ${metric} is never ${against}, so that nothing is worse or everything is`);
  return {
    name,
    alerting: options.alerting,
    evaluate: (view) =>
      variantsOf(view, options)
        .filter((variant) => variant !== against)
        .map((variant): Finding => {
          const own = metricOf(view.read(endpoint, variant, windowMs).quality, metric);
          const allowed =
            typeof against === "number"
              ? { mean: against, standardError: 0, labels: minimumLabels }
              : metricOf(view.read(endpoint, against, windowMs).quality, metric);
          const base = {
            subject: subjectOf(endpoint, variant),
            severity,
            evidence: evidenceOf(view, windowMs, own.labels),
            threshold: typeof against === "number" ? against : margin,
          };
          if (Math.min(own.labels, allowed.labels) < minimumLabels) {
            return {
              ...base,
              state: "unknown",
              summary: `${own.labels} labels of the ${minimumLabels} that are needed, ${shown(own.coverage * 100)} % of the answers.`,
            };
          }
          const difference = isLoss(metric) ? own.mean - allowed.mean : allowed.mean - own.mean;
          if (Number.isNaN(difference))
            return { ...base, state: "unknown", summary: `The labels do not define the ${metric}.` };
          const low = difference - z95 * Math.hypot(own.standardError, allowed.standardError);
          const limit = typeof against === "number" ? 0 : margin;
          const state = low > limit ? "firing" : difference <= limit ? "ok" : "unknown";
          const than =
            typeof against === "number" ? `the ${against} allowed` : `the variant ${against} (${shown(allowed.mean)})`;
          const worse = `${shown(difference)} ${isLoss(metric) ? "more" : "less"}`;
          const summary = `The ${metric} is ${shown(own.mean)} on ${own.labels} labels, ${worse} than ${than}; ${shown(own.coverage * 100)} % of the answers are labelled.`;
          return { ...base, state, value: typeof against === "number" ? own.mean : difference, summary };
        }),
  };
}

/** Shares and areas lie in [0, 1], coefficients of agreement in [−1, 1], losses at 0 or above. */
function isReached(metric: QualityMetric, value: number): boolean {
  if (isLoss(metric)) return value >= 0 && value < Number.POSITIVE_INFINITY;
  return value >= (metric === "mcc" || metric === "kappa" ? -1 : 0) && value <= 1;
}

const isLoss = (metric: QualityMetric): metric is "logLoss" | "brier" => metric === "logLoss" || metric === "brier";

interface MeasuredMetric {
  readonly mean: number;
  readonly standardError: number;
  readonly labels: number;
  readonly coverage: number;
}

/** A metric with its standard error: of those with intervals, the larger half of that over 1.96. */
function metricOf(quality: Quality, metric: QualityMetric): MeasuredMetric {
  const { labels, coverage } = quality;
  if (isLoss(metric)) return { ...quality[metric], labels, coverage };
  const isOwn = metric === "accuracy" || metric === "precision" || metric === "recall" || metric === "auc";
  const { value, low, high } = isOwn ? quality[metric] : (quality.classes?.metrics[metric] ?? none(Number.NaN));
  return { mean: value, standardError: Math.max(high - value, value - low) / z95, labels, coverage };
}
