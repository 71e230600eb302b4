import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { readLatestCheckpoint, type StartOptions, type TrainingResult } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, killAt, openSetting, type Setting } from "./setting.ts";

const module = fixture("parallel.train.js");
const base = { label: "late", epochs: 2, batchSize: 100, seed: 6, device: "wasm", progress: false } as const;
const timeout = 600_000;

const starter =
  ({ trainer }: Setting, options: StartOptions) =>
  async (more: Partial<StartOptions>): Promise<TrainingResult> =>
    (await trainer.start(module, { ...options, ...more })).result();

/** All weights of the last checkpoint. */
async function weightsOf({ checkpoint = "" }: TrainingResult): Promise<readonly number[]> {
  const { parts = [] } = (await readLatestCheckpoint(checkpoint)) ?? {};
  return parts.filter(({ name }) => name.startsWith("model/")).flatMap(({ data }) => [...data]);
}

test(
  "TR-19: 1, 2, 3 and 4 workers, in threads or processes, make the same weights, to the bit",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const [train, validation] = [
      await setting.save("train", flights(1_030, 1)),
      await setting.save("v", flights(100, 2)),
    ];
    const start = starter(setting, { ...base, data: { train, validation } });
    const one = await start({ workers: 1 });
    expect(one.epochs).toHaveLength(2);
    for (const workers of [2, 4, { count: 3, transport: "processes" }] as const) {
      const several = await start({ workers });
      expect(several.weightsDigest).toBe(one.weightsDigest);
      expect(several.epochs).toEqual(one.epochs);
      expect(several.workers?.changes).toEqual([]);
    }
  },
);

test(
  "TR-19: 4 workers make the weights of one that learns from the whole batch, within 1e-6",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(1_030, 1));
    // Enough weights for the threads to share the adding up.
    const params = { units: [256, 128], dropout: 0, momentum: true, learningRate: 0.01 };
    const start = starter(setting, { ...base, data: { train }, params });
    const whole = await weightsOf(await start({}));
    expect(whole.length).toBeGreaterThan(32_768);
    for (const workers of [4, { count: 3, shards: "workers", reduction: "arrival" }] as const) {
      const several = await weightsOf(await start({ workers }));
      const apart = several.map((weight, index) => Math.abs(weight - (whole[index] as number)));
      expect(Math.max(...apart)).toBeLessThan(1e-6);
    }
  },
);

test("TR-19: a run killed with 4 workers goes on with 2, then alone, to the same bits", { timeout }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(1_500, 1));
  const options = { ...base, data: { train }, epochs: 3, checkpoints: { everySteps: 4 }, progressEveryMs: 0 };
  const start = starter(setting, options);
  const whole = await start({ workers: 2 });
  const random = createRandom(5);
  let resumeFrom: string | undefined;
  for (const workers of [4, 2]) {
    const run = await setting.trainer.start(module, { ...options, workers, resumeFrom });
    await killAt(run, 5 + random.integer(15) + (resumeFrom === undefined ? 0 : 20));
    await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
    resumeFrom = join(run.directory, "checkpoints");
  }
  const resumed = await start({ workers: 1, resumeFrom });
  expect(resumed.weightsDigest).toBe(whole.weightsDigest);
  expect(resumed.epochs).toEqual(whole.epochs);
  await expect(start({ resumeFrom })).rejects.toMatchObject({ code: "TRAINER_RESUME_DIVERGED" });
});

test("TR-19: callbacks run in the first worker alone, once a step", { timeout }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(300, 1));
  const log = join(setting.directory, "log");
  await starter(setting, { ...base, data: { train }, params: { log } })({ workers: 3 });
  const lines = (await readFile(log, "utf8")).trim().split("\n");
  expect(lines.map((line) => line.split(":").slice(1))).toEqual(
    Array.from({ length: 6 }, (_, index) => ["0", String(index + 1)]),
  );
});
