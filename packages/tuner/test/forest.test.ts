import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { fitForest, predictForest } from "../src/forest/regression-forest.ts";
import { type RegressionTree, type TreeOptions, fitTree, leafOf } from "../src/forest/regression-tree.ts";
import { type Column, treeData } from "../src/forest/split.ts";
import { logTargets } from "../src/forest/targets.ts";

const numeric: Column = { kind: "numeric" };
const exact: TreeOptions = { minSplit: 2, minLeaf: 1, maxDepth: 64, featureShare: 1, thresholds: "middle" };

const table = (count: number, width: number, seed: number): Float64Array => {
  const random = createRandom(seed);
  return Float64Array.from({ length: count * width }, () => random.next());
};

/** The squared error of the best single split, by looking at all of them. */
function bestSplitError(rows: Float64Array, width: number, targets: Float64Array): number {
  const error = (values: readonly number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  let best = Infinity;
  for (let feature = 0; feature < width; feature += 1)
    for (let row = 0; row < targets.length; row += 1) {
      const border = rows[row * width + feature] as number;
      const left = [...targets].filter((_, other) => (rows[other * width + feature] as number) <= border);
      const right = [...targets].filter((_, other) => (rows[other * width + feature] as number) > border);
      if (right.length > 0) best = Math.min(best, error(left) + error(right));
    }
  return best;
}

const errorOf = (tree: RegressionTree, rows: Float64Array, width: number, targets: Float64Array): number =>
  targets.reduce((sum, target, row) => sum + (target - (tree.mean[leafOf(tree, rows, row * width)] as number)) ** 2, 0);

test("the first split is the one that leaves the least squared error", () => {
  for (const seed of [1, 2, 3]) {
    const rows = table(40, 3, seed);
    const targets = Float64Array.from(
      { length: 40 },
      (_, row) => Math.sin(7 * (rows[3 * row] as number)) + (rows[3 * row + 1] as number),
    );
    const data = treeData([numeric, numeric, numeric], rows, targets);
    const tree = fitTree(data, new Float64Array(40).fill(1), { ...exact, maxDepth: 1 }, createRandom(seed));
    expect(tree.feature).toHaveLength(3);
    expect(errorOf(tree, rows, 3, targets)).toBeCloseTo(bestSplitError(rows, 3, targets), 10);
  }
});

test("a split of unordered values is the best of all subsets", () => {
  const size = 6;
  const random = createRandom(5);
  const rows = Float64Array.from({ length: 60 }, () => random.integer(size));
  const levels = [3, -1, 2.5, 0, 4, -2];
  const targets = Float64Array.from(rows, (value) => (levels[value] as number) + random.normal());
  const data = treeData([{ kind: "categorical", size }], rows, targets);
  const tree = fitTree(data, new Float64Array(60).fill(1), { ...exact, maxDepth: 1 }, random);
  let best = Infinity;
  for (let subset = 1; subset < 2 ** size - 1; subset += 1) {
    const groups = [0, 1].map((side) =>
      [...targets].filter((_, row) => ((subset >> (rows[row] as number)) & 1) === side),
    );
    const error = groups.reduce((sum, group) => {
      const mean = group.reduce((all, value) => all + value, 0) / group.length;
      return sum + group.reduce((all, value) => all + (value - mean) ** 2, 0);
    }, 0);
    best = Math.min(best, error);
  }
  expect(errorOf(tree, rows, 1, targets)).toBeCloseTo(best, 10);
});

test("a tree without limits learns its rows by heart, and limits are kept", () => {
  const rows = table(200, 2, 9);
  const targets = Float64Array.from(
    { length: 200 },
    (_, row) => (rows[2 * row] as number) * (rows[2 * row + 1] as number),
  );
  const data = treeData([numeric, numeric], rows, targets);
  const weights = new Float64Array(200).fill(1);
  expect(errorOf(fitTree(data, weights, exact, createRandom(1)), rows, 2, targets)).toBeLessThan(1e-20);
  const limited = fitTree(data, weights, { ...exact, minLeaf: 7, thresholds: "random" }, createRandom(1));
  const leaves = [...limited.feature.keys()].filter((node) => limited.feature[node] === -1);
  expect(Math.min(...leaves.map((node) => limited.weight[node] as number))).toBeGreaterThanOrEqual(7);
  expect(leaves.reduce((sum, node) => sum + (limited.weight[node] as number), 0)).toBe(200);
  for (const node of leaves) {
    const reached = [...targets].filter((_, row) => leafOf(limited, rows, 2 * row) === node);
    const mean = reached.reduce((sum, value) => sum + value, 0) / reached.length;
    expect(limited.mean[node]).toBeCloseTo(mean, 12);
    expect(limited.variance[node]).toBeCloseTo(
      reached.reduce((sum, value) => sum + (value - mean) ** 2, 0) / reached.length,
      12,
    );
  }
});

test("weights count as repeated rows", () => {
  const rows = table(30, 2, 11);
  const targets = Float64Array.from({ length: 30 }, (_, row) => (rows[2 * row] as number) ** 2);
  const weights = Float64Array.from({ length: 30 }, (_, row) => row % 3);
  const repeated = [...weights.keys()].flatMap((row) => new Array<number>(weights[row] as number).fill(row));
  const many = treeData(
    [numeric, numeric],
    Float64Array.from(repeated.flatMap((row) => [rows[2 * row] as number, rows[2 * row + 1] as number])),
    Float64Array.from(repeated, (row) => targets[row] as number),
  );
  const options = { ...exact, minLeaf: 3, minSplit: 6 };
  const weighted = fitTree(treeData([numeric, numeric], rows, targets), weights, options, createRandom(2));
  const plain = fitTree(many, new Float64Array(repeated.length).fill(1), options, createRandom(2));
  expect([...weighted.threshold]).toEqual([...plain.threshold]);
  expect([...weighted.weight]).toEqual([...plain.weight]);
});

test("a forest predicts what it has not seen, and its variance is larger where it has seen nothing", () => {
  const objective = (x: number, y: number): number => (x - 0.3) ** 2 + 0.5 * y;
  const rows = table(400, 2, 13).map((value) => 0.7 * value);
  const targets = Float64Array.from({ length: 400 }, (_, row) =>
    objective(rows[2 * row] as number, rows[2 * row + 1] as number),
  );
  const forest = fitForest([numeric, numeric], rows, targets, {}, createRandom(4));
  const fresh = table(200, 2, 14).map((value) => 0.7 * value);
  let error = 0;
  for (let row = 0; row < 200; row += 1) {
    const { mean, variance } = predictForest(forest, fresh, 2 * row);
    error += (mean - objective(fresh[2 * row] as number, fresh[2 * row + 1] as number)) ** 2 / 200;
    expect(variance).toBeGreaterThanOrEqual(0);
  }
  // The targets' own variance is 0.01; a forest of ten trees explains more than nine tenths of it.
  expect(error).toBeLessThan(1e-3);
  const again = fitForest([numeric, numeric], rows, targets, {}, createRandom(4));
  expect(predictForest(again, fresh)).toEqual(predictForest(forest, fresh));
});

test("logarithms keep the order and stretch the best", () => {
  const values = logTargets(Float64Array.of(5, 1, 1.1, 100, 2));
  expect([...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number))).toEqual([1, 2, 4, 0, 3]);
  expect((values[4] as number) - (values[1] as number)).toBeGreaterThan((values[0] as number) - (values[4] as number));
  expect([...logTargets(Float64Array.of(2, 2))]).toEqual([0, 0]);
});
