import { join } from "node:path";
import type { JobSpec, JsonValue } from "@millwright/contracts";
import { jobLauncherContract } from "@millwright/contracts/testing";
import { describe, expect, test } from "vitest";
import { openInProcessJobs } from "../src/drivers/in-process.ts";
import { openThreadJobs } from "../src/drivers/worker-thread.ts";
import type { Jobs } from "../src/index.ts";
import { collect, fixture, reach, temporaryFolder, work } from "./setting.ts";

async function opened(
  open: typeof openThreadJobs,
): Promise<{ readonly jobs: Jobs; readonly directory: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const directory = join(folder.path, "jobs");
  const jobs = await open({ directory, maxCpus: 8, retryDelayMs: 10 });
  return {
    jobs,
    directory,
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const executors = { "a thread": openThreadJobs, "this process": openInProcessJobs };
const linesOf = async (jobs: Jobs, id: string): Promise<readonly string[]> => {
  const lines: string[] = [];
  for await (const { line } of jobs.logs(id)) lines.push(line);
  return lines;
};

describe.each(Object.entries(executors))("%s", (_name, open) => {
  for (const { name, appliesTo, run } of jobLauncherContract)
    test(name, async ({ skip }) => {
      await using setting = await opened(open);
      const fixtures = {
        launcher: setting.jobs,
        succeeding: (id: string) => work(id, { do: "tell" }),
        failing: (id: string) => work(id, { do: "throw" }),
        endless: (id: string) => work(id, { do: "endless" }),
        echoing: (id: string) => work(id, { do: "echo" }),
      };
      if (appliesTo?.(fixtures) === false) skip("the case asks for a job that this launcher is not given");
      await run(fixtures);
    });

  test("retries, the directory of checkpoints and failures are those of a process", async () => {
    await using setting = await opened(open);
    const value = async (id: string, input: JsonValue, more: Partial<JobSpec> = {}) =>
      (await setting.jobs.launch(work(id, input, more))).result();
    expect(await value("again", { do: "transient-until", attempt: 3 }, { retries: 2 })).toMatchObject({
      state: "completed",
      value: 3,
      attempts: 3,
    });
    expect(await value("bad", { do: "throw", message: "No rows." })).toMatchObject({
      state: "failed",
      failureReason: "No rows.",
      failureCategory: "user",
      failureCause: "error",
    });
    const absent = await setting.jobs.launch({ id: "absent", run: { module: fixture("absent.js") } });
    expect((await absent.result()).failureReason).toContain("cannot be run as a job: importing it failed");
    const empty = await setting.jobs.launch({ id: "empty", run: { module: fixture("no-default.js") } });
    expect((await empty.result()).failureReason).toContain("it has no default function");
  });

  test("a job goes on under the next launcher where the one before was closed", async () => {
    await using setting = await opened(open);
    const job = await setting.jobs.launch(work("long", { do: "count-up", until: 2 }, { retries: 1 }));
    for await (const event of job.events()) if (event.kind === "message") break;
    await setting.jobs[Symbol.asyncDispose]();
    expect(job.state).toBe("interrupted");
    await using jobs = await open({ directory: setting.directory, retryDelayMs: 10 });
    expect(await (await jobs.attach("long")).result()).toMatchObject({ state: "completed", value: 2, attempts: 2 });
  });

  test("the wall time ends a module that heeds its signal", async () => {
    await using setting = await opened(open);
    const job = await setting.jobs.launch(work("late", { do: "endless" }, { limits: { wallTimeMs: 300 } }));
    expect((await job.result()).state).toBe("max-runtime-exceeded");
  });

  test("what only a process of its own can have is refused", async () => {
    await using setting = await opened(open);
    const { module } = work("x", null).run as { readonly module: string };
    const refused: readonly Partial<JobSpec>[] = [
      { run: { command: ["true"] } },
      { workingDirectory: "/" },
      { resources: { gpus: 1 } },
      ...(open === openThreadJobs
        ? []
        : [{ environment: { A: "b" } }, { limits: { memoryBytes: 1e9 } }, { metrics: [{ name: "a", regex: "(.)" }] }]),
    ];
    for (const part of refused)
      await expect(setting.jobs.launch({ id: "refused", run: { module }, ...part })).rejects.toMatchObject({
        code: "JOBS_EXECUTOR_UNABLE",
      });
    await expect(setting.jobs.attach("refused")).rejects.toMatchObject({ code: "PORT_JOB_UNKNOWN" });
  });
});

test("a thread has an environment, lines and metrics of its own, and secrets are masked", async () => {
  await using setting = await opened(openThreadJobs);
  const job = await setting.jobs.launch(
    work(
      "told",
      { do: "tell" },
      {
        environment: { API_TOKEN: "a-secret-value", NAME: "score=7" },
        metrics: [{ name: "score", regex: "score=(\\d+)" }],
      },
    ),
  );
  expect(await job.result()).toMatchObject({ state: "completed", value: { jobId: "told", attempt: 1 } });
  expect(await linesOf(setting.jobs, "told")).toEqual(["token *** and score=7", "to stderr"]);
  expect((await collect(job.events())).filter(({ kind }) => kind === "metric")).toMatchObject([
    { name: "score", value: 7 },
  ]);
});

test("a thread that hangs, is deaf, ends itself or fills its heap is a result, and this process goes on", async () => {
  await using setting = await opened(openThreadJobs);
  const hung = await setting.jobs.launch(work("hung", { do: "hang" }, { limits: { heartbeatTimeoutMs: 500 } }));
  expect(await hung.result()).toMatchObject({ state: "failed", failureCause: "hung", failureCategory: "transient" });
  const deaf = await setting.jobs.launch(work("deaf", { do: "deaf" }, { limits: { graceMs: 200 } }));
  await reach(deaf, "training");
  await deaf.stop("enough");
  expect((await deaf.result()).state).toBe("stopped");
  const gone = await setting.jobs.launch(work("gone", { do: "exit", code: 3 }));
  expect(await gone.result()).toMatchObject({ state: "failed", exitCode: 3 });
  const heap = await setting.jobs.launch(work("heap", { do: "heap" }, { limits: { memoryBytes: 40 * 1024 * 1024 } }));
  expect(await heap.result()).toMatchObject({
    state: "failed",
    failureCategory: "capacity",
    failureCause: "heap-out-of-memory",
  });
}, 300_000);
