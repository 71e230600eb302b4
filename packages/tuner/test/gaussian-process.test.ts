import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { factorRows, inverseOf, rowStart } from "../src/gp/cholesky.ts";
import { logExpectedImprovement, logImprovement, logNormalCdf } from "../src/gp/expected-improvement.ts";
import { conditionGaussianProcess } from "../src/gp/gaussian-process.ts";
import { NOISE_FLOOR, fitHyperparameters, lossOf, negativeLogPosterior } from "../src/gp/hyperparameters.ts";

interface Golden {
  readonly posteriors: readonly {
    readonly points: readonly number[][];
    readonly targets: readonly number[];
    readonly weights: readonly number[];
    readonly scale: number;
    readonly noise: number;
    readonly queries: readonly number[][];
    readonly means: readonly number[];
    readonly covariance: readonly number[][];
    readonly logMarginalLikelihood: number;
    readonly leaveOneOut: readonly (readonly [number, number])[];
  }[];
  readonly logImprovement: readonly (readonly [number, number])[];
  readonly logNormalCdf: readonly (readonly [number, number])[];
}

const golden = JSON.parse(readFileSync(new URL("golden/gaussian-process.json", import.meta.url), "utf8")) as Golden;

/** Points in the unit cube with a smooth function's values; the last coordinate one of three categories if asked. */
function observed(count: number, dimensions: number, seed: number, mixed = false) {
  const random = createRandom(seed);
  const points = Float64Array.from({ length: count * dimensions }, () => random.next());
  if (mixed) for (let row = 1; row <= count; row += 1) points[row * dimensions - 1] = (random.integer(3) + 0.5) / 3;
  const targets = Float64Array.from({ length: count }, (_, row) => {
    let sum = 0;
    for (let k = 0; k < dimensions; k += 1) sum += Math.sin((3 + k) * (points[row * dimensions + k] as number));
    return sum + 0.05 * random.normal();
  });
  const categorical = Array.from({ length: dimensions }, (_, k) => mixed && k === dimensions - 1);
  return { coordinates: { dimensions, categorical }, observations: { points, targets } };
}

const hyper = (dimensions: number) => ({
  weights: Float64Array.from({ length: dimensions }, (_, k) => 2 + 3 * k),
  scale: 1.3,
  noise: 0.01,
});

