import { createRandom } from "@millwright/contracts";
import {
  createRule,
  type Observation,
  type ObservedTensor,
  observeLoss,
  observeTensor,
  type RuleName,
  type RuleParameters,
  type TrainingRule,
} from "@millwright/trainer";
import { expect, test } from "vitest";

const at = (
  step: number,
  tensors: readonly ObservedTensor[],
  mode: Observation["mode"] = "train",
  timeMs = step * 1_000,
): Observation => ({ step, mode, timeMs, tensors });

const losses = (values: readonly number[], every = 1): readonly Observation[] =>
  values.map((loss, index) => at(1 + index * every, [observeLoss("train", loss)]));

/** The step of the first finding; the state crosses JSON after each observation, as it does in a checkpoint. */
function firesAt(rule: TrainingRule, observations: readonly Observation[]): number | undefined {
  let state = rule.empty;
  for (const observation of observations) {
    state = JSON.parse(JSON.stringify(rule.update(state, observation))) as typeof state;
    const finding = rule.verdict(state);
    if (finding !== undefined) return finding.step;
  }
  return undefined;
}

const normal = (size: number, scale: number, seed: number): Float32Array => {
  const random = createRandom(seed);
  return Float32Array.from({ length: size }, () => scale * random.normal());
};
const steps = (count: number, tensorsAt: (step: number) => readonly ObservedTensor[]): readonly Observation[] =>
  Array.from({ length: count }, (_, index) => at(index + 1, tensorsAt(index + 1)));
const weights = (values: ArrayLike<number>, more: object = {}): ObservedTensor =>
  observeTensor("weights", "kernel", values, more);
/** Ten rows of four units; of the units from `silent` on, all values are `value`. */
const layer = (collection: ObservedTensor["collection"], silent: number, value: number): ObservedTensor =>
  observeTensor(
    collection,
    "layer",
    Array.from({ length: 40 }, (_, index) => (index % 4 >= silent ? value : 0.5)),
    {
      shape: [10, 4],
    },
  );

type Streams = {
  readonly [Name in RuleName]: readonly (readonly [RuleParameters[Name], readonly Observation[], number])[];
};

/** Of each rule: parameters, a stream, and the step it fires at. */
const streams: Streams = {
  LossNotDecreasing: [
    // 1 → 11 falls by a tenth, 11 → 21 by less than 0.1 %.
    [{}, losses([1, ...Array.from({ length: 10 }, () => 0.9), ...Array.from({ length: 10 }, () => 0.8995)]), 21],
    // Rises of up to 5 % are noise; the next is more.
    [{}, losses([1, 1.04, 1.2], 10), 21],
    [{ diffPercent: 20, numSteps: 2 }, losses([1, 0.9, 0.85]), 3],
    // Losses come every third step: of step 9 it is 21 that is compared, as in SageMaker's documentation, then 33.
    [
      {},
      [9, 12, 15, 18, 21, 24, 27, 30, 33].map((step) =>
        at(step, [observeLoss("train", step < 33 ? 1 / step : 1 / 21)]),
      ),
      33,
    ],
  ],
  Overfit: [
    [
      { patience: 2 },
      [1, 2, 3, 4].flatMap((epoch) => [
        at(epoch * 10 - 5, [observeLoss("train", 0.5)]),
        at(epoch * 10, [observeLoss("validation", epoch < 3 ? 0.54 : 0.56)], "validation"),
      ]),
      40,
    ],
    [{}, [at(10, [observeLoss("train", 1), observeLoss("validation", 1.11)], "validation")], 10],
  ],
  Overtraining: [
    // 0.5 is the best in step 3; five more without an improvement by 0.01.
    [{}, losses([1, 0.7, 0.5, 0.495, 0.6, 0.495, 0.5, 0.51, 0.4]), 8],
    [
      { patienceValidation: 2 },
      [3, 2, 2, 2].map((loss, epoch) => at(epoch + 1, [observeLoss("validation", loss)], "validation")),
      4,
    ],
  ],
  StalledTraining: [
    [
      {},
      [
        at(1, [], "train", 0),
        at(2, [], "train", 1_799_999),
        at(2, [], "train", 3_599_000),
        at(2, [], "train", 3_599_999),
      ],
      2,
    ],
    [{ threshold: 10 }, [at(1, [], "train", 0), at(1, [], "train", 9_000), at(2, [], "train", 12_000)], 2],
  ],
  VanishingGradient: [
    [{}, steps(9, (step) => [observeTensor("gradients", "kernel", [10 ** -step, -(10 ** -step)])]), 8],
  ],
  ExplodingTensor: [
    [{}, steps(4, (step) => [weights([1, step === 3 ? Infinity : 2])]), 3],
    [{ onlyNan: true }, steps(4, (step) => [weights([1, step === 4 ? Number.NaN : Infinity])]), 4],
  ],
  AllZero: [
    [{}, steps(4, (step) => [observeTensor("gradients", "kernel", [0, step === 3 ? 0 : 1])]), 3],
    [{ threshold: 50 }, steps(4, (step) => [observeTensor("gradients", "kernel", [0, step])]), 1],
  ],
  TensorVariance: [
    [{ maxThreshold: 4 }, steps(4, (step) => [weights([-step, step])]), 3],
    [{ minThreshold: 4 }, steps(4, (step) => [weights([-3 / step, 3 / step])]), 2],
  ],
  WeightUpdateRatio: [
    [{}, steps(4, (step) => [weights([1 + step ** 3, 0], { before: [1, 0] })]), 3],
    [{}, steps(4, (step) => [weights([2 + 10 ** -(3 * step)], { before: [2] })]), 3],
  ],
  UnchangedTensor: [
    // Alike in the steps 4, 5 and 6.
    [
      {},
      steps(6, (step) => [weights([Math.min(step, 4)], step === 1 ? {} : { previous: [Math.min(step - 1, 4)] })]),
      6,
    ],
  ],
  DeadRelu: [[{}, steps(4, (step) => [layer("relu_output", 4 - step, 0)]), 3]],
  SaturatedActivation: [
    [{}, steps(4, (step) => [layer("tanh_input", 4 - step, -9.5)]), 3],
    [{}, steps(4, (step) => [layer("sigmoid_input", 4 - step, 17)]), 3],
  ],
  PoorWeightInitialization: [
    [
      {},
      steps(4, (step) => [
        observeTensor("relu_input", "first", normal(500, 1, 1)),
        observeTensor("relu_input", "second", normal(500, 1 + step, 1)),
      ]),
      3, // variances 1 and 16
    ],
    [
      {},
      steps(4, (step) => [
        observeTensor("gradients", "kernel", normal(100, 10 ** -step, 2), { shape: [10, 10], percentiles: true }),
      ]),
      4,
    ],
    [{}, losses([2, 1, 1, 1.1, 1, 1.2, 1, 1]), 7],
  ],
  ClassImbalance: [
    // After 50 labels a step, 500 are seen in step 10.
    [
      {},
      steps(12, () => [
        observeTensor(
          "labels",
          "labels",
          Array.from({ length: 50 }, (_, row) => (row < 4 ? 1 : 0)),
        ),
      ]),
      10,
    ],
    [
      { samples: 100 },
      steps(3, () => [
        observeTensor(
          "labels",
          "labels",
          Array.from({ length: 50 }, (_, row) => row % 2),
        ),
        observeTensor(
          "predictions",
          "predictions",
          Array.from({ length: 50 }, (_, row) => (row < 6 && row % 2 === 1 ? 0.9 : 0.1)),
        ),
      ]),
      2,
    ],
  ],
};

