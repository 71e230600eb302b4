import { join } from "node:path";
import type { Dataset, DatasetRef, ResolvedModel, Tensors } from "@millwright/contracts";
import { type FittedTransforms, type TransformPlan, asFloat64, columnOf, fitTransforms } from "@millwright/data";
import { literal } from "@millwright/duckdb";
import { denseRuntime, loadModel } from "@millwright/model";
import type { Registry } from "@millwright/registry";
import type { Database } from "@millwright/storage";
import type { Trainer, TrainingResult } from "@millwright/trainer";
import { float, int, medianPruner, openStudy } from "@millwright/tuner";
import { lateFlights } from "./definitions.ts";
import type { Workshop } from "./features.ts";
import { qualityOf } from "./quality.ts";
import type { TrainingReport, TrialReport } from "./report-data.ts";
import { count } from "./terminal.ts";

const trainingModule = new URL("./late-flight.train.js", import.meta.url);
const batchSize = 1024;

/** How much is spent on the search and on the final model. */
export interface Effort {
  readonly trials: number;
  readonly trialRows: number;
  readonly trialEpochs: number;
  readonly finalRows: number;
  readonly finalEpochs: number;
}

export interface TrainingBench extends Workshop {
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

/** Searches the network's size, learning rate and dropout on a part of the data. */
export async function tune(
  bench: TrainingBench,
  transforms: FittedTransforms,
): Promise<Pick<TrainingReport, "trials" | "best">> {
  const { database, trainer, effort, signal, terminal, registry } = bench;
  const train = await sampleOf(bench, "train", effort.trialRows);
  const validation = await sampleOf(bench, "validation", Math.ceil(effort.trialRows / 3));
  await using study = await openStudy({
    name: "late",
    space: {
      units: int(16, 64, { step: 16 }),
      learningRate: float(3e-4, 1e-2, { log: true }),
      dropout: float(0, 0.3, { step: 0.05 }),
    },
    direction: "minimize",
    pruner: medianPruner({ startupTrials: 4 }),
    database,
    seed: 2001,
    // Nobody else works in this folder: what a run that was killed had under way is soon begun again.
    leaseMs: 3_000,
  });
  await study.optimize(
    async (trial) => {
      const run = await trainer.start(trainingModule, {
        params: trial.params,
        data: { train, validation },
        label: "late",
        transforms,
        epochs: effort.trialEpochs,
        batchSize,
        checkpoints: false,
        trial,
        tracker: registry,
        experiment: "late",
        progress: false,
        signal,
      });
      return (await run.result({ signal })).metrics["logLoss"] as number;
    },
    {
      trials: effort.trials,
      parallelism: 2,
      signal,
      onTrial: ({ number, state, value, reason }) =>
        terminal.line(
          `   trial ${number}: ${state}${value === undefined ? ` (${reason})` : `, log loss ${value.toFixed(4)}`}`,
        ),
    },
  );
  const trials = (await study.trials()).map(({ number, state, value, params, intermediates }): TrialReport => ({
    number,
    state,
    value: value ?? intermediates.at(-1)?.[1],
    params,
    epochs: intermediates.length,
  }));
  return { trials, best: (await study.best()).params };
}

/** Trains the final model with the best parameters; started again after an interruption it goes on from its last checkpoint. */
export async function trainFinal(
  bench: TrainingBench,
  transforms: FittedTransforms,
  best: TrialReport["params"],
): Promise<TrainingResult> {
  const { trainer, effort, signal, registry } = bench;
  const { digest, name } = lateFlights;
  const run = await trainer.start(trainingModule, {
    id: "final",
    params: best,
    data: {
      train: await sampleOf(bench, "train", effort.finalRows),
      validation: await sampleOf(bench, "validation", Math.ceil(effort.finalRows / 6)),
    },
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

/** The one output of the model, a value a row. */
export const probabilitiesOf = (outputs: Tensors): Float32Array => Object.values(outputs)[0]?.data as Float32Array;

/** The model and two honest baselines on every flight of a period. */
export async function evaluate(
  { terminal, signal }: Workshop,
  model: ResolvedModel,
  { dataset, constantRate }: { readonly dataset: Dataset; readonly constantRate: number },
): Promise<Pick<TrainingReport, "model" | "baselines">> {
  await using loaded = await loadModel(model, [denseRuntime()], { signal });
  const probabilities: number[] = [];
  const shares: number[] = [];
  const labels: number[] = [];
  for await (const batch of dataset.batches({ signal })) {
    const outputs = await loaded.predictBatch(batch, { signal });
    for (const value of probabilitiesOf(outputs)) probabilities.push(value);
    for (const value of asFloat64(columnOf(batch, "late"))) labels.push(value);
    // Of an airport without a flight in the last day nothing is known: the constant rate.
    for (const value of asFloat64(columnOf(batch, "origin__late_24h")))
      shares.push(Number.isNaN(value) ? constantRate : value);
    terminal.progress(`${count(labels.length)} flights`);
  }
  const quality = qualityOf(probabilities, labels);
  const baseline = (name: string, scores: readonly number[]) => {
    const { auc, logLoss } = qualityOf(scores, labels);
    return { name, auc, logLoss };
  };
  return {
    model: quality,
    baselines: [
      baseline(
        "always the training period's rate",
        labels.map(() => constantRate),
      ),
      baseline("the origin's share late in the last 24 hours", shares),
    ],
  };
}
