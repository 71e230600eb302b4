import { createRandom } from "@millwright/contracts";
import { batchOf, column, toRows } from "@millwright/data";
import { expect, test } from "vitest";
import {
  compileOutlierModel,
  fitIsolationForest,
  fitMahalanobis,
  fitReconstructionOutliers,
  type OutlierModel,
} from "../src/outliers.ts";
import { rocAuc } from "../src/estimation/roc-auc.ts";
import { averagePathLength } from "../src/outliers/isolation-forest.ts";
import golden from "./golden/outliers.json" with { type: "json" };

const tableOf = (rows: readonly (readonly number[])[]) =>
  batchOf(
    Object.fromEntries(
      ["a", "b", "c", "d"].map((name, index) => [name, Float64Array.from(rows, (row) => row[index]!)]),
    ),
  );
const [train, judged] = [tableOf(golden.train), tableOf(golden.test)];
const isStrange = Float64Array.from(golden.isStrange);
/** All rows are fitted on, as by the peers. */
const whole = { contamination: 0.05 };

test("the average path length is scikit-learn's", () => {
  for (const [rows, length] of Object.entries(golden.averagePathLength))
    expect(averagePathLength(Number(rows))).toBeCloseTo(length, 12);
});

test("scores of the isolation forest are distributed as scikit-learn's", () => {
  const runs = 20;
  const scores = Array.from({ length: runs }, (_, seed) =>
    compileOutlierModel(fitIsolationForest(train, { ...whole, random: createRandom(seed) })).scores(judged),
  );
  const { mean, deviation } = golden.forest;
  let squares = 0;
  for (const [row, theirs] of mean.entries()) {
    const ours = scores.reduce((sum, each) => sum + each[row]!, 0) / runs;
    // Two means of 20 forests each.
    const z = (ours - theirs) / (deviation[row]! * Math.sqrt(2 / runs));
    squares += z * z;
    expect(Math.abs(z), `row ${row}`).toBeLessThan(6);
  }
  // The forests of a run are common to all rows, so the rows' z hang together: no more than a bound on their mean square.
  expect(squares / mean.length).toBeLessThan(3);
  const spread = scores[0]!.map((_, row) => {
    const average = scores.reduce((sum, each) => sum + each[row]!, 0) / runs;
    return Math.sqrt(scores.reduce((sum, each) => sum + (each[row]! - average) ** 2, 0) / (runs - 1)) / deviation[row]!;
  });
  expect(spread.reduce((sum, each) => sum + each, 0) / spread.length).toBeGreaterThan(0.85);
  expect(spread.reduce((sum, each) => sum + each, 0) / spread.length).toBeLessThan(1.15);
});

test("Mahalanobis's distances and the residuals of two components are NumPy's", () => {
  const distances = compileOutlierModel(fitMahalanobis(train, whole)).scores(judged);
  for (const [row, distance] of golden.mahalanobis.entries()) expect(distances[row]).toBeCloseTo(distance, 9);
  const residuals = compileOutlierModel(fitReconstructionOutliers(train, whole)).scores(judged);
  for (const [row, residual] of golden.residual.entries()) expect(residuals[row]).toBeCloseTo(residual, 9);
});

const fits: Readonly<Record<string, (seed: number) => OutlierModel>> = {
  "isolation forest": (seed) => fitIsolationForest(train, { falseAlarmShare: 0.05, random: createRandom(seed) }),
  Mahalanobis: (seed) => fitMahalanobis(train, { falseAlarmShare: 0.05, random: createRandom(seed) }),
  reconstruction: (seed) => fitReconstructionOutliers(train, { falseAlarmShare: 0.05, random: createRandom(seed) }),
};

test("MO-26: planted strangers are told from the usual at least as well as scikit-learn does it", () => {
  const areas = (name: string) =>
    Array.from({ length: 10 }, (_, seed) => rocAuc(compileOutlierModel(fits[name]!(seed)).scores(judged), isStrange));
  const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  const { auc } = golden.forest;
  expect(mean(areas("isolation forest"))).toBeGreaterThanOrEqual(mean(auc));
  // Fitted on four fifths, and as good as NumPy's on all to the third digit.
  expect(mean(areas("Mahalanobis"))).toBeGreaterThanOrEqual(golden.mahalanobisAuc - 0.001);
  expect(mean(areas("Mahalanobis"))).toBeGreaterThan(mean(auc));
});

