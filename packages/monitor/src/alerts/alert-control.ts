import {
  abortable,
  type Alert,
  type CallOptions,
  type Clock,
  type EventId,
  type EventLog,
  type IdSource,
  type Logger,
  type Meter,
} from "@millwright/contracts";
import { type AlertBook, createAlertBook } from "./alert-book.ts";
import { type Acknowledgement, readAlertHistory } from "./alert-history.ts";
import { type AlertLabels, type AlertMatch, matcherOf } from "./alert-labels.ts";
import { type AlertMachine, type AlertStep, createAlertMachine } from "./alert-machine.ts";
import { type AlertPolicy, endpointInhibitions, type Inhibition, inhibitsOf, withDefaults } from "./alert-policy.ts";
import type { AlertRecord, Muted, RuleFindings } from "./alert-record.ts";
import { createAlertTeller, within } from "./alert-teller.ts";
import { acknowledgementEvent, type EventOutbox, silenceEvent, type Told } from "./monitor-events.ts";
import { createSilenceTimes, type SilenceTimes } from "./silence-times.ts";
import {
  createSilenceBook,
  nextTimeOf,
  type Silence,
  type SilenceBook,
  type SilenceOptions,
  type SilenceSource,
} from "./silence.ts";

/** How findings become alerts, and who is told of them. */
export interface AlertingOptions {
  /** By the name of the rule or objective; stands before the rule's own. Default: none. */
  readonly policies?: Readonly<Record<string, AlertPolicy>> | undefined;
  /** Default: `endpointInhibitions()`. */
  readonly inhibitions?: readonly Inhibition[] | undefined;
  /**
   * Labels that make the correlation key: of alerts in which they are the same, one event tells. Alerts whose model is not known are told apart by subject too.
   * Default: `alertname`, `severity`, `endpoint`, `model`, `version`.
   */
  readonly correlateBy?: readonly string[] | undefined;
  /** Silences that are kept elsewhere, such as in an Alertmanager; asked at each evaluation, and kept as they were while they do not answer. Default: none. */
  readonly silenceSources?: readonly SilenceSource[] | undefined;
  /** Name of this monitor, where several tell one log: each takes up only its own alerts after a restart. Default: none. */
  readonly instance?: string | undefined;
}

/** An alert as it stands, also where nobody is told of it. */
export interface AlertState {
  readonly alert: Alert;
  /** `pending`: found, but not for as long as its policy asks. */
  readonly phase: "pending" | "firing";
  /** Why it is not told; undefined where it is. */
  readonly muted: Muted | undefined;
  /** Whether people were told, by this alert or by another of the same correlation key. */
  readonly told: boolean;
  /** Whether it began so often that its end is waited for. */
  readonly flapping: boolean;
  readonly acknowledged: Acknowledgement | undefined;
}

/** What people do about alerts. */
export interface AlertControl {
  /** Alerts that are pending or fire, silenced and inhibited ones included. */
  states(): readonly AlertState[];
  /** From when it begins until it ends, alerts that match are not among those of the monitor, and not told; when its time is over, what still fires and was not told is told then, before the next evaluation. In the log when it resolves, where the log answers within a second. Throws `MONITOR_SILENCE_INVALID`. */
  silence(options: SilenceOptions, call?: CallOptions): Promise<Silence>;
  /** Ends a silence of this monitor: what fired at the last evaluation is told at once. Throws `MONITOR_SILENCE_UNKNOWN`. */
  endSilence(id: string, call?: CallOptions): Promise<void>;
  /** Those in force or to come, from here and from the sources. */
  silences(): readonly Silence[];
  /** Somebody looks after what fires and matches. Throws `MONITOR_SILENCE_INVALID` for a match of nothing. @returns how many were acknowledged. */
  acknowledge(
    match: AlertMatch,
    who: { readonly by: string; readonly comment?: string | undefined },
    call?: CallOptions,
  ): Promise<number>;
}

export interface Alerting {
  readonly book: AlertBook;
  readonly control: AlertControl;
  /** Reads what findings are taken with: what earlier processes told, and silences of other places. */
  prepare(nowMs: number): Promise<void>;
  /** Rules with an alert that fires or is pending: their findings are asked for, also where all is well. */
  openRules(): ReadonlySet<string>;
  /** Takes the findings of all rules, and tells what changed. A rule without an open alert may be left out where it finds nothing. */
  apply(all: readonly RuleFindings[], nowMs: number, burnOf: (name: string) => Told | undefined): Promise<void>;
  drop(subject: string, reason: string): void;
  /** Waits for no silence any more. */
  close(): void;
}

