import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode, type JobSpec } from "@millwright/contracts";
import { jobLauncherContract } from "@millwright/contracts/testing";
import { openFileEventLog } from "./fixtures/file-event-log.js";
import { expect, test } from "vitest";
import { clusterRefused, clusterUnreachable } from "../src/errors.ts";
import { planClusterAttempt } from "../src/remote/attempt-script.ts";
import type { ClusterStatus } from "../src/remote/cluster.ts";
import { linesOf, openRemoteSetting, statesOf } from "./remote-setting.ts";
import { collect, reach, temporaryFolder, work } from "./setting.ts";

for (const { name, appliesTo, run } of jobLauncherContract) {
  test(`a launcher of a cluster: ${name}`, async ({ skip }) => {
    await using setting = await openRemoteSetting();
    const fixture = {
      launcher: setting.jobs,
      succeeding: (id: string) => work(id, { do: "tell" }),
      failing: (id: string) => work(id, { do: "throw" }),
      endless: (id: string) => work(id, { do: "endless" }),
      echoing: (id: string) => work(id, { do: "echo" }),
    };
    if (appliesTo?.(fixture) === false) skip("the case asks for a job that this launcher is not given");
    await run(fixture);
  });
}

const shell = (id: string, script: string, more: Partial<JobSpec> = {}): JobSpec => ({
  id,
  run: { command: ["sh", "-c", script] },
  ...more,
});

test("a command fails with what it wrote as its failure, and its lines, metrics and masked secrets are told", async () => {
  await using setting = await openRemoteSetting();
  const script = `echo "loss=0.5 with $API_TOKEN of $TRACEPARENT"; printf "no line break"; echo "the data are\nmissing" > output/failure; exit 3`;
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const job = await setting.jobs.launch(
    shell("told", script, {
      environment: { API_TOKEN: "a-secret-value" },
      metrics: [{ name: "loss", regex: "loss=(\\S+)" }],
      traceparent,
    }),
  );
  expect(await job.result()).toEqual({
    state: "failed",
    exitCode: 3,
    failureReason: "the data are\nmissing",
    failureCategory: "user",
    failureCause: "exit-code",
    attempts: 1,
  });
  const events = await collect(job.events());
  expect(linesOf(events)).toEqual([`loss=0.5 with *** of ${traceparent}`, "no line break"]);
  expect(events.filter(({ kind }) => kind === "metric")).toMatchObject([{ name: "loss", value: 0.5 }]);
});

test("a job that is interrupted in the cluster starts again and finds what it wrote before", async () => {
  const lost = new Set<string>();
  await using setting = await openRemoteSetting({
    look: (name) =>
      lost.has(name)
        ? { kind: "ended", cause: { kind: "interrupted", reason: "The machine was taken away." } }
        : undefined,
  });
  const job = await setting.jobs.launch(work("again", { do: "count-up", until: 2 }, { retries: 1 }));
  for await (const event of job.events())
    if (event.kind === "message") {
      lost.add(setting.submissions()[0] ?? "");
      break;
    }
  expect(await job.result()).toMatchObject({ state: "completed", value: 2, attempts: 2 });
  expect(statesOf(await collect(job.events()))).toEqual([
    "pending",
    "starting",
    "training",
    "interrupted",
    "starting",
    "training",
    "completed",
  ]);
  expect((await setting.jobs.history("again"))[3]).toMatchObject({ reason: "The machine was taken away." });
});

test("a job that waits for its turn is stopped at once, and does not begin when its turn comes", async () => {
  await using setting = await openRemoteSetting({ look: () => ({ kind: "waiting", why: "no machine is free" }) });
  const job = await setting.jobs.launch(shell("waiting", "sleep 0.3"));
  await expect.poll(() => setting.submissions()).toHaveLength(1);
  await job.stop("not needed any more");
  expect(await job.result()).toMatchObject({ state: "stopped", failureReason: "not needed any more", attempts: 0 });
});

test("what was stopped while it waited does not begin when its turn comes", async () => {
  await using folder = await temporaryFolder();
  const setting = {
    name: "late",
    attempt: 1,
    mark: "m",
    work: folder.path,
    folder: folder.path,
    node: "node",
    previous: undefined,
  };
  const plan = planClusterAttempt(shell("late", "echo began"), {
    ...setting,
    wallTimeSeconds: undefined,
    ownTimeout: true,
  });
  const run = () =>
    spawnSync("sh", ["-c", plan.script, "millwright", ...plan.program], {
      env: { PATH: process.env["PATH"], ...plan.environment },
      encoding: "utf8",
    });
  expect(run()).toMatchObject({ status: 0, stdout: expect.stringContaining("began") });
  await writeFile(join(folder.path, "cancel.1"), "");
  expect(run()).toMatchObject({ status: 143, stdout: "" });
});

