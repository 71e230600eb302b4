import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type JobEvent, type JobHistory, type JobState, sageMakerJobStatus } from "@millwright/contracts";
import { jobTimes, openJobs, runTraining, type TrainingSpec } from "@millwright/jobs";
import { expect, test } from "vitest";
import { fixture, openTestJobs, temporaryFolder, work } from "./setting.ts";

const trains = (directory: string, more: Partial<TrainingSpec> = {}): TrainingSpec => ({
  id: "spot",
  run: { module: fixture("spot-trains.js") },
  directory,
  hyperparameters: { epochs: 30 },
  spot: { maxRuntimeMs: 60_000, maxWaitMs: 120_000, priceRatio: 0.3 },
  ...more,
});

test("TR-10: a training that is reclaimed three times goes through SageMaker's statuses, counts no epoch twice, and its savings are exact", async () => {
  await using folder = await temporaryFolder();
  await using opened = await openTestJobs({ retryDelayMs: 1 });
  const reclaimAt = [5, 12, 20];
  const states: { readonly state: JobState; readonly timeMs: number }[] = [];
  const epochs: number[] = [];
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "state") states.push({ state: event.state, timeMs: event.timeMs });
    if (event.kind !== "message") return;
    epochs.push(event.body as number);
    if (event.body !== reclaimAt[0]) return;
    reclaimAt.shift();
    void opened.jobs.interrupt("spot", "The machine is reclaimed.");
  };
  // No retries: interruptions use none up.
  const result = await runTraining(opened.jobs, trains(join(folder.path, "ml")), { onEvent });
  expect(result).toMatchObject({ state: "completed", attempts: 4, value: 30 });
  // The data lie on this machine since before the first attempt: nothing is downloaded again.
  const once = ["Starting", "Training"];
  expect(states.map(({ state }) => sageMakerJobStatus(state).secondary)).toEqual([
    "Pending",
    ...once,
    "Interrupted",
    ...once,
    "Interrupted",
    ...once,
    "Interrupted",
    ...once,
    "Uploading",
    "Completed",
  ]);
  expect(epochs).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  // The same times once more, from the states as they were told.
  let trainingMs = 0;
  for (const [index, { state, timeMs }] of states.entries())
    if (["downloading", "training", "uploading"].includes(state))
      trainingMs += (states[index + 1]?.timeMs ?? 0) - timeMs;
  const billableMs = trainingMs * 0.3;
  expect(result.times).toMatchObject({
    trainingMs,
    billableMs,
    savingsPercent: (1 - billableMs / trainingMs) * 100,
    attempts: 4,
    interruptions: 3,
  });
});

test("TR-10: savings are those of SageMaker's own example", () => {
  const history: JobHistory = [
    { state: "pending", timeMs: 0 },
    { state: "starting", timeMs: 1_000 },
    { state: "training", timeMs: 2_000 },
    { state: "interrupted", timeMs: 202_000, cause: "interrupted" },
    { state: "starting", timeMs: 900_000 },
    { state: "training", timeMs: 901_000 },
    { state: "completed", timeMs: 1_201_000 },
  ];
  // BillableTimeInSeconds 100, TrainingTimeInSeconds 500: 80 percent.
  expect(jobTimes(history, { priceRatio: 0.2 })).toEqual({
    totalMs: 1_201_000,
    waitingMs: 699_000,
    startingMs: 2_000,
    trainingMs: 500_000,
    billableMs: 100_000,
    savingsPercent: 80,
    attempts: 2,
    interruptions: 1,
  });
  expect(jobTimes(history.slice(0, 4), { nowMs: 302_000 }).waitingMs).toBe(101_000);
});

test("TR-10: what waits, or runs, past its longest wait ends so; what runs past its longest run ends so", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "notice");
  await writeFile(file, "");
  await using jobs = await openJobs({ directory: join(folder.path, "jobs"), notice: { file, pollMs: 20 } });
  const waits = await jobs.launch(work("waits", { do: "endless" }, { spot: { maxRuntimeMs: 300, maxWaitMs: 300 } }));
  expect(await waits.result()).toMatchObject({ state: "max-wait-time-exceeded", attempts: 0 });
  await rm(file);
  const limits = { graceMs: 2_000 };
  const long = { do: "endless" };
  const ran = await jobs.launch(work("ran", long, { spot: { maxRuntimeMs: 500, maxWaitMs: 60_000 }, limits }));
  expect(await ran.result()).toMatchObject({ state: "max-runtime-exceeded" });
  const both = await jobs.launch(work("both", long, { spot: { maxRuntimeMs: 6_000, maxWaitMs: 6_000 }, limits }));
  await expect.poll(() => both.state, { timeout: 100_000 }).toBe("training");
  // An interruption stops the one clock and not the other.
  await writeFile(file, "");
  expect(await both.result()).toMatchObject({ state: "max-wait-time-exceeded" });
  const states = (await jobs.history("both")).map(({ state }) => state);
  expect(states.slice(-2)).toEqual(["interrupted", "max-wait-time-exceeded"]);
  expect(sageMakerJobStatus("max-wait-time-exceeded")).toEqual({
    primary: "Stopped",
    secondary: "MaxWaitTimeExceeded",
  });
});

test("TR-10: checkpoints are kept apart from the machine, and another one goes on from them", async () => {
  await using folder = await temporaryFolder();
  const kept = join(folder.path, "kept");
  const checkpointSync = { directory: kept, everyMs: 20 };
  const epochs: number[] = [];
  const onEvent = (event: JobEvent): void => {
    if (event.kind !== "message") return;
    epochs.push(event.body as number);
    if (event.body === 10) void first[Symbol.asyncDispose]();
  };
  const first = await openJobs({ directory: join(folder.path, "jobs-1") });
  const left = await runTraining(first, trains(join(folder.path, "ml-1"), { checkpointSync }), { onEvent });
  expect(left.state).toBe("interrupted");
  await first[Symbol.asyncDispose]();
  expect(await readFile(join(kept, "epoch.txt"), "utf8")).toBe(String(epochs.at(-1)));
  expect(left.checkpointSync?.files).toBeGreaterThan(0);
  // The first machine is gone with all that it had.
  await rm(join(folder.path, "ml-1"), { recursive: true });
  await using second = await openJobs({ directory: join(folder.path, "jobs-2") });
  const result = await runTraining(second, trains(join(folder.path, "ml-2"), { checkpointSync }), {
    onEvent: (event) => {
      if (event.kind === "message") epochs.push(event.body as number);
    },
  });
  expect(result).toMatchObject({ state: "completed", value: 30 });
  expect(epochs).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
});

test("a disk that the checkpoints cannot be copied to fails no training, and is told of", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "a-file"), "");
  await using opened = await openTestJobs();
  const directory = join(folder.path, "a-file", "below");
  const spec = trains(join(folder.path, "ml"), { hyperparameters: { epochs: 2 }, checkpointSync: { directory } });
  const result = await runTraining(opened.jobs, spec);
  expect(result.state).toBe("completed");
  expect(result.checkpointSync?.failure).toContain("a-file");
  const wrong = trains(join(folder.path, "ml-2"), { checkpointSync: { directory: "" } });
  await expect(runTraining(opened.jobs, wrong)).rejects.toMatchObject({ code: "JOBS_SPEC_INVALID" });
});