describe("a Gaussian process", () => {
  for (const [index, expected] of golden.posteriors.entries()) {
    test(`has the posterior, likelihood and leave-one-out of scikit-learn (${index})`, () => {
      const dimensions = expected.weights.length;
      const coordinates = { dimensions };
      const { scale, noise } = expected;
      const hyperparameters = { weights: Float64Array.from(expected.weights), scale, noise };
      const observations = {
        points: Float64Array.from(expected.points.flat()),
        targets: Float64Array.from(expected.targets),
      };
      const model = conditionGaussianProcess(coordinates, hyperparameters, observations);
      const queries = Float64Array.from(expected.queries.flat());
      const { means, variances } = model.posterior(queries, expected.queries.length);
      const alone = model.means(queries, expected.queries.length);
      for (const [query, mean] of expected.means.entries()) {
        expect(means[query]).toBeCloseTo(mean, 9);
        expect(alone[query]).toBeCloseTo(mean, 9);
        expect(variances[query]).toBeCloseTo(expected.covariance[query]?.[query] as number, 9);
      }
      const { means: left, variances: spreads } = model.leaveOneOut();
      for (const [row, [mean, variance]] of expected.leaveOneOut.entries()) {
        expect(left[row]).toBeCloseTo(mean, 9);
        expect(spreads[row]).toBeCloseTo(variance, 9);
      }
      const logs = Float64Array.from([...expected.weights, scale, noise - NOISE_FLOOR], Math.log);
      const raw = noise - NOISE_FLOOR;
      const priors =
        scale -
        Math.log(scale) +
        30 * raw -
        0.1 * Math.log(raw) +
        expected.weights.reduce((sum, weight) => sum + 0.1 / weight + 0.1 * weight, 0);
      const likelihood =
        priors -
        negativeLogPosterior(coordinates, observations)(logs, undefined) -
        (expected.targets.length / 2) * Math.log(2 * Math.PI);
      expect(likelihood).toBeCloseTo(expected.logMarginalLikelihood, 8);
    });
  }

  test("draws jointly with the covariance of scikit-learn", () => {
    const expected = golden.posteriors[0] as Golden["posteriors"][number];
    const { scale, noise } = expected;
    const model = conditionGaussianProcess(
      { dimensions: expected.weights.length },
      { weights: Float64Array.from(expected.weights), scale, noise },
      { points: Float64Array.from(expected.points.flat()), targets: Float64Array.from(expected.targets) },
    );
    const size = expected.means.length;
    // Unit normals give the mean plus the columns of the covariance's Cholesky factor, exactly.
    const normals = Float64Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? 1 : 0));
    const draws = model.sample(Float64Array.from(expected.queries.flat()), size, normals);
    for (let a = 0; a < size; a += 1) {
      for (let b = 0; b < size; b += 1) {
        let sum = 0;
        for (let k = 0; k < size; k += 1) {
          const left = (draws[k * size + a] as number) - (expected.means[a] as number);
          sum += left * ((draws[k * size + b] as number) - (expected.means[b] as number));
        }
        expect(sum).toBeCloseTo(expected.covariance[a]?.[b] as number, 6);
      }
    }
  });

  test("takes more points to the same bits as all at once, and from an earlier model", () => {
    const { coordinates, observations } = observed(41, 3, 5, true);
    const at = hyper(3);
    const cut = (count: number) => ({
      points: observations.points.slice(0, count * 3),
      targets: observations.targets.slice(0, count),
    });
    const whole = conditionGaussianProcess(coordinates, at, observations);
    const queries = observed(9, 3, 8, true).observations.points;
    for (const count of [1, 2, 7, 30, 38]) {
      const part = conditionGaussianProcess(coordinates, at, cut(count));
      const grown = part.extend(observations.points.slice(count * 3), 41 - count, observations.targets.slice(count));
      expect(grown.posterior(queries, 9)).toEqual(whole.posterior(queries, 9));
      const again = conditionGaussianProcess(coordinates, at, observations, part);
      expect(again.posterior(queries, 9)).toEqual(whole.posterior(queries, 9));
      expect(again.whitened).toEqual(whole.whitened);
    }
    const shrunk = conditionGaussianProcess(coordinates, at, cut(17), whole);
    expect(shrunk.posterior(queries, 9)).toEqual(
      conditionGaussianProcess(coordinates, at, cut(17)).posterior(queries, 9),
    );
  });

  test("extended by believed values keeps its means and grows surer", () => {
    const { coordinates, observations } = observed(20, 2, 3);
    const model = conditionGaussianProcess(coordinates, hyper(2), observations);
    const pending = Float64Array.from([0.2, 0.3, 0.8, 0.1]);
    const believing = model.extend(pending, 2);
    const queries = Float64Array.from([0.21, 0.3, 0.5, 0.5, 0.9, 0.9]);
    const before = model.posterior(queries, 3);
    const after = believing.posterior(queries, 3);
    for (let query = 0; query < 3; query += 1) {
      expect(after.means[query]).toBeCloseTo(before.means[query] as number, 10);
      expect(after.variances[query]).toBeLessThan(before.variances[query] as number);
    }
  });

  test("gives the gradients of its mean and variance", () => {
    const { coordinates, observations } = observed(25, 3, 9, true);
    const model = conditionGaussianProcess(coordinates, hyper(3), observations);
    const point = Float64Array.from([0.31, 0.62, 0.5]);
    const byMean = new Float64Array(3);
    const byVariance = new Float64Array(3);
    model.at(point).pull(1, 0, byMean);
    model.at(point).pull(0, 1, byVariance);
    for (const k of [0, 1]) {
      const moved = (step: number) => model.at(point.map((value, index) => (index === k ? value + step : value)));
      const [up, down] = [1e-5, -1e-5].map((step) => {
        const { mean, variance } = moved(step);
        return { mean, variance };
      });
      expect(byMean[k]).toBeCloseTo(((up?.mean as number) - (down?.mean as number)) / 2e-5, 6);
      expect(byVariance[k]).toBeCloseTo(((up?.variance as number) - (down?.variance as number)) / 2e-5, 6);
    }
    expect(byMean[2]).toBe(0);
  });

  test("copes with points that coincide", () => {
    const points = Float64Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? 0.25 : 0.75));
    const targets = Float64Array.from({ length: 20 }, (_, row) => row % 3);
    const at = { weights: Float64Array.from([1, 1]), scale: 50, noise: 1e-18 };
    const { means, variances } = conditionGaussianProcess({ dimensions: 2 }, at, { points, targets }).posterior(
      points,
      1,
    );
    expect(Number.isFinite(means[0])).toBe(true);
    expect(variances[0]).toBeGreaterThanOrEqual(0);
  });
});

