import type { Finding } from "./alert-record.ts";
import { alertSeverities } from "./severities.ts";
import { type AlertRule, checkRule, evidenceOf, type MonitorView, type RuleOptions, variantsOf } from "./alert-rule.ts";
import { baselineProfile, compare, type DriftBaseline, type DriftReport } from "../drift/compare.ts";
import type { DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { type DriftPolicy, recommended } from "../drift/drift-policy.ts";
import { ruleInvalid } from "../errors.ts";
import { subjectOf } from "../slo/slo.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

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
  /** How far back windows are the history of those that are judged; at most a window less than the monitor retains. Default: 6 days. */
  readonly historyMs?: number | undefined;
  /** Windows that are judged anew each time, the latest last, and are not yet history. Default: 3. */
  readonly recentWindows?: number | undefined;
}

export type DriftAlertOptions = BaselineDriftOptions | StreamDriftOptions;

/**
 * Fires when the features that a variant is asked with have drifted: from a baseline, over the last `windowMs` (default: 24 hours), or, with `monitor`, from what
 * the windows before did: then windows begin at multiples of `windowMs` (whole hours; default: 1 hour), and only whole ones are judged. Columns that only the baseline has are left out. Default severity: `ticket`.
 * Throws what `parseProfile` throws, and `MONITOR_RULE_INVALID`.
 */
export function driftAlert(options: DriftAlertOptions): AlertRule {
  const { name = "drift" } = options;
  const judge = "monitor" in options ? streamJudge(name, options) : baselineJudge(name, options);
  return {
    name,
    alerting: options.alerting,
    evaluate: (view) =>
      variantsOf(view, options).map((variant): Finding => {
        const { report, rows, window, threshold } = judge(view, variant);
        return {
          subject: subjectOf(options.endpoint, variant),
          severity: options.severity ?? alertSeverities.drift,
          state: report.verdict === "drift" ? "firing" : report.verdict === "ok" ? "ok" : "unknown",
          value: report.driftedShare,
          threshold,
          evidence: evidenceOf({ nowMs: window.toMs }, window.toMs - window.fromMs, rows),
          summary: report.reasons.join(" ") || "No column has drifted.",
          report,
        };
      }),
  };
}

interface Judged {
  readonly report: DriftReport;
  readonly rows: number;
  readonly window: { readonly fromMs: number; readonly toMs: number };
  readonly threshold: number;
}

type Judge = (view: MonitorView, variant: string) => Judged;

function baselineJudge(name: string, options: BaselineDriftOptions): Judge {
  const { endpoint, windowMs = dayMs, policy = recommended() } = options;
  checkRule(name, { windowMs: { value: windowMs, above: 0 } });
  const baseline = baselineProfile(options.baseline);
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

function streamJudge(name: string, options: StreamDriftOptions): Judge {
  const { endpoint, monitor, windowMs = hourMs, historyMs = 6 * dayMs, recentWindows = 3 } = options;
  checkRule(name, {
    windowMs: { value: windowMs, above: 0 },
    historyMs: { value: historyMs, above: windowMs },
    recentWindows: { value: recentWindows, above: 0 },
  });
  // Windows are merged by the hour when they have grown old: parts of an hour are not told apart then.
  if (windowMs % hourMs !== 0) throw ruleInvalid(name, `windowMs must be a whole number of hours, not ${windowMs}`);
  if (!Number.isSafeInteger(recentWindows))
    throw ruleInvalid(name, `recentWindows must be a whole number, not ${recentWindows}`);
  const count = Math.floor(historyMs / windowMs);
  // The same windows give the same report: they are judged once, however often the rule is evaluated.
  const known = new Map<string, { readonly key: string; readonly judged: Judged }>();
  return (view, variant) => {
    const lastMs = Math.floor(view.nowMs / windowMs) * windowMs;
    const readings = Array.from({ length: count }, (_, index) => {
      const endMs = lastMs - (count - 1 - index) * windowMs;
      return { startMs: endMs - windowMs, endMs, reading: view.read(endpoint, variant, windowMs, endMs) };
    });
    const key = JSON.stringify([lastMs, ...readings.map(({ reading }) => reading.requests)]);
    const earlier = known.get(variant);
    if (earlier?.key === key) return earlier.judged;
    const windows = readings.map(({ startMs, endMs, reading }): DriftWindow => ({
      startMs,
      endMs,
      profile: reading.features,
    }));
    const judged = judgeLatest(monitor, windows, recentWindows);
    known.set(variant, { key, judged });
    return judged;
  };
}

function judgeLatest(monitor: DriftMonitorFactory, windows: readonly DriftWindow[], recentWindows: number): Judged {
  const fitted = monitor(windows.slice(0, -recentWindows).filter(({ profile }) => profile.rows > 0));
  const judged = windows.slice(-recentWindows).map((window) => ({ window, report: fitted.judge(window) }));
  const { window, report } = judged.at(-1) as { readonly window: DriftWindow; readonly report: DriftReport };
  return {
    report,
    rows: window.profile.rows,
    window: { fromMs: window.startMs, toMs: window.endMs },
    threshold: 0,
  };
}
