import { createRandom, digestOfJson, type JsonValue, hasCode } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { compileTrees } from "@millwright/model";
import { describe, expect, test } from "vitest";
import { fitGbdt, type FittedGbdt } from "../src/index.ts";

const count = 2000;
const random = createRandom(4);
const draw = (make: () => number): Float64Array => Float64Array.from({ length: count }, make);
const x = draw(() => random.normal());
const z = draw(() => random.normal());
const noise = draw(() => random.normal());
const curve = x.map((value, row) => 2 * value + Math.sin(4 * value) + z[row]! ** 2 + 0.5 * noise[row]!);
const regression = { label: "y", task: "regression" } as const;

/** Answers of a model of numbers. */
function answersOf({ model }: FittedGbdt, columns: readonly Float64Array[]): Float64Array {
  const answers = new Float64Array(columns[0]!.length);
  compileTrees(model).predict(columns, answers);
  return answers;
}
const squareError = (answers: Float64Array, wanted: Float64Array): number =>
  answers.reduce((sum, answer, row) => sum + (answer - wanted[row]!) ** 2, 0) / answers.length;

test("AM-2: one split and one step are the closed form: each side's mean residual, shrunk by L2 and the learning rate", async () => {
  const rows = datasetOf([batchOf({ x: [1, 2, 3, 4, 5, 6], y: [1, 1, 1, 5, 5, 8] })]);
  const { model } = await fitGbdt(rows, {
    ...regression,
    trees: 1,
    maxLeaves: 2,
    minLeafRows: 1,
    learningRate: 0.5,
    l2: 2,
  });
  const base = 21 / 6;
  expect(model.base).toBe(base);
  const [root, left, right] = model.trees[0]!;
  expect(root).toMatchObject({ feature: 0, threshold: 3.5, rows: 6 });
  expect(left).toMatchObject({ rows: 3 });
  expect((left as { value: number }).value).toBeCloseTo((0.5 * (3 - 3 * base)) / (3 + 2), 12);
  expect((right as { value: number }).value).toBeCloseTo((0.5 * (18 - 3 * base)) / (3 + 2), 12);
});

describe("AM-2: missing values", () => {
  test("go where the loss falls more, also those that are missing for a reason, and alone where that is best", async () => {
    const holes = x.map((value, row) => (row % 4 === 0 ? Number.NaN : Math.round(value * 10) / 10));
    const y = holes.map((value) => (Number.isNaN(value) ? 10 : value > 0 ? 1 : -1));
    const fitted = await fitGbdt(datasetOf([batchOf({ x: holes, y })]), { ...regression, learningRate: 1, trees: 5 });
    expect(squareError(fitted.predictions, y)).toBeLessThan(1e-20);
    expect(
      [...answersOf(fitted, [Float64Array.of(Number.NaN, 0.9, -0.9, Infinity)])].map((value) => Math.round(value)),
    ).toEqual([10, 1, -1, 1]);
  });

  test("of a column that had none go with the greater part", async () => {
    const y = x.map((value) => (value > 1 ? 1 : 0));
    const fitted = await fitGbdt(datasetOf([batchOf({ x, y })]), { ...regression, trees: 1, maxLeaves: 2 });
    const [missing, low] = answersOf(fitted, [Float64Array.of(Number.NaN, 0)]);
    expect(missing).toBe(low);
  });
});

test("AM-2: categories are split in groups, unseen and missing ones are told apart from the seen", async () => {
  const towns = Array.from({ length: count }, (_, row) => (row % 10 === 0 ? null : `town ${(row * 7) % 40}`));
  const good = (town: string | null): boolean => town !== null && Number(town.slice(5)) % 3 === 0;
  const y = Float64Array.from(towns, (town) => (good(town) ? 1 : 0));
  const rows = datasetOf([batchOf({ town: column("utf8", towns), y })]);
  const fitted = await fitGbdt(rows, { label: "y", task: "binary", trees: 60, learningRate: 0.3 });
  expect(fitted.predictions.every((answer, row) => answer > 0.5 === good(towns[row]!))).toBe(true);
  expect(fitted.model.trees[0]![0]).toMatchObject({ categories: expect.any(Array) as unknown });
  const codes = batchOf({
    town: column(
      "int32",
      towns.map((town) => (town === null ? null : Number(town.slice(5)))),
    ),
    y,
  });
  const coded = await fitGbdt(datasetOf([codes]), {
    label: "y",
    task: "binary",
    trees: 60,
    learningRate: 0.3,
    categorical: ["town"],
  });
  expect(coded.predictions.every((answer, row) => answer > 0.5 === good(towns[row]!))).toBe(true);
});

