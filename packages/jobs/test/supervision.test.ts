import { hasCode } from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { openWorkerChannel, runWorker } from "@millwright/jobs/worker";
import { expect, test } from "vitest";
import {
  collect,
  firstMessage,
  fixture,
  isRunning,
  openTestJobs,
  reach,
  temporaryFolder,
  work,
  zombies,
} from "./setting.ts";

const onLinux = process.platform === "linux";

test("TR-15: a child that crashes with SIGSEGV fails the job with a category, frees its slot and device, and leaves no zombie", async () => {
  await using opened = await openTestJobs({ maxCpus: 1, gpus: ["0"] });
  const crashed = await opened.jobs.launch(work("crash", { do: "segv" }, { resources: { gpus: 1 } }));
  expect(await crashed.result()).toMatchObject({
    state: "failed",
    exitSignal: "SIGSEGV",
    failureCategory: "bug",
    failureCause: "crashed",
  });
  expect(zombies()).toEqual([]);
  // Its slot and device are free for the next.
  const next = await opened.jobs.launch(work("next", { do: "environment" }, { resources: { gpus: 1 } }));
  expect((await next.result()).value).toMatchObject({ CUDA_VISIBLE_DEVICES: "0" });
});

test("a module whose event loop hangs is killed after the heartbeat timeout", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("hangs", { do: "hang" }, { limits: { heartbeatTimeoutMs: 1_500 } }));
  const result = await job.result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "transient", exitSignal: "SIGKILL" });
  expect(result.failureReason).toContain("no sign of life");
});

test("a module that speaks another version of the protocol is refused", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch({ id: "newer", run: { module: fixture("speaks-version-9.js") } });
  const result = await job.result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "bug" });
  expect(result.failureReason).toContain("version 9");
});

test("a job over its wall time is stopped as such", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(
    work("long", { do: "endless" }, { limits: { wallTimeMs: 600, graceMs: 2_000 } }),
  );
  expect(await job.result()).toMatchObject({ state: "max-runtime-exceeded" });
  const states = (await collect(job.events())).flatMap((event) => (event.kind === "state" ? event.state : []));
  expect(states.slice(-2)).toEqual(["stopping", "max-runtime-exceeded"]);
});

test("a job over its memory is killed, and the reason tells both numbers", { timeout: 600_000 }, async () => {
  await using opened = await openTestJobs();
  const limitBytes = 200 * 1024 * 1024;
  const job = await opened.jobs.launch(work("big", { do: "grow" }, { limits: { memoryBytes: limitBytes } }));
  const result = await job.result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "capacity" });
  expect(result.failureReason).toContain(String(limitBytes));
});

test("a module that ignores the stop frame and SIGTERM is killed after the grace time", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("deaf", { do: "deaf" }, { limits: { graceMs: 400 } }));
  await firstMessage(job.events());
  await job.stop("enough");
  expect(await job.result()).toMatchObject({ state: "stopped", exitSignal: "SIGKILL", failureReason: "enough" });
});

test("the module is asked to stop first, and may answer in its own way", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("polite", { do: "endless" }));
  await job.stop("that will do");
  expect(await job.result()).toMatchObject({ state: "stopped", failureReason: "that will do" });
});

test.for([
  ["in its session, when the job is stopped", false, "wait"],
  ["in a session of its own, when the job is stopped", true, "wait"],
  ["in its session, when the job returns", false, "return"],
  ["in a session of its own, when the job returns", true, "return"],
] as const)("a grandchild that ignores SIGTERM is reaped: %s", async ([, detached, then], { skip }) => {
  if (!onLinux) skip("grandchildren are found only in the /proc of Linux");
  await using opened = await openTestJobs();
  const limits = { graceMs: 500 };
  const job = await opened.jobs.launch(work("parent", { do: "grandchild", detached, then }, { limits }));
  const pid = (await firstMessage(job.events())) as number;
  if (then === "return") expect((await job.result()).value).toBe("left one behind");
  else await job.stop("the end");
  await expect.poll(() => isRunning(pid), { timeout: 100_000 }).toBe(false);
});

