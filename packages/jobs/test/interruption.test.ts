import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobEvent, JobHandle, JobSpec, JobState, JsonValue } from "@millwright/contracts";
import { type Jobs, openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, isRunning, openTestJobs, reach, temporaryFolder, work } from "./setting.ts";

const onWindows = process.platform === "win32";
const stepping = (id: string, more: Partial<JobSpec> = {}, deaf = false): JobSpec =>
  work(id, { do: "steps", steps: 40, deaf }, { retries: 1, ...more });

const bodies = (events: readonly JobEvent[]): readonly Readonly<Record<string, JsonValue>>[] =>
  events.flatMap((event) => (event.kind === "message" ? [event.body as Readonly<Record<string, JsonValue>>] : []));
const statesOf = (events: readonly JobEvent[]): readonly JobState[] =>
  events.flatMap((event) => (event.kind === "state" ? [event.state] : []));

/** The process of the job's first attempt, once that has taken some steps. */
async function atStep(job: JobHandle, step: number): Promise<number> {
  let pid = 0;
  for await (const event of job.events()) {
    if (event.kind !== "message") continue;
    const body = event.body as Readonly<Record<string, number>>;
    pid = body["pid"] ?? pid;
    if (body["step"] === step) return pid;
  }
  throw new Error("The job ended first.");
}

test("TR-11: on SIGTERM a module saves and leaves, the job is interrupted, and the next attempt counts no step twice", async ({
  skip,
}) => {
  skip(onWindows, "Windows has no SIGTERM that a process can heed");
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(stepping("told"));
  process.kill(await atStep(job, 7), "SIGTERM");
  expect(await job.result()).toMatchObject({ state: "completed", value: 40, attempts: 2 });
  const events = await collect(job.events());
  expect(statesOf(events)).toEqual([
    "pending",
    "starting",
    "training",
    "interrupted",
    "starting",
    "training",
    "completed",
  ]);
  const said = bodies(events);
  expect(said.flatMap(({ step }) => step ?? [])).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  expect(said.find(({ saved }) => saved !== undefined)).toMatchObject({ code: "JOBS_INTERRUPTED" });
  expect((await opened.jobs.history("told"))[3]).toMatchObject({ state: "interrupted", cause: "interrupted" });
});

test("TR-11: where nothing is left of its retries, a job that was told to leave rests interrupted, with exit code 75", async ({
  skip,
}) => {
  skip(onWindows, "Windows has no SIGTERM that a process can heed");
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(stepping("once", { retries: 0 }));
  process.kill(await atStep(job, 3), "SIGTERM");
  expect(await job.result()).toMatchObject({
    state: "interrupted",
    attempts: 1,
    exitCode: 75,
    failureCause: "interrupted",
  });
  expect((await opened.jobs.launch(stepping("once", { retries: 0 }))).state).toBe("interrupted");
});

test("TR-11: a module that does not heed the notice is killed at the deadline, and the job is interrupted all the same", async ({
  skip,
}) => {
  skip(onWindows, "Windows has no SIGTERM that a process can heed");
  await using opened = await openTestJobs();
  const graceMs = 400;
  const spec = work("deaf", { do: "steps", steps: 5_000, deaf: true }, { limits: { graceMs } });
  const job = await opened.jobs.launch(spec);
  const pid = await atStep(job, 3);
  const toldMs = performance.now();
  process.kill(pid, "SIGTERM");
  expect(await job.result()).toMatchObject({ state: "interrupted", failureCause: "interrupted" });
  expect(performance.now() - toldMs).toBeGreaterThan(graceMs * 0.9);
  expect(isRunning(pid)).toBe(false);
});

test("TR-11: the notice file of a cloud interrupts what runs; jobs go on once it is gone", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "instance-action.json");
  await using jobs = await openJobs({
    directory: join(folder.path, "jobs"),
    retryDelayMs: 1,
    notice: { file, pollMs: 20, deadlineMs: 5_000 },
  });
  const job = await jobs.launch(stepping("noticed"));
  await atStep(job, 5);
  await writeFile(file, '{"action":"terminate"}');
  await reach(job, "interrupted");
  const late = await jobs.launch(work("late", { do: "return", value: 1 }));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect([job.state, late.state]).toEqual(["interrupted", "pending"]);
  expect((await jobs.history("noticed")).at(-1)?.reason).toContain('{"action":"terminate"}');
  await rm(file);
  expect(await job.result()).toMatchObject({ state: "completed", value: 40, attempts: 2 });
  expect(await late.result()).toMatchObject({ state: "completed", attempts: 1 });
});

test("TR-11: other signals are notices where the launcher says so", async ({ skip }) => {
  skip(onWindows, "Windows has no signals that a process can heed");
  await using opened = await openTestJobs({ notice: { signals: ["SIGUSR2"] } });
  const job = await opened.jobs.launch(stepping("slurm"));
  process.kill(await atStep(job, 4), "SIGUSR2");
  expect(await job.result()).toMatchObject({ state: "completed", attempts: 2 });
  expect((await opened.jobs.history("slurm"))[3]?.reason).toContain("SIGUSR2");
});

test("TR-11: a command is sent SIGTERM, and is interrupted however it ends", async ({ skip }) => {
  skip(onWindows, "Windows has no SIGTERM that a process can heed");
  await using opened = await openTestJobs();
  const script = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
  const job = await opened.jobs.launch({ id: "command", run: { command: ["sh", "-c", script] } });
  for await (const event of job.events()) if (event.kind === "log" && event.line === "ready") break;
  await opened.jobs.interrupt("command", "The machine is taken away.", { deadlineMs: 5_000 });
  expect(await job.result()).toMatchObject({
    state: "interrupted",
    exitCode: 0,
    failureReason: "The machine is taken away.",
  });
  const lines = (await collect(job.events())).flatMap((event) => (event.kind === "log" ? [event.line] : []));
  expect(lines).toContain("saved");
});

const interrupted = async (jobs: Jobs, id: string): Promise<unknown> =>
  jobs.interrupt(id, "no such").catch((error: unknown) => error);

test("an interruption of what does not run does nothing, and of an unknown job tells so", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("over", { do: "return", value: 1 }));
  await job.result();
  expect(await interrupted(opened.jobs, "over")).toBe(undefined);
  expect(await interrupted(opened.jobs, "unknown")).toMatchObject({ code: "PORT_JOB_UNKNOWN" });
  await expect(opened.jobs.interrupt("over", "x", { deadlineMs: -1 })).rejects.toThrow(RangeError);
  await expect(openJobs({ directory: "nowhere", notice: { pollMs: 0 } })).rejects.toThrow(RangeError);
  await expect(openJobs({ directory: "nowhere", notice: { signals: ["SIGKILL"] } })).rejects.toThrow(RangeError);
});

test("disposing the launcher lets a module save, and the next launcher goes on from there", async () => {
  await using folder = await temporaryFolder();
  const first = await openJobs({ directory: folder.path });
  const job = await first.launch(stepping("moved"));
  await atStep(job, 5);
  await first[Symbol.asyncDispose]();
  expect(job.state).toBe("interrupted");
  await using second = await openJobs({ directory: folder.path });
  const again = await second.launch(stepping("moved"));
  expect(await again.result()).toMatchObject({ state: "completed", attempts: 2 });
  const steps = bodies(await collect(again.events())).flatMap(({ step }) => step ?? []);
  expect(steps).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
});
