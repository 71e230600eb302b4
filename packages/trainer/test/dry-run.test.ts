import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StartOptions } from "@millwright/trainer";
import { expect, onTestFinished, test, vi } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

test(
  "TR-36: checkpoints that cannot be gone on from fail in the dry run, by their cause",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(400, 1));
    const dryRun = (module: string, more: Partial<StartOptions> = {}) =>
      setting.trainer.dryRun(fixture(module), { data: { train }, label: "late", batchSize: 50, ...more });
    const broken = (what: string) => dryRun("forgetful.train.js", { params: { broken: what } });
    await expect(broken("loss")).rejects.toMatchObject({ code: "TRAINER_RESUME_INEXACT", category: "user" });
    await expect(broken("state")).rejects.toMatchObject({ code: "TRAINER_CALLBACK_FAILED" });
    await expect(broken("checkpoint")).rejects.toThrow(/"checkpoint" failed in its onCheckpoint: no room for it/);
    await expect(dryRun("adamax.train.js")).rejects.toMatchObject({ code: "TRAINER_CHECKPOINT_UNSUPPORTED" });
    expect((await dryRun("adamax.train.js", { checkpoints: false })).estimate.checkpointBytes).toBeNull();
    await expect(dryRun("network.train.js", { params: { layer: "gaussian" }, format: "dense" })).rejects.toMatchObject({
      code: "TRAINER_FORMAT_UNFIT",
    });

    const { phasesMs } = await broken("nothing");
    expect(phasesMs.validation).toBeNull();
    for (const phase of [phasesMs.start, phasesMs.train, phasesMs.checkpoint, phasesMs.resume, phasesMs.package]) {
      expect(phase).toBeGreaterThan(0);
    }
    // Nothing is left of it: neither where runs lie, nor in the folder of temporary files.
    expect(await readdir(join(setting.directory, "runs")).catch(() => [])).toEqual([]);
  },
);

test(
  "TR-36: a network with everything on passes, in epochs of one batch and of many",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(300, 1));
    const validation = await setting.save("validation", flights(100, 2));
    for (const batchSize of [30, 1_024]) {
      const options = { data: { train, validation }, label: "late", batchSize, epochs: 7, stopWhen: { steps: 40 } };
      const { estimate } = await setting.trainer.dryRun(fixture("optimized.train.js"), options);
      expect(estimate.steps).toBe(batchSize === 30 ? 40 : 7);
    }
  },
);

test(
  "TR-36: time, checkpoint and package of a run of even steps are estimated within 30 %",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(2_000, 1));
    const validation = await setting.save("validation", flights(100, 2));
    const options: StartOptions = {
      data: { train, validation },
      label: "late",
      params: { stepMs: 40 },
      batchSize: 20,
      epochs: 2,
      progressEveryMs: 0,
      budget: {
        budget: { reserve: () => Promise.reject(new Error("not in a dry run")), remaining: () => ({}) },
        perHour: { usd: 36 },
      },
    };
    const module = fixture("slow.train.js");
    const { estimate } = await setting.trainer.dryRun(module, options);
    expect(estimate.steps).toBe(200);
    expect(estimate.cost["usd"]).toBeCloseTo((36 * estimate.timeMs) / 3_600_000, 9);
    const run = await setting.trainer.start(module, { ...options, budget: undefined });
    const { checkpoint, modelDirectory } = await run.result();
    let began = 0;
    let trained = 0;
    for await (const { type, time } of run.events()) {
      if (type === "run.started") began = Date.parse(time);
      if (type === "run.checkpointed") trained = Date.parse(time);
    }
    const ratio = estimate.trainingMs / (trained - began);
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.3);
    const sizeIn = async (directory: string, pattern: RegExp): Promise<number> => {
      const names = (await readdir(directory)).filter((name) => pattern.test(name));
      const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
      return sizes.reduce((sum, size) => sum + size, 0);
    };
    const checkpoints = await sizeIn(checkpoint ?? "", /^checkpoint-\d+\.bin$/);
    expect((estimate.checkpointBytes ?? 0) / (checkpoints / 2)).toBeGreaterThan(0.7);
    expect((estimate.checkpointBytes ?? 0) / (checkpoints / 2)).toBeLessThan(1.3);
    expect(estimate.packageBytes / (await sizeIn(modelDirectory ?? "", /./))).toBeCloseTo(1, 1);
    // No process of Node with TensorFlow.js takes less than 50 MB, and this data takes next to nothing.
    expect(estimate.memoryBytes).toBeGreaterThan(50e6);
    expect(estimate.memoryBytes).toBeLessThan(2e9);
  },
);

test(
  "a dry run that is aborted rejects with the reason of its signal, and no folder of it is left",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(200, 1));
    const temporary = join(setting.directory, "temporary");
    await mkdir(temporary);
    for (const name of ["TMPDIR", "TEMP", "TMP"]) vi.stubEnv(name, temporary);
    onTestFinished(() => void vi.unstubAllEnvs());
    const controller = new AbortController();
    const options = { data: { train }, label: "late", params: { stepMs: 30_000 }, signal: controller.signal };
    const dry = setting.trainer.dryRun(fixture("slow.train.js"), options);
    while ((await readdir(temporary)).length === 0) await sleep(5);
    controller.abort(new Error("enough"));
    await expect(dry).rejects.toThrow("enough");
    expect(await readdir(temporary)).toEqual([]);
    await expect(setting.trainer.dryRun(fixture("slow.train.js"), options)).rejects.toThrow("enough");
  },
);
