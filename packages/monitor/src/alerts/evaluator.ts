import type { Alert, CapturedPrediction, Clock, Gauge, Logger, Meter } from "@millwright/contracts";
import { within } from "./alert-teller.ts";
import type { Alerting } from "./alert-control.ts";
import { type Finding, isBelow, type RuleFindings } from "./alert-record.ts";
import {
  type AlertRule,
  evidenceOf,
  type MonitorView,
  readingOf,
  shown,
  shownPercent,
  type VariantReading,
} from "./alert-rule.ts";
import { sloUnknown } from "../errors.ts";
import type { EventCounts } from "../slo/event-counts.ts";
import type { ObjectiveState } from "../capture/monitor-state.ts";
import { createMergedCounts, eventsOf, type MergedCounts } from "../slo/merged-counts.ts";
import { type EventOutbox, sloEvent, type Told } from "./monitor-events.ts";
import { readSlo, type SloStatus } from "../slo/slo-status.ts";
import { type Slo, subjectOf } from "../slo/slo.ts";
import { type AnsweredTogether, countAll } from "../slo/count-all.ts";
import type { AnsweringModel, WindowBook } from "../capture/window-book.ts";

export interface EvaluatorOptions {
  readonly book: WindowBook;
  readonly alerting: Alerting;
  readonly outbox: EventOutbox;
  readonly slos: readonly Slo[];
  readonly rules: readonly AlertRule[];
  readonly logger: Logger;
  readonly meter: Meter;
  readonly clock: Clock;
}

/** Turns counts and windows into alerts and events. */
export interface Evaluator {
  observe(prediction: CapturedPrediction, timeMs: number): void;
  /** As `observe`, of each. */
  observeAll(answered: AnsweredTogether): void;
  count(slo: string, good: number, total: number, timeMs: number): void;
  slo(name: string, nowMs: number): SloStatus;
  /** Ends what is known of a variant: it serves another model. */
  startOver(endpoint: string, variant: string): void;
  evaluate(nowMs: number): Promise<readonly Alert[]>;
  flush(): Promise<void>;
  /** What was counted for each objective. */
  objectives(): readonly ObjectiveState[];
  /** Takes what another monitor counted; unknown objectives are left out. */
  put(source: string, objectives: readonly ObjectiveState[]): void;
  /** Goes on from what an earlier process counted, before anything else is; unknown objectives are left out. Throws `MONITOR_SLO_STATE_INVALID`. */
  resume(objectives: readonly ObjectiveState[]): void;
}

interface WatchedSlo {
  readonly slo: Slo;
  readonly counts: MergedCounts;
  /** As the last events told it. */
  burning: boolean;
  exhausted: boolean;
  /** The last event that told of burning. */
  burn: Told | undefined;
}

export function createEvaluator({
  book,
  alerting,
  outbox,
  slos,
  rules,
  logger,
  meter,
  clock,
}: EvaluatorOptions): Evaluator {
  const watched = slos.map(watch);
  const { budget, measured } = createGauges(meter);
  const find = (name: string): WatchedSlo => findSlo(watched, name);
  const readSlos = (nowMs: number): RuleFindings[] =>
    watched.flatMap((each) => {
      const status = readSlo(each.slo, each.counts.all, nowMs);
      budget.set(status.budgetLeft, { slo: status.name });
      tellSlo(each, status, outbox);
      return [sloFindings(status, each.counts.all, nowMs), ...absence(each.slo, status, nowMs)];
    });
  const evaluate = async (nowMs: number): Promise<readonly Alert[]> => {
    book.compact(nowMs);
    await prepareRules(rules, clock, logger);
    const view = viewOf(book, nowMs);
    const all = [...readSlos(nowMs), ...rules.map((rule) => evaluateRule(rule, view, logger))].map((each) =>
      withModels(each, book),
    );
    for (const { rule, findings = [] } of all)
      for (const { subject, value } of findings) if (value !== undefined) measured.set(value, { rule, subject });
    const burnOf = (name: string): Told | undefined => watched.find(({ slo }) => slo.name === name)?.burn;
    await alerting.apply(all, nowMs, burnOf);
    return alerting.book.all();
  };
  let turn: Promise<unknown> = Promise.resolve();
  return {
    observe(prediction, timeMs) {
      for (const { slo, counts } of watched) {
        const good = slo.sli.classify(prediction);
        if (good !== undefined) counts.add(timeMs, good ? 1 : 0, 1);
      }
    },
    observeAll: (answered) => countAll(watched, answered),
    startOver(endpoint, variant) {
      alerting.drop(subjectOf(endpoint, variant), "The variant serves another model now.");
    },
    count: (name, good, total, timeMs) => find(name).counts.add(timeMs, good, total),
    slo(name, nowMs) {
      const { slo, counts } = find(name);
      return readSlo(slo, counts.all, nowMs);
    },
    evaluate(nowMs) {
      // One at a time: what an evaluation found is shown before the next begins.
      const evaluated = turn.then(() => evaluate(nowMs));
      turn = evaluated.catch(() => {});
      return evaluated;
    },
    flush: outbox.flush,
    ...exchangeOf(watched),
  };
}

