import { readFileSync } from "node:fs";
import { type Random, createRandom } from "@millwright/contracts";
import {
  type Params,
  type Space,
  type Trial,
  categorical,
  constant,
  float,
  int,
  permutation,
  when,
} from "@millwright/tuner";
import { permutationImportances, shapleyImportances, varianceShares } from "@millwright/tuner/insight";
import { expect, test } from "vitest";
import { partitionOf } from "../src/forest/leaf-boxes.ts";
import { fitForest } from "../src/forest/regression-forest.ts";
import { type RegressionTree, leafOf } from "../src/forest/regression-tree.ts";
import type { Column } from "../src/forest/split.ts";
import { treeCovariance } from "../src/forest/variance-shares.ts";
import { drawParams } from "../src/space-constraints.ts";

const recordOf = (space: Space, trials: readonly { readonly params: Params; readonly value: number }[]) => ({
  space,
  directions: ["minimize"] as const,
  trials: trials.map(({ params, value }, number): Trial => ({
    number,
    state: "completed",
    params,
    value,
    values: [value],
    explanation: {},
    intermediates: [],
    attempts: 1,
  })),
});

const drawn = (space: Space, objective: (params: Params) => number, count: number, seed: number) => {
  const random = createRandom(seed);
  return recordOf(
    space,
    Array.from({ length: count }, () => {
      const params = drawParams(space, random);
      return { params, value: objective(params) };
    }),
  );
};

const within = (
  actual: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>,
  tolerance: number,
): void => {
  for (const [name, share] of Object.entries(expected))
    expect(Math.abs((actual[name] as number) - share), `${name}: ${actual[name]} for ${share}`).toBeLessThan(tolerance);
};

const four = { a: float(0, 1), b: float(0, 1), c: float(0, 1), d: float(0, 1) };

test("HT-23: importances of functions with known shares of the variance are within 0.05, main effects, interactions and total effects", () => {
  // Variances 16, 4 and 1 twelfths; d has no effect.
  const additive = drawn(four, ({ a, b, c }) => 4 * Number(a) + 2 * Number(b) + Number(c), 600, 1);
  const shares = { a: 16 / 21, b: 4 / 21, c: 1 / 21, d: 0 };
  within(varianceShares(additive).parameters, shares, 0.05);
  // Without interactions the total effects are the same.
  within(permutationImportances(additive), shares, 0.05);
  // Shapley values are 4 (a − ½) and so on: their mean sizes are as 4 to 2 to 1.
  const some = additive.trials.slice(0, 60).map(({ number }) => number);
  within(shapleyImportances(additive, { trials: some }).parameters, { a: 4 / 7, b: 2 / 7, c: 1 / 7, d: 0 }, 0.05);
  // 1/12 of the variance from each of a and b, and 36/144 from their product.
  const product = drawn(four, ({ a, b }) => Number(a) + Number(b) + 6 * (Number(a) - 0.5) * (Number(b) - 0.5), 500, 2);
  const found = varianceShares(product);
  const total = 1 / 12 + 1 / 12 + 36 / 144;
  within(found.parameters, { a: 1 / 12 / total, b: 1 / 12 / total, c: 0, d: 0 }, 0.05);
  expect(found.interactions[0]?.parameters).toEqual(["a", "b"]);
  expect(Math.abs((found.interactions[0]?.share ?? 0) - 36 / 144 / total)).toBeLessThan(0.05);
});

test("shares within trees are those of Optuna's evaluator", () => {
  const golden = JSON.parse(readFileSync(new URL("golden/optuna-5.0.0-importance.json", import.meta.url), "utf8")) as {
    readonly importances: Readonly<Record<string, number>>;
    readonly trials: readonly { readonly params: Params; readonly value: number }[];
  };
  const space = { x: float(0, 1), y: float(-2, 2), layers: int(1, 6), kind: categorical(["a", "b", "c", "d"]) };
  // Both are forests by chance, and Optuna's splits choices one against the others: its own runs differ by up to 0.033.
  within(varianceShares(recordOf(space, golden.trials)).parameters, golden.importances, 0.05);
});

