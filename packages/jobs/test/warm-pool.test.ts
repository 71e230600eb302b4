import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { JobSpec, JsonValue } from "@millwright/contracts";
import { type Jobs, openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, firstMessage, fixture, isRunning, openTestJobs, temporaryFolder, work, zombies } from "./setting.ts";

interface Ran {
  readonly pid: number;
  readonly runs: number;
  readonly cwd: boolean;
  readonly told: Readonly<Record<string, string>>;
}

const keepAliveMs = 60_000;
const warm = (id: string, more: Partial<JobSpec> = {}, input: Readonly<Record<string, JsonValue>> = {}): JobSpec =>
  work(id, { do: "warm", ...input }, { keepAliveMs, ...more });

const run = async (jobs: Jobs, spec: JobSpec): Promise<Ran> =>
  (await (await jobs.launch(spec)).result()).value as unknown as Ran;

async function linesOf(jobs: Jobs, id: string): Promise<readonly string[]> {
  const events = await collect((await jobs.attach(id)).events());
  return events.flatMap((event) => (event.kind === "log" ? [event.line] : []));
}

test("TR-25: a second matching job runs in the process of the first, which shows Reused", async () => {
  await using opened = await openTestJobs();
  const { jobs } = opened;
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const first = await run(jobs, warm("first"));
  expect(jobs.warmPool("first")).toMatchObject({ status: "Available", pid: first.pid });
  await sleep(30);
  const second = await run(jobs, warm("second", { traceparent }, { value: "its own input" }));
  expect(second).toMatchObject({ pid: first.pid, runs: 2, cwd: true, value: "its own input" });
  expect(second.told).toMatchObject({ MILLWRIGHT_JOB_ID: "second", TRACEPARENT: traceparent });
  expect(jobs.warmPool("first")).toMatchObject({ status: "Reused", reusedBy: "second" });
  expect(jobs.warmPool("first")?.retainedMs).toBeGreaterThan(20);
  expect(jobs.warmPool("second")).toMatchObject({ status: "Available", pid: first.pid });
  // Each has its own lines, and no mark of the launcher's among them.
  expect((await linesOf(jobs, "first")).toSorted()).toEqual(["no end of line", "run 1 of first"]);
  expect((await linesOf(jobs, "second")).toSorted()).toEqual(["no end of line", "run 2 of second"]);
  const third = await jobs.launch(warm("third", {}, { then: "wait" }));
  expect(((await firstMessage(third.events())) as unknown as Ran).pid).toBe(first.pid);
  expect(jobs.warmPool("third")).toMatchObject({ status: "InUse", pid: first.pid });
  await third.stop("enough");
  expect(await third.result()).toMatchObject({ state: "stopped" });
  expect(jobs.warmPool("third")?.status).toBe("Terminated");
  expect(isRunning(first.pid)).toBe(false);
});

test("TR-25: a job that does not match takes no process of another, nor does one that is not to be kept", async () => {
  await using opened = await openTestJobs({ maxWarm: 10 });
  const { jobs } = opened;
  const first = await run(jobs, warm("first"));
  for (const [id, more] of [
    ["environment", { environment: { A: "b" } }],
    ["flags", { environment: { NODE_OPTIONS: "--max-old-space-size=500" } }],
    ["resources", { resources: { cpus: 2 } }],
    ["memory", { limits: { memoryBytes: 4e9 } }],
    ["folder", { workingDirectory: process.cwd() }],
    ["unkept", { keepAliveMs: 0 }],
  ] as const) {
    const other = await run(jobs, warm(id, more));
    expect(other.runs, id).toBe(1);
    expect(other.pid, id).not.toBe(first.pid);
  }
  expect(jobs.warmPool("first")).toMatchObject({ status: "Available" });
  expect(jobs.warmPool("unkept")).toBe(undefined);
  expect((await run(jobs, warm("again"))).pid).toBe(first.pid);
});

test("TR-25: a process that nobody took in time is ended, as is one too many, or one whose job failed", async () => {
  await using opened = await openTestJobs({ maxWarm: 1 });
  const { jobs } = opened;
  const long = await run(jobs, warm("long"));
  const unkept = await run(jobs, warm("one too many", { environment: { A: "b" } }));
  expect(jobs.warmPool("one too many")?.status).toBe("Terminated");
  await expect.poll(() => isRunning(unkept.pid), { timeout: 100_000 }).toBe(false);
  const short = await run(jobs, warm("short", { keepAliveMs: 300 }));
  expect(short.pid).toBe(long.pid);
  await expect.poll(() => jobs.warmPool("short")?.status, { timeout: 100_000 }).toBe("Terminated");
  await expect.poll(() => isRunning(short.pid), { timeout: 100_000 }).toBe(false);
  expect(jobs.warmPool("short")?.retainedMs).toBeGreaterThanOrEqual(290);
  expect(jobs.warmPool("short")?.retainedMs).toBeLessThan(20_000);
  const failing = await jobs.launch(warm("failing", {}, { then: "throw" }));
  expect(await failing.result()).toMatchObject({ state: "failed", exitCode: 1 });
  expect(jobs.warmPool("failing")?.status).toBe("Terminated");
  expect(zombies()).toEqual([]);
});

