import {
  createEvent,
  createIdSource,
  createManualClock,
  createRandom,
  type JobFailureCause,
  type JobHistoryEntry,
  type MillwrightEvent,
  type Random,
} from "@millwright/contracts";
import { jobHistories, trainingSlis, type TrainingRecord } from "@millwright/jobs";
import { expect, test } from "vitest";

interface Simulated {
  readonly record: TrainingRecord;
  readonly outcome: "completed" | "failed" | "stopped" | "time";
  readonly cause: JobFailureCause | undefined;
  readonly category: JobHistoryEntry["category"];
  /** Hours in its attempts, and of those the useful ones. */
  readonly hours: number;
  readonly usefulHours: number;
  readonly endMs: number;
}

const failures = [
  ["error", "user"],
  ["error", "data"],
  ["crashed", "bug"],
  ["gpu-out-of-memory", "capacity"],
  ["hung", "transient"],
] as const;
const hourMs = 3_600_000;

/** One job: some failed and interrupted attempts, then its end; what it comes to is added up on the way. */
function simulate(index: number, random: Random): Simulated {
  const name = ["nightly", "weekly", "adhoc"][random.integer(3)] ?? "nightly";
  const history: JobHistoryEntry[] = [];
  let nowMs = index * 10 * hourMs;
  let hours = 0;
  let usefulHours = 0;
  const say = (entry: Omit<JobHistoryEntry, "timeMs">, lastsMs = 0): void => {
    history.push({ ...entry, timeMs: nowMs });
    nowMs += lastsMs;
  };
  const train = (): number => {
    say({ state: "starting" }, 1_000);
    const ms = 60_000 * (1 + random.integer(90));
    say({ state: "training" }, ms);
    hours += ms / hourMs;
    return ms / hourMs;
  };
  say({ state: "pending" }, random.integer(60_000));
  for (let again = random.integer(3); again > 0; again -= 1) {
    const took = train();
    if (random.next() < 0.5) say({ state: "interrupted", category: "transient", cause: "hung" }, 5_000);
    else {
      usefulHours += took;
      say({ state: "interrupted", category: "transient", cause: "interrupted" }, 60_000);
    }
  }
  const took = train();
  const outcome =
    (["completed", "completed", "completed", "failed", "stopped", "time"] as const)[random.integer(6)] ?? "failed";
  const [cause, category] = failures[random.integer(failures.length)] ?? ["error", "user"];
  if (outcome === "failed") say({ state: "failed", cause, category });
  else if (outcome === "time") say({ state: "max-runtime-exceeded" });
  else {
    usefulHours += took;
    say({ state: outcome });
  }
  const isLost = outcome === "failed" || outcome === "time";
  return {
    record: { id: `job-${index}`, name, production: name !== "adhoc", history, perHour: { usd: 2 }, priceRatio: 0.5 },
    outcome,
    cause: outcome === "failed" ? cause : undefined,
    category: outcome === "failed" ? category : undefined,
    hours,
    usefulHours: isLost ? 0 : usefulHours,
    endMs: nowMs,
  };
}

const clock = createManualClock(0);
const setting = { clock, ids: createIdSource(clock, createRandom(1)) };

/** The events that a launcher would have written of the job. */
const eventsOf = ({ record }: Simulated): readonly MillwrightEvent[] =>
  record.history.map((entry, number) =>
    createEvent(
      {
        source: "millwright/jobs",
        type: "job.state-changed",
        subject: record.id,
        data: { key: record.id, number, attempts: 1, ...(entry as object) },
      },
      setting,
    ),
  );

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
/** NumPy's percentile, its default method. */
function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = part * (sorted.length - 1);
  const low = Math.trunc(position);
  const next = Math.min(low + 1, sorted.length - 1);
  return (sorted[low] ?? 0) * (1 - (position - low)) + (sorted[next] ?? 0) * (position - low);
}

