import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensors, createRandom, hasCode } from "@millwright/contracts";
import { batchOf, datasetOf } from "@millwright/data";
import { applyCalibration, loadModel, treeRuntime, verifyModel, writeCalibration } from "@millwright/model";
import { exportOnnx } from "@millwright/model/onnx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseThreshold, fitCalibration, fitGbdt, packFitted, reliabilityOf } from "../src/index.ts";

interface Curve {
  readonly frequency: readonly number[];
  readonly score: readonly number[];
}
// Written by fixtures/make-calibration.py with scikit-learn 1.9.1 and scipy.
const fixture = JSON.parse(await readFile(new URL("./fixtures/calibration.json", import.meta.url), "utf8")) as {
  readonly scores: readonly number[];
  readonly labels: readonly number[];
  readonly weights: readonly number[];
  readonly ask: readonly number[];
  readonly platt: readonly number[];
  readonly isotonic: readonly number[];
  readonly temperature: number;
  readonly several: {
    readonly scores: readonly number[];
    readonly labels: readonly number[];
    readonly temperature: number;
  };
  readonly curves: Readonly<Record<"mass" | "width", Curve>>;
};
const { scores, labels, weights, ask } = fixture;
const asked = (): Float64Array => Float64Array.from(ask);
const largestDifference = (some: ArrayLike<number>, others: readonly number[]): number => {
  expect(some).toHaveLength(others.length);
  return Math.max(...others.map((value, at) => Math.abs(value - some[at]!)));
};

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-calibration-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("AM-13: Platt's curve, isotonic regression and temperatures are those of scikit-learn and scipy", () => {
  const platt = fitCalibration({ scores, labels, weights, method: "platt" });
  // scikit-learn stops at a gradient of 1e-6.
  expect(largestDifference(applyCalibration(platt, asked()), fixture.platt)).toBeLessThan(1e-5);
  const isotonic = fitCalibration({ scores, labels, weights, method: "isotonic" });
  expect(largestDifference(applyCalibration(isotonic, asked()), fixture.isotonic)).toBeLessThan(1e-12);
  const binary = fitCalibration({ scores, labels, weights, method: "temperature" });
  expect(binary).toMatchObject({ kind: "temperature" });
  expect((binary as { temperature: number }).temperature).toBeCloseTo(fixture.temperature, 6);
  const several = fitCalibration({ ...fixture.several, method: "temperature", outputs: 3 });
  expect((several as { temperature: number }).temperature).toBeCloseTo(fixture.several.temperature, 6);
});

test.each(["platt", "isotonic", "temperature"] as const)(
  "AM-13: the expected calibration error falls, also on rows that the calibration was not fitted to: %s",
  (method) => {
    const half = scores.length / 2;
    const map = fitCalibration({ scores: scores.slice(0, half), labels: labels.slice(0, half), method });
    const held = { labels: labels.slice(half), bins: 10 };
    const before = reliabilityOf({ ...held, scores: scores.slice(half) });
    const after = reliabilityOf({ ...held, scores: applyCalibration(map, Float64Array.from(scores.slice(half))) });
    expect(after.expectedError).toBeLessThan(before.expectedError * 0.8);
    expect(after.brier).toBeLessThan(before.brier);
  },
);

test.each(["width", "mass"] as const)("AM-13: the reliability curve is scikit-learn's: bins of one %s", (binning) => {
  const { curve, expectedError, largestError } = reliabilityOf({ scores, labels, bins: 10, binning });
  const wanted = fixture.curves[binning];
  expect(
    largestDifference(
      curve.map(({ frequency }) => frequency),
      wanted.frequency,
    ),
  ).toBeLessThan(1e-12);
  expect(
    largestDifference(
      curve.map(({ score }) => score),
      wanted.score,
    ),
  ).toBeLessThan(1e-12);
  const distances = curve.map(({ rows, score, frequency }) => [rows, Math.abs(score - frequency)] as const);
  expect(distances.reduce((sum, [rows]) => sum + rows, 0)).toBe(scores.length);
  expect(expectedError).toBeCloseTo(distances.reduce((sum, [rows, each]) => sum + rows * each, 0) / scores.length, 12);
  expect(largestError).toBe(Math.max(...distances.map(([, each]) => each)));
});

test("AM-13: the threshold costs least of all thresholds, on made rows of every kind and with costs of every kind", () => {
  const random = createRandom(31);
  const costOf = (
    threshold: number,
    rows: { scores: number[]; labels: number[]; weights: number[] },
    c: Record<string, number>,
  ) =>
    rows.scores.reduce((sum, score, row) => {
      const says = score >= threshold ? "Positive" : "Negative";
      const is = says === "Positive" ? rows.labels[row] === 1 : rows.labels[row] === 0;
      return sum + rows.weights[row]! * c[`${is ? "true" : "false"}${says}`]!;
    }, 0);
  for (let round = 0; round < 200; round += 1) {
    const count = 1 + random.integer(12);
    const list = (make: () => number): number[] => Array.from({ length: count }, make);
    const rows = {
      scores: list(() => random.integer(8) / 7),
      labels: list(() => random.integer(2)),
      weights: list(() => 1 + random.integer(3)),
    };
    const costs = {
      falsePositive: random.integer(9) - 1,
      falseNegative: random.integer(9) - 1,
      truePositive: -random.integer(3),
      trueNegative: -random.integer(3),
    };
    const chosen = chooseThreshold({ ...rows, costs });
    const every = [2, ...rows.scores].map((threshold) => costOf(threshold, rows, costs));
    expect(chosen.cost).toBe(Math.min(...every));
    expect(costOf(chosen.threshold, rows, costs)).toBe(chosen.cost);
    const total = rows.weights.reduce((sum, weight) => sum + weight, 0);
    expect(chosen.truePositives + chosen.falsePositives + chosen.trueNegatives + chosen.falseNegatives).toBe(total);
  }
  // Elkan (2001): of true probabilities, 1 where a miss costs 9 times as much from 0.1 on.
  expect(chooseThreshold({ scores, labels, costs: { falsePositive: 1, falseNegative: 9 } }).ifCalibrated).toBeCloseTo(
    0.1,
    12,
  );
});

