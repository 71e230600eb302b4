import { createRandom } from "@millwright/contracts";
import { categorical, float, int } from "@millwright/tuner";
import { expect, test } from "vitest";
import { type Acquisition, logImprovementBelow, logImprovementBeyond } from "../src/gp/acquisition.ts";
import { avoidingFailures } from "../src/gp/failures.ts";
import { conditionGaussianProcess } from "../src/gp/gaussian-process.ts";
import { latticeOf } from "../src/gp/lattice.ts";
import { robustScores, warped } from "../src/gp/warp.ts";

test("acquisitions have the gradients of their values, with and without pending and failed points", () => {
  const random = createRandom(7);
  const points = Float64Array.from({ length: 40 }, () => random.next());
  const targets = Float64Array.from({ length: 20 }, () => random.normal());
  const hyperparameters = { weights: Float64Array.from([3, 5]), scale: 1.2, noise: 0.05 };
  const model = conditionGaussianProcess({ dimensions: 2 }, hyperparameters, { points, targets });
  const pending = Float64Array.from([0.2, 0.3, 0.7, 0.6, 0.5, 0.9]);
  const acquisitions: Acquisition[] = [
    logImprovementBelow(model, -1),
    logImprovementBelow(model, -1, 3),
    logImprovementBeyond(model.extend(pending, 3), 3, -1, createRandom(3)),
    logImprovementBeyond(model.extend(pending, 3), 3, -1, createRandom(3), { inflation: 3 }),
    avoidingFailures(logImprovementBelow(model, -1), {
      coordinates: { dimensions: 2 },
      hyperparameters,
      succeeded: points,
      failed: pending,
    }),
  ];
  for (const acquisition of acquisitions) {
    for (const point of [Float64Array.from([0.31, 0.62]), Float64Array.from([0.9, 0.1])]) {
      const gradient = new Float64Array(2);
      const value = acquisition.evaluate(point, gradient);
      expect(acquisition.values(point, 1)[0]).toBeCloseTo(value, 9);
      for (const k of [0, 1]) {
        const at = (move: number): number =>
          acquisition.evaluate(
            point.map((x, index) => (index === k ? x + move : x)),
            new Float64Array(2),
          );
        expect(gradient[k]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 4);
      }
    }
  }
});

test("the improvement beyond a pending point is nothing at that point, and the same as without it far away", () => {
  const hyperparameters = { weights: Float64Array.from([400]), scale: 1, noise: 1e-6 };
  const model = conditionGaussianProcess({ dimensions: 1 }, hyperparameters, {
    points: Float64Array.from([0.5]),
    targets: Float64Array.from([0]),
  });
  const alone = logImprovementBelow(model, 0);
  const beyond = logImprovementBeyond(model.extend(Float64Array.from([0.1]), 1), 1, 0, createRandom(1));
  const at = (acquisition: Acquisition, x: number): number =>
    acquisition.values(Float64Array.from([x]), 1)[0] as number;
  expect(at(beyond, 0.1)).toBeLessThan(at(alone, 0.1) - 2);
  expect(at(beyond, 0.9)).toBeLessThan(at(alone, 0.9));
  expect(at(beyond, 0.9)).toBeGreaterThan(at(alone, 0.9) - 1.5);
});

test("a lattice knows the places of its values", () => {
  const space = { n: int(1, 100, { log: true }), s: float(0, 1, { step: 0.25 }), c: categorical(["a", "b", "c"]) };
  const lattice = latticeOf(space);
  expect(lattice.size).toBe(100 * 5 * 3);
  const random = createRandom(1);
  for (let index = 0; index < 50; index += 1) {
    const point = Float64Array.from([random.next(), random.next(), random.next()]);
    lattice.settle(point);
    expect(lattice.encoding.encode(lattice.encoding.decode(point))).toEqual(point);
  }
});

test("warps are standardised, keep the order and know their Jacobian", () => {
  const random = createRandom(6);
  const losses = Float64Array.from({ length: 30 }, () => Math.exp(3 * random.normal()));
  const scores = robustScores(losses);
  for (const power of [-1, 0, 0.5, 1, 1.5, 2]) {
    const { targets, logJacobian } = warped(scores, power);
    expect(targets.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 9);
    expect(targets.reduce((sum, x) => sum + x * x, 0) / 30).toBeCloseTo(1, 9);
    const order = [...scores.keys()].toSorted((a, b) => (scores[a] as number) - (scores[b] as number));
    for (let index = 1; index < 30; index += 1)
      expect(targets[order[index] as number]).toBeGreaterThanOrEqual(targets[order[index - 1] as number] as number);
    // Σ log of the slopes of the curve through the pairs, by a moved copy of each score alone under the same standardisation.
    const raw = (z: number): number => {
      if (z >= 0) return power === 0 ? Math.log1p(z) : ((1 + z) ** power - 1) / power;
      return power === 2 ? -Math.log1p(-z) : -((1 - z) ** (2 - power) - 1) / (2 - power);
    };
    const moved = Float64Array.from(scores, raw);
    const mean = moved.reduce((sum, x) => sum + x / 30, 0);
    const deviation = Math.sqrt(moved.reduce((sum, x) => sum + (x - mean) ** 2 / 30, 0));
    let expected = 0;
    for (const z of scores) expected += Math.log((raw(z + 1e-6) - raw(z - 1e-6)) / 2e-6 / deviation);
    expect(logJacobian).toBeCloseTo(expected, 4);
  }
  expect(robustScores(Float64Array.from([1, 1, 1]))).toEqual(new Float64Array(3));
  const huge = robustScores(Float64Array.from([0, 1, 2, 3, 1e300]));
  expect((huge[1] as number) - (huge[0] as number)).toBeGreaterThan(0.01);
});

test("bounds of many observations are never below the values, and end near them where it is dense", () => {
  const random = createRandom(11);
  const points = Float64Array.from({ length: 2 * 220 }, () => random.next());
  const targets = Float64Array.from({ length: 220 }, (_, row) => Math.sin(6 * (points[2 * row] as number)));
  const hyperparameters = { weights: Float64Array.from([4, 4]), scale: 1, noise: 1e-4 };
  const model = conditionGaussianProcess({ dimensions: 2 }, hyperparameters, { points, targets });
  const own = model.ownMeans();
  const means = model.means(points, 220);
  for (const [row, mean] of own.entries()) expect(mean).toBeCloseTo(means[row] as number, 8);
  const asked = Float64Array.from({ length: 60 }, () => random.next());
  for (const inflation of [1, 3]) {
    const acquisition = logImprovementBelow(model, -0.5, inflation);
    const bounds = acquisition.bounds?.(asked, 30) ?? new Float64Array();
    const values = acquisition.values(asked, 30);
    for (const [row, value] of values.entries()) expect(bounds[row]).toBeGreaterThanOrEqual(value - 1e-9);
  }
  expect(model.outlook(asked, 30, 220).variances[3]).toBeCloseTo(model.posterior(asked, 30).variances[3] as number, 10);
});
