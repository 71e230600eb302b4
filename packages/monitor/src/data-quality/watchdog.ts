import type { Finding } from "../alerts/alert-book.ts";
import {
  type AlertRule,
  checkRule,
  evidenceOf,
  type MonitorView,
  type RuleOptions,
  shown,
  shownPercent,
} from "../alerts/alert-rule.ts";
import type { MonitorCounts } from "../monitor-options.ts";
import { subjectOf } from "../slo/slo.ts";

/** Whether monitoring itself can be believed. `no-data` is never `ok`. */
export type WatchState = "ok" | "no-data" | "gap" | "stale" | "silent";

/** One thing that is watched. */
export interface WatchFinding {
  readonly check: "traffic" | "capture" | "baseline" | "schedule";
  readonly state: WatchState;
  /** What it is about: a variant's subject, a schedule's name. */
  readonly subject: string;
  readonly description: string;
}

export interface WatchOptions extends Pick<RuleOptions, "endpoint" | "variant"> {
  /** At least one request comes in so long, in milliseconds: after a period without one the state is `no-data`. Default: 5 minutes. */
  readonly periodMs?: number | undefined;
  /** Variants that must have traffic, also before any was seen. Default: those seen; where none is, the endpoint itself. */
  readonly variants?: readonly string[] | undefined;
  /** The share of requests whose features are captured, as the monitor's `sampleShare`; 0 where requests carry no features. Default: 1. */
  readonly sampleShare?: number | undefined;
  /** What a monitor let go: `() => monitor.counts()`. Default: not watched. */
  readonly counts?:
    | (() => Pick<MonitorCounts, "captured" | "dropped" | "failed" | "rowsWritten" | "rowsDropped">)
    | undefined;
  /** Largest share of captured items that may be let go, in [0, 1]. Default: 0.01. */
  readonly lostShare?: number | undefined;
  /** When the baseline was made, and how old it may grow. Default: not watched. */
  readonly baseline?: { readonly madeMs: number; readonly maxAgeMs: number } | undefined;
  /** Things that should run: how often, and when they last did. Default: none. */
  readonly schedules?: readonly WatchedSchedule[] | undefined;
}

export interface WatchedSchedule {
  readonly name: string;
  readonly everyMs: number;
  /** When it last ran to its end, UTC milliseconds; undefined: never. */
  readonly lastRunMs: () => number | undefined;
  /** When it should first have run at the latest: before, its silence says nothing. Default: it should have by now. */
  readonly dueMs?: number | undefined;
}

/** How many intervals a schedule may miss. */
const missedRuns = 2;
/** Fewer requests than this say nothing of the share that is captured. */
const fewestRequests = 100;

/** What is watched, and how it stands. Pure but for the functions it is given. */
export function watch(view: MonitorView, options: WatchOptions): readonly WatchFinding[] {
  return [
    ...watchTraffic(view, options),
    ...watchLosses(options),
    ...watchBaseline(view, options),
    ...(options.schedules ?? []).map((schedule) => watchSchedule(view, schedule)),
  ];
}

function watchTraffic(view: MonitorView, options: WatchOptions): readonly WatchFinding[] {
  const { endpoint, variant, periodMs = 300_000, sampleShare = 1 } = options;
  const seen = view.variants(endpoint);
  const wanted = variant === undefined ? [...new Set([...(options.variants ?? []), ...seen])] : [variant];
  if (wanted.length === 0)
    return [
      { check: "traffic", state: "no-data", subject: subjectOf(endpoint), description: "No request was ever seen." },
    ];
  return wanted.flatMap((each): readonly WatchFinding[] => {
    const subject = subjectOf(endpoint, each);
    const { requests, features } = view.read(endpoint, each, periodMs);
    const minutes = shown(periodMs / 60_000);
    if (requests === 0)
      return [{ check: "traffic", state: "no-data", subject, description: `No request was seen in ${minutes} min.` }];
    const traffic: WatchFinding = {
      check: "traffic",
      state: "ok",
      subject,
      description: `${requests} requests in ${minutes} min.`,
    };
    const expected = requests * sampleShare;
    if (expected < fewestRequests || features.rows >= expected / 2) return [traffic];
    const description = `${features.rows} rows of features were captured of the ${Math.round(expected)} and more that ${requests} requests should have brought.`;
    return [traffic, { check: "capture", state: "gap", subject, description }];
  });
}

