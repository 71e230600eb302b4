import * as interop from "../../packages/tuner/dist/interop.js";
import { categorical, float, int } from "../../packages/tuner/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

const space = { x: float(0, 1), n: int(1, 4), kind: categorical(["a", "b"]) };
const trials = [
  {
    number: 0,
    state: "completed",
    params: { x: 0.5, n: 2, kind: "a" },
    explanation: {},
    values: [1],
    intermediates: [[0, 1]],
    attempts: 1,
  },
] as const;
const record = { name: "s", space, directions: ["minimize"], trials } as const;
const { text } = interop.writeOptunaJournal(record);
const ranges = { ContinuousParameterRanges: [{ Name: "x", MinValue: "0", MaxValue: "1" }] };
const job = {
  Strategy: "Bayesian",
  HyperParameterTuningJobObjective: { Type: "Minimize", MetricName: "loss" },
  ResourceLimits: { MaxNumberOfTrainingJobs: 4, MaxParallelTrainingJobs: 1 },
  ParameterRanges: ranges,
} as const;
const result = `${JSON.stringify({ loss: 1, done: true, training_iteration: 1, config: { x: 0.5, n: 2, kind: "a" } })}\n`;
const summary = {
  TrainingJobName: "j",
  TrainingJobStatus: "Completed",
  TunedHyperParameters: { x: "0.5", n: "2", kind: "a" },
};
const badly = (call: () => unknown) => ({ TUNER_IMPORT_INVALID: call });
const rounds = 40;

/** What the door `interop` takes from other tools: what cannot be carried over is named. */
export const interopSubjects: Subjects = {
  fromOptuna: well(
    interop.fromOptuna,
    () => ["x", { name: "FloatDistribution", attributes: { low: 0, high: 1, log: false, step: null } }],
    badly(() => interop.fromOptuna("x", { name: "Gamma", attributes: {} })),
  ),
  toOptuna: well(interop.toOptuna, () => ["x", space.x]),
  readOptunaJournal: well(
    interop.readOptunaJournal,
    () => [text],
    badly(() => interop.readOptunaJournal("{\n\n")),
  ),
  writeOptunaJournal: well(interop.writeOptunaJournal, () => [record], {}, rounds),
  readOptunaDatabase: well(interop.readOptunaDatabase, () => [() => []], {}, rounds),
  writeOptunaDatabase: well(interop.writeOptunaDatabase, () => [record], {}, rounds),
  readRayResults: well(
    interop.readRayResults,
    () => [[result], { name: "ray", space, metric: "loss", mode: "min" }],
    badly(() => interop.readRayResults([""], { name: "ray", space, metric: "loss", mode: "min" })),
  ),
  fromSageMakerRanges: well(
    interop.fromSageMakerRanges,
    () => [ranges],
    badly(() => interop.fromSageMakerRanges({ CategoricalParameterRanges: [{ Name: "k", Values: [] }] })),
  ),
  toSageMakerRanges: well(interop.toSageMakerRanges, () => [space]),
  fromSageMakerTuningJob: well(
    interop.fromSageMakerTuningJob,
    () => [job],
    badly(() => interop.fromSageMakerTuningJob({ ...job, ResourceLimits: { MaxParallelTrainingJobs: 1 } })),
  ),
  toSageMakerTuningJob: well(interop.toSageMakerTuningJob, () => [
    space,
    { direction: "minimize", metric: "loss", trials: 4 },
  ]),
  fromSageMakerTrainingJobs: well(
    interop.fromSageMakerTrainingJobs,
    () => [space, [summary]],
    badly(() => interop.fromSageMakerTrainingJobs(space, [{}])),
  ),
};
