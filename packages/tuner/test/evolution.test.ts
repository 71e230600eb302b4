import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { choiceMargin, startChoices, updateChoices } from "../src/evolution/choices.ts";
import { symmetricEigen } from "../src/evolution/eigen.ts";
import {
  type GaussianState,
  gaussianPoint,
  gaussianSettings,
  startGaussian,
  updateGaussian,
} from "../src/evolution/gaussian.ts";
import { adaptLearningRate, startLearningRates } from "../src/evolution/learning-rate.ts";
import { type DiscreteAxis, applyMargin, levelOf } from "../src/evolution/margin.ts";
import { normalBelow, normalQuantile } from "../src/evolution/normal.ts";
import { warmStart } from "../src/evolution/warm-start.ts";

interface Gaussian {
  readonly mean: readonly number[];
  readonly sigma: number;
  readonly covariance: readonly number[];
  readonly pathSigma: readonly number[];
  readonly pathCovariance: readonly number[];
}

type Generation<Member> = Gaussian & { readonly ranked: readonly Member[] };

interface Golden {
  readonly plain: readonly Generation<readonly number[]>[];
  readonly learningRate: readonly (Generation<readonly number[]> & { readonly rates: readonly [number, number] })[];
  readonly margin: {
    readonly levels: readonly number[];
    readonly margin: number;
    readonly generations: readonly (Generation<readonly number[]> & { readonly stretch: readonly number[] })[];
  };
  readonly categories: {
    readonly sizes: readonly number[];
    readonly population: number;
    readonly generations: readonly (Generation<{
      readonly point: readonly number[];
      readonly choices: readonly number[];
    }> & { readonly caution: number; readonly probabilities: readonly (readonly number[])[] })[];
  };
  readonly warmStart: Pick<Gaussian, "mean" | "sigma" | "covariance"> & {
    readonly best: readonly (readonly number[])[];
  };
}

const golden = JSON.parse(readFileSync(new URL("golden/cmaes-0.13.1.json", import.meta.url), "utf8")) as Golden;

const points = (rows: readonly (readonly number[])[]): readonly Float64Array[] =>
  rows.map((row) => Float64Array.from(row));

/** Rounding grows from generation to generation; 1e-9 is far above it and far below any difference of rule. */
const close = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length);
  for (const [index, value] of expected.entries())
    expect(Math.abs((actual[index] as number) - value)).toBeLessThan(1e-9 * Math.max(1, Math.abs(value)));
};

const closeGaussian = (state: GaussianState, expected: Gaussian): void => {
  close(state.mean, expected.mean);
  close([state.sigma], [expected.sigma]);
  close(state.covariance, expected.covariance);
  close(state.pathSigma, expected.pathSigma);
  close(state.pathCovariance, expected.pathCovariance);
};

test("generations of CMA-ES equal those of the cmaes package", () => {
  const settings = gaussianSettings(4, 9, true);
  let state = startGaussian(new Float64Array(4).fill(0.5), 0.25);
  for (const expected of golden.plain) {
    state = updateGaussian(state, settings, points(expected.ranked));
    closeGaussian(state, expected);
  }
});

test("the adapted learning rates equal those of the cmaes package", () => {
  const settings = gaussianSettings(4, 9, true);
  let state = startGaussian(new Float64Array(4).fill(0.5), 0.25);
  let rates = startLearningRates(4);
  for (const expected of golden.learningRate) {
    const after = updateGaussian(state, settings, points(expected.ranked));
    ({ state, rates } = adaptLearningRate(state, after, rates));
    closeGaussian(state, expected);
    close([rates.mean, rates.covariance], expected.rates);
  }
  expect(rates.covariance).toBeLessThan(1);
});

test("generations with margin equal those of the cmaes package", () => {
  const { levels, margin, generations } = golden.margin;
  const settings = gaussianSettings(4, 8, true);
  const discrete: readonly DiscreteAxis[] = levels.map((count, axis) => ({
    axis,
    borders: Float64Array.from({ length: count - 1 }, (_, index) => (index + 1) / count),
  }));
  let state = startGaussian(new Float64Array(4).fill(0.5), 0.25);
  let stretch = new Float64Array(4).fill(1);
  for (const expected of generations) {
    const updated = updateGaussian(state, settings, points(expected.ranked));
    const corrected = applyMargin(updated, stretch, discrete, margin);
    state = { ...updated, mean: corrected.mean };
    stretch = Float64Array.from(corrected.stretch);
    closeGaussian(state, expected);
    close(stretch, expected.stretch);
  }
});

