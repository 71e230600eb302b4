import { type Trial, medianPruner, percentilePruner } from "@millwright/tuner";
import { expect, test } from "vitest";

const finished = (number: number, values: readonly number[]): Trial => ({
  number,
  state: "completed",
  params: {},
  explanation: {},
  intermediates: values.map((value, step) => [step, value]),
  value: values.at(-1),
  attempts: 1,
});
const running = (values: readonly number[]): Trial => ({ ...finished(99, values), state: "running", value: undefined });

// At step 0 the five completed trials have 1 to 5, at step 1 they have 10 to 50.
const completed = [1, 2, 3, 4, 5].map((value, number) => finished(number, [value, 10 * value]));
const judge = (trial: Trial, pruner = medianPruner(), trials: readonly Trial[] = completed) =>
  pruner.judge({ trial, trials: [...trials, trial], direction: "minimize" }).prune;

test("prunes exactly when the best value so far is worse than the median at the step", () => {
  expect(judge(running([3]))).toBe(false);
  expect(judge(running([3.01]))).toBe(true);
  // The best so far counts, not the last.
  expect(judge(running([29, 31]))).toBe(false);
  expect(judge(running([30.5, 31]))).toBe(true);
});

test("maximizing turns the comparison round", () => {
  const verdict = (value: number) =>
    medianPruner().judge({ trial: running([value]), trials: completed, direction: "maximize" }).prune;
  expect(verdict(3)).toBe(false);
  expect(verdict(2.99)).toBe(true);
});

test("nothing is pruned before enough trials completed, nor at steps that none of them reported", () => {
  expect(judge(running([100]), medianPruner(), completed.slice(0, 4))).toBe(false);
  expect(judge(running([100, 100, 100]))).toBe(false);
  expect(judge(running([100]), medianPruner({ startupTrials: 6 }))).toBe(false);
});

test("warm-up and interval say which steps are judged", () => {
  expect(judge(running([100]), medianPruner({ warmupSteps: 1 }))).toBe(false);
  expect(judge(running([100, 100]), medianPruner({ warmupSteps: 1 }))).toBe(true);
  // With an interval of 2 the steps 0 and 2 are judged, and 1 is not.
  expect(judge(running([100, 100]), medianPruner({ intervalSteps: 2 }))).toBe(false);
});

test("only NaN so far is pruned; NaN among others is passed over", () => {
  expect(judge(running([Number.NaN]))).toBe(true);
  expect(judge(running([1, Number.NaN]))).toBe(false);
});

test("the percentile is interpolated as NumPy does", () => {
  // numpy.nanpercentile([1, 2, 3, 4, 5], 30) = 2.2
  const pruner = percentilePruner(30);
  expect(judge(running([2.2]), pruner)).toBe(false);
  expect(judge(running([2.2000001]), pruner)).toBe(true);
});

test("the verdict says by what numbers it was reached", () => {
  const verdict = medianPruner().judge({ trial: running([4]), trials: completed, direction: "minimize" });
  expect(verdict).toMatchObject({ prune: true, explanation: { step: 0, best: 4, bound: 3, peers: 5 } });
});