test.each(["leaf", "depth"] as const)(
  "AM-2: a monotone prediction never falls with its column, though the rows do: growth by %s",
  async (growth) => {
    const rows = datasetOf([batchOf({ x, z, y: curve })]);
    const options = { ...regression, growth, trees: 80 };
    const free = await fitGbdt(rows, options);
    const bound = await fitGbdt(rows, { ...options, monotone: { x: 1 } });
    const grid = Float64Array.from({ length: 400 }, (_, index) => (index - 200) / 50);
    const falls = (fitted: FittedGbdt): number => {
      let most = 0;
      for (const other of [-2, -0.5, 0, 1, 2]) {
        const answers = answersOf(fitted, [grid, grid.map(() => other)]);
        for (let index = 1; index < answers.length; index += 1)
          most = Math.max(most, answers[index - 1]! - answers[index]!);
      }
      return most;
    };
    expect(falls(free)).toBeGreaterThan(0.1);
    expect(falls(bound)).toBeLessThan(1e-12);
    expect(squareError(bound.predictions, curve)).toBeLessThan(1);
    const down = await fitGbdt(rows, { ...options, trees: 10, monotone: { x: -1 } });
    expect(answersOf(down, [Float64Array.of(-2), Float64Array.of(0)])[0]).toBeGreaterThanOrEqual(
      answersOf(down, [Float64Array.of(2), Float64Array.of(0)])[0]!,
    );
  },
);

test("AM-2: the fit ends when the validation rows stop getting better, and keeps the trees that were best on them", async () => {
  const half = count / 2;
  const part = (from: number, to: number) =>
    datasetOf([batchOf({ x: x.slice(from, to), noise: z.slice(from, to), y: curve.slice(from, to) })]);
  const seen: number[] = [];
  const fitted = await fitGbdt(part(0, half), {
    ...regression,
    trees: 1000,
    validation: part(half, count),
    earlyStopping: 7,
    onProgress: ({ trees, validationLoss }) => void seen.push(trees, validationLoss!),
  });
  const { validationLosses } = fitted;
  const best = Math.min(...validationLosses);
  const kept = validationLosses.indexOf(best) + 1;
  expect(validationLosses.length).toBeLessThan(1000);
  expect(validationLosses).toHaveLength(kept + 7);
  expect(fitted.model.trees).toHaveLength(kept);
  expect(fitted.metrics).toMatchObject({ validationRmse: best, trees: kept });
  expect(seen.filter((_, index) => index % 2 === 1)).toEqual(validationLosses);
  const answers = answersOf(fitted, [x.slice(half), z.slice(half)]);
  expect(Math.sqrt(squareError(answers, curve.slice(half)))).toBe(best);
  // The training rows' answers are those of the trees that were kept.
  expect(answersOf(fitted, [x.slice(0, half), z.slice(0, half)])).toEqual(fitted.predictions);
});

test("AM-2: leaves grow by gain or level by level, within leaves, depth and rows", async () => {
  const rows = datasetOf([batchOf({ x, z, y: curve })]);
  const depthOf = ({ model }: FittedGbdt): number => {
    const below = (tree: (typeof model.trees)[number], at: number): number => {
      const node = tree[at]!;
      return "left" in node ? 1 + Math.max(below(tree, node.left), below(tree, node.right)) : 0;
    };
    return Math.max(...model.trees.map((tree) => below(tree, 0)));
  };
  const deep = await fitGbdt(rows, { ...regression, trees: 5, maxLeaves: 16 });
  const level = await fitGbdt(rows, { ...regression, trees: 5, growth: "depth", maxDepth: 4 });
  expect(depthOf(level)).toBe(4);
  expect(depthOf(deep)).toBeGreaterThan(4);
  const shallow = await fitGbdt(rows, { ...regression, trees: 5, maxDepth: 2 });
  expect(depthOf(shallow)).toBe(2);
  for (const { model } of [deep, level])
    for (const tree of model.trees) {
      expect(tree.filter((node) => !("left" in node)).length).toBeLessThanOrEqual(16);
      expect(Math.min(...tree.map((node) => node.rows))).toBeGreaterThanOrEqual(20);
    }
});

test("a weight of two is two rows of weight one, and a weight of none is no row", async () => {
  const y = curve.map((value) => (value > 0.5 ? 1 : 0));
  const weight = Float64Array.from({ length: count }, (_, row) => row % 3);
  const copies = Array.from(weight.keys()).flatMap((row) => Array.from({ length: weight[row]! }, () => row));
  const rest = { label: "y", task: "binary", trees: 20, minLeafRows: 1, minLeafHessian: 1, maxBins: 255 } as const;
  // Few enough values for the bins to be the same.
  const rounded = x.map((value) => Math.round(value * 20));
  const weighted = await fitGbdt(datasetOf([batchOf({ x: rounded, y, weight })]), { ...rest, weight: "weight" });
  const copied = await fitGbdt(
    datasetOf([
      batchOf({ x: Float64Array.from(copies, (row) => rounded[row]!), y: Float64Array.from(copies, (row) => y[row]!) }),
    ]),
    rest,
  );
  const grid = [Float64Array.from({ length: 80 }, (_, index) => index - 40)];
  const [one, other] = [answersOf(weighted, grid), answersOf(copied, grid)];
  expect(Math.max(...one.map((value, index) => Math.abs(value - other[index]!)))).toBeLessThan(1e-9);
});

