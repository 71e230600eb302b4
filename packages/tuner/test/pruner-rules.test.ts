import {
  type Direction,
  type Pruner,
  type Trial,
  ashaPruner,
  hyperbandBudgets,
  hyperbandPruner,
  patientPruner,
  percentilePruner,
  rayAshaPruner,
  rayMedianPruner,
  sageMakerMedianPruner,
  successiveHalvingPruner,
  thresholdPruner,
  wilcoxonPruner,
} from "@millwright/tuner";
import { expect, test } from "vitest";

interface Script {
  /** Values from step 1 on. */
  readonly values: readonly number[];
  /** One letter for each: `.` goes on, `x` is stopped there. */
  readonly verdicts: string;
}

const trialOf = (number: number, values: readonly number[], state: Trial["state"]): Trial => ({
  number,
  state,
  params: {},
  explanation: {},
  intermediates: values.map((value, index) => [index + 1, value]),
  attempts: 1,
  ...(state === "completed" ? { value: values.at(-1) } : {}),
});

/** Runs the scripts one after the other; a trial that is stopped stays with what it reported. */
function play(pruner: Pruner, direction: Direction, scripts: readonly Script[]): readonly string[] {
  const before: Trial[] = [];
  return scripts.map(({ values }, number) => {
    let said = "";
    for (let count = 1; count <= values.length && !said.endsWith("x"); count += 1) {
      const trial = trialOf(number, values.slice(0, count), "running");
      said += pruner.judge({ direction, trial, trials: [...before, trial] }).prune ? "x" : ".";
    }
    before.push(trialOf(number, values.slice(0, said.length), said.endsWith("x") ? "pruned" : "completed"));
    return said;
  });
}

const check = (pruner: Pruner, direction: Direction, scripts: readonly Script[]): void =>
  expect(play(pruner, direction, scripts)).toEqual(scripts.map(({ verdicts }) => verdicts));

test("HT-5: SageMaker's rule compares the newest value with the median of earlier running averages", () => {
  check(sageMakerMedianPruner(), "minimize", [
    // Nothing to compare with. Its running averages are 8, 6, 5.
    { values: [8, 4, 3], verdicts: "..." },
    // 7 ≤ 8; 7 > 6: stopped at step 2, with averages 7, 7.
    { values: [7, 7, 1], verdicts: ".x" },
    // Medians of {8, 7}, {6, 7}, {5}: 7.5, 6.5, 5. Its best value, 2, would save it at step 3; its newest does not.
    { values: [7.5, 2, 5.1], verdicts: "..x" },
    // Medians of {8, 7, 7.5}, {6, 7, 4.75}, {5, 4.87}: 7.5, 6, 4.93.
    { values: [7.5, 6, 4.94], verdicts: "..x" },
    { values: [7.51], verdicts: "x" },
    { values: [Number.NaN], verdicts: "x" },
  ]);
  check(sageMakerMedianPruner({ minimumTrials: 2 }), "maximize", [
    { values: [1, 3], verdicts: ".." },
    // One trial is not enough.
    { values: [0, 0], verdicts: ".." },
    // Medians of {1, 0} and {2, 0}: 0.5 and 1.
    { values: [0.5, 0.9], verdicts: ".x" },
  ]);
});

test("HT-5: Ray's median rule compares the best value with the median of the others' averages", () => {
  check(rayMedianPruner({ gracePeriod: 2, minimumTrials: 2 }), "minimize", [
    { values: [9, 4, 2], verdicts: "..." },
    { values: [9, 8, 8], verdicts: "..." },
    // Averages from step 2 on: {4, 8} and {3, 8}, medians 6 and 5.5. Its best, 5, is kept though the newest is worse.
    { values: [5, 9, 9], verdicts: "..." },
    // Step 1 is within the grace period. Medians of {4, 8, 9} and {3, 8, 9}: 8 and 8.
    { values: [10, 8.5], verdicts: ".x" },
    { values: [10, 8, 8], verdicts: "..." },
  ]);
});

test("HT-5: Ray's ASHA stops below the cutoff of what came to a milestone before", () => {
  check(rayAshaPruner({ maximumResource: 9, reductionFactor: 2, gracePeriod: 1 }), "maximize", [
    // Milestones 1, 2, 4, 8: the first to come always goes on. It ends before step 9, where all stop.
    { values: [1, 2, 2, 4], verdicts: "...." },
    // Cutoffs are medians: 1; then 2 of {2}.
    { values: [1, 1], verdicts: ".x" },
    // {1, 1} → 1; {2, 1} → 1.5; {4} → 4.
    { values: [3, 1.5, 0, 3.9], verdicts: "...x" },
    // {1, 1, 3} → 1; {2, 1, 1.5} → 1.5; {4, 3.9} → 3.95; 8 is the first there; at 9 it has had all its steps.
    { values: [1, 1.5, 0, 3.95, 0, 0, 0, 0, 9], verdicts: "........x" },
  ]);
  // The quantile is interpolated: η = 4 over {1, 2, 3, 4} keeps 3.25 and more.
  const four = [1, 2, 3, 4].map((value, number) => trialOf(number, [value], "completed"));
  const verdictOf = (value: number) => {
    const trial = trialOf(4, [value], "running");
    return rayAshaPruner().judge({ direction: "maximize", trial, trials: [...four, trial] }).prune;
  };
  expect([verdictOf(3.25), verdictOf(3.24)]).toEqual([false, true]);
});

test("a verdict says by which rule and numbers it was reached", () => {
  const others = [1, 2, 3, 4].map((value, number) => trialOf(number, [value], "completed"));
  const trial = trialOf(4, [2.5], "running");
  const verdict = successiveHalvingPruner({ minimumResource: 1, reductionFactor: 2 }).judge({
    direction: "minimize",
    trial,
    trials: [...others, trial],
  });
  expect(verdict).toEqual({
    prune: true,
    reason: "its value at rung 0, 2.5, is not among the best 2 of 5",
    explanation: { rule: "successive-halving", rung: 0, step: 1, value: 2.5, bound: 2, passing: 2, peers: 5 },
  });
});

test("options that make no sense are refused when the pruner is made", () => {
  expect(() => thresholdPruner({})).toThrow(TypeError);
  expect(() => thresholdPruner({ lower: 2, upper: 1 })).toThrow(RangeError);
  expect(() => percentilePruner(101)).toThrow("percentile is 101; it must be a number from 0 to 100.");
  expect(() => patientPruner(undefined, { patience: -1 })).toThrow(RangeError);
  expect(() => wilcoxonPruner({ threshold: 2 })).toThrow(RangeError);
  expect(() => successiveHalvingPruner({ bootstrapCount: 2 })).toThrow("bootstrapCount needs a minimumResource");
  expect(() => successiveHalvingPruner({ reductionFactor: 1 })).toThrow(RangeError);
  expect(() => hyperbandPruner({ minimumResource: 10, maximumResource: 5 })).toThrow(RangeError);
  expect(() => hyperbandBudgets(Number.NaN)).toThrow(RangeError);
  expect(() => ashaPruner({ maximumResource: 27, brackets: 5 })).toThrow("allow at most 4");
  expect(() => rayAshaPruner({ reductionFactor: 1 })).toThrow(RangeError);
});
