import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunHandle } from "@millwright/contracts";
import { readLatestCheckpoint, type RuleUse } from "@millwright/trainer";
import { expect, test } from "vitest";
import type { Observation } from "../src/debugger/observation.ts";
import type { FiredRule } from "../src/debugger/rule-use.ts";
import type { LoopOptions } from "../src/loop-options.ts";
import { digestWeights } from "../src/model-state.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { keepCheckpoints, lineMatrix, loopOptions, tensorFlow } from "./loop-setting.ts";
import { fixture, flights, openSetting } from "./setting.ts";

/** A rule of one's own that fires in the steps. */
const firingAt = (...steps: readonly number[]): RuleUse["rule"] => ({
  name: "Mine",
  needs: ["losses"],
  empty: { step: 0 },
  update: (_state, { step }) => ({ step }),
  verdict: (state) => {
    const { step } = state as { readonly step: number };
    return steps.includes(step) ? { step, message: `It is step ${step}.` } : undefined;
  },
});

async function run(
  more: Partial<LoopOptions>,
): Promise<{ result: Awaited<ReturnType<TrainingLoop["run"]>>; told: FiredRule[]; options: LoopOptions }> {
  const told: FiredRule[] = [];
  const options = await loopOptions({ ...more, onRule: (fired) => void told.push(fired) });
  return { result: await new TrainingLoop(options).run(), told, options };
}

const network = async (): Promise<Partial<LoopOptions>> => {
  const tf = await tensorFlow();
  const initializer = (seed: number) => tf.initializers.glorotUniform({ seed });
  return {
    train: lineMatrix(40),
    validation: lineMatrix(20, 2),
    ready: {
      model: tf.sequential({
        layers: [
          tf.layers.dense({
            units: 6,
            inputShape: [2],
            activation: "relu",
            kernelInitializer: initializer(1),
            name: "first",
          }),
          tf.layers.dense({ units: 4, activation: "tanh", kernelInitializer: initializer(2), name: "second" }),
          tf.layers.dense({ units: 1, kernelInitializer: initializer(3), name: "last" }),
        ],
      }),
      optimizer: tf.train.adam(0.01),
      loss: (truth, predictions) => tf.mean(tf.squaredDifference(truth, predictions)),
    },
  };
};

const everything: readonly RuleUse[] = [
  { rule: "LossNotDecreasing", everySteps: 1 },
  { rule: "Overfit" },
  { rule: "UnchangedTensor", everySteps: 1, parameters: { rtol: 0.05, numSteps: 2 } },
  { rule: "WeightUpdateRatio", everySteps: 2 },
  { rule: "DeadRelu", everySteps: 3 },
  { rule: "SaturatedActivation", everySteps: 3 },
  { rule: "PoorWeightInitialization" },
  { rule: "VanishingGradient", everySteps: 1 },
  { rule: "ClassImbalance", everySteps: 1, parameters: { samples: 20 } },
];

test("TR-23: where a loss is no number the run is stopped within the step, with the weights of the step before, and told of", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(400, 1));
  const logged: unknown[] = [];
  const handle = {
    id: "tracked",
    logParams: (params: unknown) => logged.push(params),
    logMetrics: (points: readonly unknown[]) => logged.push(...points),
    end: () => Promise.resolve(),
  } as unknown as RunHandle;
  const tracker = { startRun: () => Promise.resolve(handle) } as never;
  const options = {
    data: { train },
    label: "late",
    batchSize: 50,
    epochs: 2,
    device: "wasm",
    tracker,
    progress: false,
    checkpoints: { everySteps: 1 },
  } as const;
  const started = await setting.trainer.start(fixture("exploding.train.js"), {
    ...options,
    params: { from: 6, action: "stop" },
  });
  const result = await started.result();
  expect(result).toMatchObject({ outcome: "stopped", stop: { cause: "rule" } });
  expect(result.firedRules?.map(({ rule, step }) => [rule, step])).toEqual([
    ["Third", 3],
    ["ExplodingTensor", 6],
  ]);
  const events = [];
  for await (const { type, data } of started.events()) if (type === "run.rule-fired") events.push(data);
  expect(events).toEqual(result.firedRules);
  expect(logged).toContainEqual({ name: "rule.ExplodingTensor", value: 1, step: 6 });
  expect(logged).toContainEqual({ "rule.ExplodingTensor": expect.stringContaining("step 6: losses/train") });
  expect(result.modelDirectory).toBeDefined();
  expect((await readLatestCheckpoint(result.checkpoint ?? ""))?.sequence).toBe(6);
  // The snapshot has what was seen, and a checkpoint whose weights are numbers.
  const snapshot = result.firedRules?.[1]?.snapshot ?? "";
  expect(snapshot).toBe(join(started.directory, "snapshots", "ExplodingTensor-6"));
  expect(JSON.parse(await readFile(join(snapshot, "observation.json"), "utf8"))).toMatchObject({
    step: 6,
    mode: "train",
  });
  const checkpoint = await readLatestCheckpoint(snapshot);
  expect(checkpoint?.parts.every(({ data }) => data.every(Number.isFinite))).toBe(true);

  const failing = await setting.trainer.start(fixture("exploding.train.js"), {
    ...options,
    params: { from: 3, action: "fail" },
  });
  await expect(failing.result()).rejects.toMatchObject({
    code: "TRAINER_RULE_FIRED",
    message: expect.stringContaining("step 3"),
  });
});

