import { setTimeout as sleep } from "node:timers/promises";
import type { StartOptions, TrainingCallback } from "@millwright/trainer";
import { expect, test } from "vitest";
import { checkCallbacks } from "../src/callback-runner.ts";
import { digestWeights } from "../src/model-state.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { digestsOfResumes, keepCheckpoints, loopOptions } from "./loop-setting.ts";
import { fixture, flights, openSetting } from "./setting.ts";

/** Writes down what it is told, after a wait where it is slow. */
const scribe = (name: string, log: string[], slow = false): TrainingCallback => {
  const note = (text: string): void | Promise<void> => {
    if (!slow) return void log.push(`${name} ${text}`);
    return sleep(1).then(() => void log.push(`${name} ${text}`));
  };
  return {
    name,
    onFitStart: ({ epoch, step }) => note(`fit start, epoch ${epoch}, step ${step}`),
    onEpochStart: ({ epoch }) => note(`epoch ${epoch} start`),
    onBatchStart: ({ step }, { batch, rows }) => note(`batch ${batch} start, step ${step}, ${rows} rows`),
    onBatchEnd: ({ step }, { batch, loss }) => note(`batch ${batch} end, step ${step}, ${typeof loss}`),
    onEpochEnd: ({ epoch }, report) => note(`epoch ${epoch} end, ${report.epoch}`),
    onCheckpoint: ({ step }) => note(`checkpoint ${step}`),
    onException: (_, error) => note(`exception ${String(error)}`),
    onFitEnd: (_, { outcome }) => note(`fit end ${outcome}`),
  };
};

test("TR-6: what callbacks are told is told in one order, in that of the list, the slow waited for", async () => {
  const log: string[] = [];
  const callbacks = [scribe("a", log, true), scribe("b", log)];
  await new TrainingLoop(
    await loopOptions({ callbacks, batchSize: 25, checkpointSteps: 1, save: keepCheckpoints().save }),
  ).run();
  const epoch = (number: number, step: number): readonly string[] => [
    `epoch ${number} start`,
    `batch 0 start, step ${step}, 25 rows`,
    `batch 0 end, step ${step + 1}, number`,
    `checkpoint ${step + 1}`,
    `batch 1 start, step ${step + 1}, 15 rows`,
    `batch 1 end, step ${step + 2}, number`,
    `epoch ${number} end, ${number}`,
    `checkpoint ${step + 2}`,
  ];
  const golden = ["fit start, epoch 1, step 0", ...epoch(1, 0), ...epoch(2, 2), "fit end completed"];
  expect(log).toEqual(golden.flatMap((line) => [`a ${line}`, `b ${line}`]));
});

test("TR-6: an exception in a callback ends the run, or is counted and gone on from, as its policy says", async () => {
  const log: string[] = [];
  const broken = (failures: "fail" | "report"): TrainingCallback => ({
    name: "broken",
    failures,
    onBatchEnd: ({ step }) => {
      if (step % 3 === 0) throw new Error(`no third step, not even ${step}`);
    },
  });
  const failing = new TrainingLoop(await loopOptions({ callbacks: [broken("fail"), scribe("after", log)] }));
  await expect(failing.run()).rejects.toMatchObject({
    code: "TRAINER_CALLBACK_FAILED",
    message: expect.stringMatching(/"broken" failed in its onBatchEnd: no third step, not even 3/) as string,
    cause: { message: "no third step, not even 3" },
  });
  expect(log.filter((line) => line.includes("end, step"))).toHaveLength(2);
  expect(log.at(-1)).toMatch(/exception TrainerError: The callback "broken" failed/);

  const reporting = await loopOptions({ callbacks: [broken("report"), scribe("after", log)] });
  const { outcome, callbackFailures } = await new TrainingLoop(reporting).run();
  expect(outcome).toBe("completed");
  expect(callbackFailures).toEqual([
    { callback: "broken", hook: "onBatchEnd", message: "no third step, not even 3", step: 3, count: 2 },
  ]);
  const plain = await loopOptions();
  await new TrainingLoop(plain).run();
  expect(await digestWeights(reporting.ready.model)).toBe(await digestWeights(plain.ready.model));
});

test("TR-6: a callback skips a batch, which is as if it had never been, and still counts as a step", async () => {
  const skips: TrainingCallback = { name: "skips", onBatchStart: ({ step }, { skip }) => void (step > 0 && skip()) };
  const told: [number, number | undefined][] = [];
  const options = await loopOptions({ callbacks: [skips], onStep: (step, _, loss) => told.push([step, loss]) });
  const { step } = await new TrainingLoop(options).run();
  expect(step).toBe(8);
  expect(told.map(([, loss]) => loss !== undefined)).toEqual([true, ...Array.from({ length: 7 }, () => false)]);
  const one = await loopOptions({ stopWhen: { steps: 1 } });
  await new TrainingLoop(one).run();
  expect(await digestWeights(options.ready.model)).toBe(await digestWeights(one.ready.model));
});

