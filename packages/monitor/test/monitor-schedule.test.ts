import { createManualClock, type RecordStore } from "@millwright/contracts";
import { openMemoryEventLog, openMemoryRecordStore } from "@millwright/storage/drivers/memory";
import { expect, test } from "vitest";
import { cronTimes, openMonitorSchedule, type ScheduledRun } from "../src/schedule.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** The wall clock of a zone, by the platform's own tables. */
const wall = (timeMs: number, timeZone: string): string =>
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(timeMs);

async function runsOf(
  options: { readonly cron: string | ReturnType<typeof cronTimes>; readonly records?: RecordStore },
  startMs: number,
  steps: readonly number[],
): Promise<readonly ScheduledRun[]> {
  const clock = createManualClock(startMs);
  const runs: ScheduledRun[] = [];
  await using _schedule = await openMonitorSchedule({
    name: "late",
    clock,
    run: (run) => void runs.push(run),
    ...options,
  });
  for (const step of steps) await clock.advance(step);
  return runs;
}

test(
  "MO-29: a year of hourly and daily runs through both changes of clocks, each once and none beside",
  { timeout: 600_000 },
  async () => {
    const startMs = Date.UTC(2026, 0, 1) - 1;
    const hourly = await runsOf({ cron: "cron(0 * ? * * *)" }, startMs, [365 * dayMs]);
    expect(hourly.map(({ dueMs }) => dueMs)).toEqual(
      Array.from({ length: 8760 }, (_, hour) => startMs + 1 + hour * hourMs),
    );
    expect(
      hourly.every(
        ({ late, missed }, at) => !late && missed === 0 && (at === 0 || hourly[at]?.fromMs === hourly[at - 1]?.toMs),
      ),
    ).toBe(true);
    // 02:30 does not exist on 29 March in Berlin, when the clocks go to 03:00, and comes twice on 25 October.
    const berlin = "Europe/Berlin";
    const daily = await runsOf({ cron: cronTimes("30 2 * * *", { timeZone: berlin }) }, startMs, [365 * dayMs]);
    const days = Array.from({ length: 365 }, (_, day) =>
      new Date(Date.UTC(2026, 0, 1) + day * dayMs).toISOString().slice(0, 10),
    );
    expect(daily.map(({ dueMs }) => wall(dueMs, berlin))).toEqual(
      days.map((day) => (day === "2026-03-29" ? `${day} 03:00:00` : `${day} 02:30:00`)),
    );
    const gaps = new Set(daily.slice(1).map(({ dueMs }, at) => (dueMs - (daily[at]?.dueMs ?? 0)) / hourMs));
    expect(gaps).toEqual(new Set([23.5, 24, 25]));
  },
);

test("MO-29: runs that were missed while the process was down, or the clock jumped, are caught up once, over all their span", async () => {
  const records = openMemoryRecordStore();
  const startMs = Date.UTC(2026, 5, 1);
  const before = await runsOf({ cron: "0 * * * *", records }, startMs, [3 * hourMs]);
  expect(before.map(({ toMs }) => toMs)).toEqual([1, 2, 3].map((hours) => startMs + hours * hourMs));
  // Down for six hours and a half.
  const after = await runsOf({ cron: "0 * * * *", records }, startMs + 9.5 * hourMs, [hourMs]);
  expect(after).toMatchObject([
    { fromMs: startMs + 3 * hourMs, toMs: startMs + 9 * hourMs, missed: 5, late: true },
    { fromMs: startMs + 9 * hourMs, toMs: startMs + 10 * hourMs, missed: 0, late: false },
  ]);
});

test("MO-29: rows, labels, deployments and hands make runs too; what fails is looked at again", async () => {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const log = openMemoryEventLog({ clock });
  const runs: ScheduledRun[] = [];
  let broken = false;
  await using schedule = await openMonitorSchedule({
    name: "late",
    clock,
    everyRows: 100,
    everyLabels: 10,
    deployments: log,
    run: (run) => {
      runs.push(run);
      if (broken) throw new RangeError("no disk");
    },
  });
  const step = (): Promise<void> => clock.advance(60_000);
  schedule.rows(99);
  await step();
  expect(runs).toEqual([]);
  schedule.rows(1);
  await step();
  schedule.labels(12);
  await step();
  await log.append([{ source: "test", type: "deployment.started", subject: "endpoint/late", data: {} }]);
  await step();
  await log.append([{ source: "test", type: "deployment.completed", subject: "endpoint/late", data: {} }]);
  await step();
  broken = true;
  schedule.trigger();
  schedule.trigger();
  await step();
  broken = false;
  schedule.trigger();
  await step();
  expect(runs.map(({ reason }) => reason)).toEqual(["rows", "labels", "deployment", "manual", "manual"]);
  expect(runs[4]?.fromMs).toBe(runs[2]?.toMs);
  expect(runs[4]?.toMs).toBeGreaterThan(runs[3]?.toMs ?? 0);
});

test("a schedule that names no times is refused", async () => {
  for (const cron of ["61 * * * *", "* * * *", "cron(0 * ? * *)", "cron(0 * ? * * 2026)", "nonsense"])
    expect(() => cronTimes(cron), cron).toThrow(expect.objectContaining({ code: "MONITOR_SCHEDULE_INVALID" }));
  expect(() => cronTimes("0 * * * *", { timeZone: "Mars/Olympus" })).toThrow(
    expect.objectContaining({ code: "MONITOR_SCHEDULE_INVALID" }),
  );
  await expect(openMonitorSchedule({ name: "x", run: () => {}, everyRows: 0 })).rejects.toMatchObject({
    code: "MONITOR_SCHEDULE_INVALID",
  });
  // Sunday is 1 there.
  expect(new Date(cronTimes("cron(0 12 ? * 1 *)").next(Date.UTC(2026, 10, 26)) ?? 0).toISOString()).toBe(
    "2026-11-29T12:00:00.000Z",
  );
});