const exchangeOf = (watched: readonly WatchedSlo[]): Pick<Evaluator, "objectives" | "put" | "resume"> => ({
  objectives: () =>
    watched.map(({ slo, counts }) => {
      const state = counts.state();
      return { name: slo.name, events: eventsOf(state), counts: state };
    }),
  resume(objectives) {
    for (const { slo, counts } of watched) {
      const known = objectives.find(({ name }) => name === slo.name);
      if (known !== undefined) counts.resume(known.events, known.counts);
    }
  },
  put(source, objectives) {
    for (const { slo, counts } of watched)
      counts.put(source, objectives.find(({ name }) => name === slo.name)?.events ?? []);
  },
});

const watch = (slo: Slo): WatchedSlo => ({
  slo,
  counts: createMergedCounts(slo),
  burning: false,
  exhausted: false,
  burn: undefined,
});

function findSlo(watched: readonly WatchedSlo[], name: string): WatchedSlo {
  const found = watched.find(({ slo }) => slo.name === name);
  if (found !== undefined) return found;
  throw sloUnknown(
    name,
    watched.map(({ slo }) => slo.name),
  );
}

function createGauges(meter: Meter): { readonly budget: Gauge; readonly measured: Gauge } {
  const budget = meter.gauge("millwright_monitor_budget_left", {
    help: "Share of the error budget left.",
    labelNames: ["slo"],
  });
  const measured = meter.gauge("millwright_monitor_finding", {
    help: "What a rule or objective measured last.",
    labelNames: ["rule", "subject"],
  });
  return { budget, measured };
}

const longestWaitMs = 1_000;

/** What a rule could not read in time it reads the next time. */
async function prepareRules(rules: readonly AlertRule[], clock: Clock, logger: Logger): Promise<void> {
  const prepared = rules.filter(({ prepare }) => prepare !== undefined);
  if (prepared.length === 0) return;
  const stopped = new AbortController();
  const work = prepared.map(async (rule) => {
    try {
      await rule.prepare?.({ signal: stopped.signal });
    } catch (error) {
      logger.warn({ rule: rule.name, error: String(error) }, "An alert rule could not read what it needs.");
    }
  });
  await within(longestWaitMs, Promise.all(work), clock);
  stopped.abort();
}

function evaluateRule(rule: AlertRule, view: MonitorView, logger: Logger): RuleFindings {
  try {
    return { rule: rule.name, findings: rule.evaluate(view) };
  } catch (error) {
    logger.error({ rule: rule.name, error: String(error) }, "An alert rule failed; its alerts stay as they are.");
    return { rule: rule.name, findings: undefined };
  }
}

/** Says which model answered for the subject of each finding, where its rule does not. */
const withModels = ({ rule, findings }: RuleFindings, book: WindowBook): RuleFindings => ({
  rule,
  findings: findings?.map((finding) => {
    const model = finding.evidence?.model ?? modelOf(finding.subject, book);
    return model === undefined ? finding : { ...finding, evidence: { ...finding.evidence, model } };
  }),
});