function watchLosses({ endpoint, counts, lostShare = 0.01 }: WatchOptions): readonly WatchFinding[] {
  if (counts === undefined) return [];
  const { captured, dropped, failed, rowsWritten, rowsDropped } = counts();
  const share = (lost: number, kept: number): number => (lost === 0 ? 0 : lost / (lost + kept));
  const [items, rows] = [share(dropped + failed, captured), share(rowsDropped, rowsWritten)];
  const worst = Math.max(items, rows);
  const description = `${shownPercent(items)} of predictions and labels, and ${shownPercent(rows)} of captured rows, were let go; allowed ${shownPercent(lostShare)}.`;
  return [{ check: "capture", state: worst > lostShare ? "gap" : "ok", subject: subjectOf(endpoint), description }];
}

function watchBaseline({ nowMs }: MonitorView, { endpoint, baseline }: WatchOptions): readonly WatchFinding[] {
  if (baseline === undefined) return [];
  const ageMs = nowMs - baseline.madeMs;
  const days = (ms: number): string => shown(ms / 86_400_000);
  const description = `The baseline is ${days(ageMs)} days old; allowed ${days(baseline.maxAgeMs)}.`;
  // An age that is no number is no sign of freshness.
  const state = ageMs <= baseline.maxAgeMs ? "ok" : "stale";
  return [{ check: "baseline", state, subject: subjectOf(endpoint), description }];
}

function watchSchedule({ nowMs }: MonitorView, schedule: WatchedSchedule): WatchFinding {
  const { name, everyMs, lastRunMs, dueMs = Number.NEGATIVE_INFINITY } = schedule;
  const last = lastRunMs();
  const limitMs = Math.max(last === undefined ? Number.NEGATIVE_INFINITY : last + missedRuns * everyMs, dueMs);
  const since = last === undefined ? "never ran" : `ran ${shown((nowMs - last) / 60_000)} min ago`;
  const description = `The schedule ${since}; it should every ${shown(everyMs / 60_000)} min.`;
  return { check: "schedule", state: nowMs <= limitMs ? "ok" : "silent", subject: `schedule/${name}`, description };
}

export interface WatchdogOptions extends WatchOptions, Pick<RuleOptions, "name" | "severity" | "alerting"> {}

/**
 * Fires where the monitor itself cannot be believed: no requests within a period, features that are not captured, too much that was let go, an old baseline, a schedule
 * that is silent. It fires within one period of the last request; silence is never `ok`. Default severity: `page` for missing traffic, `ticket` for the rest.
 * Throws `MONITOR_RULE_INVALID`.
 */
export function watchdogAlert(options: WatchdogOptions): AlertRule {
  const { name = "watchdog", periodMs = 300_000, sampleShare = 1, lostShare = 0.01, schedules = [] } = options;
  checkRule(name, {
    periodMs: { value: periodMs, above: 0 },
    sampleShare: { value: sampleShare, above: -1e-12, to: 1 },
    lostShare: { value: lostShare, above: -1e-12, to: 1 },
    ...Object.fromEntries(
      schedules.map(({ name: each, everyMs }) => [`everyMs of ${each}`, { value: everyMs, above: 0 }]),
    ),
  });
  return {
    name,
    alerting: options.alerting,
    evaluate(view) {
      const bySubject = group(watch(view, options));
      return Array.from(bySubject, ([subject, found]): Finding => {
        const bad = found.filter(({ state }) => state !== "ok");
        const isSilent = bad.some(({ state }) => state === "no-data");
        return {
          subject,
          severity: options.severity ?? (isSilent ? "page" : "ticket"),
          state: bad.length > 0 ? "firing" : "ok",
          summary: (bad.length > 0 ? bad : found).map(({ state, description }) => `${state}: ${description}`).join(" "),
          evidence: evidenceOf(view, periodMs, 0),
        };
      });
    },
  };
}

function group(findings: readonly WatchFinding[]): ReadonlyMap<string, readonly WatchFinding[]> {
  const groups = new Map<string, WatchFinding[]>();
  for (const finding of findings) {
    const found = groups.get(finding.subject) ?? [];
    groups.set(finding.subject, [...found, finding]);
  }
  return groups;
}
