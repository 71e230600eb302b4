import { backtestInvalid } from "../errors.ts";
import { poissonInterval } from "../statistics/distributions.ts";

/** A time of the history in which something is known to have been wrong. UTC milliseconds. */
export interface KnownIncident {
  readonly fromMs: number;
  /** Default: it lasts to the end of the history. */
  readonly toMs?: number | undefined;
}

/** How one rule or objective met an incident. */
export interface IncidentOutcome {
  /** Alerts that began with the incident or after it, up to `graceMs` after its end. 0: it was not seen. */
  readonly alerts: number;
  /** From the begin of the incident to the first of them, milliseconds. */
  readonly delayMs?: number | undefined;
  /** Whether an alert was firing already when it began. */
  readonly firingBefore: boolean;
  /** Of the alerts, those that were over before the incident was. */
  readonly endedEarly: number;
  /** Of the alerts, those that went on for more than `graceMs` after its end. */
  readonly endedLate: number;
  /** From the end of the incident to that of the last of them, milliseconds; below 0 where that came first. Absent where there is none, the incident has no end, or one fired to the end of the history. */
  readonly overAfterMs?: number | undefined;
  /** Of the evaluations from the first alert to the end of the incident, the share at which none fired; absent without an alert. */
  readonly quietShare?: number | undefined;
  /** Probability that an alert of the rate of false alarms would have begun within the delay, or in all that counts as the incident's where none did. */
  readonly shareByChance: number;
}

/** Alerts of one rule or objective that are of no incident. */
export interface RuleFalseAlarms {
  readonly alerts: number;
  readonly perDay: number;
  /** Garwood's exact interval (1936), which takes alerts as independent. */
  readonly perDayInterval: readonly [number, number];
}

/** How the rules met what is known to have been wrong. */
export interface IncidentReport {
  readonly graceMs: number;
  /** What was judged and is of no incident, milliseconds. */
  readonly outsideMs: number;
  readonly falseAlarms: Readonly<Record<string, RuleFalseAlarms>>;
  readonly incidents: Readonly<
    Record<string, KnownIncident & { readonly rules: Readonly<Record<string, IncidentOutcome>> }>
  >;
}

/** Throws `MONITOR_BACKTEST_INVALID`. */
export function checkIncidents(incidents: Readonly<Record<string, KnownIncident>>, graceMs: number): void {
  if (!(graceMs >= 0 && Number.isFinite(graceMs)))
    throw backtestInvalid(`graceMs must be a number of milliseconds of at least 0, not ${graceMs}`);
  for (const [name, { fromMs, toMs }] of Object.entries(incidents)) {
    if (!Number.isFinite(fromMs)) throw backtestInvalid(`fromMs of the incident "${name}" must be a time`);
    if (toMs !== undefined && !(toMs > fromMs && Number.isFinite(toMs)))
      throw backtestInvalid(`the incident "${name}" must end after it begins, at ${fromMs}, and not at ${toMs}`);
  }
}

interface Meeting {
  alerts: number;
  firstMs: number | undefined;
  firingBefore: boolean;
  endedEarly: number;
  endedLate: number;
  lastEndMs: number;
  open: number;
  /** Evaluations of the incident since the first alert, and those of them at which none fired. */
  looked: number;
  quiet: number;
}

interface Watched extends KnownIncident {
  readonly name: string;
  /** The first evaluation that has seen all of it, and the last at which an alert may be its own. */
  readonly seenMs: number;
  readonly lastMs: number;
  readonly meetings: Map<string, Meeting>;
}

/** Follows alerts of judged evaluations, by the incidents that they began in. */
export interface IncidentWatch {
  begin(rule: string, key: string, nowMs: number): void;
  end(key: string, nowMs: number): void;
  /** @param firing Names of the rules of which an alert fires. */
  look(firing: ReadonlySet<string>, nowMs: number, isJudged: boolean): void;
  /** Throws `MONITOR_BACKTEST_INVALID` for incidents outside of what was judged, or that leave nothing else. */
  report(rules: Iterable<string>, span: { readonly fromMs: number; readonly toMs: number }): IncidentReport;
}

export interface IncidentWatchOptions {
  readonly everyMs: number;
  readonly graceMs: number;
  readonly confidence: number;
}

