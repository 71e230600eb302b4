import type { Batch } from "@millwright/contracts";
import type { Finding } from "./alert-record.ts";
import { alertSeverities } from "./severities.ts";
import { type AlertRule, checkRule, evidenceOf, type MonitorView, type RuleOptions, variantsOf } from "./alert-rule.ts";
import { baselineProfile, compare, type DriftBaseline, type DriftReport } from "../drift/compare.ts";
import type { DriftMemory } from "../drift/drift-memory.ts";
import type { DriftMonitorFactory } from "../drift/drift-monitor.ts";
import { checkDriftPolicy, type DriftPolicy, recommended } from "../drift/drift-policy.ts";
import { baselineInvalid } from "../errors.ts";
import { subjectOf } from "../slo/slo.ts";
import { rowsOfMonitor, streamJudge } from "./stream-judge.ts";

const dayMs = 86_400_000;

/** Compares what was seen with a baseline, such as the training profile. */
export interface BaselineDriftOptions extends RuleOptions {
  readonly baseline: DriftBaseline;
  /** Default: `recommended()`. */
  readonly policy?: DriftPolicy | undefined;
}

/** Judges the latest windows by the windows before them. */
export interface StreamDriftOptions extends RuleOptions {
  /** Such as `calibratedDrift()`. */
  readonly monitor: DriftMonitorFactory;
  /** How far back windows are the history of those that are judged; as far as the monitor retains them, `MonitorOptions.retainMs`. Default: 28 days, which tells phases of the week apart; of monitors of rows 6. */
  readonly historyMs?: number | undefined;
  /** Windows that are judged anew each time, the latest last, and are not yet history. Default: 3. */
  readonly recentWindows?: number | undefined;
  /** Which windows drifted, and what was accepted. Give one to accept a new normal, or to go on after a restart. Not for a rule with a `reference`. Default: one of the rule's own. */
  readonly memory?: DriftMemory | undefined;
  /** What has drifted for so long without a break is taken for normal. Default: three quarters of `historyMs`, at most 4.5 days. */
  readonly acceptAfterMs?: number | undefined;
  /** Rows of each window that the monitor is given, a uniform sample, 0 to 5,000. Default: as many as the monitor needs (`DriftMonitorFactory.rows`). */
  readonly rowsPerWindow?: number | undefined;
  /**
   * Rows in which nothing was wrong, such as those a model was tested on, in place of the windows before: they are cut in their order into parts of as many rows as the judged window has, each as if it were a window.
   * Default: the windows before.
   */
  readonly reference?: Batch | undefined;
}

export type DriftAlertOptions = BaselineDriftOptions | StreamDriftOptions;

/**
 * Fires when the features that a variant is asked with have drifted: from a baseline, over the last `windowMs` (default: 24 hours), or, with `monitor`, from what
 * the windows before did: then windows begin at multiples of `windowMs` (whole hours; default: 1 hour), and only whole ones are judged. Columns that only the baseline has are left out, and of rows those that not every window has. Monitors of whole rows, such as
 * `reconstructionDrift()`, have the rows that they need kept. Default severity: `ticket`.
 * Throws what `parseProfile` throws, `MONITOR_RULE_INVALID`, `MONITOR_BASELINE_INVALID` for a baseline that is no profile or has no rows, and `MONITOR_PARAMETER_INVALID` for a policy out of range.
 */
export function driftAlert(options: DriftAlertOptions): AlertRule {
  const { name = "drift" } = options;
  const judge = "monitor" in options ? streamJudge(name, options) : baselineJudge(name, options);
  return {
    name,
    alerting: options.alerting,
    rows: "monitor" in options ? rowsOfMonitor(options) : undefined,
    evaluate: (view) =>
      variantsOf(view, options).map((variant): Finding => {
        const { report, rows, window, threshold } = judge(view, variant);
        return {
          subject: subjectOf(options.endpoint, variant),
          severity: options.severity ?? alertSeverities.drift,
          state: report.verdict === "drift" ? "firing" : report.verdict === "ok" ? "ok" : "unknown",
          value: report.multivariate?.value ?? report.driftedShare,
          threshold,
          evidence: evidenceOf({ nowMs: window.toMs }, window.toMs - window.fromMs, rows),
          summary: report.reasons.join(" ") || "No column has drifted.",
          report,
        };
      }),
  };
}

export interface Judged {
  readonly report: DriftReport;
  readonly rows: number;
  readonly window: { readonly fromMs: number; readonly toMs: number };
  readonly threshold: number;
}

export type Judge = (view: MonitorView, variant: string) => Judged;

function baselineJudge(name: string, options: BaselineDriftOptions): Judge {
  const { endpoint, windowMs = dayMs, policy = recommended() } = options;
  checkRule(name, { windowMs: { value: windowMs, above: 0 } });
  checkDriftPolicy(policy);
  const baseline = baselineProfile(options.baseline);
  if (baseline.rows === 0) throw baselineInvalid("it has no rows");
  return (view, variant) => {
    const { features } = view.read(endpoint, variant, windowMs);
    const columns = Object.fromEntries(
      Object.entries(baseline.columns).filter(([column]) => Object.hasOwn(features.columns, column)),
    );
    return {
      report: compare({ rows: baseline.rows, columns }, features, policy),
      rows: features.rows,
      window: { fromMs: view.nowMs - windowMs, toMs: view.nowMs },
      threshold: policy.driftedShare,
    };
  };
}
