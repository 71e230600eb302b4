import type { Alert } from "@millwright/contracts";
import { type AlertBegins, createAlertBegins } from "./alert-begins.ts";
import { alertLabels } from "./alert-labels.ts";
import { findMuted } from "./alert-muting.ts";
import { createPages, type PageChange } from "./alert-pages.ts";
import type { FullPolicy, Inhibits } from "./alert-policy.ts";
import {
  alertOf,
  type AlertRecord,
  correlationOf,
  type Finding,
  isBelow,
  keyOf,
  newRecord,
  resolvedBy,
  rewind,
  type RuleFindings,
} from "./alert-record.ts";
import type { KeptSilence } from "./silence.ts";

export interface AlertMachineOptions {
  /** How long an alert outlives the data that it rests on. */
  readonly holdMs: number;
  readonly policyOf: (rule: string) => FullPolicy;
  /** The longest cool-down of any rule. */
  readonly longestCoolDownMs: number;
  readonly inhibits: Inhibits;
  /** Labels that make a correlation key. */
  readonly correlateBy: readonly string[];
}

/** What came of one look at the findings. */
export interface AlertStep {
  /** Alerts that are seen to fire from now on, and those seen before that ended. */
  readonly changes: readonly Alert[];
  /** What people are told: that something began, once for each correlation key, and that it ended. */
  readonly pages: readonly PageChange[];
}

export interface StepOptions {
  readonly nowMs: number;
  readonly silences: readonly KeptSilence[];
  /** False while it is not known what was told before: alerts are seen, and nobody is told. */
  readonly paging: boolean;
}

/** An alert that an earlier process told of the end of. */
export interface EndedAlert {
  readonly alert: Alert;
  readonly timeMs: number;
}

/** Follows findings from pending over firing to their end. Deterministic; a clock that jumps back starts the waiting times over. */
export interface AlertMachine {
  step(all: readonly RuleFindings[], options: StepOptions): AlertStep;
  /** Looks anew at what is silenced and inhibited: findings are those of the last step. */
  mute(options: StepOptions): AlertStep;
  /** Ends what is known of the subject and below. */
  drop(subject: string, reason: string, nowMs: number): AlertStep;
  /** Takes up what earlier processes told. */
  restore(open: readonly Alert[], ended: readonly EndedAlert[], nowMs: number): void;
  records(): readonly AlertRecord[];
  find(alert: Alert): AlertRecord | undefined;
  isFlapping(record: AlertRecord, nowMs: number): boolean;
}

export function createAlertMachine(options: AlertMachineOptions): AlertMachine {
  const { policyOf, inhibits, correlateBy } = options;
  const records = new Map<string, AlertRecord>();
  const begins = createAlertBegins(policyOf);
  const pages = createPages(policyOf, options.longestCoolDownMs);
  const site: Site = { ...options, records, begins };
  const firing = (): AlertRecord[] => [...records.values()].filter(({ phase }) => phase === "firing");
  const settle = (over: readonly AlertRecord[], { nowMs, silences, paging }: StepOptions): AlertStep => {
    const burning = firing();
    findMuted(burning, silences, inhibits, nowMs);
    const seen = burning.filter((record) => record.muted === undefined && !record.seen);
    for (const record of seen) record.seen = true;
    const changes = [...seen, ...over.filter((record) => record.seen)].map(({ alert }) => alert);
    return { changes, pages: paging ? pages.update(burning, over, nowMs) : [] };
  };
  return {
    mute: (step) => settle([], step),
    step(all, step) {
      const { nowMs } = step;
      for (const record of records.values()) rewind(record, nowMs);
      const looked = all.flatMap(({ rule, findings = [] }) =>
        findings.map((finding) => ({ rule, finding, key: keyOf(rule, finding) })),
      );
      const replaced = replacedModels(records, looked);
      for (const each of looked) take(each, nowMs, site);
      const over = [...replaced, ...sweep(all, looked, nowMs, site)];
      begins.forget(nowMs);
      return settle(over, step);
    },
    drop(subject, reason, nowMs) {
      const gone = [...records.values()].filter(({ alert }) => isBelow(alert.subject, subject));
      for (const { key } of gone) records.delete(key);
      const over = gone
        .filter(({ phase }) => phase === "firing")
        .map((record) => ({ ...record, alert: resolvedBy(record.alert, undefined, reason) }));
      const changes = over.filter(({ shown }) => shown).map(({ alert }) => alert);
      return { changes, pages: pages.close(firing(), over, nowMs) };
    },
    restore(open, ended, nowMs) {
      for (const { alert, timeMs } of ended) {
        pages.noteEnd(correlationOf(alertLabels(alert), correlateBy), timeMs);
        begins.note(alert.name, keyOf(alert.name, alert), alert.sinceMs);
      }
      for (const alert of open) pages.reopen(takeUp(alert, nowMs, site), alert);
    },
    records: () => [...records.values()],
    find: (alert) => records.get(keyOf(alert.name, alert)),
    isFlapping: begins.isFlapping,
  };
}