/** 100 steps of a run as it should be: the loss falls with some noise, weights move, units are active, validation follows. */
function healthyRun(): readonly Observation[] {
  const random = createRandom(7);
  let kernel = normal(64, 0.3, 1);
  return Array.from({ length: 100 }, (_, index) => index + 1).flatMap((step) => {
    const before = kernel;
    kernel = before.map((value) => value + 0.01 * random.normal());
    const loss = 3 - 0.025 * step + 0.002 * random.normal();
    const labels = Array.from({ length: 32 }, (_unused, row) => row % 2);
    const train = at(step, [
      observeLoss("train", loss),
      weights(kernel, step === 1 ? { before } : { before, previous: before }),
      observeTensor("gradients", "kernel", normal(64, 0.1, step), { shape: [8, 8], percentiles: true }),
      observeTensor("relu_input", "first", normal(320, 1, step), { shape: [32, 10] }),
      observeTensor("relu_input", "second", normal(320, 1.5, step), { shape: [32, 10] }),
      observeTensor(
        "relu_output",
        "first",
        normal(320, 1, step).map((value) => Math.max(0, value)),
        { shape: [32, 10] },
      ),
      observeTensor("tanh_input", "third", normal(320, 1, step), { shape: [32, 10] }),
      observeTensor("sigmoid_input", "last", normal(32, 2, step), { shape: [32, 1] }),
      observeTensor("labels", "labels", labels),
      observeTensor(
        "predictions",
        "predictions",
        labels.map((label) => (random.next() < 0.7 ? label : 1 - label)),
      ),
    ]);
    const validation = at(step, [observeLoss("train", loss), observeLoss("validation", loss * 1.05)], "validation");
    return step % 10 === 0 ? [train, validation] : [train];
  });
}

for (const [name, cases] of Object.entries(streams)) {
  test(`TR-22: ${name} fires at the exact step of its stream, with SageMaker's defaults`, () => {
    for (const [parameters, stream, step] of cases)
      expect(firesAt(createRule(name as RuleName, parameters), stream)).toBe(step);
  });
}

test("TR-22: a healthy run fires none of the rules", () => {
  const run = healthyRun();
  const fired = Object.keys(streams).map((name) => [name, firesAt(createRule(name as RuleName), run)]);
  expect(fired.filter(([, step]) => step !== undefined)).toEqual([]);
});

test("parameters that a rule does not take, or that are out of range, are refused", () => {
  const code = "TRAINER_INPUT_INVALID";
  expect(() => createRule("LossNotDecreasing", { numSteps: 0 })).toThrow(expect.objectContaining({ code }));
  expect(() => createRule("Overfit", { ratio: 1 } as object)).toThrow(
    "Overfit takes startStep, patience, ratioThreshold",
  );
  expect(() => createRule("TreeDepth" as RuleName)).toThrow("one of AllZero, ClassImbalance");
  expect(() => createRule("AllZero", { tensorRegex: "(" })).toThrow(expect.objectContaining({ code }));
  expect(() => observeTensor("weights", "kernel", [])).toThrow(RangeError);
});