export interface AlertingParts {
  readonly options: AlertingOptions;
  /** Names of rules and objectives, with their own policies. */
  readonly rules: readonly { readonly name: string; readonly alerting?: AlertPolicy | undefined }[];
  readonly holdMs: number;
  readonly outbox: EventOutbox;
  readonly events: EventLog | undefined;
  readonly meter: Meter;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly ids: IdSource;
}

const longestWaitMs = 1_000;
const usualLabels = ["alertname", "severity", "endpoint", "model", "version"];

/** Throws `MONITOR_RULE_INVALID`, `MONITOR_SILENCE_INVALID` for an inhibition that matches everything. */
export function createAlerting(parts: AlertingParts): Alerting {
  const { options, outbox, meter, clock, ids, logger } = parts;
  const { silenceSources = [], instance, correlateBy = usualLabels } = options;
  const machine = machineOf(parts, correlateBy);
  const book = createAlertBook(machine);
  const teller = createAlertTeller({ alerts: book, outbox, meter, clock, instance });
  const silences = createSilenceBook(clock, ids);
  const acknowledged = new Map<string, Acknowledgement>();
  const recall = createRecall(parts, (history, nowMs) => {
    machine.restore(
      history.open.map(({ alert }) => alert),
      history.ended,
      nowMs,
    );
    const correlation = (alert: Alert): string | undefined => machine.find(alert)?.correlation;
    teller.restore(history.open, correlation);
    for (const { alert } of history.open) {
      const found = history.acknowledged.get(alert.eventId as EventId);
      if (found !== undefined) acknowledged.set(correlation(alert) ?? "", found);
    }
    for (const silence of history.silences) putSilence(silences, silence, logger);
  });
  let paging = false;
  let last: Parameters<Alerting["apply"]> | undefined;
  const tell = async (step: AlertStep): Promise<void> => {
    for (const { correlation } of step.pages) acknowledged.delete(correlation);
    const [all, , burnOf] = last ?? [[], 0, () => undefined];
    await teller.tell(step, all, burnOf);
  };
  const remute = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const nothing: AlertStep = { changes: [], pages: [] };
    // What an earlier process told is looked at by an evaluation first.
    const step = last === undefined ? nothing : machine.mute({ nowMs, silences: silences.all(nowMs), paging });
    if (last !== undefined) times.looked(nowMs);
    await tell(step);
  };
  const nextAfter = (nowMs: number): number | undefined => {
    const known = silences.all(nowMs);
    return known.length === 0 ? undefined : nextTimeOf(known, labelsOfFiring(machine), nowMs);
  };
  const times = createSilenceTimes({ clock, logger, nextAfter, look: remute });
  return {
    book: upToDate(book, times),
    control: controlOf({ parts, machine, silences, acknowledged, teller, times, remute }),
    openRules: () => new Set(machine.records().map(({ rule }) => rule)),
    async prepare(nowMs) {
      paging = await recall(nowMs);
      await readSilences(silenceSources, silences, parts);
    },
    async apply(all, nowMs, burnOf) {
      last = [all, nowMs, burnOf];
      const step = machine.step(all, { nowMs, silences: silences.all(nowMs), paging });
      times.looked(nowMs);
      await tell(step);
    },
    drop: (subject, reason) => teller.tellDropped(machine.drop(subject, reason, clock.nowMs())),
    close: times.close,
  };
}

/** Those of other places, as far as they answer in time. */
async function readSilences(
  places: readonly SilenceSource[],
  silences: SilenceBook,
  { logger, clock }: AlertingParts,
): Promise<void> {
  const reads = places.map(async (place) => silences.putForeign(place, await place.silences()));
  const settled = Promise.allSettled(reads).then((all) => {
    for (const each of all)
      if (each.status === "rejected") logger.warn({ error: String(each.reason) }, "Silences cannot be read.");
  });
  if (reads.length > 0) await within(longestWaitMs, settled, clock);
}

const labelsOfFiring = (machine: AlertMachine): readonly AlertLabels[] =>
  machine
    .records()
    .filter(({ phase }) => phase === "firing")
    .map(({ labels }) => labels);

/** What is asked between two evaluations is as silences have it now. */
const upToDate = (book: AlertBook, times: SilenceTimes): AlertBook => ({
  ...book,
  async alerts(subject, options = {}) {
    await abortable(times.catchUp(), options.signal);
    return book.alerts(subject, options);
  },
});