const columns: readonly Column[] = [{ kind: "numeric" }, { kind: "categorical", size: 3 }, { kind: "numeric" }];
function forestOf(random: Random) {
  const rows = new Float64Array(3 * 40);
  for (let row = 0; row < 40; row += 1) rows.set([random.next(), random.integer(3), random.next()], 3 * row);
  const targets = Float64Array.from(
    { length: 40 },
    (_, row) => (rows[3 * row] as number) * ((rows[3 * row + 1] as number) + (rows[3 * row + 2] as number)),
  );
  return fitForest(columns, rows, targets, { trees: 2, maxDepth: 4, thresholds: "middle" }, random);
}

/** Every cell that the splits of the trees cut the space into: a point of it, by column, and its measure. */
function grid(trees: readonly RegressionTree[]) {
  const axis = (column: number): readonly (readonly [number, number])[] => {
    if (column === 1) return [0, 1, 2].map((index) => [index, 1 / 3]);
    const borders = trees.flatMap((tree) => [...tree.threshold].filter((_, node) => tree.feature[node] === column));
    const ends = [0, ...borders.sort((a, b) => a - b), 1];
    return ends.slice(1).map((end, index) => [(end + (ends[index] as number)) / 2, end - (ends[index] as number)]);
  };
  return [axis(0), axis(1), axis(2)] as const;
}

test("variances and covariances over the leaves' boxes equal those summed over all cells", () => {
  const random = createRandom(3);
  const forest = forestOf(random);
  const [one, two] = forest.trees as [RegressionTree, RegressionTree];
  const parts = forest.trees.map((tree) => partitionOf(tree, columns));
  const axes = grid([one, two]);
  const cells = axes[0].flatMap(([x, p]) =>
    axes[1].flatMap(([y, q]) => axes[2].map(([z, r]) => ({ at: [x, y, z], measure: p * q * r }))),
  );
  const valueOf = (tree: RegressionTree, at: readonly number[]): number => tree.mean[leafOf(tree, at)] as number;
  const meanOf = (tree: RegressionTree): number =>
    cells.reduce((sum, { at, measure }) => sum + valueOf(tree, at) * measure, 0);
  /** The mean given some columns' values, less the mean. */
  const given = (
    tree: RegressionTree,
    chosen: readonly number[],
  ): ReadonlyMap<string, { value: number; measure: number }> => {
    const mean = meanOf(tree);
    const groups = new Map<string, { value: number; measure: number }>();
    for (const { at, measure } of cells) {
      const key = chosen.map((column) => at[column]).join();
      const group = groups.get(key) ?? { value: 0, measure: 0 };
      groups.set(key, { value: group.value + (valueOf(tree, at) - mean) * measure, measure: group.measure + measure });
    }
    return groups;
  };
  for (const [a, b, first, second] of [
    [one, one, 0, 0],
    [one, two, 0, 1],
  ] as const) {
    const covariance = treeCovariance(parts[first] as (typeof parts)[number], parts[second] as (typeof parts)[number]);
    for (const chosen of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
      const [own, other] = [given(a, chosen), given(b, chosen)];
      const expected = [...own].reduce(
        (sum, [key, { value, measure }]) => sum + (value * (other.get(key)?.value ?? 0)) / (measure || 1),
        0,
      );
      expect(covariance.given(chosen)).toBeCloseTo(expected, 12);
      if (chosen.length === 3) expect(covariance.total).toBeCloseTo(expected, 12);
    }
    expect(covariance.total).toBeGreaterThan(0.001);
  }
});