test.each(Object.keys(fits))("MO-26: a row is scored and routed by the %s in less than 0.2 ms", (name) => {
  const scorer = compileOutlierModel(fits[name]!(1));
  const rows = toRows(judged);
  for (let round = 0; round < 20; round += 1) for (const row of rows) scorer.route(row);
  const start = process.cpuUsage();
  for (let round = 0; round < 20; round += 1) for (const row of rows) scorer.route(row);
  const { user, system } = process.cpuUsage(start);
  expect((user + system) / (20 * rows.length)).toBeLessThan(200);
});

test.each(Object.keys(fits))("at most the given share of usual rows is routed away by the %s", (name) => {
  const random = createRandom(5);
  const draw = () => {
    const a = Float64Array.from({ length: 2_000 }, () => random.normal());
    return batchOf({ a, b: a.map((value) => value + 0.5 * random.normal()), c: a.map(() => random.next()) });
  };
  const fit = {
    "isolation forest": fitIsolationForest,
    Mahalanobis: fitMahalanobis,
    reconstruction: fitReconstructionOutliers,
  }[name]!;
  const { scores, threshold } = compileOutlierModel(fit(draw(), { falseAlarmShare: 0.05, random }));
  const away = scores(draw()).filter((score) => score > threshold).length;
  // 0.05 ± four standard errors of a threshold from 400 rows and a share of 2,000.
  expect(away / 2_000).toBeGreaterThan(0.05 - 4 * Math.sqrt(0.0475 * (1 / 400 + 1 / 2_000)));
  expect(away / 2_000).toBeLessThan(0.05 + 4 * Math.sqrt(0.0475 * (1 / 400 + 1 / 2_000)));
});

test("with a contamination so many rows are outliers, as in scikit-learn", () => {
  const { scores, threshold } = compileOutlierModel(fitMahalanobis(train, { contamination: 0.1 }));
  expect(scores(train).filter((score) => score > threshold)).toHaveLength(50);
});

test("a model that was JSON on the way scores rows as batches are scored: missing, infinite, booleans and texts", () => {
  const random = createRandom(2);
  const size = 500;
  const kinds = Array.from({ length: size }, () => (random.next() < 0.97 ? "common" : "rare"));
  const table = batchOf({
    x: column(
      "float64",
      Array.from({ length: size }, (_, row) => (row % 50 === 0 ? null : random.normal())),
    ),
    ok: column(
      "bool",
      Array.from({ length: size }, (_, row) => row % 3 === 0),
    ),
    kind: column("utf8", kinds),
  });
  for (const fit of [fitIsolationForest, fitMahalanobis, fitReconstructionOutliers]) {
    const model = fit(table, { falseAlarmShare: 0.05 });
    const scorer = compileOutlierModel(JSON.parse(JSON.stringify(model)) as OutlierModel);
    const scores = scorer.scores(table);
    for (const [row, values] of toRows(table).entries()) expect(scorer.score(values)).toBe(scores[row]);
    expect(scorer.score({ x: Infinity, ok: true, kind: "common" })).toBe(Infinity);
    expect(scorer.route({ x: Infinity, ok: true, kind: "common" }).route).toBe("outlier");
    expect(scorer.score({ kind: "never seen" })).toBeGreaterThan(scorer.score({ kind: "common" }));
  }
});

test("a row that breaks a strict rule between columns is far away", () => {
  const random = createRandom(4);
  const a = Float64Array.from({ length: 500 }, () => random.normal());
  const scorer = compileOutlierModel(fitMahalanobis(batchOf({ a, twice: a.map((value) => 2 * value) })));
  expect(scorer.route({ a: 1, twice: 2 }).route).toBe("model");
  expect(scorer.route({ a: 1, twice: 2.1 }).route).toBe("outlier");
});
