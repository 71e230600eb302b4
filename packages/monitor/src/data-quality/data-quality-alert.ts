import { type AlertRule, checkRule, evidenceOf, type RuleOptions, variantsOf } from "../alerts/alert-rule.ts";
import type { Finding } from "../alerts/alert-book.ts";
import { type Baseline, baselineOf } from "../baseline/baseline.ts";
import { baselineProfile, type DriftBaseline } from "../drift/compare.ts";
import { subjectOf } from "../slo/slo.ts";
import { checkDataQuality, limitsOf } from "./check-data-quality.ts";
import type { DataQualityLimits, DataQualityReport } from "./data-quality.ts";

export interface DataQualityAlertOptions extends RuleOptions {
  /** A baseline, or a profile from which one is suggested, also as the JSON that a model package holds. */
  readonly baseline: Baseline | DriftBaseline;
  readonly limits?: DataQualityLimits | undefined;
  /** Told of every judgement, for a report or metrics. What it throws fails the rule's evaluation. */
  readonly onReport?: ((subject: string, report: DataQualityReport) => void) | undefined;
}

const hourMs = 3_600_000;
const mostTold = 3;

/**
 * Fires where the features that a variant is asked with are not as the baseline says: nulls, categories never seen, ranges, types, columns, the age of features,
 * the number of requests, requests that repeat. Default window: 1 hour, default severity: `ticket`. Drift is left to `driftAlert` unless `limits.drift` is true.
 * Throws `MONITOR_RULE_INVALID`, `MONITOR_BASELINE_INVALID`, and a RangeError for limits out of range.
 */
export function dataQualityAlert(options: DataQualityAlertOptions): AlertRule {
  const { name = "data-quality", endpoint, windowMs = hourMs, severity = "ticket", onReport } = options;
  checkRule(name, { windowMs: { value: windowMs, above: 0 } });
  const baseline = fullBaseline(options.baseline);
  const limits = { drift: false, ...options.limits };
  limitsOf(limits);
  return {
    name,
    alerting: options.alerting,
    evaluate: (view) =>
      variantsOf(view, options).map((variant): Finding => {
        const reading = view.read(endpoint, variant, windowMs);
        const report = checkDataQuality(reading.features, baseline, limits, reading);
        const subject = subjectOf(endpoint, variant);
        onReport?.(subject, report);
        const { issues, verdict, rows } = report;
        return {
          subject,
          severity,
          state: verdict === "issues" ? "firing" : verdict === "ok" ? "ok" : "unknown",
          value: issues.length,
          threshold: 0,
          summary: summaryOf(report),
          evidence: evidenceOf(view, windowMs, rows),
        };
      }),
  };
}

const fullBaseline = (given: Baseline | DriftBaseline): Baseline =>
  "constraints" in given && "profile" in given
    ? (given as Baseline)
    : baselineOf(baselineProfile(given as DriftBaseline));

function summaryOf({ issues, verdict, rows }: DataQualityReport): string {
  if (verdict === "ok") return `${rows} rows are as the baseline says.`;
  if (verdict === "no-data") return "No row was seen.";
  if (verdict === "not-enough-data") return `${rows} rows are too few to say.`;
  const told = issues
    .slice(0, mostTold)
    .map(({ column, description }) => (column === undefined ? description : `${column}: ${description}`));
  const more = issues.length > mostTold ? [`${issues.length - mostTold} more.`] : [];
  return [...told, ...more].join(" ");
}
