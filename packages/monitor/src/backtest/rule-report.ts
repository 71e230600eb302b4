import { backtestInvalid } from "../errors.ts";
import type { MonitorCounts } from "../monitor-options.ts";
import { poissonInterval } from "../statistics/distributions.ts";
import type { IncidentReport } from "./known-incidents.ts";
import type { ReplayedAlert, RuleReplay, RuleTally } from "./rule-replay.ts";

/** What one rule or objective would have done on the history as it was. */
export interface RuleOutcome {
  /** Alerts that began, and those of them that people would have been told of. */
  readonly alerts: number;
  readonly told: number;
  /** Alerts in 30 days, and Garwood's exact interval (1936), which takes alerts as independent. */
  readonly perThirtyDays: number;
  readonly perThirtyDaysInterval: readonly [number, number];
  /** Shares of the evaluations, in [0, 1]: at which an alert of it fired, and at which a rule could judge nothing (of objectives 0). */
  readonly firingShare: number;
  readonly withoutVerdictShare: number;
  /** Evaluations at which it threw, and what it said first. */
  readonly failures: number;
  readonly firstFailure?: string | undefined;
}

/** How one rule or objective met the drift. */
export interface RuleDriftOutcome {
  /** Alerts that began with the drift or after it. */
  readonly alerts: number;
  /** From the begin of the drift to the first of them, milliseconds; absent where there is none. */
  readonly delayMs?: number | undefined;
  /** Whether an alert of it was firing already when the drift began. */
  readonly firingBefore: boolean;
  /** Probability that an alert of the calm rate would have begun within the delay, or before the end where none did. */
  readonly shareByChance: number;
}

/** What rules would have done. The same setup, history and options give the same report, as JSON to the letter. */
export interface RuleBacktestReport {
  readonly formatVersion: 1;
  readonly seed: number;
  readonly confidence: number;
  readonly everyMs: number;
  /** The span that was judged: from the end of the warm-up to the last evaluation. */
  readonly fromMs: number;
  readonly toMs: number;
  /** That were judged. */
  readonly evaluations: number;
  readonly answers: number;
  readonly labels: number;
  /** What the monitor made of them. */
  readonly counts: MonitorCounts;
  readonly rules: Readonly<Record<string, RuleOutcome>>;
  /** Those that began in the span, in the order of their beginnings. */
  readonly alerts: readonly ReplayedAlert[];
  /** How the rules met the incidents that were given. */
  readonly known?: IncidentReport | undefined;
  readonly drift?:
    | {
        readonly fromMs: number;
        readonly rules: Readonly<Record<string, RuleDriftOutcome>>;
        readonly alerts: readonly ReplayedAlert[];
      }
    | undefined;
}

const thirtyDaysMs = 30 * 86_400_000;

export interface ReplayedHistory extends Pick<
  RuleBacktestReport,
  "seed" | "confidence" | "everyMs" | "fromMs" | "toMs" | "evaluations" | "answers" | "labels"
> {
  readonly calm: Pick<RuleReplay, "tallies" | "alerts" | "counts">;
  readonly drifted: { readonly replay: Pick<RuleReplay, "tallies" | "alerts">; readonly fromMs: number } | undefined;
}

/** Throws `MONITOR_BACKTEST_INVALID` where nothing was judged, or the drift begins outside of what was. */
export function ruleReport({ calm, drifted, ...replayed }: ReplayedHistory): RuleBacktestReport {
  const { evaluations, everyMs, fromMs, toMs, confidence } = replayed;
  if (evaluations === 0) throw backtestInvalid(`the history ends at ${toMs}, within the warm-up until ${fromMs}`);
  if (drifted !== undefined && !(drifted.fromMs >= fromMs && drifted.fromMs < toMs))
    throw backtestInvalid(
      `the drift's fromMs, ${drifted.fromMs}, is not in the span that was judged, ${fromMs} to ${toMs}`,
    );
  const spanMs = evaluations * everyMs;
  const rules = Array.from(
    calm.tallies,
    ([name, tally]) => [name, outcomeOf(tally, spanMs, evaluations, confidence)] as const,
  );
  const report = {
    formatVersion: 1,
    ...replayed,
    counts: calm.counts(),
    rules: Object.fromEntries(rules),
    alerts: calm.alerts(),
  } as const;
  if (drifted === undefined) return report;
  const met = Array.from(drifted.replay.tallies, ([name, tally]) => {
    const rate = (calm.tallies.get(name)?.alerts ?? 0) / spanMs;
    return [name, driftOutcomeOf(tally, drifted.fromMs, toMs, rate)] as const;
  });
  const { fromMs: driftMs, replay } = drifted;
  return { ...report, drift: { fromMs: driftMs, rules: Object.fromEntries(met), alerts: replay.alerts() } };
}

function outcomeOf(tally: RuleTally, spanMs: number, evaluations: number, confidence: number): RuleOutcome {
  const { alerts, told, firing, withoutVerdict, failures, firstFailure } = tally;
  const [low, high] = poissonInterval(alerts, confidence);
  const spans = thirtyDaysMs / spanMs;
  return {
    alerts,
    told,
    perThirtyDays: alerts * spans,
    perThirtyDaysInterval: [low * spans, high * spans],
    firingShare: firing / evaluations,
    withoutVerdictShare: withoutVerdict / evaluations,
    failures,
    ...(firstFailure === undefined ? {} : { firstFailure }),
  };
}

/** @param rate Alerts a millisecond that the calm history had. */
function driftOutcomeOf(
  { alertsSince, firstSinceMs, firingBefore }: RuleTally,
  fromMs: number,
  toMs: number,
  rate: number,
): RuleDriftOutcome {
  const delayMs = firstSinceMs === undefined ? undefined : firstSinceMs - fromMs;
  return {
    alerts: alertsSince,
    ...(delayMs === undefined ? {} : { delayMs }),
    firingBefore,
    shareByChance: -Math.expm1(-rate * (delayMs ?? toMs - fromMs)),
  };
}
