import { createRandom } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { type CompiledExplainer, compileTreeExplainer } from "../src/explain.ts";
import { type TreeFeature, type TreeModel, type TreeNode, compileTrees } from "../src/index.ts";
import { type Told, columnsOf, golden, treesOf } from "./shap-golden.ts";

/** Contributions by output, row and feature. */
function told(explainer: CompiledExplainer, columns: readonly Float64Array[], outputs: number): number[][][] {
  const rows = columns[0]!.length;
  const features = columns.length;
  const all = new Float64Array(rows * outputs * features);
  explainer.explain(columns, all);
  return Array.from({ length: outputs }, (_, output) =>
    Array.from({ length: rows }, (_row, row) => [
      ...all.subarray((row * outputs + output) * features, (row * outputs + output + 1) * features),
    ]),
  );
}

/** The largest difference from what shap tells. */
function difference(
  explainer: CompiledExplainer,
  columns: readonly Float64Array[],
  { expected, contributions }: Told,
): number {
  const mine = told(explainer, columns, expected.length);
  const gaps = contributions.flatMap((rows, output) =>
    rows.flatMap((row, at) => row.map((each, feature) => Math.abs(each - mine[output]![at]![feature]!))),
  );
  return Math.max(...gaps, ...expected.map((each, output) => Math.abs(each - explainer.base[output]!)));
}

describe("what shap and the libraries themselves tell of their models", () => {
  // LightGBM and XGBoost keep sums in single precision on their way.
  const tolerances = { forest: 1e-10, categories: 1e-8, classes: 1e-8, boosted: 2e-5 };
  for (const [name, tolerance] of Object.entries(tolerances)) {
    test(`${name}: contributions and base within ${tolerance}`, () => {
      const model = golden.trees[name as keyof typeof tolerances];
      const columns = columnsOf(model.rows);
      const explainer = compileTreeExplainer(treesOf(model));
      expect(difference(explainer, columns, model)).toBeLessThan(tolerance);
      for (const [output, raw] of model.raw.entries())
        for (const [row, value] of raw.entries()) {
          const sum = told(explainer, columns, model.bases.length)[output]![row]!.reduce((all, each) => all + each, 0);
          expect(Math.abs(explainer.base[output]! + sum - value)).toBeLessThan(tolerance);
        }
    });
  }

  test("forest: interventional contributions against 25 rows", () => {
    const model = golden.trees.forest;
    const explainer = compileTreeExplainer(treesOf(model), { background: columnsOf(model.background!) });
    // shap keeps its weights in single precision here.
    expect(difference(explainer, columnsOf(model.rows), model.interventional!)).toBeLessThan(1e-7);
  });
});

/** Random trees: splits by numbers and categories, missing values both ways, columns asked again, shares of 0, and leaves that no row reached. */
function randomTrees(seed: number): { readonly model: TreeModel; readonly columns: readonly Float64Array[] } {
  const random = createRandom(seed);
  const features: TreeFeature[] = [
    { name: "a", kind: "number" },
    { name: "b", kind: "number" },
    { name: "town", kind: "category", categories: ["Ulm", "Bonn", "Kiel", "Jena"] },
    { name: "c", kind: "number" },
    { name: "never", kind: "number" },
  ];
  const treeOf = (depth: number): TreeNode[] => {
    const nodes: TreeNode[] = [];
    const put = (left: number, rows: number): number => {
      const at = nodes.length;
      if (left === 0 || random.next() < 0.15) {
        nodes.push({ value: random.normal(), rows });
        return at;
      }
      nodes.push({ value: 0, rows });
      const feature = random.integer(4);
      const share = random.next() < 0.15 ? random.integer(2) : random.next();
      const part = Math.round(rows * share);
      const by =
        feature === 2
          ? { categories: [0, 1, 2, 3].filter(() => random.next() < 0.5) }
          : { threshold: random.next() < 0.1 ? Infinity : Math.round(random.normal() * 4) / 4 };
      const [one, other] = [put(left - 1, part), put(left - 1, rows - part)];
      nodes[at] = { feature, ...by, missingLeft: random.next() < 0.5, left: one, right: other, rows, gain: 1 };
      return at;
    };
    put(depth, 100);
    return nodes;
  };
  const classes = seed % 3 === 0 ? ["no", "maybe", "yes"] : undefined;
  const model: TreeModel = {
    formatVersion: classes === undefined ? 1 : 2,
    features,
    base: classes === undefined ? random.normal() : 0,
    link: classes === undefined ? (seed % 2 === 0 ? "logistic" : "identity") : "softmax",
    ...(classes === undefined ? {} : { classes, bases: [0.1, -0.2, 0.3] }),
    trees: Array.from({ length: classes === undefined ? 4 : 6 }, () => treeOf(1 + random.integer(7))),
  };
  const columns = features.map((feature) =>
    Float64Array.from({ length: 6 }, () => {
      if (random.next() < 0.2) return Number.NaN;
      return feature.kind === "category" ? random.integer(4) : Math.round(random.normal() * 4) / 4;
    }),
  );
  return { model, columns };
}

