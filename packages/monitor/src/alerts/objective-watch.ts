import type { CapturedPrediction } from "@millwright/contracts";
import type { ObjectiveState } from "../capture/monitor-state.ts";
import { sloUnknown } from "../errors.ts";
import type { EventCounts } from "../slo/event-counts.ts";
import { type AnsweredTogether, countAll } from "../slo/count-all.ts";
import { createMergedCounts, eventsOf, type MergedCounts } from "../slo/merged-counts.ts";
import { createObjectiveScreen, type ObjectiveScreen } from "../slo/objective-screen.ts";
import { readSlo, type SloStatus } from "../slo/slo-status.ts";
import type { Slo } from "../slo/slo.ts";
import type { Finding, RuleFindings } from "./alert-record.ts";
import { evidenceOf, shown, shownPercent } from "./alert-rule.ts";
import { type EventOutbox, sloEvent, type Told } from "./monitor-events.ts";
import { absenceOf, createObjectiveGauges, type ObjectiveGaugesOptions } from "./objective-gauges.ts";
import { severities, toldRow } from "./told-row.ts";

/** Counts the events of objectives, and finds out which of them burn. */
export interface ObjectiveWatch {
  observe(prediction: CapturedPrediction, timeMs: number): void;
  /** As `observe`, of each. */
  observeAll(answered: AnsweredTogether): void;
  /** Throws `MONITOR_SLO_UNKNOWN`. */
  count(name: string, good: number, total: number, timeMs: number): void;
  /** Throws `MONITOR_SLO_UNKNOWN`. */
  read(name: string, nowMs: number): SloStatus;
  /**
   * Tells what began and what ended, sets the gauges that are not asked when they are read, and gives the findings of all objectives, but of those that are surely well and have no alert: of them there is nothing to say.
   * @param open Rules with an alert that fires or is pending.
   */
  find(nowMs: number, open: ReadonlySet<string>): RuleFindings[];
  /** The last event that told that it burns. */
  burnOf(name: string): Told | undefined;
  /** What was counted for each objective. */
  objectives(): readonly ObjectiveState[];
  /** Takes what another monitor counted; unknown objectives are left out. */
  put(source: string, objectives: readonly ObjectiveState[]): void;
  /** Goes on from what an earlier process counted, before anything else is; unknown objectives are left out. Throws `MONITOR_SLO_STATE_INVALID`. */
  resume(objectives: readonly ObjectiveState[]): void;
  /** Sets the gauges a last time. */
  close(): void;
}

export interface ObjectiveWatchOptions extends Omit<ObjectiveGaugesOptions, "countsOf"> {
  readonly outbox: EventOutbox;
  /** Default: `createObjectiveScreen`. */
  readonly screenOf?: typeof createObjectiveScreen | undefined;
}

interface WatchedSlo {
  readonly slo: Slo;
  readonly index: number;
  readonly counts: MergedCounts;
  /** As the last events told it. */
  burning: boolean;
  exhausted: boolean;
  /** The last event that told of burning. */
  burn: Told | undefined;
}

export function createObjectiveWatch(options: ObjectiveWatchOptions): ObjectiveWatch {
  const { slos, outbox, screenOf = createObjectiveScreen } = options;
  const counted = slos.map((slo) => createMergedCounts(slo));
  const countsOf = (index: number): EventCounts => (counted[index] as MergedCounts).all;
  const screen = screenOf(slos, countsOf);
  const gauges = createObjectiveGauges({ ...options, countsOf });
  const watched = slos.map((slo, index): WatchedSlo => {
    const counts = screened(counted[index] as MergedCounts, index, screen);
    return { slo, index, counts, burning: false, exhausted: false, burn: undefined };
  });
  const byName = new Map(watched.map((each) => [each.slo.name, each]));
  const openOf = createOpenMarks(watched);
  const find = (name: string): WatchedSlo => {
    const found = byName.get(name);
    if (found !== undefined) return found;
    throw sloUnknown(
      name,
      slos.map((slo) => slo.name),
    );
  };
  const look = (each: WatchedSlo, nowMs: number, isOpen: boolean, found: RuleFindings[]): void => {
    // What may rest is well, of which there is nothing to say.
    if (!isOpen && !each.burning && !each.exhausted && screen.rest(each.index, nowMs)) return;
    const status = readSlo(each.slo, each.counts.all, nowMs);
    tellSlo(each, status, outbox);
    if (isOpen || !isWell(each, status))
      found.push(sloFindings(status, each.counts.all, nowMs), ...absence(each.slo, status, nowMs));
  };
  return {
    ...observerOf(watched),
    count: (name, good, total, timeMs) => find(name).counts.add(timeMs, good, total),
    read(name, nowMs) {
      const { slo, counts } = find(name);
      return readSlo(slo, counts.all, nowMs);
    },
    find(nowMs, open) {
      const isOpen = openOf(open);
      const found: RuleFindings[] = [];
      for (let index = 0; index < watched.length; index += 1) {
        if (isOpen[index] === 1 || !screen.isQuiet(index, nowMs))
          look(watched[index] as WatchedSlo, nowMs, isOpen[index] === 1, found);
        if (!gauges.areAsked) gauges.set(index, nowMs);
      }
      gauges.evaluated(nowMs);
      return found;
    },
    close: gauges.close,
    burnOf: (name) => byName.get(name)?.burn,
    ...exchangeOf(watched),
  };
}