test("causes that the cluster knows are told as such", async () => {
  const failure = { category: "capacity", cause: "kernel-out-of-memory" } as const;
  const causes: Record<string, ClusterStatus> = {
    oom: { kind: "ended", exitCode: 137, cause: { kind: "failed", failure, reason: "OOMKilled" } },
    late: { kind: "ended", cause: { kind: "over-time", reason: "DeadlineExceeded" } },
    cancelled: { kind: "ended", cause: { kind: "stopped", reason: "Cancelled by 1000" } },
    gone: { kind: "unknown" },
  };
  let told = "";
  await using setting = await openRemoteSetting({ look: () => causes[told] });
  const results = [];
  for (const cause of Object.keys(causes)) {
    told = cause;
    const { state, failureCategory, failureReason } = await (
      await setting.jobs.launch(shell(cause, "sleep 0.3"))
    ).result();
    results.push([cause, state, failureCategory, failureReason?.slice(0, 25)]);
  }
  expect(results).toEqual([
    ["oom", "failed", "capacity", "OOMKilled"],
    ["late", "max-runtime-exceeded", undefined, "DeadlineExceeded"],
    ["cancelled", "stopped", undefined, "Cancelled by 1000"],
    ["gone", "interrupted", undefined, "The cluster knows nothing"],
  ]);
});

test("a cluster that is away for a while loses no job, and the job's log says so", async () => {
  let away = 0;
  const fail = (): undefined => {
    if (away === 0) return undefined;
    away -= 1;
    throw clusterUnreachable("The cluster of the tests", "connect ECONNREFUSED");
  };
  await using setting = await openRemoteSetting({ submit: fail, look: fail });
  away = 2;
  const job = await setting.jobs.launch(shell("patient", "sleep 0.2; echo well"));
  await reach(job, "training");
  away = 3;
  expect(await job.result()).toMatchObject({ state: "completed", attempts: 1 });
  const lines = linesOf(await collect(job.events()));
  expect(lines.filter((line) => line.includes("does not answer"))).toHaveLength(2);
  expect(lines.filter((line) => line.includes("answers again"))).toHaveLength(2);
  expect(lines).toContain("well");
});

test("a submission whose answer is lost runs once", async () => {
  let lost = 1;
  await using setting = await openRemoteSetting({
    submitted: () => {
      if (lost === 0) return;
      lost -= 1;
      throw clusterUnreachable("The cluster of the tests", "socket hang up");
    },
  });
  const job = await setting.jobs.launch(work("once", { do: "count-up", until: 1 }));
  expect(await job.result()).toMatchObject({ state: "completed", value: 1, attempts: 1 });
  expect(setting.submissions()).toHaveLength(2);
});

test("a submission that the cluster refuses is a failed job with the cluster's words", async () => {
  await using setting = await openRemoteSetting({
    submit: () => {
      throw clusterRefused("The cluster of the tests", 403, "exceeded quota: gpus=1");
    },
  });
  const result = await (await setting.jobs.launch(shell("refused", "true", { retries: 3 }))).result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "quota", attempts: 0 });
  expect(result.failureReason).toContain("exceeded quota: gpus=1");
});

test("a job goes on while its launcher is closed, and the next one follows it without losing or repeating a line", async () => {
  await using setting = await openRemoteSetting();
  const script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; sleep 0.05; done";
  const job = await setting.jobs.launch(shell("long", script));
  for await (const event of job.events()) if (event.kind === "log" && event.line === "line 3") break;
  const waiting = job.result();
  const jobs = await setting.reopen();
  expect(await waiting).toMatchObject({
    state: "training",
    failureReason: "The launcher was closed; the job goes on.",
  });
  const again = await jobs.attach("long");
  expect(await again.result()).toMatchObject({ state: "completed", attempts: 1 });
  expect(linesOf(await collect(again.events()))).toEqual(Array.from({ length: 12 }, (_, index) => `line ${index + 1}`));
  expect(setting.submissions()).toHaveLength(1);
  expect((await (await (await setting.reopen()).attach("long")).result()).state).toBe("completed");
});

test("launchers are killed again and again: the job runs once, and every line and message comes once", async () => {
  await using setting = await openRemoteSetting();
  await setting.jobs[Symbol.asyncDispose]();
  const script = 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "loss=$i"; sleep 0.05; done';
  const spec = shell("killed", script, { metrics: [{ name: "loss", regex: "loss=(\\d+)" }] });
  const launcher = fileURLToPath(new URL("./fixtures/remote-launcher.js", import.meta.url));
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(process.execPath, [launcher, setting.directory, setting.clusterFolder, JSON.stringify(spec)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 40 + 45 * round));
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  const job = await (await setting.reopen()).launch(spec);
  expect(await job.result()).toMatchObject({ state: "completed", attempts: 1 });
  const events = await collect(job.events());
  expect(linesOf(events)).toEqual(Array.from({ length: 60 }, (_, index) => `loss=${index + 1}`));
  const points = events.flatMap((event) => (event.kind === "metric" ? [event.value] : []));
  expect(points).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  expect(new Set(setting.submissions()).size).toBe(1);
}, 300_000);