/** The model of the variant; of an endpoint, that of all its variants, where it is one. */
function modelOf(subject: string, book: WindowBook): AnsweringModel | undefined {
  for (const endpoint of book.endpoints()) {
    const variants = book.variants(endpoint);
    const variant = variants.find((each) => isBelow(subject, subjectOf(endpoint, each)));
    if (variant !== undefined) return book.model(endpoint, variant);
    if (!isBelow(subject, subjectOf(endpoint))) continue;
    const models = variants.map((each) => book.model(endpoint, each));
    return models.every((each) => each?.digest === models[0]?.digest) ? models[0] : undefined;
  }
  return undefined;
}

/** One finding for each severity: rows of one severity are alternatives. */
function sloFindings(status: SloStatus, counts: EventCounts, nowMs: number): RuleFindings {
  const findings = (["page", "ticket"] as const).flatMap((severity) => {
    const rows = status.rows.filter((row) => row.severity === severity);
    const fires = rows.find(({ state }) => state === "firing");
    const told = fires ?? rows.toSorted((a, b) => b.longBurnRate - a.longBurnRate)[0];
    if (told === undefined) return [];
    const state = fires === undefined ? (rows.some((row) => row.state === "unknown") ? "unknown" : "ok") : "firing";
    const summary = `The error budget of ${status.name} is spent ${shown(told.longBurnRate)} times as fast as allowed over ${told.longMs / 60_000} min, ${shownPercent(status.budgetLeft)} of it is left.`;
    const finding: Finding = {
      subject: status.subject,
      state,
      severity,
      summary,
      value: told.longBurnRate,
      threshold: told.burnRate,
      evidence: evidenceOf({ nowMs }, told.longMs, counts.totals(told.longMs, nowMs).total),
    };
    return [finding];
  });
  return { rule: status.name, findings };
}

/** An objective that counts silence as an alarm has a finding for it, beside those of its rows. */
function absence(slo: Slo, { name, subject, state, rows }: SloStatus, nowMs: number): readonly RuleFindings[] {
  if (slo.missingData !== "alarm") return [];
  const isAbsent = state === "absent";
  const summary = isAbsent ? `Nothing is seen of ${name}: that is not 100 %.` : `${name} is seen.`;
  const finding: Finding = {
    subject,
    state: isAbsent ? "firing" : "ok",
    severity: "page",
    summary,
    value: isAbsent ? 0 : 1,
    threshold: 1,
    evidence: evidenceOf({ nowMs }, Math.min(...rows.map(({ shortMs }) => shortMs)), isAbsent ? 0 : 1),
  };
  return [{ rule: absenceOf(name), findings: [finding] }];
}

/** The name of the alert that says that nothing is seen of an objective. */
export const absenceOf = (slo: string): string => `${slo}-absent`;

function tellSlo(each: WatchedSlo, status: SloStatus, outbox: EventOutbox): void {
  if (status.state === "no-data" || status.state === "absent") return;
  const burning = status.rows.some(({ state }) => state === "firing");
  if (burning && !each.burning) each.burn = outbox.add(sloEvent("slo.burning", status));
  if (!burning && each.burning) outbox.add(sloEvent("slo.recovered", status), each.burn);
  const exhausted = status.budgetLeft <= 0;
  if (exhausted && !each.exhausted) outbox.add(sloEvent("slo.exhausted", status), burning ? each.burn : undefined);
  Object.assign(each, { burning, exhausted });
}

function viewOf(book: WindowBook, nowMs: number): MonitorView {
  // Rules of one evaluation ask for the same windows again and again.
  const known = new Map<string, VariantReading>();
  return {
    nowMs,
    endpoints: book.endpoints,
    variants: book.variants,
    read(endpoint, variant, windowMs, untilMs = nowMs + 1) {
      const key = JSON.stringify([endpoint, variant, windowMs, untilMs]);
      let reading = known.get(key);
      if (reading === undefined) {
        const summary = book.read(endpoint, variant, Math.min(nowMs, untilMs) - windowMs, untilMs);
        reading = readingOf(summary);
        known.set(key, reading);
      }
      return reading;
    },
  };
}
