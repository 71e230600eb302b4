import { join } from "node:path";
import type { Dataset, DatasetRef, ModelRuntime, ResolvedModel, Tensors } from "@millwright/contracts";
import { type FittedTransforms, type TransformPlan, asFloat64, columnOf, fitTransforms } from "@millwright/data";
import { literal } from "@millwright/duckdb";
import type { Jobs } from "@millwright/jobs";
import { denseRuntime, loadModel, treeRuntime } from "@millwright/model";
import type { Registry } from "@millwright/registry";
import type { Database } from "@millwright/storage";
import type { Trainer, TrainingResult } from "@millwright/trainer";
import { lateFlights } from "./definitions.ts";
import type { Workshop } from "./features.ts";
import { qualityOf } from "./quality.ts";
import type { ModelReport, TrainingReport } from "./report-data.ts";
import { count } from "./terminal.ts";
import { fitTrees, type TreesParams } from "./trees.ts";

export const trainingModule = new URL("./late-flight.train.js", import.meta.url);
export const batchSize = 1024;

/** How much is spent on the search and on the final model. */
export interface Effort {
  readonly trials: number;
  readonly trialRows: number;
  readonly trialEpochs: number;
  readonly trialTrees: number;
  readonly finalRows: number;
  readonly finalEpochs: number;
  readonly finalTrees: number;
}

export interface TrainingBench extends Workshop {
  readonly jobs: Jobs;
  readonly trainer: Trainer;
  readonly database: Database;
  readonly registry: Registry;
  readonly effort: Effort;
}

/** Counts spread over three orders of magnitude: their logarithm is what matters. Everything is brought to mean 0 and variance 1. */
const plan: TransformPlan = lateFlights.featureNames.map((column) => ({
  kind: "numeric",
  column,
  ...(column.includes("__flights_") ? { log: true } : {}),
}));

export const fitOn = (train: Dataset): Promise<FittedTransforms> => fitTransforms(plan, train);

/** A part of a training set in a file of its own, spread evenly over it. */
export async function sampleOf(
  { duckdb, directory, signal }: Workshop,
  name: string,
  rows: number,
): Promise<DatasetRef> {
  const source = literal(join(directory, `${name}.parquet`));
  const path = join(directory, `${name}-${rows}.parquet`);
  const share = `${rows} / (SELECT count(*) FROM read_parquet(${source}))`;
  await duckdb.writeParquet(
    `SELECT * EXCLUDE (row) FROM (SELECT *, row_number() OVER () AS row FROM read_parquet(${source})) WHERE floor(row * ${share}) > floor((row - 1) * ${share}) ORDER BY row`,
    path,
    { signal },
  );
  return (await duckdb.scan(path, { signal })).ref();
}

export interface NetworkParams {
  readonly units: number;
  readonly learningRate: number;
  readonly dropout: number;
}

/** Trains the final network with the best parameters; started again after an interruption it goes on from its last checkpoint. */
export async function trainNetwork(
  bench: TrainingBench,
  transforms: FittedTransforms,
  best: NetworkParams,
): Promise<TrainingResult> {
  const { trainer, effort, signal, registry } = bench;
  const { digest, name } = lateFlights;
  const run = await trainer.start(trainingModule, {
    id: "final",
    params: { ...best },
    data: await finalSets(bench),
    label: "late",
    transforms,
    epochs: effort.finalEpochs,
    batchSize,
    checkpoints: { everySteps: 200 },
    earlyStopping: { metric: "logLoss", patience: 2 },
    name: "late",
    tracker: registry,
    experiment: "late",
    featureService: { name, digest },
    signal,
  });
  return run.result({ signal });
}

const finalSets = async (
  bench: TrainingBench,
): Promise<{ readonly train: DatasetRef; readonly validation: DatasetRef }> => ({
  train: await sampleOf(bench, "train", bench.effort.finalRows),
  validation: await sampleOf(bench, "validation", Math.ceil(bench.effort.finalRows / 6)),
});

/** Fits the final trees with the best parameters. @returns the package's directory. */
export async function trainTrees(bench: TrainingBench, best: TreesParams): Promise<string> {
  const { effort } = bench;
  const { modelDirectory } = await fitTrees(bench, {
    name: "final-trees",
    ...(await finalSets(bench)),
    params: best,
    trees: effort.finalTrees,
    packed: true,
  });
  return modelDirectory;
}

/** The runtimes of both kinds of model. */
export const runtimes = (): readonly ModelRuntime[] => [denseRuntime(), treeRuntime()];

/** The one output of the model, a value a row. */
export const probabilitiesOf = (outputs: Tensors): ArrayLike<number> =>
  Object.values(outputs)[0]?.data as ArrayLike<number>;

/** A model on every flight of a period. */
export async function evaluate(
  { terminal, signal }: Workshop,
  model: ResolvedModel,
  dataset: Dataset,
): Promise<ModelReport["quality"]> {
  await using loaded = await loadModel(model, runtimes(), { signal });
  const probabilities: number[] = [];
  const labels: number[] = [];
  for await (const batch of dataset.batches({ signal })) {
    const outputs = await loaded.predictBatch(batch, { signal });
    for (const value of Array.from(probabilitiesOf(outputs))) probabilities.push(value);
    for (const value of asFloat64(columnOf(batch, "late"))) labels.push(value);
    terminal.progress(`${count(labels.length)} flights`);
  }
  return qualityOf(probabilities, labels);
}

/** Two honest baselines on the same flights. */
export async function baselinesOf(
  { signal }: Workshop,
  dataset: Dataset,
  constantRate: number,
): Promise<TrainingReport["baselines"]> {
  const shares: number[] = [];
  const labels: number[] = [];
  for await (const batch of dataset.batches({ columns: ["late", "origin__late_24h"], signal })) {
    for (const value of asFloat64(columnOf(batch, "late"))) labels.push(value);
    // Of an airport without a flight in the last day nothing is known: the constant rate.
    for (const value of asFloat64(columnOf(batch, "origin__late_24h")))
      shares.push(Number.isNaN(value) ? constantRate : value);
  }
  const baseline = (name: string, scores: readonly number[]) => {
    const { auc, logLoss } = qualityOf(scores, labels);
    return { name, auc, logLoss };
  };
  return [
    baseline(
      "always the training period's rate",
      labels.map(() => constantRate),
    ),
    baseline("the origin's share late in the last 24 hours", shares),
  ];
}
