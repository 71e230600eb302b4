import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type EventId, type EventLog, hasCode, type JobHistory, type MillwrightEvent } from "@millwright/contracts";
import { eventLogContract } from "@millwright/contracts/testing";
import { openJobs } from "@millwright/jobs";
import { describe, expect, test } from "vitest";
import { openFileEventLog } from "./fixtures/file-event-log.js";
import { fixture, reach, temporaryFolder, work } from "./setting.ts";

describe("the log of these tests keeps the promises of the port", () => {
  for (const { name, appliesTo, run } of eventLogContract) {
    test(name, async ({ skip }) => {
      await using folder = await temporaryFolder();
      const log = openFileEventLog(join(folder.path, "events.ndjson"));
      if (appliesTo?.(log) === false) skip("the log has not what the case is about");
      await run(log);
    });
  }
});

async function eventsOf(log: EventLog): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types: ["job.state-changed"] })) events.push(event);
  return events;
}

/** One event a state, in their order, each caused by the one before. */
function expectTold(events: readonly MillwrightEvent[], id: string, history: JobHistory, causedBy?: EventId): void {
  const told = events.filter(({ subject }) => subject === id);
  expect(told.map(({ data }) => [data["number"], data["state"], data["timeMs"], data["reason"]])).toEqual(
    history.map(({ state, timeMs, reason }, number) => [number, state, timeMs, reason]),
  );
  expect(told.map(({ data }) => data["previous"])).toEqual([
    undefined,
    ...history.slice(0, -1).map(({ state }) => state),
  ]);
  expect(told.map(({ causationid }) => causationid)).toEqual([causedBy, ...told.slice(0, -1).map((event) => event.id)]);
}

test("each state of a job is one event, told before the job's result is", async () => {
  await using folder = await temporaryFolder();
  const log = openFileEventLog(join(folder.path, "events.ndjson"));
  const [launch] = await log.append([{ source: "test", type: "run.started", data: {} }]);
  const cause = launch?.event.id as EventId;
  await using jobs = await openJobs({ directory: join(folder.path, "jobs"), events: log, retryDelayMs: 10 });
  const ids = ["first", "second"];
  await Promise.all(ids.map(async (id) => (await jobs.launch(work(id, { do: "tell" }, { causedBy: cause }))).result()));
  const stopped = await jobs.launch(work("stopped", { do: "endless" }));
  await reach(stopped, "training");
  await stopped.stop("enough");
  const events = await eventsOf(log);
  for (const id of ids) expectTold(events, id, await jobs.history(id), cause);
  expectTold(events, "stopped", await jobs.history("stopped"));
  expect(events.filter(({ subject }) => subject === "stopped").at(-1)?.data["reason"]).toBe("enough");
});

test(
  "a launcher that is killed beside an append has told each state exactly once after it was opened again",
  { timeout: 600_000 },
  async () => {
    for (const moment of ["before", "after"]) {
      for (const at of [1, 2, 3, 4, 6]) {
        await using folder = await temporaryFolder();
        const directory = join(folder.path, "jobs");
        const path = join(folder.path, "events.ndjson");
        const args = [directory, path, fixture("worker.js"), moment, String(at)];
        const child = spawn(process.execPath, [fileURLToPath(fixture("telling-launcher.js")), ...args], {
          stdio: "inherit",
        });
        const [, signal] = (await once(child, "exit")) as [number | null, string | null];
        expect(signal).toBe("SIGKILL");
        const log = openFileEventLog(path);
        expect(await eventsOf(log)).toHaveLength(moment === "before" ? at - 1 : at);
        for (let round = 0; round < 2; round += 1) {
          await using jobs = await openJobs({ directory, events: log, retryDelayMs: 10 });
          const before = await eventsOf(log);
          expectTold(before, "job-0", await jobs.history("job-0"));
          // Histories ask for the job, and a job that was interrupted goes on when it is asked for.
          await (await jobs.attach("job-0")).result();
          const events = await eventsOf(log);
          expectTold(events, "job-0", await jobs.history("job-0"));
          expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
        }
      }
    }
  },
);