test("the Cholesky factor inverts what it factors, whatever the size", () => {
  for (const size of [1, 2, 3, 4, 5, 8, 11]) {
    const random = createRandom(size);
    const root = Float64Array.from({ length: size * size }, () => random.normal());
    const full = (i: number, j: number): number => {
      let sum = i === j ? 1 : 0;
      for (let k = 0; k < size; k += 1) sum += (root[i * size + k] as number) * (root[j * size + k] as number);
      return sum;
    };
    const triangle = new Float64Array(rowStart(size));
    for (let i = 0; i < size; i += 1) for (let j = 0; j <= i; j += 1) triangle[rowStart(i) + j] = full(i, j);
    expect(factorRows(triangle, 0, size)).toBe(true);
    const inverse = inverseOf(triangle, size);
    const entry = (i: number, j: number) => inverse[i >= j ? rowStart(i) + j : rowStart(j) + i] as number;
    for (let i = 0; i < size; i += 1) {
      for (let j = 0; j < size; j += 1) {
        let sum = 0;
        for (let k = 0; k < size; k += 1) sum += full(i, k) * entry(k, j);
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 9);
      }
    }
  }
  expect(factorRows(Float64Array.from([1, 2, 1]), 0, 2)).toBe(false);
});

describe("the fit of hyperparameters", () => {
  test("follows the gradient of what it minimises", () => {
    const { coordinates, observations } = observed(23, 4, 11, true);
    for (const seed of [1, 2, 3]) {
      const loss = negativeLogPosterior(coordinates, observations, seed * 30);
      const random = createRandom(seed);
      const logs = Float64Array.from({ length: 6 }, (_, k) => random.normal() * 0.8 - (k === 5 ? 4 : 0));
      const gradient = new Float64Array(6);
      loss(logs, gradient);
      for (let k = 0; k < 6; k += 1) {
        const moved = (step: number) =>
          loss(
            logs.map((value, index) => (index === k ? value + step : value)),
            undefined,
          );
        const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        expect(Math.abs((gradient[k] as number) - slope)).toBeLessThan(1e-5 * Math.max(1, Math.abs(slope)));
      }
    }
  });

  test("ends where the gradient is small, no worse than its start, and finds which coordinates matter", () => {
    const random = createRandom(2);
    const points = Float64Array.from({ length: 60 * 3 }, () => random.next());
    const targets = Float64Array.from({ length: 60 }, (_, row) => 1.4 * Math.sin(9 * (points[row * 3] as number)));
    const coordinates = { dimensions: 3 };
    const { hyperparameters, loss } = fitHyperparameters(coordinates, { points, targets });
    const [first, second, third] = hyperparameters.weights;
    expect(first as number).toBeGreaterThan(10 * Math.max(second as number, third as number));
    expect(hyperparameters.noise).toBeLessThan(1e-3);
    expect(loss).toBeCloseTo(lossOf(coordinates, { points, targets }, hyperparameters), 8);
    const gradient = new Float64Array(5);
    const { weights, scale, noise } = hyperparameters;
    const logs = Float64Array.from([...weights, scale, noise - NOISE_FLOOR], Math.log);
    negativeLogPosterior(coordinates, { points, targets })(logs, gradient);
    expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1);
    const again = fitHyperparameters(coordinates, { points, targets }, { start: hyperparameters });
    expect(again.loss).toBeLessThanOrEqual(loss);
    const noisy = targets.map((target) => target + 0.5 * random.normal());
    const noiseAt = (noiseRate: number): number =>
      fitHyperparameters(coordinates, { points, targets: noisy }, { noiseRate }).hyperparameters.noise;
    expect(noiseAt(300)).toBeLessThan(noiseAt(30));
  });
});

describe("log expected improvement", () => {
  test("matches SciPy to the far tails", () => {
    for (const [z, expected] of golden.logImprovement) {
      const { log } = logImprovement(z);
      expect(Math.abs(log - expected), `at ${z}`).toBeLessThan(1e-12 * Math.max(10, Math.abs(expected)));
    }
    for (const [z, expected] of golden.logNormalCdf) {
      expect(Math.abs(logNormalCdf(z) - expected), `at ${z}`).toBeLessThan(1e-13 * Math.max(1, Math.abs(expected)));
    }
    expect(logExpectedImprovement(1, 2, 1)).toBeCloseTo(Math.log(2 / Math.sqrt(2 * Math.PI)), 14);
  });

  test("has the slopes of its logarithm", () => {
    for (const z of [-1e4, -60, -25.5, -24.5, -5, -1.2, -0.8, 0, 0.7, 4]) {
      const step = 1e-5 * Math.max(1, Math.abs(z));
      const slope = (logImprovement(z + step).log - logImprovement(z - step).log) / (2 * step);
      const found = logImprovement(z);
      expect(Math.abs(found.slope - slope) / Math.max(1, Math.abs(slope)), `at ${z}`).toBeLessThan(1e-5);
      // h = zΦ + φ, so z Φ/h + φ/h is one.
      expect(Math.abs(z * found.slope + found.density - 1)).toBeLessThan(1e-9 * Math.max(1, z * z));
    }
  });
});
