import * as algorithms from "../../packages/algorithms/dist/index.js";
import { batchOf, column, datasetOf } from "../../packages/data/dist/index.js";
import { autogradSubjects } from "./algorithms-autograd.ts";
import { ofTheCaller } from "./hostile-values.ts";
import { type FailureTable, well } from "./subjects.ts";

const x = Float64Array.from({ length: 60 }, (_, row) => row % 17);
const town = column(
  "utf8",
  Array.from(x, (value) => (value > 12 ? null : `t${value % 5}`)),
);
const y = x.map((value) => (value > 8 ? 1 : 0));
const train = datasetOf([batchOf({ x, town, y, w: x })]);
const signal = new AbortController().signal;
/** A fit that a wrong number would let go on for long is given up by its caller; the first call, the good one, has all the time it needs. */
function patience(): () => AbortSignal {
  let isFirst = true;
  return () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(ofTheCaller), isFirst ? 20_000 : 250).unref();
    isFirst = false;
    return controller.signal;
  };
}
const [forTrees, forLinear, forNetwork] = [patience(), patience(), patience()];
const base = { label: "y", task: "binary" } as const;
const costs = { falsePositive: 1, falseNegative: 5 };
const compared = {
  task: "binary",
  labels: [0, 1, 1],
  trainLabels: [0, 1],
  model: { name: "a", answers: [0.1, 0.9, 0.6] },
  linear: { name: "b", answers: [0.3, 0.6, 0.6] },
  production: "none",
} as const;

export async function openTable(folder: string): Promise<FailureTable> {
  let count = 0;
  const fresh = (): string => `${folder}/fitted/${(count += 1)}`;
  const fitted = await algorithms.fitGbdt(train, { ...base, trees: 3, minLeafRows: 2 });
  const options = {
    ...base,
    trees: 3,
    growth: "leaf",
    maxLeaves: 4,
    monotone: { x: 1 },
    weight: "w",
    rowShare: 0.9,
    threads: 1,
  };
  return {
    subjects: {
      fitGbdt: well(
        algorithms.fitGbdt,
        () => [train, { ...options, validation: train, earlyStopping: 2, seed: 1, signal: forTrees() }],
        {
          ALGORITHMS_COLUMN_UNFIT: () => algorithms.fitGbdt(train, { ...base, monotone: { town: 1 } }),
          ALGORITHMS_LABEL_UNFIT: () => algorithms.fitGbdt(train, { ...base, label: "x" }),
          ALGORITHMS_ROWS_UNFIT: () =>
            algorithms.fitGbdt(datasetOf([batchOf({ x: new Float64Array(), y: new Float64Array() })]), base),
          ALGORITHMS_WEIGHT_UNFIT: () =>
            algorithms.fitGbdt(datasetOf([batchOf({ x: [1, 2], y: [0, 1], w: [1, -1] })]), { ...base, weight: "w" }),
          DATA_COLUMN_MISSING: () => algorithms.fitGbdt(train, { ...base, features: ["none"] }),
          RangeError: () => algorithms.fitGbdt(train, { ...base, maxBins: 256 }),
          "ALGORITHMS_LABEL_UNFIT: an amount that a loss does not take": () =>
            algorithms.fitGbdt(train, { label: "y", task: "regression", loss: "gamma" }),
        },
        150,
      ),
      fitLinear: well(
        algorithms.fitLinear,
        () => [
          train,
          {
            label: "y",
            task: "binary",
            features: ["x"],
            weight: "w",
            l1: 0.1,
            l2: 0.5,
            maxIterations: 30,
            signal: forLinear(),
          },
        ],
        {
          ALGORITHMS_COLUMN_UNFIT: () => algorithms.fitLinear(train, base),
          ALGORITHMS_NOT_CONVERGED: () => algorithms.fitLinear(train, { ...base, features: ["x", "w"] }),
          ALGORITHMS_LABEL_UNFIT: () => algorithms.fitLinear(train, { ...base, label: "x", features: ["w"] }),
          RangeError: () => algorithms.fitLinear(train, { ...base, l1: -1 }),
        },
        100,
      ),
      ...autogradSubjects,
      fitCalibration: well(
        algorithms.fitCalibration,
        () => [{ scores: [0.2, 0.7, 0.4], labels: [0, 1, 1], weights: [1, 2, 1], method: "platt", outputs: 1 }],
        {
          ALGORITHMS_SCORES_UNFIT: () => algorithms.fitCalibration({ scores: [2], labels: [1], method: "platt" }),
          RangeError: () => algorithms.fitCalibration({ scores: [1], labels: [1], method: "x" as "platt" }),
        },
      ),
      reliabilityOf: well(
        algorithms.reliabilityOf,
        () => [{ scores: [0.2, 0.7, 0.4], labels: [0, 1, 1], weights: [1, 2, 1], bins: 3, binning: "mass" }],
        {
          ALGORITHMS_SCORES_UNFIT: () => algorithms.reliabilityOf({ scores: [], labels: [] }),
          RangeError: () => algorithms.reliabilityOf({ scores: [0.5], labels: [1], bins: 0 }),
        },
      ),
      chooseThreshold: well(
        algorithms.chooseThreshold,
        () => [{ scores: [0.2, 0.7, 0.4], labels: [0, 1, 1], costs: { falsePositive: 1, falseNegative: 5 } }],
        {
          ALGORITHMS_SCORES_UNFIT: () => algorithms.chooseThreshold({ scores: [0.5], labels: [3], costs }),
          RangeError: () =>
            algorithms.chooseThreshold({ scores: [0.5], labels: [1], costs: { ...costs, falsePositive: Number.NaN } }),
        },
      ),
      baselineReport: well(
        algorithms.baselineReport,
        () => [{ ...compared, metric: "brier", confidence: 0.9, resamples: 100, method: "bca", seed: 1, signal }],
        {
          ALGORITHMS_BASELINE_MISSING: () =>
            algorithms.baselineReport({ ...compared, linear: undefined as unknown as typeof compared.model }),
          ALGORITHMS_SCORES_UNFIT: () =>
            algorithms.baselineReport({ ...compared, model: { name: "a", answers: [0.1] } }),
          RangeError: () => algorithms.baselineReport({ ...compared, confidence: 1 }),
        },
        100,
      ),
      baselineText: well(algorithms.baselineText, async () => [await algorithms.baselineReport(compared)], {
        ALGORITHMS_BASELINE_MISSING: async () =>
          algorithms.baselineText({
            ...(await algorithms.baselineReport(compared)),
            baselines: [] as unknown as algorithms.BaselineReport["baselines"],
          }),
      }),
      fitMlp: well(
        algorithms.fitMlp,
        () => [
          train,
          {
            ...base,
            features: ["x", "town"],
            hidden: [4],
            epochs: 3,
            batchRows: 20,
            dropout: 0.1,
            weight: "w",
            validation: train,
            earlyStopping: 2,
            seed: 1,
            signal: forNetwork(),
          },
        ],
        {
          ALGORITHMS_LABEL_UNFIT: () => algorithms.fitMlp(train, { ...base, label: "x" }),
          RangeError: () => algorithms.fitMlp(train, { ...base, hidden: [0] }),
        },
        80,
      ),
      packFitted: well(
        algorithms.packFitted,
        () => [fresh(), fitted, { name: "late", train, validation: train, output: "late", signal }],
        {
          MODEL_TREES_INVALID: () =>
            algorithms.packFitted(
              fresh(),
              { ...fitted, model: { ...fitted.model, base: Number.NaN } },
              { name: "x", train },
            ),
        },
        60,
      ),
    },
    elsewhere: {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
