import {
  currentJobState,
  type ErrorCategory,
  type JobFailureCause,
  type JobHistory,
  type JobHistoryEntry,
  type JobState,
} from "@millwright/contracts";
import { jobTimes } from "../supervision/job-times.ts";
import { quantileOf } from "./amounts.ts";
import { type CostRecord, costsOf, type JobCosts } from "./job-costs.ts";

/** A training job, as its SLIs look at it. */
export interface TrainingRecord extends CostRecord {
  readonly id: string;
  /** What it is a run of: jobs of a name are compared with each other. */
  readonly name: string;
  /** Whether somebody is to be woken where it fails: it belongs to a pipeline in production. Default: false. */
  readonly production?: boolean | undefined;
}

/** How long runs of one name take in all of their attempts, those that completed. */
export interface DurationSli {
  readonly count: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** The newest one, and how long it took of the median of those before it; no ratio where there was none. */
  readonly newest: { readonly id: string; readonly durationMs: number; readonly ofEarlierMedian?: number | undefined };
  /** Runs that took longer than the 95th percentile of those before them, of at least 5 and at most 200; oldest first. */
  readonly slow: readonly string[];
}

/** Somebody is to be woken: the newest run of a production job failed. */
export interface TrainingPage {
  readonly severity: "page";
  readonly name: string;
  readonly id: string;
  readonly state: JobState;
  readonly failedAtMs: number;
  readonly category?: ErrorCategory | undefined;
  readonly cause?: JobFailureCause | undefined;
  readonly reason?: string | undefined;
  /** Runs that failed one after another up to this one. */
  readonly failures: number;
  /** When a run of the name last completed; absent where none has. */
  readonly completedAtMs?: number | undefined;
}

export interface TrainingSlis {
  /** Jobs that are over, those that users stopped left out. */
  readonly jobs: number;
  readonly completed: number;
  readonly failed: number;
  readonly stoppedByUsers: number;
  readonly unfinished: number;
  /** Completed of `jobs`, from 0 to 1; NaN where there are none. */
  readonly successRate: number;
  /** The same without the failures that were the user's own: of category `user` or `data`. */
  readonly platformSuccessRate: number;
  /** Failed jobs by the cause of their last attempt; those whose time was up by their state. */
  readonly failuresByCause: Readonly<Record<string, number>>;
  readonly failuresByCategory: Readonly<Record<string, number>>;
  /** Attempts that failed, of jobs whatever became of them, by cause. */
  readonly failedAttemptsByCause: Readonly<Record<string, number>>;
  /** By name. */
  readonly durations: Readonly<Record<string, DurationSli>>;
  /** With all jobs, those that users stopped too. */
  readonly costs: JobCosts;
  /** The page rule: one for each production name whose newest run, of those that are over and were not stopped, did not complete. */
  readonly pages: readonly TrainingPage[];
}

const failing: ReadonlySet<JobState> = new Set(["failed", "max-runtime-exceeded", "max-wait-time-exceeded"]);
const usersOwn: ReadonlySet<string> = new Set(["user", "data"]);

interface Ended {
  readonly record: TrainingRecord;
  readonly last: JobHistoryEntry;
}

const countsOf = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** What says how training does: success, time, money, and whom to wake. Pure. Throws what `costsOf` throws. */
export function trainingSlis(records: readonly TrainingRecord[]): TrainingSlis {
  const told = records.filter(({ history }) => history.length > 0);
  const ended = told
    .map((record): Ended => ({ record, last: record.history.at(-1) as JobHistoryEntry }))
    .toSorted((a, b) => a.last.timeMs - b.last.timeMs);
  const completed = ended.filter(({ last }) => last.state === "completed");
  const failed = ended.filter(({ last }) => failing.has(last.state));
  const stoppedByUsers = ended.filter(({ last }) => last.state === "stopped").length;
  const jobs = completed.length + failed.length;
  const users = failed.filter(({ last }) => usersOwn.has(last.category ?? "")).length;
  return {
    jobs,
    completed: completed.length,
    failed: failed.length,
    stoppedByUsers,
    unfinished: records.length - jobs - stoppedByUsers,
    successRate: completed.length / jobs,
    platformSuccessRate: completed.length / (jobs - users),
    failuresByCause: countsOf(
      failed.map(({ last }) => (last.state === "failed" ? (last.cause ?? "error") : last.state)),
    ),
    failuresByCategory: countsOf(failed.flatMap(({ last }) => last.category ?? [])),
    failedAttemptsByCause: countsOf(
      told.flatMap(({ history }) => history.flatMap(({ cause }) => (cause === "interrupted" ? [] : (cause ?? [])))),
    ),
    durations: durationsOf(completed),
    costs: costsOf(records),
    pages: pagesOf(ended),
  };
}

function byName(ended: readonly Ended[]): ReadonlyMap<string, readonly Ended[]> {
  const groups = new Map<string, Ended[]>();
  for (const one of ended) {
    const group = groups.get(one.record.name);
    if (group === undefined) groups.set(one.record.name, [one]);
    else group.push(one);
  }
  return groups;
}

/** Runs that a run's time is compared with, at most. */
const comparedRuns = 200;

function durationsOf(completed: readonly Ended[]): Record<string, DurationSli> {
  const found: Record<string, DurationSli> = {};
  for (const [name, runs] of byName(completed)) {
    const durations = runs.map(({ record }) => jobTimes(record.history).trainingMs);
    const slow = runs.filter((_, index) => {
      const before = durations.slice(Math.max(0, index - comparedRuns), index);
      return before.length >= 5 && (durations[index] ?? 0) > quantileOf(before, 0.95);
    });
    const newest = runs.at(-1) as Ended;
    const earlier = durations.slice(0, -1);
    const durationMs = durations.at(-1) as number;
    found[name] = {
      count: runs.length,
      medianMs: quantileOf(durations, 0.5),
      p95Ms: quantileOf(durations, 0.95),
      newest: {
        id: newest.record.id,
        durationMs,
        ...(earlier.length === 0 ? {} : { ofEarlierMedian: durationMs / quantileOf(earlier, 0.5) }),
      },
      slow: slow.map(({ record }) => record.id),
    };
  }
  return found;
}

function pagesOf(ended: readonly Ended[]): readonly TrainingPage[] {
  const over = ended.filter(
    ({ record, last }) => record.production === true && (failing.has(last.state) || last.state === "completed"),
  );
  const pages: TrainingPage[] = [];
  for (const [name, runs] of byName(over)) {
    const { record, last } = runs.at(-1) as Ended;
    if (currentJobState(record.history as JobHistory) === "completed") continue;
    const lastGood = runs.findLastIndex((run) => run.last.state === "completed");
    const { category, cause, reason } = last;
    pages.push({
      severity: "page",
      name,
      id: record.id,
      state: last.state,
      failedAtMs: last.timeMs,
      ...(category === undefined ? {} : { category }),
      ...(cause === undefined ? {} : { cause }),
      ...(reason === undefined ? {} : { reason }),
      failures: runs.length - 1 - lastGood,
      ...(lastGood === -1 ? {} : { completedAtMs: runs[lastGood]?.last.timeMs }),
    });
  }
  return pages;
}
