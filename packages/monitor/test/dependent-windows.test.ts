import { createRandom, type Random } from "@millwright/contracts";
import { expect, test } from "vitest";
import { fitComponent } from "../src/calibration/component-null.ts";
import { memoryOfSpread } from "../src/calibration/memory.ts";
import { studentTTails } from "../src/statistics/distributions.ts";

/** Levels of the variance 1 that follow each other. */
function levels(random: Random, coefficient: number): () => number {
  let level = random.normal();
  return () => (level = coefficient * level + Math.sqrt(1 - coefficient ** 2) * random.normal());
}

/** How many times as often as 2 in n + 1 a window that comes is more extreme than all windows of history but the most extreme one. */
function excess(coefficient: number, length: number): number {
  const random = createRandom(5);
  let [beyond, judged] = [0, 0];
  for (let history = 0; history < 1000; history += 1) {
    const next = levels(random, coefficient);
    const values = Array.from({ length }, () => ({ value: next(), count: 1000, within: 1e-6, phase: 0 }));
    const { scores, degreesOfFreedom, expected, variance } = fitComponent(values, 0);
    const [, second] = Array.from(scores, (score) => studentTTails(score, degreesOfFreedom)).sort((a, b) => a - b);
    const usual = expected(0)!;
    for (let window = 0; window < 40; window += 1) {
      const score = (next() - usual.mean) / Math.sqrt(variance(1000) + usual.variance);
      judged += 1;
      if (studentTTails(score, degreesOfFreedom) < second!) beyond += 1;
    }
  }
  return beyond / judged / (2 / (length + 1));
}

test("a window of history counts as no more than its neighbours leave it: what comes exceeds a history of windows that resemble each other no more often than its length says", () => {
  // 1.31 while the spread counted windows that follow each other as independent ones; a standard error is 0.03.
  expect(excess(0.8, 112)).toBeLessThan(1.1);
  expect(excess(0.8, 112)).toBeGreaterThan(0.75);
  // Forty such windows tell as much of their spread as nine would: 1.52 before, and not whole now.
  expect(excess(0.8, 40)).toBeLessThan(1.35);
});

test("windows of independent levels lose next to nothing of what they tell of the spread", () => {
  const random = createRandom(6);
  const memories = Array.from({ length: 200 }, () => memoryOfSpread(Array.from({ length: 40 }, () => random.normal())));
  expect(memories.reduce((sum, memory) => sum + memory, 0) / 200).toBeLessThan(1.06);
  expect(memoryOfSpread([])).toBe(1);
  expect(memoryOfSpread([0, 0, 0])).toBe(1);
});

test.each([0.3, 0.6, 0.8])(
  "the variance of a mean square of levels that follow each other by %s is what its memory says",
  (coefficient) => {
    const random = createRandom(7);
    const length = 400;
    const squares: number[] = [];
    let memory = 0;
    for (let round = 0; round < 1500; round += 1) {
      const next = levels(random, coefficient);
      const deviations = Array.from({ length }, next);
      squares.push(deviations.reduce((sum, level) => sum + level ** 2, 0) / length);
      memory += memoryOfSpread(deviations) / 1500;
    }
    const variance = squares.reduce((sum, square) => sum + (square - 1) ** 2, 0) / squares.length;
    // The variance of one squared level is 2. A standard error of the simulated variance is 4 %.
    expect((variance * length) / 2 / memory).toBeGreaterThan(0.86);
    expect((variance * length) / 2 / memory).toBeLessThan(1.14);
    expect(memory).toBeCloseTo((1 + coefficient ** 2) / (1 - coefficient ** 2), coefficient < 0.7 ? 1 : 0);
  },
);