test("TR-6: a callback changes the learning rate from the next step on", async () => {
  const rates: number[] = [];
  const off: TrainingCallback = {
    name: "off",
    onBatchEnd: (run) => {
      rates.push(run.learningRate);
      if (run.step === 3) run.setLearningRate(0);
    },
  };
  const options = await loopOptions({ callbacks: [off] });
  await new TrainingLoop(options).run();
  expect(rates).toEqual([0.1, 0.1, 0.1, 0, 0, 0, 0, 0]);
  const three = await loopOptions({ stopWhen: { steps: 3 } });
  await new TrainingLoop(three).run();
  expect(await digestWeights(options.ready.model)).toBe(await digestWeights(three.ready.model));
  const wrong: TrainingCallback = { name: "wrong", onFitStart: (run) => run.setLearningRate(Number.NaN) };
  await expect(new TrainingLoop(await loopOptions({ callbacks: [wrong] })).run()).rejects.toThrow(/"learningRate" is/);
});

test("TR-6: a callback's own state, and what it did, are part of every checkpoint", async () => {
  // It lowers the rate by what it has counted, skips by it, and stops by it: a resume without its state would end elsewhere.
  const counting = (): TrainingCallback<{ losses: number[] }> => ({
    name: "counting",
    state: { losses: [] },
    onBatchStart: ({ state }, { skip }) => void (state.losses.length === 5 && state.losses.push(0) && skip()),
    onBatchEnd: (run, { loss }) => {
      run.state.losses.push(loss ?? 0);
      if (run.state.losses.length % 2 === 0) run.setLearningRate(run.learningRate * 0.7);
      if (run.state.losses.length === 11) run.stop("eleven are enough");
    },
  });
  const digests = await digestsOfResumes(() => loopOptions({ epochs: 5, callbacks: [counting()] }));
  expect(digests).toHaveLength(12);
  expect(new Set(digests).size).toBe(1);

  const { all, save } = keepCheckpoints();
  const loop = new TrainingLoop(await loopOptions({ epochs: 5, save, callbacks: [counting()] }));
  expect(await loop.run()).toMatchObject({
    outcome: "stopped",
    stop: { cause: "callback", reason: "eleven are enough" },
    step: 11,
  });
  expect(all.get(11)?.state["callbacks"]).toMatchObject({ counting: { losses: { length: 11 } } });
});

test("TR-6: a state that JSON would change is refused when it is to be saved", async () => {
  for (const state of [{ when: new Date(0) }, { none: Number.NaN }, { big: 1n }, { nothing: undefined }]) {
    const callbacks = [{ name: "odd", state } as unknown as TrainingCallback];
    const loop = new TrainingLoop(await loopOptions({ callbacks, save: keepCheckpoints().save }));
    await expect(loop.run()).rejects.toMatchObject({ code: "TRAINER_CALLBACK_FAILED" });
  }
});

test("TR-6: callbacks without a name, or two of one, are refused", () => {
  const refusal =
    (callbacks: unknown): (() => void) =>
    () =>
      checkCallbacks("m.js", callbacks as TrainingCallback[]);
  expect(refusal([{}])).toThrow(/a callback has no name/);
  expect(refusal([{ name: "a" }, { name: "a" }])).toThrow(/two callbacks are named "a"/);
  expect(refusal([{ name: "a", failures: "ignore" }])).toThrow(/neither "fail" nor "report"/);
  expect(refusal([{ name: "a", onBatchEnd: 5 }])).toThrow(/onBatchEnd of the callback "a" is no function/);
  expect(refusal("a")).toThrow(/no array/);
});

test(
  "TR-6: callbacks of a module run in the run's process, and stop it with a package",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(400, 1));
    const start = async (params: StartOptions["params"]) => {
      const options = { data: { train }, label: "late", params, epochs: 3, batchSize: 50 } as const;
      return (await setting.trainer.start(fixture("callbacks.train.js"), options)).result();
    };
    expect(await start({ stopAt: 11, failAt: 4, failures: "report" })).toMatchObject({
      outcome: "stopped",
      stop: { cause: "callback", reason: "step 11 of 11" },
      callbackFailures: [{ callback: "failing", hook: "onBatchEnd", message: "step 4", count: 1 }],
      modelDirectory: expect.stringContaining("model") as string,
    });
    await expect(start({ failAt: 4, failures: "fail" })).rejects.toMatchObject({ code: "TRAINER_CALLBACK_FAILED" });
  },
);