test("TR-25: what a job has started does not outlive it, though its process does", async ({ skip }) => {
  skip(process.platform !== "linux", "grandchildren are found only in the /proc of Linux");
  await using opened = await openTestJobs();
  const first = await run(opened.jobs, warm("parent", {}, { child: true }));
  const { stdout } = spawn("ps", ["-o", "pid=", "--ppid", String(first.pid)], { stdio: ["ignore", "pipe", "ignore"] });
  const children = [];
  for await (const line of createInterface({ input: stdout })) children.push(line);
  expect(children).toEqual([]);
  expect((await run(opened.jobs, warm("next"))).pid).toBe(first.pid);
});

test("TR-25: a kept process keeps its device, until another job waits for it", async () => {
  await using opened = await openTestJobs({ gpus: ["0"] });
  const { jobs } = opened;
  const resources = { gpus: 1 };
  const first = await run(jobs, warm("first", { resources }));
  const second = await run(jobs, warm("second", { resources }));
  expect(second).toMatchObject({ pid: first.pid, runs: 2 });
  expect(second.told).toMatchObject({ CUDA_VISIBLE_DEVICES: "0" });
  const other = await run(jobs, warm("other", { resources, environment: { A: "b" } }));
  expect(other.runs).toBe(1);
  expect(jobs.warmPool("second")?.status).toBe("Terminated");
  expect(isRunning(first.pid)).toBe(false);
});

test("TR-25: a disposed launcher leaves no kept process", async () => {
  await using folder = await temporaryFolder();
  const jobs = await openJobs({ directory: folder.path });
  const { pid } = await run(jobs, warm("kept"));
  await jobs[Symbol.asyncDispose]();
  await expect.poll(() => isRunning(pid), { timeout: 100_000 }).toBe(false);
  expect(jobs.warmPool("kept")?.status).toBe("Terminated");
});

/** Whether the process, which need not be this one's child, is there and no zombie that its parent has not looked at. */
function isAtWork(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs a launcher that keeps a process, and kills it outright; gives the process. */
async function killedLauncher(directory: string, input: JsonValue): Promise<number> {
  const args = [fileURLToPath(fixture("warm-launcher.js")), directory, fixture("worker.js"), JSON.stringify(input)];
  const launcher = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: launcher.stdout })) {
    expect(line).toContain("Available");
    // One that is to be stuck is by then.
    await sleep(2_000);
    launcher.kill("SIGKILL");
    return Number.parseInt(line, 10);
  }
  throw new Error("The launcher ended by itself.");
}

test("TR-25: a killed launcher leaves no kept process: it ends by itself, and where it is stuck the next launcher ends it", async ({
  skip,
}) => {
  skip(process.platform !== "linux", "processes of a dead launcher are told from others only in the /proc of Linux");
  await using folder = await temporaryFolder();
  const heeds = await killedLauncher(`${folder.path}/heeds`, { do: "warm" });
  await expect.poll(() => isAtWork(heeds), { timeout: 100_000 }).toBe(false);
  const directory = `${folder.path}/stuck`;
  const stuck = await killedLauncher(directory, { do: "warm", spinAfterMs: 100 });
  await sleep(100);
  expect(isAtWork(stuck)).toBe(true);
  await using next = await openJobs({ directory });
  expect(isAtWork(stuck)).toBe(false);
  expect(next.warmPool("kept")).toBe(undefined);
});

test("a process that is used again and again gathers no listeners", async () => {
  const warnings: string[] = [];
  const heed = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", heed);
  await using opened = await openTestJobs();
  const pids = new Set<number>();
  for (let count = 0; count < 14; count += 1) pids.add((await run(opened.jobs, warm(`job-${count}`))).pid);
  await sleep(10);
  process.off("warning", heed);
  expect(pids.size).toBe(1);
  expect(warnings).toEqual([]);
});

test("times to be kept that cannot be are refused", async () => {
  await using opened = await openTestJobs();
  for (const [run_, wrong] of [
    [{ command: ["true"] }, 1],
    [{ module: fixture("worker.js") }, -1],
    [{ module: fixture("worker.js") }, 3_600_001],
  ] as const)
    await expect(opened.jobs.launch({ id: "job", run: run_, keepAliveMs: wrong })).rejects.toMatchObject({
      code: "JOBS_SPEC_INVALID",
    });
  await expect(openJobs({ directory: "nowhere", maxWarm: -1 })).rejects.toThrow(RangeError);
});