test("a job that is stopped while its launcher is down is not stopped; one that was stopping is", async () => {
  await using setting = await openRemoteSetting();
  const job = await setting.jobs.launch(work("stopping", { do: "endless" }));
  await reach(job, "training");
  void job.stop("enough");
  await reach(job, "stopping");
  const jobs = await setting.reopen();
  expect(await (await jobs.attach("stopping")).result()).toMatchObject({ state: "stopped", failureReason: "enough" });
});

test("the wall time is kept by the cluster's side and by ours", async () => {
  await using setting = await openRemoteSetting();
  const limits = { wallTimeMs: 1_000, graceMs: 500 };
  const job = await setting.jobs.launch(shell("late", "sleep 30", { limits }));
  expect(await job.result()).toMatchObject({ state: "max-runtime-exceeded", attempts: 1 });
  const alone = await setting.jobs.launch(shell("late alone", "sleep 30", { limits }));
  await reach(alone, "training");
  await setting.jobs[Symbol.asyncDispose]();
  const [, name = ""] = setting.submissions();
  const exit = join(setting.clusterFolder, name, "exit");
  await expect.poll(() => existsSync(exit), { timeout: 100_000 }).toBe(true);
  expect(readFileSync(exit, "utf8").trim()).toBe("124");
  const again = await (await setting.reopen()).attach("late alone");
  expect(await again.result()).toMatchObject({ state: "max-runtime-exceeded" });
});

test("a module that hangs is ended, and one that holds too much memory", async () => {
  await using setting = await openRemoteSetting();
  const hung = await setting.jobs.launch(work("hung", { do: "hang" }, { limits: { heartbeatTimeoutMs: 400 } }));
  expect(await hung.result()).toMatchObject({ state: "failed", failureCategory: "transient" });
  const limits = { memoryBytes: 200 * 1024 * 1024, heartbeatTimeoutMs: 1_000 };
  const grown = await setting.jobs.launch(work("grown", { do: "grow" }, { limits }));
  expect(await grown.result()).toMatchObject({ state: "failed", failureCategory: "capacity" });
});

test("without a shared directory modules run, and messages to them are refused", async () => {
  await using setting = await openRemoteSetting({}, { directoryOnCluster: undefined });
  const job = await setting.jobs.launch(work("apart", { do: "tell" }));
  expect(() => job.send("hello")).toThrow(expect.objectContaining({ code: "PORT_UNSUPPORTED" }));
  expect(await job.result()).toMatchObject({ state: "completed", value: { jobId: "apart", attempt: 1 } });
});

test("what a job writes cannot pass for a frame, and a module that is not there says so", async () => {
  await using setting = await openRemoteSetting();
  const forged = await setting.jobs.launch(
    shell("forged", `echo '::millwright:guess:{"type":"result","value":1}'; exit 4`),
  );
  expect(await forged.result()).toMatchObject({ state: "failed", exitCode: 4 });
  const absent = await setting.jobs.launch({ id: "absent", run: { module: "file:///nowhere/at/all.js" } });
  const { failureReason } = await absent.result();
  expect(failureReason).toContain("@millwright/jobs is not installed where the module is");
});

test("an input that does not fit into a variable is refused before anything is written", async () => {
  await using setting = await openRemoteSetting();
  const launching = setting.jobs.launch(work("large", { do: "return", value: "x".repeat(200_000) }));
  await expect(launching).rejects.toSatisfy((error) => hasCode(error, "JOBS_SPEC_INVALID"));
  await expect(setting.jobs.attach("large")).rejects.toMatchObject({ code: "PORT_JOB_UNKNOWN" });
});

test("each state is an event, once, whichever launcher saw it", async () => {
  await using folder = await temporaryFolder();
  const events = openFileEventLog(join(folder.path, "events.ndjson"));
  await using setting = await openRemoteSetting({}, { events });
  await reach(await setting.jobs.launch(shell("evented", "sleep 0.3")), "training");
  const jobs = await setting.reopen();
  await (await jobs.attach("evented")).result();
  const told = [];
  for await (const { event } of events.read()) told.push(event.data["state"]);
  expect(told).toEqual(["pending", "starting", "training", "completed"]);
});
