import { join } from "node:path";
import { jobLauncherContract } from "@millwright/contracts/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSlurmJobs, type RemoteJobs, type RunCommand, type SlurmJobsOptions } from "../src/drivers/slurm.ts";
import { linesOf } from "./remote-setting.ts";
import { collect, reach, type TemporaryFolder, temporaryFolder, work } from "./setting.ts";
import { slurmMissing, type SlurmServer, startSlurm } from "./slurm-server.ts";

let slurm: SlurmServer | undefined;
let folder: TemporaryFolder;
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  if (slurmMissing === undefined) slurm = await startSlurm();
}, 300_000);

afterAll(async () => {
  await slurm?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
}, 300_000);

const run: RunCommand = (...call) => {
  if (slurm === undefined) throw new TypeError("There is no Slurm.");
  return slurm.run(...call);
};

const freshDirectory = (): string => join(folder.path, String((count += 1)));
const open = (directory: string, more: Partial<SlurmJobsOptions> = {}): Promise<RemoteJobs> =>
  openSlurmJobs({ directory, run, node: process.execPath, pollMs: 150, retryDelayMs: 50, ...more });

for (const { name, appliesTo, run: runCase } of jobLauncherContract) {
  test(`Slurm: ${name}`, { timeout: 600_000 }, async ({ skip }) => {
    skip(slurmMissing !== undefined, slurmMissing);
    await using jobs = await open(freshDirectory());
    const setting = {
      launcher: jobs,
      succeeding: (id: string) => work(id, { do: "tell" }),
      failing: (id: string) => work(id, { do: "throw" }),
      endless: (id: string) => work(id, { do: "endless" }),
      echoing: (id: string) => work(id, { do: "echo" }),
    };
    if (appliesTo?.(setting) === false) skip("the case asks for a job that this launcher is not given");
    await runCase(setting);
  });
}

test(
  "Slurm: a command has its arguments and environment, both streams, and its failure is the reason",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(slurmMissing !== undefined, slurmMissing);
    await using jobs = await open(freshDirectory());
    const script =
      'echo "$1 $2 $HERE $SLURM_CPUS_PER_TASK loss=0.25"; echo aside >&2; echo "no data" > output/failure; exit 7';
    const job = await jobs.launch({
      id: "command",
      run: { command: ["sh", "-c", script, "name", "it's", 'a "word" $HOME'] },
      environment: { HERE: "too" },
      metrics: [{ name: "loss", regex: "loss=(\\S+)" }],
      resources: { cpus: 2 },
      limits: { memoryBytes: 64 * 1024 * 1024, wallTimeMs: 60_000 },
    });
    expect(await job.result()).toMatchObject({ state: "failed", exitCode: 7, failureReason: "no data", attempts: 1 });
    const events = await collect(job.events());
    expect(linesOf(events).toSorted()).toEqual(["aside", `it's a "word" $HOME too 2 loss=0.25`]);
    expect(events.filter(({ kind }) => kind === "metric")).toMatchObject([{ name: "loss", value: 0.25 }]);
  },
);

test(
  "Slurm: a submission whose answer is lost starts one job, and a launcher that is closed finds it again",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(slurmMissing !== undefined, slurmMissing);
    let submitted = 0;
    const lossy: RunCommand = async (command, ...rest) => {
      const result = await run(command, ...rest);
      if (command !== "sbatch") return result;
      submitted += 1;
      throw new Error("The connection to the login node was lost.");
    };
    const directory = freshDirectory();
    const script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.2; done";
    const jobs = await open(directory, { run: lossy });
    const job = await jobs.launch({ id: "lost", run: { command: ["sh", "-c", script] } });
    for await (const event of job.events()) if (event.kind === "log" && event.line === "line 2") break;
    await jobs[Symbol.asyncDispose]();
    await using next = await open(directory);
    const again = await next.attach("lost");
    expect(await again.result()).toMatchObject({ state: "completed", attempts: 1 });
    const lines = linesOf(await collect(again.events())).filter((line) => line.startsWith("line"));
    expect(lines).toEqual(Array.from({ length: 10 }, (_, index) => `line ${index + 1}`));
    expect(submitted).toBe(1);
  },
);

test(
  "Slurm: what waits for a machine that is not free is stopped, what Slurm cannot give is refused with its words",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(slurmMissing !== undefined, slurmMissing);
    await using jobs = await open(freshDirectory(), { arguments: ["--partition=nowhere"] });
    const lost = await (await jobs.launch(work("lost", { do: "tell" }))).result();
    expect(lost).toMatchObject({ state: "failed", failureCategory: "user", failureCause: "not-started", attempts: 0 });
    expect(lost.failureReason).toContain("Invalid partition name");
    await using nowhere = await open(freshDirectory(), { arguments: ["--begin=now+1hour"] });
    const later = await nowhere.launch(work("later", { do: "tell" }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(later.state).toBe("pending");
    await later.stop("not needed");
    expect(await later.result()).toMatchObject({ state: "stopped", attempts: 0 });
  },
);

test(
  "Slurm: a job that is cancelled in Slurm is stopped, and a deaf module is killed",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(slurmMissing !== undefined, slurmMissing);
    await using jobs = await open(freshDirectory());
    const cancelled = await jobs.launch({ id: "cancelled", run: { command: ["sleep", "60"] } });
    await reach(cancelled, "training");
    const queue = await run("squeue", ["--noheader", "--format=%A"], { signal: AbortSignal.timeout(10_000) });
    await run("scancel", queue.stdout.trim().split("\n"), { signal: AbortSignal.timeout(10_000) });
    expect(await cancelled.result()).toMatchObject({
      state: "stopped",
      failureReason: expect.stringContaining("CANCELLED"),
    });
    const deaf = await jobs.launch(work("deaf", { do: "deaf" }, { limits: { graceMs: 500 } }));
    await reach(deaf, "training");
    await deaf.stop("enough");
    expect(await deaf.result()).toMatchObject({ state: "stopped", failureReason: "enough" });
  },
);