test("TR-35: the SLIs of 200 simulated jobs, read off their events, equal those computed by hand; the page rule wakes for production alone", () => {
  const random = createRandom(35);
  const jobs = Array.from({ length: 200 }, (_, index) => simulate(index, random));
  const told = jobHistories(jobs.flatMap(eventsOf));
  expect(told.map(({ history }) => history)).toEqual(jobs.map(({ record }) => record.history));
  const slis = trainingSlis(jobs.map(({ record }, index) => ({ ...record, history: told[index]?.history ?? [] })));

  const completed = jobs.filter(({ outcome }) => outcome === "completed");
  const failed = jobs.filter(({ outcome }) => outcome === "failed" || outcome === "time");
  const stopped = jobs.filter(({ outcome }) => outcome === "stopped");
  const users = failed.filter(({ category }) => category === "user" || category === "data");
  expect(completed.length + failed.length + stopped.length).toBe(200);
  expect(Math.min(completed.length, failed.length, stopped.length, users.length)).toBeGreaterThan(5);
  expect(slis).toMatchObject({
    jobs: completed.length + failed.length,
    completed: completed.length,
    failed: failed.length,
    stoppedByUsers: stopped.length,
    unfinished: 0,
    successRate: completed.length / (completed.length + failed.length),
    platformSuccessRate: completed.length / (completed.length + failed.length - users.length),
  });
  for (const cause of ["error", "crashed", "gpu-out-of-memory", "hung"] as const)
    expect(slis.failuresByCause[cause]).toBe(failed.filter((job) => job.cause === cause).length);
  expect(slis.failuresByCause["max-runtime-exceeded"]).toBe(failed.filter(({ outcome }) => outcome === "time").length);

  for (const name of ["nightly", "weekly", "adhoc"]) {
    const runs = completed.filter(({ record }) => record.name === name);
    const durations = runs.map(({ hours }) => hours * hourMs);
    expect(slis.durations[name]?.count).toBe(runs.length);
    expect(slis.durations[name]?.medianMs).toBeCloseTo(percentile(durations, 0.5), 3);
    expect(slis.durations[name]?.p95Ms).toBeCloseTo(percentile(durations, 0.95), 3);
    expect(slis.durations[name]?.newest.id).toBe(runs.at(-1)?.record.id);
    expect(slis.durations[name]?.newest.ofEarlierMedian).toBeCloseTo(
      (durations.at(-1) ?? 0) / percentile(durations.slice(0, -1), 0.5),
      9,
    );
    const slow = runs.filter((_, at) => at >= 5 && (durations[at] ?? 0) > percentile(durations.slice(0, at), 0.95));
    expect(slis.durations[name]?.slow).toEqual(slow.map(({ record }) => record.id));
  }

  const usd = sum(jobs.map(({ hours }) => hours)) * 2 * 0.5;
  const useful = sum(jobs.map(({ usefulHours }) => usefulHours));
  expect(slis.costs.total["usd"]).toBeCloseTo(usd, 8);
  expect(slis.costs.usefulHours).toBeCloseTo(useful, 8);
  expect(slis.costs.perTrainingHour["usd"]).toBeCloseTo(usd / useful, 8);
  expect(slis.costs.lost["usd"]).toBeCloseTo(sum(jobs.map(({ hours, usefulHours }) => hours - usefulHours)), 8);

  const wanted = ["nightly", "weekly"].filter((name) => {
    const last = jobs.filter(({ record, outcome }) => record.name === name && outcome !== "stopped").at(-1);
    return last?.outcome !== "completed";
  });
  expect(slis.pages.map(({ name }) => name)).toEqual(wanted);
});

test("TR-35: a failed run in production pages with its cause until a later one completes; a stop by a user never does", () => {
  const run = (id: string, at: number, last: Omit<JobHistoryEntry, "timeMs">, production = true): TrainingRecord => ({
    id,
    name: production ? "late" : "try",
    production,
    perHour: {},
    history: [
      { state: "pending", timeMs: at },
      { state: "starting", timeMs: at + 1 },
      { state: "training", timeMs: at + 2 },
      { ...last, timeMs: at + 10 },
    ],
  });
  const good = run("good", 0, { state: "completed" });
  const crash = {
    state: "failed",
    category: "bug",
    cause: "crashed",
    reason: "The process crashed with SIGSEGV.",
  } as const;
  const bad = [run("bad-1", 100, crash), run("bad-2", 200, crash)];
  const stopped = run("stopped", 300, { state: "stopped" });
  const elsewhere = run("elsewhere", 400, crash, false);
  expect(trainingSlis([good, ...bad, stopped, elsewhere]).pages).toEqual([
    {
      severity: "page",
      name: "late",
      id: "bad-2",
      state: "failed",
      failedAtMs: 210,
      category: "bug",
      cause: "crashed",
      reason: crash.reason,
      failures: 2,
      completedAtMs: 10,
    },
  ]);
  expect(trainingSlis([good, ...bad, run("mended", 500, { state: "completed" })]).pages).toEqual([]);
  expect(trainingSlis([]).successRate).toBeNaN();
});