export function createIncidentWatch(
  incidents: Readonly<Record<string, KnownIncident>>,
  { everyMs, graceMs, confidence }: IncidentWatchOptions,
): IncidentWatch {
  const watched = Object.entries(incidents).map(([name, { fromMs, toMs }]): Watched => {
    const seenMs = toMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(toMs / everyMs) * everyMs;
    return { name, fromMs, toMs, seenMs, lastMs: seenMs + graceMs, meetings: new Map() };
  });
  const open = new Map<string, readonly { readonly incident: Watched; readonly meeting: Meeting }[]>();
  const falseAlarms = new Map<string, number>();
  let outside = 0;
  const at = (nowMs: number): readonly Watched[] =>
    watched.filter(({ fromMs, lastMs }) => nowMs > fromMs && nowMs <= lastMs);
  return {
    begin(rule, key, nowMs) {
      const own = at(nowMs);
      if (own.length === 0) falseAlarms.set(rule, (falseAlarms.get(rule) ?? 0) + 1);
      const met = own.map((incident) => ({ incident, meeting: meetingOf(incident, rule) }));
      for (const { meeting } of met) {
        meeting.alerts += 1;
        meeting.open += 1;
        meeting.firstMs ??= nowMs;
      }
      open.set(key, met);
    },
    end(key, nowMs) {
      for (const { incident, meeting } of open.get(key) ?? []) endMeeting(incident, meeting, nowMs);
      open.delete(key);
    },
    look(firing, nowMs, isJudged) {
      if (isJudged && at(nowMs).length === 0) outside += 1;
      for (const incident of watched) lookAt(incident, firing, nowMs);
    },
    report(rules, span) {
      for (const incident of watched) checkWithin(incident, span);
      const outsideMs = outside * everyMs;
      if (outsideMs === 0)
        throw backtestInvalid("the incidents leave nothing of the history in which an alarm would be a false one");
      const names = [...rules];
      const rate = (rule: string): number => (falseAlarms.get(rule) ?? 0) / outsideMs;
      return {
        graceMs,
        outsideMs,
        falseAlarms: Object.fromEntries(
          names.map((rule) => [rule, falseAlarmsOf(falseAlarms.get(rule) ?? 0, outsideMs, confidence)]),
        ),
        incidents: Object.fromEntries(
          watched.map((incident) => {
            const { name, fromMs, toMs } = incident;
            const met = names.map((rule) => [rule, outcomeOf(incident, rule, span.toMs, rate(rule))] as const);
            return [name, { fromMs, ...(toMs === undefined ? {} : { toMs }), rules: Object.fromEntries(met) }];
          }),
        ),
      };
    },
  };
}

function meetingOf({ meetings }: Watched, rule: string): Meeting {
  const meeting = meetings.get(rule) ?? noMeeting();
  meetings.set(rule, meeting);
  return meeting;
}

const noMeeting = (): Meeting => ({
  alerts: 0,
  firstMs: undefined,
  firingBefore: false,
  endedEarly: 0,
  endedLate: 0,
  lastEndMs: Number.NEGATIVE_INFINITY,
  open: 0,
  looked: 0,
  quiet: 0,
});

function endMeeting({ toMs, lastMs }: Watched, meeting: Meeting, nowMs: number): void {
  meeting.open -= 1;
  meeting.lastEndMs = nowMs;
  if (nowMs < (toMs ?? Number.POSITIVE_INFINITY)) meeting.endedEarly += 1;
  if (nowMs > lastMs) meeting.endedLate += 1;
}

function lookAt(incident: Watched, firing: ReadonlySet<string>, nowMs: number): void {
  const { fromMs, seenMs, meetings } = incident;
  if (nowMs <= fromMs) {
    for (const meeting of meetings.values()) meeting.firingBefore = false;
    for (const rule of firing) meetingOf(incident, rule).firingBefore = true;
    return;
  }
  if (nowMs > seenMs) return;
  for (const [rule, meeting] of meetings) {
    if (meeting.firstMs === undefined) continue;
    meeting.looked += 1;
    if (!firing.has(rule)) meeting.quiet += 1;
  }
}

function checkWithin({ name, fromMs }: Watched, span: { readonly fromMs: number; readonly toMs: number }): void {
  if (!(fromMs >= span.fromMs && fromMs < span.toMs))
    throw backtestInvalid(
      `the incident "${name}" begins at ${fromMs}, and not in the span that was judged, ${span.fromMs} to ${span.toMs}`,
    );
}

function falseAlarmsOf(alerts: number, outsideMs: number, confidence: number): RuleFalseAlarms {
  const days = outsideMs / 86_400_000;
  const [low, high] = poissonInterval(alerts, confidence);
  return { alerts, perDay: alerts / days, perDayInterval: [low / days, high / days] };
}

function outcomeOf(incident: Watched, rule: string, endMs: number, rate: number): IncidentOutcome {
  const { fromMs, toMs, lastMs, meetings } = incident;
  const { alerts, firstMs, firingBefore, open, looked, quiet, ...ended } = meetings.get(rule) ?? noMeeting();
  const delayMs = firstMs === undefined ? undefined : firstMs - fromMs;
  const isOver = alerts > 0 && open === 0 && toMs !== undefined;
  return {
    alerts,
    ...(delayMs === undefined ? {} : { delayMs }),
    firingBefore,
    endedEarly: ended.endedEarly,
    // What fires to the end of the history is late already, where the grace is over.
    endedLate: ended.endedLate + (endMs > lastMs ? open : 0),
    ...(isOver ? { overAfterMs: ended.lastEndMs - toMs } : {}),
    ...(looked === 0 ? {} : { quietShare: quiet / looked }),
    shareByChance: -Math.expm1(-rate * (delayMs ?? Math.min(lastMs, endMs) - fromMs)),
  };
}
