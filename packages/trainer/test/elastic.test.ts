import { join } from "node:path";
import { batchOf } from "@millwright/data";
import { readLatestCheckpoint, type StartOptions, type TrainingResult, type TrainingRun } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, openSetting, type Setting } from "./setting.ts";

const module = fixture("parallel.train.js");
const timeout = 600_000;
const rows = 64;
const batchSize = 16;

/** Every row has an input of its own. */
async function options(setting: Setting): Promise<StartOptions> {
  const id = Array.from({ length: rows }, (_, row) => `row-${row}`);
  const train = await setting.save("train", batchOf({ id, label: new Float32Array(rows) }));
  return {
    data: { train },
    label: "label",
    plan: [{ kind: "oneHot", column: "id" }],
    params: { kind: "coverage", learningRate: 1, pauseMs: 20 },
    epochs: 3,
    batchSize,
    device: "wasm",
    progressEveryMs: 0,
  };
}

/** How often each row was learned from: each time, its weight falls by one over the rows of the batch. */
async function timesLearned({ checkpoint = "" }: TrainingResult): Promise<ReadonlySet<number>> {
  const { parts = [] } = (await readLatestCheckpoint(checkpoint)) ?? {};
  const weights = parts.find(({ name }) => name === "model/0")?.data ?? [];
  expect(weights.length).toBeGreaterThanOrEqual(rows);
  return new Set(Array.from(weights.slice(0, rows), (weight) => -weight * batchSize));
}

/** Kills a worker beside the first outright, once the run has come to the step. */
async function killWorkerAt(run: TrainingRun, step: number): Promise<number> {
  const pids: number[] = [];
  for await (const { type, data } of run.events()) {
    if (type === "run.worker-changed" && data["change"] === "started") pids.push(data["pid"] as number);
    if (type !== "run.progress" || (data["step"] as number) < step) continue;
    const [pid = 0] = pids;
    process.kill(pid, "SIGKILL");
    return pid;
  }
  throw new Error(`The run ended before step ${step}.`);
}

test(
  "TR-20: one of 4 workers is killed in the middle of an epoch, and every row is learned from once an epoch all the same",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const given = await options(setting);
    const workers = { count: 4, transport: "processes", replacements: 0 } as const;
    const run = await setting.trainer.start(module, { ...given, workers });
    const pid = await killWorkerAt(run, 5);
    const result = await run.result();
    expect(result).toMatchObject({ outcome: "completed" });
    expect(result.epochs.map(({ step }) => step)).toEqual([4, 8, 12]);
    expect(result.workers?.changes).toMatchObject([
      { change: "lost", pid, workers: 3, reason: "Its process ended with SIGKILL." },
    ]);
    expect(await timesLearned(result)).toEqual(new Set([3]));
    const alone = await (await setting.trainer.start(module, { ...given, workers: 1 })).result();
    expect(result.weightsDigest).toBe(alone.weightsDigest);
  },
);

test("TR-20: a worker that was lost is replaced by one that joins between two steps", { timeout }, async () => {
  await using setting = await openSetting();
  const given = await options(setting);
  const workers = { count: 2, transport: "processes" } as const;
  const run = await setting.trainer.start(module, { ...given, epochs: 12, workers });
  await killWorkerAt(run, 3);
  const result = await run.result();
  expect(result.workers?.changes).toMatchObject([
    { change: "lost", worker: 1, workers: 1 },
    { change: "replaced", worker: 2, workers: 2 },
  ]);
  expect(await timesLearned(result)).toEqual(new Set([12]));
});

test("TR-20: threads that end, hang or throw are done without", { timeout }, async () => {
  await using setting = await openSetting();
  const given = await options(setting);
  for (const kind of ["exit", "hang", "throw"]) {
    const trouble = { path: join(setting.directory, kind), kind, step: 5 };
    const params = { ...given.params, pauseMs: 0, trouble };
    const workers = { count: 3, transport: "threads", replacements: 0, stepTimeoutMs: 500 } as const;
    const result = await (await setting.trainer.start(module, { ...given, params, workers })).result();
    expect(result.workers?.changes).toMatchObject([{ change: "lost", workers: 2 }]);
    const reason = { exit: "code 7", hang: "did not answer for 500 ms", throw: "in trouble" }[kind];
    expect(result.workers?.changes[0]?.reason).toContain(reason);
    expect(await timesLearned(result)).toEqual(new Set([3]));
  }
});

test(
  "TR-20: with fewer workers left than the minimum, the next attempt goes on from the last checkpoint",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const given = { ...(await options(setting)), checkpoints: { everySteps: 1 }, retries: 1 };
    const workers = { count: 2, transport: "processes", minimum: 2 } as const;
    const run = await setting.trainer.start(module, { ...given, workers });
    await killWorkerAt(run, 6);
    const result = await run.result();
    expect(await timesLearned(result)).toEqual(new Set([3]));
    const starts = [];
    for await (const { type, data } of run.events()) if (type === "run.started") starts.push(data["step"]);
    expect(starts).toHaveLength(2);
    expect(starts[1]).toBeGreaterThan(4);
    const last = await setting.trainer.start(module, { ...given, workers, retries: 0 });
    await killWorkerAt(last, 3);
    await expect(last.result()).rejects.toMatchObject({ code: "TRAINER_WORKERS_LOST", category: "transient" });
  },
);

test("TR-20: batches may shrink with their workers, and the learning rate with them", { timeout }, async () => {
  await using setting = await openSetting();
  const workers = { count: 2, transport: "processes", replacements: 0, onLoss: "shrink" } as const;
  const run = await setting.trainer.start(module, { ...(await options(setting)), workers });
  await killWorkerAt(run, 2);
  const result = await run.result();
  // 4 batches of 16 rows, then 8 of 8 with half the rate.
  expect(result.epochs.map(({ step }) => step)).toEqual([4, 12, 20]);
  expect(await timesLearned(result)).toEqual(new Set([3]));
});