function machineOf({ options, rules, holdMs }: AlertingParts, correlateBy: readonly string[]): AlertMachine {
  const { policies = {}, inhibitions = endpointInhibitions() } = options;
  const known = new Map(
    rules.map(({ name, alerting }) => [
      name,
      withDefaults(name, Object.hasOwn(policies, name) ? policies[name] : alerting),
    ]),
  );
  const usual = withDefaults("default");
  return createAlertMachine({
    holdMs,
    policyOf: (rule) => known.get(rule) ?? usual,
    longestCoolDownMs: Math.max(0, ...Array.from(known.values(), ({ coolDownMs }) => coolDownMs)),
    inhibits: inhibitsOf(inhibitions),
    correlateBy,
  });
}

/** Reads what earlier processes told, once; a log that fails is asked again the next time, and nobody is told before. @returns whether it is known. */
function createRecall(
  { events, rules, options: { instance }, clock, logger }: AlertingParts,
  take: (history: Awaited<ReturnType<typeof readAlertHistory>>, nowMs: number) => void,
): (nowMs: number) => Promise<boolean> {
  let known = events === undefined;
  let reading: Promise<void> | undefined;
  const names = new Set(rules.map(({ name }) => name));
  const read = async (log: EventLog, nowMs: number): Promise<void> => {
    try {
      take(await readAlertHistory(log, { names, instance }), nowMs);
      known = true;
    } catch (error) {
      logger.warn({ error: String(error) }, "The log cannot be read for what was told; nobody is told until then.");
    } finally {
      reading = undefined;
    }
  };
  return async (nowMs) => {
    if (known || events === undefined) return true;
    reading ??= read(events, nowMs);
    await within(longestWaitMs, reading, clock);
    return known;
  };
}

function putSilence(silences: SilenceBook, silence: Silence, logger: Logger): void {
  try {
    silences.put(silence);
  } catch (error) {
    logger.warn({ id: silence.id, error: String(error) }, "A silence of the log cannot be read; it is left out.");
  }
}

interface ControlParts {
  readonly parts: AlertingParts;
  readonly machine: AlertMachine;
  readonly silences: SilenceBook;
  readonly acknowledged: Map<string, Acknowledgement>;
  readonly teller: { pageOf(correlation: string): Told | undefined };
  readonly times: SilenceTimes;
  /** Shows and tells what silences leave, as they are now. */
  readonly remute: () => Promise<void>;
}

function controlOf({ parts, machine, silences, acknowledged, teller, times, remute }: ControlParts): AlertControl {
  const { clock, outbox } = parts;
  const { instance } = parts.options;
  const flush = async (signal: AbortSignal | undefined): Promise<void> => {
    await abortable(within(longestWaitMs, outbox.flush(), clock), signal);
  };
  const stateOf = (record: AlertRecord): AlertState => ({
    alert: record.alert,
    phase: record.phase,
    muted: record.muted,
    told: record.paged,
    flapping: machine.isFlapping(record, clock.nowMs()),
    acknowledged: record.paged ? acknowledged.get(record.correlation) : undefined,
  });
  return {
    states() {
      void times.catchUp();
      return machine.records().map(stateOf);
    },
    silences: () => silences.all(clock.nowMs()).map(({ silence }) => silence),
    async silence(options, { signal } = {}) {
      signal?.throwIfAborted();
      const silence = silences.add(options);
      outbox.add(silenceEvent(silence, instance));
      await abortable(remute(), signal);
      return silence;
    },
    async endSilence(id, { signal } = {}) {
      signal?.throwIfAborted();
      outbox.add(silenceEvent(silences.end(id), instance));
      await abortable(remute(), signal);
    },
    async acknowledge(match, { by, comment = "" }, { signal } = {}) {
      signal?.throwIfAborted();
      const matches = matcherOf(match);
      await abortable(times.catchUp(), signal);
      const found = new Map(
        machine
          .records()
          .filter(({ paged, labels }) => paged && matches(labels))
          .map((record) => [record.correlation, record.alert]),
      );
      const acknowledgement: Acknowledgement = { by, comment, timeMs: clock.nowMs() };
      for (const [correlation, alert] of found) {
        acknowledged.set(correlation, acknowledgement);
        outbox.add(acknowledgementEvent(alert, acknowledgement, instance), teller.pageOf(correlation));
      }
      await flush(signal);
      return found.size;
    },
  };
}
