import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, hasCode } from "@millwright/contracts";
import type { StartOptions, TrainingResult, TrainingRun } from "@millwright/trainer";
import { expect, test, type TestContext } from "vitest";
import { fixture, flights, killAt, openSetting, type Setting } from "./setting.ts";
import { vulkanEnvironment, vulkanFound, vulkanMissing } from "./software-vulkan.ts";

const strict = process.env["CI"] === "true";
const nativeFolder = process.env["MILLWRIGHT_TFJS_NODE_FOLDER"];
const nativeMissing =
  "no native TensorFlow.js: build one with millwright-tfjs provision, and name its folder in MILLWRIGHT_TFJS_NODE_FOLDER";

interface TestedDevice {
  readonly device: NonNullable<StartOptions["device"]>;
  readonly environment: Record<string, string>;
  readonly found: boolean;
  readonly missing: string;
}

const quiet = { TF_CPP_MIN_LOG_LEVEL: "3" };
const webgpu: TestedDevice = {
  device: "webgpu-software",
  environment: vulkanEnvironment(),
  found: vulkanFound,
  missing: vulkanMissing,
};
const devices: readonly TestedDevice[] = [
  { device: "js", environment: {}, found: true, missing: "" },
  {
    device: "cpu",
    environment: { ...quiet, ...(nativeFolder === undefined ? {} : { MILLWRIGHT_TFJS_NODE_FOLDER: nativeFolder }) },
    found: nativeFolder !== undefined,
    missing: nativeMissing,
  },
  webgpu,
];

const need = (context: TestContext, { found, missing }: TestedDevice): void => context.skip(!found && !strict, missing);

/** Two epochs of 30 steps. */
async function optionsOf(setting: Setting, { device, environment }: TestedDevice): Promise<StartOptions> {
  return {
    data: {
      train: await setting.save("train", flights(900, 1)),
      validation: await setting.save("validation", flights(100, 2)),
    },
    label: "late",
    epochs: 2,
    batchSize: 30,
    seed: 11,
    checkpoints: { everySteps: 5 },
    progressEveryMs: 0,
    device,
    environment,
    retries: 0,
  };
}

const start = (setting: Setting, options: StartOptions): Promise<TrainingRun> =>
  setting.trainer.start(fixture("devices.train.js"), options);
const checkpointsOf = (run: TrainingRun): string => join(run.directory, "checkpoints");

async function stepsStarted(run: TrainingRun): Promise<readonly unknown[]> {
  const steps: unknown[] = [];
  for await (const { type, data } of run.events()) if (type === "run.started") steps.push(data["step"]);
  return steps;
}

const sameAs = ({ weightsDigest, epochs }: TrainingResult): object => ({ weightsDigest, epochs });

/** Digests of uninterrupted runs. */
const wholes = new Map<string, object>();

test.for(devices)(
  "TR-9: on $device too, a run killed at random batches ends with the weights of an uninterrupted one, bit for bit",
  { timeout: 600_000 },
  async (tested, context) => {
    need(context, tested);
    await using setting = await openSetting();
    const options = await optionsOf(setting, tested);
    const whole = await (await start(setting, options)).result();
    const random = createRandom(9);
    const kills = Array.from({ length: 2 }, () => 6 + random.integer(50)).toSorted((a, b) => a - b);
    let resumeFrom: string | undefined;
    for (const step of kills) {
      const run = await start(setting, { ...options, resumeFrom });
      await killAt(run, step);
      await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
      resumeFrom = checkpointsOf(run);
    }
    const last = await start(setting, { ...options, resumeFrom });
    expect(sameAs(await last.result())).toEqual(sameAs(whole));
    wholes.set(tested.device, sameAs(whole));
    expect((await stepsStarted(last))[0]).toBeGreaterThan(0);
  },
);

test(
  "a GPU that is lost in mid-training fails the run by name, and it goes on from its checkpoint, to the bit",
  { timeout: 600_000 },
  async (context) => {
    need(context, webgpu);
    await using setting = await openSetting();
    const options = await optionsOf(setting, webgpu);
    const whole = wholes.get(webgpu.device) ?? sameAs(await (await start(setting, options)).result());
    const params = { lostAt: 23, mark: join(setting.directory, "gone") };

    const run = await start(setting, { ...options, params });
    const error: unknown = await run.result().catch((thrown: unknown) => thrown);
    expect(hasCode(error, "TFJS_DEVICE_LOST")).toBe(true);
    expect(error).toMatchObject({ category: "transient", retryable: true });
    await access(params.mark);
    // Nothing was saved once the device was gone.
    const saved = (await readdir(checkpointsOf(run)))
      .filter((name) => /\d/.test(name))
      .map((name) => Number(/\d+/.exec(name)?.[0]));
    expect(Math.max(...saved)).toBe(20);
    // With a retry left, the same run goes on by itself.
    const again = { lostAt: 37, mark: join(setting.directory, "gone again") };
    const retried = await start(setting, { ...options, params: again, retries: 1 });
    expect(sameAs(await retried.result())).toEqual(whole);
    expect(await stepsStarted(retried)).toEqual([0, 35]);
  },
);

test(
  "a batch that is too large for the GPU fails as memory does, and is halved by the guard",
  { timeout: 600_000 },
  async (context) => {
    need(context, webgpu);
    await using setting = await openSetting();
    const options: StartOptions = {
      ...(await optionsOf(setting, webgpu)),
      data: {
        train: await setting.save("few", flights(256, 1)),
        validation: await setting.save("fewer", flights(40, 2)),
      },
      // 128 rows of so many units are 205 MB, and the driver binds 134 MB.
      params: { units: 400_000 },
      epochs: 1,
      batchSize: 128,
    };
    const failed = await start(setting, options);
    await expect(failed.result()).rejects.toMatchObject({ code: "TRAINER_OUT_OF_MEMORY", category: "capacity" });
    const guarded = await start(setting, { ...options, memoryGuard: true });
    for await (const { type, data } of guarded.events()) {
      if (type !== "run.micro-batch-halved") continue;
      expect(data).toMatchObject({ memory: "gpu", before: 128, after: 64, batchSize: 128 });
      // The halves would take a CPU minutes.
      await guarded.stop();
    }
    await expect(guarded.result()).rejects.toMatchObject({ code: "TRAINER_RUN_STOPPED" });
  },
);
