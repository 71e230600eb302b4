import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import type { StartOptions, TrainingRun } from "@millwright/trainer";
import { readLatestCheckpoint } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting, type Setting } from "./setting.ts";

const onWindows = process.platform === "win32";

/** 3 epochs of 20 steps, each of some 30 ms. */
async function optionsOf(setting: Setting): Promise<StartOptions> {
  const train = await setting.save("train", flights(1_000, 1));
  return {
    data: { train },
    label: "late",
    params: { stepMs: 30 },
    epochs: 3,
    batchSize: 50,
    seed: 5,
    progressEveryMs: 0,
  };
}

/** Signals the process of the run at each of the steps, the one that runs then. */
async function signalAt(run: TrainingRun, signal: NodeJS.Signals, steps: readonly number[]): Promise<number> {
  let pid = 0;
  let sent = 0;
  let sentMs = 0;
  for await (const { type, data } of run.events()) {
    if (type === "run.started") pid = data["pid"] as number;
    if (type !== "run.progress" || (data["step"] as number) < (steps[sent] ?? Infinity)) continue;
    sentMs = Date.now();
    process.kill(pid, signal);
    sent += 1;
    if (sent === steps.length) break;
  }
  return sentMs;
}

async function stepsOf(run: TrainingRun): Promise<readonly number[]> {
  const steps: number[] = [];
  for await (const { type, data } of run.events()) if (type === "run.progress") steps.push(data["step"] as number);
  return steps;
}

test(
  "TR-11: on SIGTERM during a batch a run saves where it is inside the deadline, and goes on without counting a step twice",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(onWindows, "Windows has no SIGTERM that a process can heed");
    await using setting = await openSetting();
    const options = await optionsOf(setting);
    const whole = await setting.trainer.start(fixture("slow.train.js"), options);
    const wanted = await whole.result();

    const limits = { graceMs: 20_000 };
    const left = await setting.trainer.start(fixture("slow.train.js"), { ...options, limits });
    const sentMs = await signalAt(left, "SIGTERM", [33]);
    await expect(left.result()).rejects.toMatchObject({ code: "TRAINER_RUN_STOPPED" });
    expect(Date.now() - sentMs).toBeLessThan(limits.graceMs);
    const checkpoints = join(left.directory, "checkpoints");
    const newest =
      (await readdir(checkpoints))
        .filter((name) => name.endsWith(".bin"))
        .toSorted()
        .at(-1) ?? "";
    expect((await stat(join(checkpoints, newest))).mtimeMs).toBeGreaterThan(sentMs - 20);
    // It is of the last step that was taken: none is lost, none is taken again.
    expect((await readLatestCheckpoint(checkpoints))?.state["step"]).toBe((await stepsOf(left)).at(-1));
    const types = [];
    for await (const { type } of left.events()) types.push(type);
    expect(types.at(-1)).toBe("run.killed");

    const again = await setting.trainer.start(fixture("slow.train.js"), { ...options, limits, retries: 2 });
    await signalAt(again, "SIGTERM", [12, 41]);
    const result = await again.result();
    expect(result.weightsDigest).toBe(wanted.weightsDigest);
    expect(result.epochs).toEqual(wanted.epochs);
    const steps = await stepsOf(again);
    expect(new Set(steps).size).toBe(steps.length);
    expect(steps).toEqual(await stepsOf(whole));
    const job = await setting.jobs.attach(again.id);
    expect(await job.result()).toMatchObject({ state: "completed", attempts: 3 });
  },
);

test(
  "TR-12: a run whose process is killed goes on by itself from its last checkpoint, to the same weights",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(process.platform !== "linux", "SIGKILL can be told from the kernel's memory kills only on Linux");
    await using setting = await openSetting();
    const options = { ...(await optionsOf(setting)), checkpoints: { everySteps: 5 } };
    const wanted = await (await setting.trainer.start(fixture("slow.train.js"), options)).result();
    const random = createRandom(12);
    const run = await setting.trainer.start(fixture("slow.train.js"), { ...options, retries: { max: 3 } });
    const steps = Array.from({ length: 2 }, () => 3 + random.integer(40)).toSorted((a, b) => a - b);
    await signalAt(run, "SIGKILL", steps);
    const result = await run.result();
    expect(result.weightsDigest).toBe(wanted.weightsDigest);
    expect(result.epochs).toEqual(wanted.epochs);
    expect(await (await setting.jobs.attach(run.id)).result()).toMatchObject({ attempts: 3 });
  },
);