test("transient failures are retried, others are not", async () => {
  await using opened = await openTestJobs();
  const mended = await opened.jobs.launch(work("mended", { do: "transient-until", attempt: 3 }, { retries: 2 }));
  expect(await mended.result()).toMatchObject({ state: "completed", value: 3, attempts: 3 });
  const states = (await collect(mended.events())).flatMap((event) => (event.kind === "state" ? event.state : []));
  expect(states.filter((state) => state === "interrupted")).toHaveLength(2);
  const exhausted = await opened.jobs.launch(work("exhausted", { do: "transient-until", attempt: 9 }, { retries: 1 }));
  expect(await exhausted.result()).toMatchObject({ state: "failed", attempts: 2, failureCategory: "transient" });
  const users = await opened.jobs.launch(work("users", { do: "throw" }, { retries: 5 }));
  expect(await users.result()).toMatchObject({ state: "failed", attempts: 1 });
});

test("jobs wait for CPUs in the order they came", async () => {
  await using opened = await openTestJobs({ maxCpus: 1 });
  const first = await opened.jobs.launch(work("first", { do: "endless" }));
  const second = await opened.jobs.launch(work("second", { do: "return", value: 2 }));
  const third = await opened.jobs.launch(work("third", { do: "return", value: 3 }));
  await reach(first, "training");
  expect([second.state, third.state]).toEqual(["pending", "pending"]);
  await third.stop("not needed");
  expect((await third.result()).state).toBe("stopped");
  await first.stop("make room");
  expect((await second.result()).value).toBe(2);
});

test("a directory has one launcher at a time", async () => {
  await using folder = await temporaryFolder();
  await using first = await openJobs({ directory: folder.path });
  const error: unknown = await openJobs({ directory: folder.path }).catch((caught: unknown) => caught);
  expect(hasCode(error, "JOBS_DIRECTORY_IN_USE")).toBe(true);
  await first[Symbol.asyncDispose]();
  await using second = await openJobs({ directory: folder.path });
  await second[Symbol.asyncDispose]();
  await expect(second.attach("any")).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("runWorker outside a job tells so", async () => {
  await expect(runWorker(() => 1)).rejects.toMatchObject({ code: "JOBS_NOT_A_WORKER" });
});

test("a command or an environment that no process can be given is refused by the name of its field", async () => {
  await using opened = await openTestJobs();
  for (const [more, field] of [
    [{ run: { command: [] } }, "run.command"],
    [{ run: { command: ["true", 5] } }, "run.command"],
    [{ run: { command: ["true", "a\0b"] } }, "run.command"],
    [{ run: { command: "true" } }, "run.command"],
    [{ environment: { A: 5 } }, "environment.A"],
    [{ id: 5 }, "id"],
  ] as const) {
    const spec = { id: "job", run: { command: ["true"] }, ...more } as unknown as Parameters<
      typeof opened.jobs.launch
    >[0];
    const error: unknown = await opened.jobs.launch(spec).catch((caught: unknown) => caught);
    expect(hasCode(error, "JOBS_SPEC_INVALID"), field).toBe(true);
    expect(String(error)).toContain(`"${field}"`);
  }
});

test("the handle of a job has what the port promises, and nothing of the launcher's", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("job", { do: "return", value: 1 }));
  expect(Object.keys(job).toSorted()).toEqual(["events", "id", "result", "send", "state", "stop"]);
  await job.result();
  expect(job.state).toBe("completed");
});

test("the channel of a worker is opened only where a job runs", async () => {
  const error: unknown = await openWorkerChannel().catch((caught: unknown) => caught);
  expect(hasCode(error, "JOBS_NOT_A_WORKER")).toBe(true);
});