test("Shapley values add up to the prediction, and state their error", () => {
  const record = drawn(four, ({ a, b, c }) => Number(a) * Number(b) + Number(c), 200, 4);
  const { trials } = shapleyImportances(record, { trials: [0, 1, 2], orders: 64 });
  expect(trials.map(({ number }) => number)).toEqual([0, 1, 2]);
  for (const { predicted, base, values } of trials)
    expect(base + Object.values(values).reduce((sum, value) => sum + value, 0)).toBeCloseTo(predicted, 10);
  const many = shapleyImportances(record, { trials: [0, 1, 2], orders: 2_000 });
  for (const [index, { values, errors }] of trials.entries())
    for (const [name, value] of Object.entries(values)) {
      const exact = many.trials[index]?.values[name] as number;
      // Five standard errors.
      expect(Math.abs(value - exact)).toBeLessThan(5 * (errors[name] as number) + 1e-3);
      expect(errors[name]).toBeGreaterThan(many.trials[index]?.errors[name] as number);
    }
});

test("choices, conditions, lists and constants have their shares", () => {
  const space = {
    kind: categorical(["tree", "net", "line"]),
    depth: when("kind", ["tree"], int(1, 9)),
    rate: when("kind", ["net"], float(1e-4, 1, { log: true })),
    order: permutation(["p", "q", "r"]),
    version: constant(1),
  } satisfies Space;
  const record = drawn(
    space,
    ({ kind, depth, order }) =>
      (kind === "tree" ? 0.1 * Number(depth) : kind === "net" ? 3 : 1) +
      (Array.isArray(order) && order[0] === "q" ? 1 : 0),
    300,
    5,
  );
  const shares = varianceShares(record);
  expect(JSON.parse(JSON.stringify(shares))).toEqual(shares);
  const { parameters, interactions } = shares;
  expect(Object.keys(parameters)).toEqual(["kind", "depth", "rate", "order", "version"]);
  expect(parameters["kind"]).toBeGreaterThan(0.5);
  expect(parameters["order"]).toBeGreaterThan(0.05);
  expect(parameters["rate"]).toBeLessThan(0.02);
  expect(parameters["version"]).toBe(0);
  const all = [...Object.values(parameters), ...interactions.map(({ share }) => share)];
  expect(all.reduce((sum, share) => sum + share, 0)).toBeLessThan(1 + 1e-9);
  const permuted = permutationImportances(record);
  expect(permuted["kind"]).toBeGreaterThan(permuted["order"] as number);
  expect(permuted["rate"]).toBeLessThan(0.02);
  expect(permuted["version"]).toBe(0);
});

test("where there is nothing to tell apart all shares are 0, and the same seed gives the same", () => {
  const alike = drawn(four, () => 2, 30, 1);
  const none = { a: 0, b: 0, c: 0, d: 0 };
  expect(varianceShares(alike).parameters).toEqual(none);
  expect(permutationImportances(alike)).toEqual(none);
  expect(shapleyImportances(alike).parameters).toEqual(none);
  const empty = recordOf(four, []);
  expect(varianceShares(empty)).toMatchObject({ parameters: none, trials: 0 });
  expect(permutationImportances(empty)).toEqual(none);
  expect(shapleyImportances(empty)).toEqual({ parameters: none, trials: [] });
  const record = drawn(four, ({ a, b }) => Number(a) - Number(b), 60, 1);
  expect(varianceShares(record, { seed: 3, trees: 8 })).toEqual(varianceShares(record, { seed: 3, trees: 8 }));
  expect(varianceShares(record, { seed: 4, trees: 8 })).not.toEqual(varianceShares(record, { seed: 3, trees: 8 }));
  expect(varianceShares(record, { interactions: false, estimate: "between-trees" }).interactions).toEqual([]);
});

test("options that make no sense are refused", () => {
  const record = drawn(four, ({ a }) => Number(a), 10, 1);
  for (const options of [{ trees: 0 }, { objective: 1 }, { seed: 0.5 }]) {
    expect(() => varianceShares(record, options)).toThrow(RangeError);
    expect(() => permutationImportances(record, options)).toThrow(RangeError);
    expect(() => shapleyImportances(record, options)).toThrow(RangeError);
  }
  expect(() => shapleyImportances(record, { orders: 0 })).toThrow("orders is 0");
  expect(() => varianceShares(record, { estimate: "all" as never })).toThrow("estimate is all");
});
