import { type Alert, type Clock, createRandom } from "@millwright/contracts";
import type { AlertingOptions } from "../alerts/alert-control.ts";
import type { AlertRule } from "../alerts/alert-rule.ts";
import type { MonitorCounts, MonitorOptions } from "../monitor-options.ts";
import { openMonitor } from "../monitor.ts";
import type { HistoryItem } from "./history-order.ts";
import { createInterventions, type RuleIntervention } from "./interventions.ts";
import type { IncidentWatch } from "./known-incidents.ts";

/** What is tried: rules and objectives, and those options of the monitor that decide when they fire. Others that are given, such as `events`, are not used. */
export interface RuleSetup extends Pick<
  MonitorOptions,
  | "rules"
  | "slos"
  | "quality"
  | "rows"
  | "sampleShare"
  | "redactor"
  | "windowMs"
  | "retainMs"
  | "holdMs"
  | "holdLabelsMs"
  | "maxHeldLabels"
  | "maxWaitingForLabels"
  | "maxRememberedLabels"
> {
  readonly alerting?: Pick<AlertingOptions, "policies" | "inhibitions" | "correlateBy"> | undefined;
  /** What people do meanwhile. Default: nothing. */
  readonly interventions?: readonly RuleIntervention[] | undefined;
}

/** An alert that would have fired. */
export interface ReplayedAlert {
  /** Name of the rule or objective. */
  readonly rule: string;
  readonly subject: string;
  readonly severity: Alert["severity"];
  /** What it said when it began. */
  readonly summary: string;
  readonly value?: number | undefined;
  readonly threshold?: number | undefined;
  /** The evaluation that showed it first, UTC milliseconds. */
  readonly fromMs: number;
  /** The first evaluation at which it was over, or muted; absent where it went on to the end. */
  readonly toMs?: number | undefined;
  /** Whether people would have been told, by it or by another of its correlation key: not within a cool-down. */
  readonly told: boolean;
}

/** What is counted of one rule or objective, of judged evaluations. */
export interface RuleTally {
  alerts: number;
  told: number;
  /** Evaluations at which an alert of it fired; at which it knew of no subject whether all is well; and at which it threw. */
  firing: number;
  withoutVerdict: number;
  failures: number;
  firstFailure: string | undefined;
  /** With a drift: alerts that began after it did, when the first of them began, and whether one fired when it began. */
  alertsSince: number;
  firstSinceMs: number | undefined;
  firingBefore: boolean;
}

