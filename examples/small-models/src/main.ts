import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Fitted,
  baselineReport,
  baselineText,
  chooseThreshold,
  fitCalibration,
  fitGbdt,
  fitLinear,
  fitMlp,
  packFitted,
  reliabilityOf,
} from "@millwright/algorithms";
import type { Batch, Dataset, Tensors } from "@millwright/contracts";
import { asFloat64, batchOf, datasetOf, fitTransforms, applyTransforms } from "@millwright/data";
import { denseRuntime, linearRuntime, loadModel, treeRuntime } from "@millwright/model";
import { makeOrders } from "./orders.ts";

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), "small-models-")));
const [train, validation, test] = [makeOrders(4000, 1), makeOrders(2000, 2), makeOrders(2000, 3)] as const;
const labels = (batch: Batch): Float64Array => asFloat64(batch.columns["returned"]!);
const task = { label: "returned", task: "binary" } as const;
const runtimes = [denseRuntime(), linearRuntime(), treeRuntime()];

// A linear model takes numbers alone: what the transforms make of the columns.
const transforms = await fitTransforms(
  [
    { kind: "oneHot", column: "town" },
    { kind: "numeric", column: "euros", log: true },
    { kind: "numeric", column: "days", missingIndicator: true },
    { kind: "numeric", column: "gift" },
  ],
  datasetOf([train]),
);
function inNumbers(batch: Batch): Batch {
  const { data, names, shape } = applyTransforms(transforms, batch);
  const column = (at: number) => Float64Array.from({ length: shape[0] }, (_, row) => data[row * names.length + at]!);
  return batchOf({ ...Object.fromEntries(names.map((name, at) => [name, column(at)])), returned: labels(batch) });
}

interface Candidate {
  readonly name: string;
  readonly fitted: Fitted;
  readonly rows: (batch: Batch) => Batch;
}
const held = datasetOf([validation]);
const raw = datasetOf([train]);
const candidates: readonly Candidate[] = [
  { name: "logistic", fitted: await fitLinear(datasetOf([inNumbers(train)]), { ...task, l2: 1 }), rows: inNumbers },
  {
    name: "trees",
    fitted: await fitGbdt(raw, { ...task, trees: 300, validation: held, earlyStopping: 20, maxLeaves: 8 }),
    rows: (batch) => batch,
  },
  {
    name: "network",
    fitted: await fitMlp(raw, { ...task, hidden: [32, 16], epochs: 60, validation: held, earlyStopping: 8 }),
    rows: (batch) => batch,
  },
];

/** Packs a model, loads it as a server would, and asks it. */
async function answersOf({ name, fitted, rows }: Candidate, ...batches: readonly Batch[]): Promise<Float64Array[]> {
  const dataset: Dataset = datasetOf([rows(train)]);
  await using model = await loadModel(await packFitted(join(folder, name), fitted, { name, train: dataset }), runtimes);
  return batches.map((batch) => {
    const { prediction } = model.predictBatch(rows(batch)) as Tensors;
    return Float64Array.from(prediction!.data as Float32Array | Float64Array);
  });
}
const answers = new Map<string, readonly [Float64Array, Float64Array]>();
for (const each of candidates) {
  const [onValidation, onTest] = await answersOf(each, validation, test);
  answers.set(each.name, [onValidation!, onTest!]);
}
const lossOf = (name: string): number =>
  labels(validation).reduce((sum, label, row) => {
    const probability = answers.get(name)![0][row]!;
    return sum - Math.log(label === 1 ? probability : 1 - probability);
  }, 0) / validation.length;
const best = candidates.toSorted((a, b) => lossOf(a.name) - lossOf(b.name))[0]!;
for (const { name } of candidates) console.log(`${name}: log loss ${lossOf(name).toFixed(4)} on validation rows`);

// What it is worth, on rows that nothing was chosen by.
const report = await baselineReport({
  task: "binary",
  labels: labels(test),
  trainLabels: labels(train),
  model: { name: best.name, answers: answers.get(best.name)![1] },
  linear: { name: "logistic", answers: answers.get("logistic")![1] },
  production: "none",
});
console.log(baselineText(report));

// A return costs 12 euros, a call that would have prevented it 2.
const calibration = fitCalibration({ scores: answers.get(best.name)![0], labels: labels(validation), method: "platt" });
const packed = await packFitted(join(folder, "returns"), best.fitted, {
  name: "returns",
  train: datasetOf([best.rows(train)]),
  validation: held,
  calibration,
});
await using model = await loadModel(packed, runtimes);
const calibrated = (model.predictBatch(best.rows(validation)) as Tensors)["prediction"]!.data as Float64Array;
const { threshold, meanCost } = chooseThreshold({
  scores: calibrated,
  labels: labels(validation),
  costs: { falsePositive: 2, falseNegative: 12, truePositive: 2 },
});
const { expectedError } = reliabilityOf({ scores: calibrated, labels: labels(validation) });
console.log(`call from a probability of ${threshold.toFixed(3)} on: ${meanCost.toFixed(2)} euros an order`);
console.log(`expected calibration error ${expectedError.toFixed(4)}`);
const order = { town: "Graz", euros: 120, days: 12, gift: true, returned: false };
const { prediction } = model.predictBatch(
  best.rows(batchOf(Object.fromEntries(Object.entries(order).map(([name, value]) => [name, [value]])))),
) as Tensors;
console.log(`${packed.directory} says ${(prediction!.data[0] as number).toFixed(3)} for ${JSON.stringify(order)}`);
