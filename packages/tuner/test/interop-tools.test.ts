import { readFileSync } from "node:fs";
import { bool, categorical, constant, float, int, ordinal, permutation, when } from "@millwright/tuner";
import {
  type SageMakerTuningConfig,
  fromSageMakerRanges,
  fromSageMakerTrainingJobs,
  fromSageMakerTuningJob,
  readRayResults,
  toSageMakerRanges,
  toSageMakerTuningJob,
} from "@millwright/tuner/interop";
import { expect, test } from "vitest";

const invalid = expect.objectContaining({ code: "TUNER_IMPORT_INVALID" });

const ray = JSON.parse(readFileSync(new URL("./golden/ray-2.60-results.json", import.meta.url), "utf8")) as {
  readonly best: { readonly rate: number; readonly model: { readonly depth: number; readonly kind: string } };
  readonly trials: readonly string[];
};
const raySpace = { rate: float(0, 1), "model/depth": int(1, 5), "model/kind": categorical(["a", "b"]) };

test("HT-30: results of Ray Tune become trials, and the best is Ray's", () => {
  const study = readRayResults(ray.trials, { name: "ray", space: raySpace, metric: "loss", mode: "min" });
  expect(study.trials).toHaveLength(4);
  const best = study.trials.toSorted(
    (a, b) => (a.intermediates.at(-1)?.[1] as number) - (b.intermediates.at(-1)?.[1] as number),
  )[0];
  expect(best?.params).toEqual({
    rate: ray.best.rate,
    "model/depth": ray.best.model.depth,
    "model/kind": ray.best.model.kind,
  });
  expect(study.trials[0]?.intermediates).toEqual([
    [1, 2.0081],
    [2, 1.0081],
    [3, Infinity],
    [4, 0.5081],
  ]);
  expect(
    study.trials.every(({ attributes, cost }) => attributes !== undefined && (cost?.["seconds"] as number) > 0),
  ).toBe(true);
  const nested = readRayResults(ray.trials, { name: "ray", space: raySpace, metric: "deep/accuracy", mode: "max" });
  expect(nested.directions).toEqual(["maximize"]);
  expect(nested.trials[0]?.intermediates[0]).toEqual([1, -1.0081000000000002]);
});

test("what Ray's results lack or have outside the space is named", () => {
  const read =
    (texts: readonly string[], space: Parameters<typeof readRayResults>[1]["space"] = raySpace) =>
    () =>
      readRayResults(texts, { name: "ray", space, metric: "loss", mode: "min" });
  expect(read(["not json\n"])).toThrow("line 1");
  expect(read([""])).toThrow("has no report");
  expect(read(ray.trials, { ...raySpace, momentum: float(0, 1) })).toThrow("no momentum");
  expect(read(ray.trials, { ...raySpace, rate: float(0.4, 1) })).toThrow("outside the space");
  expect(read([ray.trials[0]?.replaceAll('"loss"', '"error"') ?? ""])).toThrow('no number "loss"');
});

const space = {
  rate: float(1e-5, 0.1, { log: true }),
  momentum: float(0, 0.999, { reverseLog: true }),
  layers: int(1, 6),
  units: int(16, 64, { step: 16 }),
  optimizer: categorical(["adam", "sgd"]),
  size: ordinal([1, 10]),
  nesterov: when("optimizer", ["sgd"], bool()),
  version: constant("v1"),
  order: permutation(["a", "b"]),
};

test("HT-30: a space goes to SageMaker's ranges and back; what they have no place for is told, never dropped in silence", () => {
  const { ranges, fixed, losses } = toSageMakerRanges(space);
  expect(ranges.ContinuousParameterRanges).toEqual([
    { Name: "rate", MinValue: "0.00001", MaxValue: "0.1", ScalingType: "Logarithmic" },
    { Name: "momentum", MinValue: "0", MaxValue: "0.999", ScalingType: "ReverseLogarithmic" },
  ]);
  expect(ranges.IntegerParameterRanges).toEqual([
    { Name: "layers", MinValue: "1", MaxValue: "6", ScalingType: "Linear" },
  ]);
  expect(ranges.CategoricalParameterRanges).toEqual([
    { Name: "units", Values: ["16", "32", "48", "64"] },
    { Name: "optimizer", Values: ["adam", "sgd"] },
    { Name: "size", Values: ["1", "10"] },
    { Name: "nesterov", Values: ["false", "true"] },
  ]);
  expect(fixed).toEqual({ version: "v1" });
  expect(losses.map(({ path, severity }) => [path, severity])).toEqual([
    ["units", "warning"],
    ["size", "warning"],
    ["nesterov", "warning"],
    ["order", "error"],
  ]);
  const back = fromSageMakerRanges(ranges).space;
  expect([back["rate"], back["momentum"], back["layers"]]).toEqual([space.rate, space.momentum, space.layers]);
});

const config: SageMakerTuningConfig = {
  Strategy: "Hyperband",
  StrategyConfig: { HyperbandStrategyConfig: { MinResource: 1, MaxResource: 27 } },
  HyperParameterTuningJobObjective: { Type: "Maximize", MetricName: "validation:auc" },
  ResourceLimits: { MaxNumberOfTrainingJobs: 40, MaxParallelTrainingJobs: 4, MaxRuntimeInSeconds: 3600 },
  ParameterRanges: {
    ContinuousParameterRanges: [{ Name: "eta", MinValue: "0.001", MaxValue: "1", ScalingType: "Auto" }],
    AutoParameters: [{ Name: "alpha", ValueHint: "0.3" }],
  },
  TuningJobCompletionCriteria: {
    TargetObjectiveMetricValue: 0.95,
    BestObjectiveNotImproving: { MaxNumberOfTrainingJobsNotImproving: 10 },
    ConvergenceDetected: { CompleteOnConvergence: "Enabled" },
  },
  RandomSeed: 7,
};