/** The value of a coalition by the definition: splits by what is not known go both ways, by the shares of rows. */
function valueOf(tree: readonly TreeNode[], row: readonly number[], known: number, at = 0): number {
  const node = tree[at]!;
  if (!("left" in node)) return node.value;
  const side = (child: number): number => valueOf(tree, row, known, child);
  if ((known >> node.feature) & 1) {
    const value = row[node.feature]!;
    if (Number.isNaN(value)) return side(node.missingLeft ? node.left : node.right);
    const goesLeft = node.categories === undefined ? value <= node.threshold! : node.categories.includes(value);
    return side(goesLeft ? node.left : node.right);
  }
  const [left, right] = [tree[node.left]!.rows, tree[node.right]!.rows];
  const share = left + right > 0 ? left / (left + right) : 0.5;
  return share * side(node.left) + (1 - share) * side(node.right);
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

/** Shapley values by their definition, over all coalitions. */
function byDefinition(players: number, worth: (known: number) => number): number[] {
  const values = Array.from({ length: 2 ** players }, (_, known) => worth(known));
  return Array.from({ length: players }, (_, player) => {
    let sum = 0;
    for (let known = 0; known < values.length; known += 1) {
      if ((known >> player) & 1) continue;
      const size = known.toString(2).replaceAll("0", "").length;
      sum +=
        ((factorial(size) * factorial(players - size - 1)) / factorial(players)) *
        (values[known | (1 << player)]! - values[known]!);
    }
    return sum;
  });
}

const rowOf = (columns: readonly Float64Array[], row: number): number[] => columns.map((column) => column[row]!);

test("contributions are the Shapley values of the game, for random trees with categories, missing values, empty leaves and classes", () => {
  for (let seed = 0; seed < 40; seed += 1) {
    const { model, columns } = randomTrees(seed);
    const outputs = model.classes?.length ?? 1;
    const mine = told(compileTreeExplainer(model), columns, outputs);
    for (let row = 0; row < 6; row += 1) {
      const cells = rowOf(columns, row);
      for (let output = 0; output < outputs; output += 1) {
        const trees = model.trees.filter((_, at) => at % outputs === output);
        const exact = byDefinition(5, (known) => trees.reduce((sum, tree) => sum + valueOf(tree, cells, known), 0));
        for (const [feature, each] of exact.entries())
          expect(Math.abs(mine[output]![row]![feature]! - each), `seed ${seed}`).toBeLessThan(1e-11);
      }
    }
  }
});

test("interventional contributions are those of the definition against each background row", () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const { model, columns } = randomTrees(seed);
    const background = randomTrees(seed + 1000).columns;
    const outputs = model.classes?.length ?? 1;
    const identity: TreeModel = { ...model, formatVersion: 1, link: "identity", bases: undefined, classes: undefined };
    const mine = told(compileTreeExplainer(model, { background }), columns, outputs);
    for (let row = 0; row < 6; row += 1)
      for (let output = 0; output < outputs; output += 1) {
        const trees = model.trees.filter((_, at) => at % outputs === output);
        const one = compileTrees({ ...identity, trees });
        const exact = byDefinition(5, (known) => {
          const mixed = columns.map((column, at) =>
            background[at]!.map((other) => ((known >> at) & 1 ? column[row]! : other)),
          );
          const answers = new Float64Array(6);
          one.predict(mixed, answers);
          return answers.reduce((sum, each) => sum + each, 0) / 6;
        });
        for (const [feature, each] of exact.entries())
          expect(Math.abs(mine[output]![row]![feature]! - each), `seed ${seed}`).toBeLessThan(1e-11);
      }
  }
});

