import {
  type CallOptions,
  type Clock,
  type EventLog,
  type Logger,
  type Meter,
  type RecordStore,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { scheduleOption } from "../errors.ts";
import { type CronTimes, cronTimes } from "./cron-times.ts";
import { type Progress, readProgress, writeProgress } from "./progress.ts";

/** One run of a monitor, and what it is to look at. */
export interface ScheduledRun {
  readonly reason: "cron" | "rows" | "labels" | "deployment" | "manual";
  /** When it was due, UTC milliseconds. */
  readonly dueMs: number;
  /** `[fromMs, toMs)`: all since the last run that did not fail, so that nothing is left out. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly startedMs: number;
  /** Due times before this one that had no run of their own: the process was down, or the run before took too long. */
  readonly missed: number;
  /** Whether it began later than `toleranceMs` after it was due. */
  readonly late: boolean;
}

export interface MonitorScheduleOptions {
  /** Tells schedules apart in logs, metrics and records. */
  readonly name: string;
  /** The work. Where it throws, the next run looks at its span as well. */
  readonly run: (run: ScheduledRun, options: CallOptions) => unknown;
  /** Default: none, so that only rows, labels, deployments and `trigger` make runs. */
  readonly cron?: CronTimes | string | undefined;
  /** A run after so many rows told by `rows`. */
  readonly everyRows?: number | undefined;
  /** A run after so many labels told by `labels`. */
  readonly everyLabels?: number | undefined;
  /** A run after each `deployment.completed`, `deployment.rolled-back` and `deployment.failed` of this log. */
  readonly deployments?: EventLog | undefined;
  /** How late a run may begin, as SageMaker's jobs do by up to 20 minutes. Default: 20 minutes. */
  readonly toleranceMs?: number | undefined;
  /** Keeps what was covered, so that a new process catches up. Default: it begins anew. */
  readonly records?: RecordStore | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** Runs a monitor when it is due: by the clock, and by what happened. One run at a time. */
export interface MonitorSchedule extends AsyncDisposable {
  /** Tells of rows that came. */
  rows(count: number): void;
  /** Tells of labels that came. */
  labels(count: number): void;
  /** Asks for a run now; several requests before it begins make one. */
  trigger(): void;
  /** The last run that began. */
  readonly last: ScheduledRun | undefined;
  /** When the next one is due by the clock. */
  readonly nextMs: number | undefined;
}

const minuteMs = 60_000;
/** Between two looks at the clock: it may have jumped. */
const longestSleepMs = 5 * minuteMs;

const ends = ["deployment.completed", "deployment.rolled-back", "deployment.failed"];

/** Reads what was covered before, then waits for what is due. Throws `MONITOR_SCHEDULE_INVALID`, and what the records throw. */
export async function openMonitorSchedule(
  options: MonitorScheduleOptions,
  { signal }: CallOptions = {},
): Promise<MonitorSchedule> {
  const { name, cron, clock = systemClock, records } = options;
  for (const key of ["everyRows", "everyLabels"] as const) {
    const value = options[key];
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      throw scheduleOption(name, `${key} is ${value}, and must be a whole number over 0`);
  }
  const { toleranceMs = 0 } = options;
  if (!(toleranceMs >= 0)) throw scheduleOption(name, `toleranceMs is ${toleranceMs}, and must be 0 or more`);
  const times = typeof cron === "string" ? cronTimes(cron) : cron;
  const progress = await readProgress(records, name, clock.nowMs(), { signal });
  return new Schedule({ ...options, clock, times, progress });
}

interface Opened extends MonitorScheduleOptions {
  readonly clock: Clock;
  readonly times: CronTimes | undefined;
  readonly progress: Progress;
}

class Schedule implements MonitorSchedule {
  readonly #options: Opened;
  readonly #logger: Logger;
  readonly #runs: ReturnType<Meter["counter"]>;
  readonly #stop = new AbortController();
  readonly #working: Promise<unknown>;
  #progress: Progress;
  #asked = new Set<ScheduledRun["reason"]>();
  /** Ends the sleep of the loop. */
  #wake = new AbortController();
  #next: { readonly afterMs: number; readonly atMs: number | undefined } | undefined;
  last: ScheduledRun | undefined;

  constructor(options: Opened) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#progress = options.progress;
    this.#runs = (options.meter ?? silentMeter).counter("millwright_monitor_scheduled_runs_total", {
      help: "Runs of monitors on a schedule, by what made them due and how they ended.",
      labelNames: ["schedule", "reason", "outcome"],
    });
    this.#working = Promise.all([this.#loop(), this.#followDeployments()]);
  }

  get nextMs(): number | undefined {
    const { dueMs } = this.#progress;
    // Time zones make it costly, and each look at the clock asks.
    if (this.#next?.afterMs !== dueMs) this.#next = { afterMs: dueMs, atMs: this.#options.times?.next(dueMs) };
    return this.#next.atMs;
  }

  rows(count: number): void {
    this.#count("rows", count, this.#options.everyRows);
  }

  labels(count: number): void {
    this.#count("labels", count, this.#options.everyLabels);
  }

  trigger(): void {
    this.#ask("manual");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#working;
  }

  #count(what: "rows" | "labels", count: number, every: number | undefined): void {
    if (every === undefined || !(count > 0)) return;
    this.#progress = { ...this.#progress, [what]: this.#progress[what] + count };
    if (this.#progress[what] >= every) this.#ask(what);
  }

  #ask(reason: ScheduledRun["reason"]): void {
    this.#asked.add(reason);
    this.#wake.abort();
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      const due = this.#due(clock.nowMs());
      if (due !== undefined) {
        await this.#run(due);
        continue;
      }
      this.#wake = new AbortController();
      if (this.#asked.size > 0) continue;
      const untilMs = (this.nextMs ?? Number.POSITIVE_INFINITY) - clock.nowMs();
      const { signal } = this.#wake;
      await clock.sleep(Math.min(longestSleepMs, Math.max(1, untilMs)), { signal }).catch(() => {});
    }
  }

  /** What is to be run now: what the clock says first. */
  #due(nowMs: number): Pick<ScheduledRun, "reason" | "dueMs" | "missed"> | undefined {
    const [reason] = this.#asked;
    const { times } = this.#options;
    let dueMs = this.nextMs;
    if (times === undefined || dueMs === undefined || dueMs > nowMs)
      return reason === undefined ? undefined : { reason, dueMs: nowMs, missed: 0 };
    let missed = 0;
    for (let next = times.next(dueMs); next !== undefined && next <= nowMs; next = times.next(next)) {
      dueMs = next;
      missed += 1;
    }
    return { reason: "cron", dueMs, missed };
  }

  async #run({ reason, dueMs, missed }: Pick<ScheduledRun, "reason" | "dueMs" | "missed">): Promise<void> {
    const { name, run, clock, toleranceMs = 20 * minuteMs, records } = this.#options;
    const startedMs = clock.nowMs();
    const before = this.#progress;
    // A clock that went back has covered what it comes to again.
    const fromMs = Math.min(before.coveredToMs, dueMs);
    const each = { reason, dueMs, fromMs, toMs: dueMs, startedMs, missed, late: startedMs - dueMs > toleranceMs };
    this.last = each;
    const asked = this.#asked;
    this.#asked = new Set();
    this.#progress = { ...before, dueMs: reason === "cron" ? dueMs : before.dueMs, rows: 0, labels: 0 };
    let outcome = "succeeded";
    try {
      await run(each, { signal: this.#stop.signal });
      this.#progress = { ...this.#progress, coveredToMs: Math.max(before.coveredToMs, dueMs) };
      await writeProgress(records, name, this.#progress);
    } catch (error) {
      outcome = this.#stop.signal.aborted ? "stopped" : "failed";
      // Rows and labels that came meanwhile are there too: the next of them asks again.
      const { rows, labels } = this.#progress;
      this.#progress = { ...this.#progress, rows: rows + before.rows, labels: labels + before.labels };
      const left = { schedule: name, fromMs, error: String(error), asked: [...asked] };
      this.#logger.error(left, "A scheduled run failed; the next one looks at its span as well.");
    }
    this.#runs.add(1, { schedule: name, reason, outcome });
  }

  async #followDeployments(): Promise<void> {
    const { deployments: log, clock, name } = this.#options;
    if (log === undefined) return;
    const { signal } = this.#stop;
    let after = this.#progress.cursor;
    while (!signal.aborted) {
      try {
        for await (const { cursor, event } of log.read({ after, types: ends, follow: true, signal })) {
          after = cursor;
          this.#progress = { ...this.#progress, cursor };
          if (Date.parse(event.time) >= this.#progress.openedMs) this.#ask("deployment");
        }
      } catch (error) {
        this.#logger.warn({ schedule: name, error: String(error) }, "Deployments could not be read; tried again.");
        await clock.sleep(minuteMs, { signal }).catch(() => {});
      }
    }
  }
}