test("AM-2: the same rows, options and seed give the same bits, also on another machine; another seed draws others", async () => {
  const rows = datasetOf([
    batchOf({
      x: x.map((value) => Math.round(value * 50)),
      z: z.map((value) => Math.round(value * 50)),
      y: x.map((value, row) => Math.round(value * 8) + Math.round(z[row]! * 3) ** 2),
    }),
  ]);
  const options = { ...regression, trees: 30, rowShare: 0.7, columnShare: 0.5, seed: 5 };
  const first = await fitGbdt(rows, options);
  expect((await fitGbdt(rows, options)).model).toEqual(first.model);
  expect((await fitGbdt(rows, { ...options, seed: 6 })).model).not.toEqual(first.model);
  const json = JSON.parse(JSON.stringify(first.model)) as JsonValue;
  expect(digestOfJson(json)).toBe("sha256:ae181171b9c195a21ec93a086df2f19483739f9e1de2308b9a69e1690e396520");
  const usedByTree = first.model.trees.map(
    (tree) => new Set(tree.flatMap((node) => ("feature" in node ? [node.feature] : []))).size,
  );
  expect(Math.max(...usedByTree)).toBe(1);
});

test("the signal ends a fit between two trees, and the event loop runs on meanwhile", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  let turns = 0;
  const timer = setInterval(() => void (turns += 1), 0);
  let trees = 0;
  const fit = fitGbdt(datasetOf([batchOf({ x, z, y: curve })]), {
    ...regression,
    trees: 100_000,
    signal: controller.signal,
    onProgress: (progress) => {
      trees = progress.trees;
      // The abort comes from the event loop.
      if (trees === 20) setTimeout(() => controller.abort(reason), 0);
    },
  });
  await expect(fit).rejects.toBe(reason);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(1);
  expect(trees).toBeLessThan(1000);
});

test.each([
  ["ALGORITHMS_LABEL_UNFIT", { y: [1, 1, 1, 1] }, {}],
  ["ALGORITHMS_LABEL_UNFIT", { y: [0, 1, 2, 1] }, {}],
  ["ALGORITHMS_LABEL_UNFIT", { y: column("float64", [0, 1, null, 1]) }, {}],
  ["ALGORITHMS_LABEL_UNFIT", { y: column("utf8", ["a", "b", "a", "b"]) }, {}],
  ["ALGORITHMS_COLUMN_UNFIT", { x: column("binary", [null, null, null, null]) }, {}],
  ["ALGORITHMS_COLUMN_UNFIT", {}, { features: ["x", "x"] }],
  ["ALGORITHMS_COLUMN_UNFIT", {}, { features: ["x", "y"] }],
  ["ALGORITHMS_COLUMN_UNFIT", {}, { categorical: ["x"] }],
  ["ALGORITHMS_COLUMN_UNFIT", { town: column("utf8", ["a", "b", "a", "b"]) }, { monotone: { town: 1 } }],
  ["ALGORITHMS_WEIGHT_UNFIT", { w: [1, -1, 1, 1] }, { weight: "w" }],
  ["ALGORITHMS_ROWS_UNFIT", { w: [0, 0, 0, 0] }, { weight: "w" }],
  ["DATA_COLUMN_MISSING", {}, { features: ["nothing"] }],
] as const)("%s for what cannot be learned from, %#", async (code, columns, options) => {
  const rows = datasetOf([batchOf({ x: [1, 2, 3, 4], y: [0, 1, 0, 1], ...columns })]);
  const error: unknown = await fitGbdt(rows, { label: "y", task: "binary", ...options }).catch(
    (thrown: unknown) => thrown,
  );
  expect(hasCode(error, code), String(error)).toBe(true);
});

test("options out of range are refused before the rows are read", async () => {
  const rows = datasetOf([batchOf({ x: [1, 2], y: [0, 1] })]);
  for (const wrong of [
    { trees: 0 },
    { learningRate: 0 },
    { learningRate: 1.5 },
    { maxBins: 256 },
    { maxLeaves: 1 },
    { rowShare: 0 },
    { l2: -1 },
    { seed: 0.5 },
  ])
    await expect(fitGbdt(rows, { label: "y", task: "binary", ...wrong })).rejects.toThrow(RangeError);
});