test("base and contributions sum to the raw score, whose link is the prediction", () => {
  for (let seed = 100; seed < 300; seed += 1) {
    const { model, columns } = randomTrees(seed);
    const outputs = model.classes?.length ?? 1;
    const explainers = [compileTreeExplainer(model), compileTreeExplainer(model, { background: columns })];
    const answers = new Float64Array(6 * outputs);
    compileTrees(model).predict(columns, answers);
    for (const explainer of explainers) {
      const mine = told(explainer, columns, outputs);
      for (let row = 0; row < 6; row += 1) {
        const raw = mine.map((rows, output) => rows[row]!.reduce((sum, each) => sum + each, explainer.base[output]!));
        const total = raw.reduce((sum, each) => sum + Math.exp(each), 0);
        for (const [output, each] of raw.entries()) {
          const linked =
            model.link === "softmax"
              ? Math.exp(each) / total
              : model.link === "logistic"
                ? 1 / (1 + Math.exp(-each))
                : each;
          expect(Math.abs(linked - answers[row * outputs + output]!), `seed ${seed}`).toBeLessThan(1e-9);
        }
        for (const rows of mine) expect(rows[row]![4]).toBe(0);
      }
    }
  }
});

test("a path of forty columns is explained as exactly as a short one", () => {
  const features = Array.from({ length: 40 }, (_, at): TreeFeature => ({ name: `f${at}`, kind: "number" }));
  const tree: TreeNode[] = [];
  for (let at = 0; at < 40; at += 1) {
    const rows = 2000 - 40 * at;
    const next = tree.length;
    tree.push({ feature: at, threshold: 0, missingLeft: false, left: next + 1, right: next + 2, rows, gain: 1 });
    tree.push({ value: at % 3, rows: 40 });
  }
  tree.push({ value: 100, rows: 400 });
  const model: TreeModel = { formatVersion: 1, features, base: 1, link: "identity", trees: [tree] };
  const columns = features.map(() => Float64Array.of(1));
  const explainer = compileTreeExplainer(model);
  const [[mine]] = told(explainer, columns, 1) as [[number[]]];
  // Its game is that of a chain, whose values for a row that goes right everywhere follow from those of unanimity games.
  const shares = Array.from({ length: 40 }, (_, at) => 1 - 40 / (2000 - 40 * at));
  const worth = (known: (at: number) => boolean): number => {
    let [reached, sum] = [1, 0];
    for (let at = 0; at < 40; at += 1) {
      const right = known(at) ? 1 : shares[at]!;
      sum += reached * (1 - right) * (at % 3);
      reached *= right;
    }
    return sum + reached * 100;
  };
  expect(explainer.base[0]).toBeCloseTo(1 + worth(() => false), 10);
  expect(mine.reduce((sum, each) => sum + each, explainer.base[0]!)).toBeCloseTo(101, 10);
  // The mean of many permutations comes near each of them.
  const random = createRandom(1);
  const sampled = new Float64Array(40);
  for (let draw = 0; draw < 3000; draw += 1) {
    const order = Array.from({ length: 40 }, (_, at) => at).sort(() => random.next() - 0.5);
    const known = new Set<number>();
    let before = worth((at) => known.has(at));
    for (const at of order) {
      known.add(at);
      const now = worth((each) => known.has(each));
      sampled[at]! += (now - before) / 3000;
      before = now;
    }
  }
  for (const [at, each] of mine.entries()) expect(Math.abs(each - sampled[at]!)).toBeLessThan(0.25);
});
