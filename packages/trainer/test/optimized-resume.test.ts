import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { denseRuntime, loadModel, runGolden, verifyModel } from "@millwright/model";
import type { StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, killAt, openSetting } from "./setting.ts";

test(
  "TR-7: a run killed at random batches ends bit for bit, with a schedule, parts, clipping, an average and callbacks on",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(1_500, 1));
    const validation = await setting.save("validation", flights(300, 2));
    const options: StartOptions = {
      data: { train, validation },
      label: "late",
      params: { average: "ema" },
      epochs: 3,
      batchSize: 30,
      seed: 4,
      checkpoints: { everySteps: 7, best: { keep: 2 } },
      progressEveryMs: 0,
    };
    const start = (more: Partial<StartOptions>) =>
      setting.trainer.start(fixture("optimized.train.js"), { ...options, ...more });
    const whole = await (await start({})).result();
    const random = createRandom(3);
    let resumeFrom: string | undefined;
    for (const step of Array.from({ length: 3 }, () => 10 + random.integer(120)).toSorted((a, b) => a - b)) {
      const run = await start({ resumeFrom });
      await killAt(run, step);
      await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
      resumeFrom = join(run.directory, "checkpoints");
    }
    const last = await start({ resumeFrom });
    const resumed = await last.result();
    expect(resumed.weightsDigest).toBe(whole.weightsDigest);
    expect(resumed.epochs).toEqual(whole.epochs);
    // The package answers as the averaged weights do.
    const packed = await verifyModel(whole.modelDirectory ?? "");
    await using model = await loadModel(packed, [denseRuntime()]);
    expect(await runGolden(model, packed.manifest)).toMatchObject({ passed: true });

    expect(whole.bestCheckpoints).toHaveLength(2);
    const values = whole.epochs.map(({ metrics }) => metrics["logLoss"] ?? 0).toSorted((a, b) => a - b);
    expect(whole.bestCheckpoints?.map(({ value }) => value)).toEqual(values.slice(0, 2));
    for (const { path } of whole.bestCheckpoints ?? []) await access(path);
    expect(await readdir(join(whole.checkpoint ?? "", "best"))).toHaveLength(2);

    const other = await start({ resumeFrom, params: { average: "swa" } });
    await expect(other.result()).rejects.toThrow(/optimization was .*ema.* and is .*swa/);
  },
);