const exchangeOf = (watched: readonly WatchedSlo[]): Pick<ObjectiveWatch, "objectives" | "put" | "resume"> => ({
  objectives: () =>
    watched.map(({ slo, counts }) => {
      const state = counts.state();
      return { name: slo.name, events: eventsOf(state), counts: state };
    }),
  put(source, objectives) {
    const told = new Map(objectives.map((each) => [each.name, each]));
    for (const { slo, counts } of watched) counts.put(source, told.get(slo.name)?.events ?? []);
  },
  resume(objectives) {
    const told = new Map(objectives.map((each) => [each.name, each]));
    for (const { slo, counts } of watched) {
      const known = told.get(slo.name);
      if (known !== undefined) counts.resume(known.events, known.counts);
    }
  },
});

/** Counts of which the screen hears all that happens. */
const screened = (counts: MergedCounts, index: number, screen: ObjectiveScreen): MergedCounts => ({
  get all() {
    return counts.all;
  },
  state: counts.state,
  add(timeMs, good, total) {
    counts.add(timeMs, good, total);
    screen.take(index, timeMs, good, total);
  },
  resume(events, state) {
    counts.resume(events, state);
    screen.wake(index);
  },
  put(source, events) {
    counts.put(source, events);
    screen.wake(index);
  },
});

/** Shows predictions to the objectives that may count them. */
function observerOf(watched: readonly WatchedSlo[]): Pick<ObjectiveWatch, "observe" | "observeAll"> {
  const everywhere = watched.filter(({ slo }) => slo.sli.endpoint === undefined);
  const byEndpoint = new Map<string, WatchedSlo[]>();
  for (const each of watched) {
    const { endpoint } = each.slo.sli;
    if (endpoint === undefined) continue;
    const there = byEndpoint.get(endpoint);
    if (there === undefined) byEndpoint.set(endpoint, [each]);
    else there.push(each);
  }
  const show = (each: WatchedSlo, prediction: CapturedPrediction, timeMs: number): void => {
    const good = each.slo.sli.classify(prediction);
    if (good !== undefined) each.counts.add(timeMs, good ? 1 : 0, 1);
  };
  return {
    observe(prediction, timeMs) {
      for (const each of everywhere) show(each, prediction, timeMs);
      for (const each of byEndpoint.get(prediction.endpoint) ?? []) show(each, prediction, timeMs);
    },
    observeAll(answered) {
      const there = byEndpoint.get(answered.endpoint) ?? [];
      countAll(everywhere.length === 0 ? there : [...everywhere, ...there], answered);
    },
  };
}

/** @returns a function that marks the objectives that have an alert, by index; the marks are its own until the next call. */
function createOpenMarks(watched: readonly WatchedSlo[]): (open: ReadonlySet<string>) => Uint8Array {
  const byName = new Map(watched.map(({ slo: { name }, index }) => [name, index]));
  const byAbsence = new Map(watched.map(({ slo: { name }, index }) => [absenceOf(name), index]));
  const marks = new Uint8Array(watched.length);
  return (open) => {
    marks.fill(0);
    for (const rule of open)
      for (const index of [byName.get(rule), byAbsence.get(rule)]) if (index !== undefined) marks[index] = 1;
    return marks;
  };
}

/** Whether all findings are "ok" or "unknown", and stay so until something changes. */
const isWell = ({ burning, exhausted }: WatchedSlo, { state, rows, budgetLeft }: SloStatus): boolean =>
  !burning && !exhausted && state !== "absent" && budgetLeft > 0 && rows.every((row) => row.state !== "firing");

/** One finding for each severity. */
function sloFindings(status: SloStatus, counts: EventCounts, nowMs: number): RuleFindings {
  const findings = severities.flatMap((severity) => {
    const told = toldRow(status.rows, severity);
    if (told === undefined) return [];
    const isUnknown = status.rows.some((row) => row.severity === severity && row.state === "unknown");
    const state = told.state === "firing" ? "firing" : isUnknown ? "unknown" : "ok";
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

function tellSlo(each: WatchedSlo, status: SloStatus, outbox: EventOutbox): void {
  if (status.state === "no-data" || status.state === "absent") return;
  const burning = status.rows.some(({ state }) => state === "firing");
  if (burning && !each.burning) each.burn = outbox.add(sloEvent("slo.burning", status));
  if (!burning && each.burning) outbox.add(sloEvent("slo.recovered", status), each.burn);
  const exhausted = status.budgetLeft <= 0;
  if (exhausted && !each.exhausted) outbox.add(sloEvent("slo.exhausted", status), burning ? each.burn : undefined);
  Object.assign(each, { burning, exhausted });
}