test("a tuning job's configuration is read by SageMaker's rules", () => {
  const job = fromSageMakerTuningJob(config);
  expect(job).toMatchObject({
    direction: "maximize",
    metric: "validation:auc",
    sampler: "auto",
    pruner: "hyperband",
    hyperband: { minimumResource: 1, maximumResource: 27 },
    trials: 40,
    parallelism: 4,
    timeLimitMs: 3_600_000,
    targetObjective: 0.95,
    maxNotImproving: 10,
    completeOnConvergence: true,
    seed: 7,
  });
  expect(job.space["eta"]).toEqual(float(0.001, 1, { log: true }));
  expect(job.losses.map(({ path }) => path)).toEqual(["alpha"]);
  const grid = { CategoricalParameterRanges: [{ Name: "kind", Values: ["a", "b", "c"] }] };
  const limits = { MaxParallelTrainingJobs: 1 };
  expect(
    fromSageMakerTuningJob({ ...config, Strategy: "Grid", ResourceLimits: limits, ParameterRanges: grid }).trials,
  ).toBe(3);
});

const range = (more: object) => ({ ContinuousParameterRanges: [{ Name: "x", MinValue: "0", MaxValue: "1", ...more }] });
const wrong: Readonly<Record<string, object>> = {
  "a strategy of no name": { Strategy: "Nope" },
  "Hyperband with early stopping": { TrainingJobEarlyStoppingType: "Auto" },
  "a logarithm of 0": { ParameterRanges: range({ ScalingType: "Logarithmic" }) },
  "a reverse logarithm up to 1": { ParameterRanges: range({ ScalingType: "ReverseLogarithmic" }) },
  "bounds that are no numbers": { ParameterRanges: range({ MinValue: "low" }) },
  "bounds the wrong way round": { ParameterRanges: range({ MinValue: "2" }) },
  "a grid of numbers": { Strategy: "Grid", ParameterRanges: range({}) },
  "a patience below 3": {
    TuningJobCompletionCriteria: { BestObjectiveNotImproving: { MaxNumberOfTrainingJobsNotImproving: 2 } },
  },
  "no objective": { HyperParameterTuningJobObjective: undefined },
};

for (const [what, change] of Object.entries(wrong)) {
  test(`a tuning job with ${what} is refused`, () => {
    expect(() => fromSageMakerTuningJob({ ...config, ...change })).toThrow(invalid);
  });
}

test("training jobs of a tuning job become trials with the space's own types", () => {
  const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  const tuned = {
    rate: "0.01",
    momentum: "0.9",
    layers: "3",
    units: "32",
    optimizer: "sgd",
    size: "10",
    nesterov: "true",
    order: '["b","a"]',
  };
  const { order: _order, ...known } = space;
  const trials = fromSageMakerTrainingJobs(known, [
    {
      TrainingJobName: "two",
      TrainingJobStatus: "Stopped",
      TunedHyperParameters: tuned,
      CreationTime: at(9),
      FinalHyperParameterTuningJobObjectiveMetric: { Value: 0.4 },
    },
    {
      TrainingJobName: "one",
      TrainingJobStatus: "Completed",
      TunedHyperParameters: tuned,
      CreationTime: at(1),
      TrainingStartTime: at(2),
      TrainingEndTime: at(32),
      FinalHyperParameterTuningJobObjectiveMetric: { Value: 0.5 },
    },
    {
      TrainingJobName: "three",
      TrainingJobStatus: "Failed",
      TunedHyperParameters: tuned,
      CreationTime: at(20),
      FailureReason: "AlgorithmError",
    },
  ]);
  expect(trials.map(({ state }) => state)).toEqual(["completed", "pruned", "failed"]);
  expect(trials[0]).toMatchObject({
    value: 0.5,
    cost: { seconds: 30 },
    params: {
      rate: 0.01,
      momentum: 0.9,
      layers: 3,
      units: 32,
      optimizer: "sgd",
      size: 10,
      nesterov: true,
      version: "v1",
    },
  });
  expect(trials[2]?.reason).toBe("AlgorithmError");
  expect(() => fromSageMakerTrainingJobs(known, [{ TunedHyperParameters: { ...tuned, layers: "9" } }])).toThrow(
    "layers",
  );
});

test("a study's space is a tuning job, with SageMaker's quotas told", () => {
  const {
    config: made,
    staticHyperParameters,
    losses,
  } = toSageMakerTuningJob(space, {
    direction: "minimize",
    metric: "loss",
    trials: 800,
    parallelism: 200,
    earlyStopping: true,
    seed: 3,
  });
  expect(made).toMatchObject({ Strategy: "Bayesian", TrainingJobEarlyStoppingType: "Auto", RandomSeed: 3 });
  expect(staticHyperParameters).toEqual({ version: "v1" });
  expect(losses.filter(({ path }) => path === "ResourceLimits")).toHaveLength(2);
  expect(fromSageMakerTuningJob(made).pruner).toBe("sagemaker-median");
});