test("an append that failed after all came through is not repeated, one that did not is", async () => {
  await using folder = await temporaryFolder();
  const log = openFileEventLog(join(folder.path, "events.ndjson"));
  let appends = 0;
  const flaky: EventLog = {
    read: log.read,
    async append(events) {
      appends += 1;
      if (appends === 1) throw new Error("The disk is away.");
      const logged = await log.append(events);
      if (appends === 3) throw new Error("The answer was lost.");
      return logged;
    },
  };
  await using jobs = await openJobs({ directory: join(folder.path, "jobs"), events: flaky });
  expect(await (await jobs.launch(work("job", { do: "tell" }))).result()).toMatchObject({ state: "completed" });
  await (await jobs.attach("job")).result();
  expectTold(await eventsOf(log), "job", await jobs.history("job"));
});

test("a log that fails stops no job, and is told when the jobs are opened again", async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, "jobs");
  const log = openFileEventLog(join(folder.path, "events.ndjson"));
  const warnings: string[] = [];
  {
    const away: EventLog = { read: log.read, append: () => Promise.reject(new Error("The disk is away.")) };
    const logger = { debug() {}, info() {}, warn: (_: object, text: string) => warnings.push(text), error() {} };
    await using jobs = await openJobs({ directory, events: away, logger });
    expect(await (await jobs.launch(work("job", { do: "tell" }))).result()).toMatchObject({ state: "completed" });
  }
  expect(warnings[0]).toContain("could not be told");
  expect(await eventsOf(log)).toEqual([]);
  await using jobs = await openJobs({ directory, events: log });
  expectTold(await eventsOf(log), "job", await jobs.history("job"));
});

test("a log may come after the launcher; a job under an old id in an emptied folder is another job; a second log is refused", async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, "jobs");
  const log = openFileEventLog(join(folder.path, "events.ndjson"));
  {
    await using jobs = await openJobs({ directory });
    await (await jobs.launch(work("job", { do: "tell" }))).result();
    const endless = await jobs.launch(work("endless", { do: "endless" }));
    await reach(endless, "training");
    await jobs.writeEvents(log);
    await endless.stop("enough");
    const events = await eventsOf(log);
    expectTold(events, "job", await jobs.history("job"));
    expectTold(events, "endless", await jobs.history("endless"));
    const error: unknown = await jobs.writeEvents(log).catch((caught: unknown) => caught);
    expect(hasCode(error, "JOBS_EVENTS_ALREADY_WRITTEN")).toBe(true);
  }
  const before = await eventsOf(log);
  await rm(directory, { recursive: true });
  await using jobs = await openJobs({ directory, events: log });
  await (await jobs.launch(work("job", { do: "tell" }))).result();
  const after = (await eventsOf(log)).slice(before.length);
  expectTold(after, "job", await jobs.history("job"));
  expect(after[0]?.data["key"]).not.toBe(before[0]?.data["key"]);
});

/** A promise, and what resolves it. */
function signalled(): readonly [promise: Promise<void>, resolve: () => void] {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return [promise, () => resolve()];
}

test("waiting for a log that is not told in time is aborted, and the same call made again tells the rest", async () => {
  await using folder = await temporaryFolder();
  const log = openFileEventLog(join(folder.path, "events.ndjson"));
  await using jobs = await openJobs({ directory: join(folder.path, "jobs") });
  for (const id of ["first", "second"]) await (await jobs.launch(work(id, { do: "tell" }))).result();
  const [asked, noteAsked] = signalled();
  const [answered, answer] = signalled();
  const slow: EventLog = {
    read: log.read,
    async append(events) {
      noteAsked();
      await answered;
      return log.append(events);
    },
  };
  const controller = new AbortController();
  const telling = jobs.writeEvents(slow, { signal: controller.signal });
  await asked;
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(telling).rejects.toBe(reason);
  expect(await eventsOf(log)).toEqual([]);
  answer();
  const other: unknown = await jobs.writeEvents(log).catch((caught: unknown) => caught);
  expect(hasCode(other, "JOBS_EVENTS_ALREADY_WRITTEN")).toBe(true);
  await jobs.writeEvents(slow);
  const events = await eventsOf(log);
  for (const id of ["first", "second"]) expectTold(events, id, await jobs.history(id));
  // @ts-expect-error a log is needed
  await expect(jobs.writeEvents(undefined)).rejects.toThrow(TypeError);
});
