import { createRandom, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import { batchOf, checkLabels, column, datasetOf, rankNoisyLabels, sliceBatch, withColumns } from "../src/index.ts";

/** Three classes of normal points, their centers four standard deviations apart, and a text that goes with the class half of the time. */
function clouds(rows: number, seed: number): { readonly batch: Batch; readonly labels: readonly string[] } {
  const random = createRandom(seed);
  const centers = [
    [0, 0, 0, 0],
    [4, 0, 2, 0],
    [0, 4, 0, 2],
  ];
  const classes = Array.from({ length: rows }, () => random.integer(3));
  const feature = (dimension: number): number[] => classes.map((each) => centers[each]![dimension]! + random.normal());
  const labels = classes.map((each) => ["early", "late", "cancelled"][each]!);
  const batch = batchOf({
    a: feature(0),
    b: feature(1).map((value) => value * 1000),
    c: feature(2),
    d: feature(3),
    carrier: classes.map((each) => (random.next() < 0.5 ? `C${each}` : `C${random.integer(3)}`)),
    label: labels,
  });
  return { batch, labels };
}

function flipped(rows: number, seed: number): { readonly batch: Batch; readonly wrong: ReadonlySet<number> } {
  const { batch, labels } = clouds(rows, seed);
  const random = createRandom(seed).fork("flips");
  const wrong = new Set<number>();
  while (wrong.size < Math.round(rows * 0.03)) wrong.add(random.integer(rows));
  const all = ["early", "late", "cancelled"];
  const changed = labels.map((label, row) =>
    wrong.has(row) ? all[(all.indexOf(label) + 1 + random.integer(2)) % 3]! : label,
  );
  return { batch: withColumns(batch, { label: column("utf8", changed) }), wrong };
}

test("DQ-15: of 3 % flipped labels at least 80 % are the most suspicious ones; conflicts, imbalance and drift are told", async () => {
  const precisions: number[] = [];
  for (const seed of [1, 2, 3, 4]) {
    const { batch, wrong } = flipped(1500, seed);
    const { suspicious, estimatedErrors, rows } = rankNoisyLabels(batch, { label: "label", seed, limit: wrong.size });
    expect(rows).toBe(1500);
    expect(suspicious).toHaveLength(wrong.size);
    const precision = suspicious.filter(({ row }) => wrong.has(row)).length / wrong.size;
    expect(precision, `seed ${seed}`).toBeGreaterThanOrEqual(0.8);
    precisions.push(precision);
    expect(estimatedErrors).toBeGreaterThan(wrong.size * 0.6);
    expect(estimatedErrors).toBeLessThan(wrong.size * 1.7);
    expect(suspicious[0]!.score).toBe(1);
    expect(suspicious[0]!.suggested).not.toBe(suspicious[0]!.label);
  }
  console.log(`precision among the most suspicious, by seed: ${precisions.map((each) => each.toFixed(3)).join(", ")}`);
  const report = await checkLabels(
    datasetOf([
      batchOf({
        x: [1, 2, 1, 2, 3, 1],
        y: ["a", "b", "a", "b", "c", "a"],
        late: [true, false, false, false, true, true],
      }),
    ]),
    { label: "late", baseline: { true: 5000, false: 5000 }, maxImbalance: 1 },
  );
  expect(report).toMatchObject({
    classes: { false: 3, true: 3 },
    imbalance: { ratio: 1, passed: true },
    conflicts: { groups: 1, rows: 3, leastWrong: 1, samples: [[0, 2]], unknown: 0 },
    drift: { distance: 0, passed: true },
  });
  const skewed = await checkLabels(datasetOf([labelled(classesOf(330, 30))]), {
    label: "label",
    baseline: { a: 500, b: 500 },
  });
  expect(skewed.imbalance).toEqual({ ratio: 11, threshold: 10, passed: false });
  expect(skewed.drift).toMatchObject({ threshold: 0.1, passed: false });
  expect(skewed.conflicts).toMatchObject({ groups: 0, rows: 0 });
});

const labelled = (labels: readonly (string | null)[]): Batch =>
  batchOf({
    x: column(
      "float64",
      labels.map((_, row) => row),
    ),
    label: column("utf8", labels),
  });
const classesOf = (a: number, b: number): string[] => [
  ...new Array<string>(a).fill("a"),
  ...new Array<string>(b).fill("b"),
];

test("classes up to ten times as frequent as the rarest pass, as in SageMaker's rule", async () => {
  const imbalanceOf = async (a: number, b: number): Promise<unknown> =>
    (await checkLabels(datasetOf([labelled(classesOf(a, b))]), { label: "label" })).imbalance;
  expect(await imbalanceOf(100, 10)).toEqual({ ratio: 10, threshold: 10, passed: true });
  expect(await imbalanceOf(101, 10)).toEqual({ ratio: 10.1, threshold: 10, passed: false });
  expect(await imbalanceOf(5, 0)).toMatchObject({ ratio: 1, passed: true });
  expect(await imbalanceOf(0, 0)).toMatchObject({ ratio: 1, passed: true });
});

test("shares of classes that drifted from the baseline are told, beyond what chance explains", async () => {
  const driftOf = async (a: number, b: number): Promise<unknown> =>
    (await checkLabels(datasetOf([labelled(classesOf(a, b))]), { label: "label", baseline: { a: 8000, b: 2000 } }))
      .drift;
  expect(await driftOf(800, 200)).toMatchObject({ distance: 0, passed: true });
  expect(await driftOf(600, 400)).toMatchObject({ passed: false });
  expect(await driftOf(60, 40)).toMatchObject({ passed: true });
  expect(await driftOf(0, 0)).toBeUndefined();
});

test("conflicts hold across batches, nulls are equal to each other, and rows without a label are left aside", async () => {
  const batch = batchOf({
    x: column("int64", [1n, null, 1n, null, 1n, 2n, 1n]),
    y: column("dictionary", ["p", "q", "p", "q", "p", "p", "p"]),
    label: column("int8", [0, 0, 1, 1, null, 1, 1]),
  });
  const dataset = datasetOf([sliceBatch(batch, 0, 3), sliceBatch(batch, 3)]);
  const report = await checkLabels(dataset, { label: "label" });
  expect(report).toMatchObject({ rows: 7, missing: 1, classes: { 0: 2, 1: 4 } });
  expect(report.conflicts).toEqual({
    groups: 2,
    rows: 5,
    leastWrong: 2,
    samples: [
      [0, 2],
      [1, 3],
    ],
    unknown: 0,
  });
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  const bounded = await checkLabels(dataset, { label: "label", maxKeys: 1, maxSamples: 0 });
  expect(bounded.conflicts).toEqual({ groups: 1, rows: 3, leastWrong: 1, samples: [], unknown: 3 });
  expect((await checkLabels(dataset, { label: "label", features: ["y"] })).conflicts).toMatchObject({
    groups: 2,
    rows: 6,
  });
});

test("labels that are no classes are refused", async () => {
  const dataset = datasetOf([batchOf({ y: [0.5], many: ["a"] })]);
  await expect(checkLabels(dataset, { label: "y" })).rejects.toMatchObject({ code: "DATA_COLUMN_TYPE" });
  await expect(checkLabels(dataset, { label: "gone" })).rejects.toMatchObject({ code: "DATA_COLUMN_MISSING" });
  await expect(checkLabels(dataset, { label: "many", features: ["gone"] })).rejects.toMatchObject({
    code: "DATA_COLUMN_MISSING",
  });
  const ids = datasetOf([labelled(Array.from({ length: 1001 }, (_, row) => `id ${row}`))]);
  await expect(checkLabels(ids, { label: "label" })).rejects.toThrow("more than 1000 distinct values");
  await expect(checkLabels(dataset, { label: "many", maxImbalance: 0.5 })).rejects.toThrow(RangeError);
  expect(() => rankNoisyLabels(labelled(["a"]), { label: "x" })).toThrow("classes");
});

test("the ranking is the same for the same seed, and bounds are kept", () => {
  const { batch } = flipped(300, 9);
  const first = rankNoisyLabels(batch, { label: "label", seed: 3, limit: 20 });
  expect(rankNoisyLabels(batch, { label: "label", seed: 3, limit: 20 })).toEqual(first);
  expect(rankNoisyLabels(batch, { label: "label", seed: 4, limit: 20 })).not.toEqual(first);
  expect(JSON.parse(JSON.stringify(first))).toEqual(first);
  expect(() => rankNoisyLabels(batch, { label: "label", maxRows: 299 })).toThrow("300 rows, more than maxRows 299");
  expect(() => rankNoisyLabels(batch, { label: "label", folds: 1 })).toThrow("folds must be an integer from 2, not 1.");
  expect(rankNoisyLabels(labelled(["a", "a", null, "a", "a", "a"]), { label: "label" })).toEqual({
    formatVersion: 1,
    rows: 5,
    estimatedErrors: 0,
    suspicious: [],
  });
});