export interface ReplayOptions {
  readonly startMs: number;
  /** Evaluations after this are counted. */
  readonly judgedAfterMs: number;
  readonly seed: number;
  /** Most alerts that are listed. */
  readonly mostAlerts: number;
  /** When a drift begins: an evaluation after it may see it. */
  readonly driftMs?: number | undefined;
  /** Told of alerts that are counted. */
  readonly watch?: IncidentWatch | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A monitor whose clock is that of the history, and which tells nobody. */
export interface RuleReplay extends AsyncDisposable {
  take(item: HistoryItem): Promise<void>;
  evaluate(nowMs: number, signal: AbortSignal | undefined): Promise<void>;
  /** Throws `MONITOR_BACKTEST_INVALID` where something was to be done after the last evaluation. */
  finish(): void;
  readonly tallies: ReadonlyMap<string, RuleTally>;
  /** In the order of their beginnings. */
  alerts(): readonly ReplayedAlert[];
  counts(): MonitorCounts;
}

/** Items that are counted together, and how much of replayed time they may span: a live monitor under load does no other. */
const mostWaiting = 512;
const longestWaitMs = 10_000;

/** Throws as `openMonitor`, and `MONITOR_BACKTEST_INVALID`. */
export function openRuleReplay(setup: RuleSetup, options: ReplayOptions): RuleReplay {
  const { startMs, judgedAfterMs, seed } = options;
  const { rules = [], slos = [] } = setup;
  const time = createHistoryClock(startMs);
  const tallies = new Map([...rules, ...slos].map(({ name }) => [name, emptyTally()]));
  const tallyOf = (name: string): RuleTally => {
    const tally = tallies.get(name) ?? emptyTally();
    tallies.set(name, tally);
    return tally;
  };
  const monitor = monitorOf(setup, time.clock, seed, (rule) => watched(rule, tallyOf(rule.name), judgedAfterMs));
  const list = createAlertList(options, tallies, tallyOf);
  let waiting: HistoryItem[] = [];
  // In one turn of the event loop, so that the same items are always counted together.
  const count = async (): Promise<void> => {
    const items = waiting;
    waiting = [];
    for (const item of items) {
      time.moveTo(item.timeMs);
      if ("answer" in item) monitor.capture(item.answer);
      else monitor.label(item.label);
    }
    await monitor.flush();
  };
  const interventions = createInterventions(setup.interventions ?? [], {
    alerting: monitor.alerting,
    async arrive(timeMs) {
      await count();
      time.moveTo(timeMs);
    },
    signal: options.signal,
  });
  return {
    tallies,
    async take(item) {
      await interventions.until(item.timeMs);
      const sinceMs = waiting[0]?.timeMs ?? item.timeMs;
      if (waiting.length >= mostWaiting || item.timeMs - sinceMs >= longestWaitMs) await count();
      waiting.push(item);
    },
    async evaluate(nowMs, signal) {
      await interventions.until(nowMs);
      await count();
      time.moveTo(nowMs);
      const firing = await monitor.evaluate(nowMs, { signal });
      const told = monitor.alerting.states().flatMap((state) => (state.told ? [keyOf(state.alert)] : []));
      list.look(firing, new Set(told), nowMs);
    },
    finish: interventions.finish,
    alerts: list.all,
    counts: monitor.counts,
    [Symbol.asyncDispose]: () => monitor[Symbol.asyncDispose](),
  };
}

function monitorOf(
  setup: RuleSetup,
  clock: Clock,
  seed: number,
  watch: (rule: AlertRule) => AlertRule,
): ReturnType<typeof openMonitor> {
  const { rules = [], slos = [], alerting: { policies, inhibitions, correlateBy } = {} } = setup;
  return openMonitor({
    slos,
    rules: rules.map(watch),
    alerting: { policies, inhibitions, correlateBy },
    quality: setup.quality,
    rows: setup.rows,
    sampleShare: setup.sampleShare,
    redactor: setup.redactor,
    windowMs: setup.windowMs,
    retainMs: setup.retainMs,
    holdMs: setup.holdMs,
    holdLabelsMs: setup.holdLabelsMs,
    maxHeldLabels: setup.maxHeldLabels,
    maxWaitingForLabels: setup.maxWaitingForLabels,
    maxRememberedLabels: setup.maxRememberedLabels,
    clock,
    random: createRandom(seed),
  });
}

const emptyTally = (): RuleTally => ({
  alerts: 0,
  told: 0,
  firing: 0,
  withoutVerdict: 0,
  failures: 0,
  firstFailure: undefined,
  alertsSince: 0,
  firstSinceMs: undefined,
  firingBefore: false,
});

/** Time moves as the history does: what waits for a time to pass waits for ever. */
function createHistoryClock(startMs: number): { readonly clock: Clock; moveTo(timeMs: number): void } {
  let now = startMs;
  return {
    clock: {
      nowMs: () => now,
      monotonicMs: () => now - startMs,
      sleep: (_durationMs, { signal } = {}) =>
        new Promise<void>((_resolve, reject) => {
          const stop = (): void => reject(signal?.reason as Error);
          if (signal?.aborted === true) stop();
          else signal?.addEventListener("abort", stop, { once: true });
        }),
    },
    moveTo(timeMs) {
      now = Math.max(now, timeMs);
    },
  };
}

/** The rule, with what it said counted. */
function watched(rule: AlertRule, tally: RuleTally, judgedAfterMs: number): AlertRule {
  return {
    name: rule.name,
    alerting: rule.alerting,
    rows: rule.rows,
    ...(rule.prepare === undefined ? {} : { prepare: (options) => rule.prepare?.(options) ?? Promise.resolve() }),
    evaluate(view) {
      const isJudged = view.nowMs > judgedAfterMs;
      try {
        const findings = rule.evaluate(view);
        if (isJudged && findings.every(({ state }) => state === "unknown")) tally.withoutVerdict += 1;
        return findings;
      } catch (error) {
        if (isJudged) tally.failures += 1;
        tally.firstFailure ??= error instanceof Error ? error.message : String(error);
        throw error;
      }
    },
  };
}

const keyOf = ({ name, subject, severity, sinceMs }: Alert): string =>
  JSON.stringify([name, subject, severity, sinceMs]);

type OpenAlert = { -readonly [Key in keyof ReplayedAlert]: ReplayedAlert[Key] };

/** Follows alerts from the evaluation that showed them to the one that did no more. */
function createAlertList(
  { judgedAfterMs, mostAlerts, driftMs = Number.POSITIVE_INFINITY, watch }: ReplayOptions,
  tallies: ReadonlyMap<string, RuleTally>,
  tallyOf: (name: string) => RuleTally,
) {
  const listed: OpenAlert[] = [];
  const open = new Map<string, OpenAlert>();
  const begin = (key: string, alert: Alert, nowMs: number): OpenAlert => {
    const { name: rule, subject, severity, summary, value, threshold } = alert;
    const measured = { ...(value === undefined ? {} : { value }), ...(threshold === undefined ? {} : { threshold }) };
    const opened: OpenAlert = { rule, subject, severity, summary, ...measured, fromMs: nowMs, told: false };
    open.set(key, opened);
    if (nowMs <= judgedAfterMs) return opened;
    watch?.begin(rule, key, nowMs);
    if (listed.length < mostAlerts) listed.push(opened);
    const tally = tallyOf(rule);
    tally.alerts += 1;
    if (nowMs <= driftMs) return opened;
    tally.alertsSince += 1;
    tally.firstSinceMs ??= nowMs;
    return opened;
  };
  const end = (now: ReadonlyMap<string, Alert>, nowMs: number): void => {
    for (const [key, opened] of open) {
      if (now.has(key)) continue;
      opened.toMs = nowMs;
      open.delete(key);
      watch?.end(key, nowMs);
    }
  };
  return {
    all: (): readonly ReplayedAlert[] => listed.map((each) => ({ ...each })),
    look(firing: readonly Alert[], told: ReadonlySet<string>, nowMs: number): void {
      const now = new Map(firing.map((alert) => [keyOf(alert), alert]));
      end(now, nowMs);
      for (const [key, alert] of now) {
        const opened = open.get(key) ?? begin(key, alert, nowMs);
        if (opened.told || !told.has(key)) continue;
        opened.told = true;
        if (opened.fromMs > judgedAfterMs) tallyOf(opened.rule).told += 1;
      }
      const names = new Set(firing.map(({ name }) => name));
      watch?.look(names, nowMs, nowMs > judgedAfterMs);
      if (nowMs > judgedAfterMs) for (const name of names) tallyOf(name).firing += 1;
      if (nowMs <= driftMs) for (const [name, tally] of tallies) tally.firingBefore = names.has(name);
    },
  };
}
