import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { createTrainer, type StartOptions, type TrainingRun } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, killAt, openSetting } from "./setting.ts";

const checkpointsOf = (run: TrainingRun): string => join(run.directory, "checkpoints");

test(
  "TR-9: a run killed at random batches and resumed ends with the weights of an uninterrupted one, bit for bit",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const [train, validation] = [
      await setting.save("train", flights(3_000, 1)),
      await setting.save("validation", flights(500, 2)),
    ];
    // Dropout, unseeded initializers, Adam, batch normalization's moving averages, early stopping's best weights: 4 epochs of 60 steps.
    const options: StartOptions = {
      data: { train, validation },
      label: "late",
      params: { units: [16, 8], batchNormalization: true },
      epochs: 4,
      batchSize: 50,
      seed: 11,
      earlyStopping: { patience: 2 },
      checkpoints: { everySteps: 7 },
      progressEveryMs: 0,
    };
    const start = (more: Partial<StartOptions>) =>
      setting.trainer.start(fixture("network.train.js"), { ...options, ...more });
    const whole = await (await start({})).result();

    const random = createRandom(9);
    const steps = Array.from({ length: 4 }, () => 5 + random.integer(190)).toSorted((a, b) => a - b);
    let resumeFrom: string | undefined;
    for (const step of steps) {
      const run = await start({ resumeFrom });
      await killAt(run, step);
      await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
      resumeFrom = checkpointsOf(run);
    }
    const last = await start({ resumeFrom });
    const resumed = await last.result();
    expect(resumed.weightsDigest).toBe(whole.weightsDigest);
    expect(resumed.metrics).toEqual(whole.metrics);
    expect(resumed.epochs).toEqual(whole.epochs);
    const started = [];
    for await (const { type, data } of last.events()) if (type === "run.started") started.push(data["step"]);
    expect(started[0]).toBeGreaterThan(0);
  },
);

test("a run that is stopped saves where it is, and goes on from there", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(3_000, 1));
  const options: StartOptions = {
    data: { train },
    label: "late",
    epochs: 3,
    batchSize: 30,
    seed: 3,
    progressEveryMs: 0,
  };
  const whole = await (await setting.trainer.start(fixture("network.train.js"), options)).result();
  const controller = new AbortController();
  const run = await setting.trainer.start(fixture("network.train.js"), { ...options, signal: controller.signal });
  for await (const { type, data } of run.events()) {
    if (type === "run.progress" && (data["step"] as number) >= 20) controller.abort();
  }
  await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_STOPPED" });
  const again = await setting.trainer.start(fixture("network.train.js"), {
    ...options,
    resumeFrom: checkpointsOf(run),
  });
  expect((await again.result()).weightsDigest).toBe(whole.weightsDigest);
});

test("a checkpoint of another training is refused, and the differences are named", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(500, 1));
  const options: StartOptions = { data: { train }, label: "late", epochs: 1, batchSize: 100, seed: 3 };
  const run = await setting.trainer.start(fixture("network.train.js"), options);
  const { checkpoint: resumeFrom } = await run.result();
  const start = async (more: Partial<StartOptions>) =>
    (await setting.trainer.start(fixture("network.train.js"), { ...options, resumeFrom, ...more })).result();
  await expect(start({ seed: 4 })).rejects.toThrow(/seed was 3 and is 4/);
  await expect(start({ params: { dropout: 0.5 }, batchSize: 50 })).rejects.toMatchObject({
    code: "TRAINER_RESUME_DIVERGED",
  });
  // More epochs are the same training, longer.
  expect((await start({ epochs: 2 })).epochs).toHaveLength(2);
});

test("after a restart of the service, starting the same id goes on with the run", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(3_000, 1));
  const options: StartOptions = {
    data: { train },
    label: "late",
    epochs: 3,
    batchSize: 30,
    seed: 3,
    progressEveryMs: 0,
  };
  const whole = await (await setting.trainer.start(fixture("network.train.js"), options)).result();
  const directory = join(setting.directory, "other-jobs");
  const first = await openJobs({ directory });
  const trainer = createTrainer({ jobs: first, directory: join(setting.directory, "runs") });
  const run = await trainer.start(fixture("network.train.js"), { ...options, id: "nightly" });
  for await (const { type, data } of run.events()) {
    if (type === "run.progress" && (data["step"] as number) >= 120) break;
  }
  await first[Symbol.asyncDispose]();
  await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_STOPPED" });
  await using second = await openJobs({ directory });
  const again = createTrainer({ jobs: second, directory: join(setting.directory, "runs") });
  const resumed = await again.start(fixture("network.train.js"), { ...options, id: "nightly" });
  const epochs: unknown[] = [];
  const starts: unknown[] = [];
  for await (const { type, data } of resumed.events()) {
    if (type === "run.epoch") epochs.push(data["epoch"]);
    if (type === "run.started") starts.push(data["step"]);
  }
  expect((await resumed.result()).weightsDigest).toBe(whole.weightsDigest);
  expect(epochs).toEqual([1, 2, 3]);
  expect(starts).toHaveLength(2);
  expect(starts[1]).toBeGreaterThan(100);
});