test("TR-23: a rule of one's own stops the run after the step it fires in, lowers the learning rate, and is heard as often as it may fire", async () => {
  const rates: number[] = [];
  const { result, told } = await run({
    rules: [{ rule: firingAt(2, 4, 6), everySteps: 1, times: 2, actions: [{ lowerLearningRate: 0.5 }] }],
    callbacks: [{ name: "rates", onBatchStart: ({ learningRate }) => void rates.push(learningRate) }],
  });
  expect(told.map(({ step, epoch }) => [step, epoch])).toEqual([
    [2, 1],
    [4, 1],
  ]);
  expect(rates).toEqual([0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025]);
  expect(result.firedRules).toEqual(told);

  const { result: stopped } = await run({ rules: [{ rule: firingAt(3), everySteps: 1, actions: ["stop"] }] });
  expect(stopped).toMatchObject({
    outcome: "stopped",
    step: 3,
    stop: { cause: "rule", reason: "Mine: It is step 3." },
  });
});

test("a loss that is no number ends a run whose rule only tells, after it was told", async () => {
  const tf = await tensorFlow();
  const told: FiredRule[] = [];
  const { ready, ...options } = await loopOptions({
    rules: [{ rule: "ExplodingTensor", everySteps: 1 }],
    onRule: (fired) => void told.push(fired),
  });
  const loop = new TrainingLoop({
    ...options,
    ready: { ...ready, loss: (labels, predictions) => tf.mul(tf.mean(tf.sub(labels, predictions)), Number.NaN) },
  });
  await expect(loop.run()).rejects.toMatchObject({ code: "TRAINER_LOSS_NOT_FINITE" });
  expect(told).toMatchObject([{ rule: "ExplodingTensor", step: 1 }]);
});

test("TR-23: rules change no weight, and a resumed run has their states: it fires what the whole one fires", async () => {
  const { all, save } = keepCheckpoints();
  const plain = await run(await network());
  const whole = await run({ ...(await network()), rules: everything, save, checkpointSteps: 1 });
  expect(await digestWeights(whole.options.ready.model)).toBe(await digestWeights(plain.options.ready.model));
  expect(new Set(whole.told.map(({ rule }) => rule)).size).toBeGreaterThan(1);
  for (const checkpoint of all.values()) {
    const options = await loopOptions({ ...(await network()), rules: everything });
    const loop = new TrainingLoop(options);
    await loop.restore(checkpoint, "kept");
    const result = await loop.run();
    expect(await digestWeights(options.ready.model)).toBe(await digestWeights(plain.options.ready.model));
    expect(result.firedRules).toEqual(whole.result.firedRules);
  }
});

test("what is reduced on the device is what is reduced here", async () => {
  const seen = async (onDevice: boolean): Promise<readonly Observation[]> => {
    const observations: Observation[] = [];
    const needs = [
      "losses",
      "weights",
      "gradients",
      "relu_input",
      "relu_output",
      "tanh_input",
      "labels",
      "predictions",
    ] as const;
    const rule = {
      name: "See",
      needs,
      empty: 0,
      verdict: () => undefined,
      update: (_state: unknown, one: Observation) => observations.push(one),
    };
    await run({ ...(await network()), rules: [{ rule, everySteps: 3 }], onDevice, epochs: 1, validation: undefined });
    return observations;
  };
  const [here, there] = [await seen(false), await seen(true)];
  expect(here.map(({ step, tensors }) => [step, tensors.length])).toEqual([
    [1, 18],
    [4, 18],
  ]);
  for (const [index, { tensors }] of here.entries()) {
    for (const [place, tensor] of tensors.entries()) {
      const other = there[index]?.tensors[place];
      for (const [field, value] of Object.entries(tensor)) {
        const its = (other as unknown as Record<string, unknown>)[field];
        if (typeof value === "number") expect(its).toBeCloseTo(value, 5);
        else if (field === "update")
          expect((its as { change: number }).change).toBeCloseTo(tensor.update?.change ?? 0, 5);
        else if (field === "activity")
          expect(its).toEqual((value as number[]).map((share) => expect.closeTo(share, 5) as number));
        else expect(its).toEqual(value);
      }
    }
  }
});

test("rules that cannot be are refused before there is a process", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(20, 1));
  const start = (rules: unknown) =>
    setting.trainer.start(fixture("plain.train.js"), { data: { train }, label: "late", rules: rules as never });
  const code = "TRAINER_INPUT_INVALID";
  await expect(start([{ rule: "TreeDepth" }])).rejects.toMatchObject({ code });
  await expect(start([{ rule: firingAt(1) }])).rejects.toMatchObject({ code });
  await expect(start([{ rule: "Overfit", actions: ["email"] }])).rejects.toMatchObject({ code });
  await expect(start([{ rule: "Overfit", everySteps: 0 }])).rejects.toMatchObject({ code });
  await expect(start([{ rule: "Overfit", parameters: { patience: "many" } }])).rejects.toMatchObject({ code });
  await expect(start({ rule: "Overfit" })).rejects.toMatchObject({ code });
});