test("generations with categorical parameters equal those of the cmaes package", () => {
  const { sizes, population, generations } = golden.categories;
  const settings = gaussianSettings(3, population, false);
  let state = startGaussian(new Float64Array(3).fill(0.5), 0.25);
  let choices = startChoices(sizes);
  for (const expected of generations) {
    state = updateGaussian(state, settings, points(expected.ranked.map(({ point }) => point)));
    choices = updateChoices(
      choices,
      expected.ranked.map((member) => member.choices),
      settings.weights,
    );
    closeGaussian(state, expected);
    close([choices.caution], [expected.caution]);
    for (const [index, probabilities] of expected.probabilities.entries())
      close(choices.probabilities[index] as Float64Array, probabilities);
  }
});

test("a warm start has the moments of the best points, as in the cmaes package", () => {
  const { best, mean, sigma, covariance } = golden.warmStart;
  const state = warmStart(points(best));
  close(state.mean, mean);
  close([state.sigma], [sigma]);
  close(state.covariance, covariance);
});

test("margins keep every choice and every neighbouring level possible", () => {
  let choices = startChoices([2, 5]);
  const weights = gaussianSettings(2, 6, false).weights;
  for (let generation = 0; generation < 200; generation += 1)
    choices = updateChoices(choices, new Array<readonly number[]>(6).fill([1, 4]), weights);
  for (const probabilities of choices.probabilities) {
    expect(probabilities.at(-1)).toBeGreaterThan(0.5);
    for (const value of probabilities) expect(value).toBeGreaterThan(0.999 * choiceMargin(2, probabilities.length));
    expect(probabilities.reduce((total, value) => total + value, 0)).toBeCloseTo(1, 12);
  }
  const borders = Float64Array.of(0.25, 0.5, 0.75);
  // So narrow that no other level would ever be drawn again.
  const narrow = startGaussian(Float64Array.of(0.4), 1e-3);
  const { mean, stretch } = applyMargin(narrow, Float64Array.of(1), [{ axis: 0, borders }], 0.1);
  const scale = 1e-3 * (stretch[0] as number);
  expect(normalBelow((0.25 - (mean[0] as number)) / scale)).toBeGreaterThan(0.0499);
  expect(normalBelow(((mean[0] as number) - 0.5) / scale)).toBeGreaterThan(0.0499);
  expect([0.1, 0.25, 0.3, 0.75, 0.8].map((value) => levelOf(borders, value))).toEqual([0, 0, 1, 2, 3]);
});

test("eigenvectors are orthonormal and make the matrix again", () => {
  const random = createRandom(4);
  const n = 12;
  const matrix = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1)
    for (let column = row; column < n; column += 1) {
      const value = random.normal() * 10 ** (-(row + column) / 4);
      matrix[row * n + column] = value;
      matrix[column * n + row] = value;
    }
  const { values, vectors } = symmetricEigen(matrix, n);
  for (let row = 0; row < n; row += 1)
    for (let column = 0; column < n; column += 1) {
      let made = 0;
      let inner = 0;
      for (let axis = 0; axis < n; axis += 1) {
        made += (vectors[row * n + axis] as number) * (values[axis] as number) * (vectors[column * n + axis] as number);
        inner += (vectors[axis * n + row] as number) * (vectors[axis * n + column] as number);
      }
      expect(made).toBeCloseTo(matrix[row * n + column] as number, 12);
      expect(inner).toBeCloseTo(row === column ? 1 : 0, 12);
    }
});

test("points are drawn with the covariance of the state", () => {
  const state = startGaussian(Float64Array.of(1, -2), 0.5, Float64Array.of(2, 1.2, 1.2, 1));
  const random = createRandom(9);
  const moments = [0, 0, 0, 0, 0];
  const draws = 40_000;
  for (let draw = 0; draw < draws; draw += 1) {
    const [x = 0, y = 0] = gaussianPoint(state, Float64Array.of(random.normal(), random.normal()));
    for (const [index, value] of [x - 1, y + 2, (x - 1) ** 2, (x - 1) * (y + 2), (y + 2) ** 2].entries())
      moments[index] = (moments[index] as number) + value / draws;
  }
  // Standard errors are below 0.005.
  for (const [index, value] of [0, 0, 0.5, 0.3, 0.25].entries())
    expect(Math.abs((moments[index] as number) - value)).toBeLessThan(0.02);
});

test("the normal quantile inverts the distribution", () => {
  for (const probability of [1e-12, 1e-5, 0.01, 0.024, 0.03, 0.2, 0.5, 0.7, 0.99])
    expect(Math.abs(normalBelow(normalQuantile(probability)) / probability - 1)).toBeLessThan(1e-12);
  // Tables.
  expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 12);
});