interface Site extends AlertMachineOptions {
  readonly records: Map<string, AlertRecord>;
  readonly begins: AlertBegins;
}

function take({ rule, finding, key }: Looked, nowMs: number, site: Site): void {
  const { records, policyOf, correlateBy, begins } = site;
  const known = records.get(key);
  if (known !== undefined) known.restored = false;
  if (finding.state === "unknown") return;
  if (known !== undefined) known.knownMs = nowMs;
  if (finding.state === "ok") return takeOk(records, known, finding, nowMs);
  if (known?.phase === "firing") {
    known.okMs = undefined;
    return;
  }
  const alert = alertOf(rule, finding, nowMs);
  const labels = alertLabels(alert);
  const record = known ?? newRecord(key, alert, labels, nowMs);
  records.set(key, Object.assign(record, { alert, labels }));
  if (nowMs - record.pendingMs < policyOf(rule).forMs) return;
  Object.assign(record, { phase: "firing", correlation: correlationOf(labels, correlateBy) });
  begins.note(rule, key, nowMs);
}

/** Takes out what is over. @returns what fired of it. */
function sweep(
  all: readonly RuleFindings[],
  looked: readonly Looked[],
  nowMs: number,
  { records, policyOf, begins, holdMs }: Site,
): AlertRecord[] {
  const findings = new Map(looked.map(({ key, finding }) => [key, finding]));
  const failed = new Set(all.filter((each) => each.findings === undefined).map(({ rule }) => rule));
  const over: AlertRecord[] = [];
  for (const record of records.values()) {
    if (failed.has(record.rule)) continue;
    const { keepFiringMs, flap } = policyOf(record.rule);
    const quietMs = begins.isFlapping(record, nowMs) ? Math.max(keepFiringMs, flap.quietMs) : keepFiringMs;
    const alert = endOf(record, findings.get(record.key), { nowMs, quietMs, holdMs });
    if (alert === undefined) continue;
    records.delete(record.key);
    if (record.phase === "firing") over.push({ ...record, alert });
  }
  return over;
}

/** Goes on with an alert that an earlier process told of. @returns its correlation key. */
function takeUp(alert: Alert, nowMs: number, { records, begins, correlateBy }: Site): string {
  const key = keyOf(alert.name, alert);
  const labels = alertLabels(alert);
  const correlation = correlationOf(labels, correlateBy);
  const record = records.get(key) ?? { ...newRecord(key, alert, labels, nowMs), restored: true };
  records.set(key, Object.assign(record, { alert, labels, correlation, phase: "firing" as const, paged: true }));
  begins.note(alert.name, key, alert.sinceMs);
  return correlation;
}

interface Looked {
  readonly rule: string;
  readonly finding: Finding;
  readonly key: string;
}

function takeOk(
  records: Map<string, AlertRecord>,
  record: AlertRecord | undefined,
  finding: Finding,
  nowMs: number,
): void {
  if (record === undefined) return;
  if (record.phase === "pending") records.delete(record.key);
  record.okMs ??= nowMs;
  record.ok = finding;
}

/** The alert as it ends; undefined while it does not. */
function endOf(
  { alert, okMs, ok, knownMs, restored }: AlertRecord,
  finding: Finding | undefined,
  { nowMs, quietMs, holdMs }: { readonly nowMs: number; readonly quietMs: number; readonly holdMs: number },
): Alert | undefined {
  if (finding === undefined && !restored) return resolvedBy(alert, undefined, "The subject is known no more.");
  if (okMs !== undefined && finding?.state === "ok" && nowMs - okMs >= quietMs) return resolvedBy(alert, ok, "");
  if (nowMs - knownMs < holdMs) return undefined;
  const minutes = Math.round(holdMs / 60_000);
  return resolvedBy(alert, undefined, `Nothing was heard for ${minutes} min; whether it is right again is unknown.`);
}

/** Takes out alerts of an earlier process that were about another model than the one that answers now. */
function replacedModels(records: Map<string, AlertRecord>, looked: readonly Looked[]): AlertRecord[] {
  const over: AlertRecord[] = [];
  for (const { key, finding } of looked) {
    const record = records.get(key);
    if (record?.restored !== true) continue;
    const [before, now] = [record.alert.evidence?.model?.digest, finding.evidence?.model?.digest];
    if (before === undefined || now === undefined || before === now) continue;
    records.delete(key);
    over.push({ ...record, alert: resolvedBy(record.alert, undefined, "The variant serves another model now.") });
  }
  return over;
}
