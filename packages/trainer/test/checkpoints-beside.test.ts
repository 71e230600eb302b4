import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readLatestCheckpoint } from "@millwright/trainer";
import { expect, test } from "vitest";
import { CheckpointWriter } from "../src/checkpoint-writer.ts";
import type { LoopOptions } from "../src/loop-options.ts";
import { digestWeights } from "../src/model-state.ts";
import { saveCheckpoint } from "../src/run-checkpoints.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { loopOptions } from "./loop-setting.ts";
import { fixture, flights, openSetting } from "./setting.ts";

/** Saves that end when they are told to. */
function slowSaves(): { readonly order: string[]; readonly save: LoopOptions["save"]; end(error?: Error): void } {
  const order: string[] = [];
  const ends: ((error?: Error) => void)[] = [];
  return {
    order,
    save: (step) => {
      order.push(`save ${step}`);
      return new Promise((resolve, reject) =>
        ends.push((error) => {
          order.push(`saved ${step}`);
          if (error === undefined) resolve("kept");
          else reject(error);
        }),
      );
    },
    end: (error) => ends.shift()?.(error),
  };
}

test("the training goes on while a checkpoint is written, one at a time and in their order, and is over when the last is", async () => {
  const { order, save, end } = slowSaves();
  const callbacks: LoopOptions["callbacks"] = [
    {
      name: "steps",
      onBatchEnd: ({ step }) => {
        order.push(`step ${step}`);
        if (step === 3) end();
        if (step === 4) setTimeout(end, 20); // the save after step 4 waits for that of step 2
      },
    },
  ];
  const loop = new TrainingLoop({
    ...(await loopOptions({ epochs: 1, callbacks })),
    save,
    saveBeside: true,
    checkpointSteps: 2,
  });
  setTimeout(end, 60);
  const { checkpoint } = await loop.run();
  expect(order).toEqual(["step 1", "step 2", "save 2", "step 3", "saved 2", "step 4", "save 4", "saved 4"]);
  expect(checkpoint).toBe("kept");
});

test("a checkpoint that cannot be written ends the run at the next step, with its error", async () => {
  const { order, save, end } = slowSaves();
  const callbacks: LoopOptions["callbacks"] = [
    {
      name: "steps",
      onBatchEnd: ({ step }) => (step === 2 ? end(new Error("The disk is full.")) : void order.push(`step ${step}`)),
    },
  ];
  const loop = new TrainingLoop({ ...(await loopOptions({ callbacks })), save, saveBeside: true, checkpointSteps: 1 });
  await expect(loop.run()).rejects.toThrow("The disk is full.");
  expect(order).toEqual(["step 1", "save 1", "saved 1"]);
});

test("a checkpoint that a thread has written is the one that would have been written here, bit for bit, and the weights go on", async () => {
  await using setting = await openSetting();
  await using writer = new CheckpointWriter();
  const written = async (beside: boolean): Promise<readonly unknown[]> => {
    const directory = join(setting.directory, beside ? "beside" : "here");
    const options = await loopOptions();
    const save: LoopOptions["save"] = async (step, checkpoint, kept) =>
      (
        await (beside
          ? writer.write({ directory, step, checkpoint, kept })
          : saveCheckpoint(directory, step, checkpoint, kept))
      ).folder;
    const { checkpoint } = await new TrainingLoop({
      ...options,
      save,
      saveBeside: beside,
      checkpointSteps: 1,
      clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() },
    }).run();
    const { path: _path, ...read } = (await readLatestCheckpoint(checkpoint ?? "")) ?? {};
    return [read, await digestWeights(options.ready.model)];
  };
  expect(await written(true)).toEqual(await written(false));
});

test("where a thread cannot write, the run fails with what it has failed of", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(200, 1));
  await mkdir(join(setting.directory, "runs", "blocked"), { recursive: true });
  await writeFile(join(setting.directory, "runs", "blocked", "checkpoints"), "a file");
  const run = await setting.trainer.start(fixture("plain.train.js"), {
    data: { train },
    label: "late",
    id: "blocked",
    progress: false,
  });
  await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_WRITE_FAILED" });
});