test("AM-13: a package with a calibration answers calibrated probabilities, and golden answers hold it to that", async () => {
  const random = createRandom(6);
  const x = Float64Array.from({ length: 1200 }, () => random.normal());
  const y = x.map((value) => (random.next() < 1 / (1 + Math.exp(-value)) ? 1 : 0));
  const part = (from: number, to: number) => batchOf({ x: x.slice(from, to), y: y.slice(from, to) });
  const train = datasetOf([part(0, 400)]);
  // Fitted too closely, and so too sure.
  const fitted = await fitGbdt(train, { label: "y", task: "binary", trees: 200, minLeafRows: 2, learningRate: 0.3 });
  await using bare = await loadModel(await packFitted(join(root, "bare"), fitted, { name: "bare", train }), [
    treeRuntime(),
  ]);
  const answersTo = async (model: typeof bare, from: number, to: number): Promise<Float64Array> =>
    ((await model.predictBatch(part(from, to))) as Tensors)["prediction"]!.data as Float64Array;
  const map = fitCalibration({
    scores: await answersTo(bare, 400, 800),
    labels: y.slice(400, 800),
    method: "isotonic",
  });
  const packed = await packFitted(join(root, "calibrated"), fitted, { name: "calibrated", train, calibration: map });
  await verifyModel(packed.directory);
  await using model = await loadModel(packed, [treeRuntime()]);
  const raw = await answersTo(bare, 800, 1200);
  const answers = await answersTo(model, 800, 1200);
  expect(answers).toEqual(applyCalibration(map, raw.slice()));
  const held = y.slice(800);
  expect(reliabilityOf({ scores: answers, labels: held }).expectedError).toBeLessThan(
    reliabilityOf({ scores: raw, labels: held }).expectedError / 2,
  );
  const { prediction } = (await model.predictRow({ x: x[900]! })) as Tensors;
  expect(prediction!.data[0]).toBe(answers[100]);

  await expect(exportOnnx(packed)).rejects.toMatchObject({ code: "MODEL_ONNX_UNSUPPORTED" });

  const gone = {
    ...packed,
    manifest: { ...packed.manifest, files: packed.manifest.files.filter(({ path }) => path !== "calibration.json") },
  };
  const error: unknown = await loadModel(gone, [treeRuntime()]).catch((thrown: unknown) => thrown);
  expect(hasCode(error, "MODEL_GOLDEN_MISMATCH")).toBe(true);
  await writeFile(join(packed.directory, "calibration.json"), '{"formatVersion":9}');
  const damaged: unknown = await loadModel(packed, [treeRuntime()]).catch((thrown: unknown) => thrown);
  expect(hasCode(damaged, "PORT_MODEL_CORRUPT")).toBe(true);
});

test("temperature leaves the order of classes as it is, and of several classes their sum at 1", () => {
  const { scores: several, labels: classes } = fixture.several;
  const map = fitCalibration({ scores: several, labels: classes, method: "temperature", outputs: 3 });
  const cooled = applyCalibration(map, Float64Array.from(several), 3);
  for (let row = 0; row < classes.length; row += 1) {
    const [before, after] = [several, cooled].map((list) => Array.from(list.slice(row * 3, row * 3 + 3)));
    expect(after!.indexOf(Math.max(...after!))).toBe(before!.indexOf(Math.max(...before!)));
    expect(after!.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 12);
  }
});

test.each([
  ["scores that are no probabilities", () => fitCalibration({ scores: [1.5], labels: [1], method: "platt" })],
  ["labels that are no classes", () => fitCalibration({ scores: [0.5], labels: [2], method: "platt" })],
  ["another number of labels", () => reliabilityOf({ scores: [0.5, 0.6], labels: [1] })],
  ["no rows", () => chooseThreshold({ scores: [], labels: [], costs: { falsePositive: 1, falseNegative: 1 } })],
  [
    "several outputs for one curve",
    () => fitCalibration({ scores: [0.5, 0.5], labels: [1], method: "platt", outputs: 2 }),
  ],
] as const)("ALGORITHMS_SCORES_UNFIT for %s", (_, call) => {
  expect(call).toThrow(expect.objectContaining({ code: "ALGORITHMS_SCORES_UNFIT" }) as Error);
});

test("MODEL_CALIBRATION_INVALID for what is no calibration", () => {
  for (const map of [
    { kind: "temperature", temperature: 0 },
    { kind: "isotonic", scores: [0.5, 0.5], probabilities: [0, 1] },
    { kind: "isotonic", scores: [0.4, 0.5], probabilities: [1, 0] },
  ] as const)
    expect(() => writeCalibration({ formatVersion: 1, output: "p", map })).toThrow(
      expect.objectContaining({ code: "MODEL_CALIBRATION_INVALID" }) as Error,
    );
});
