import { type BaselineReport, baselineReport, fitLinear } from "@millwright/algorithms";
import type { Batch, ResolvedModel } from "@millwright/contracts";
import {
  asFloat64,
  batchOf,
  collect,
  columnOf,
  compileTransforms,
  datasetOf,
  type FittedTransforms,
} from "@millwright/data";
import { compileLinear, loadModel } from "@millwright/model";
import { probabilitiesOf, runtimes, sampleOf, type TrainingBench } from "./training.ts";

/** Flights of May that the intervals are made of. */
const mayRows = 20_000;
const linearRows = 50_000;

/** What the model is worth on a part of May beside the training period's rate, labels drawn from it, and a logistic regression of the same features. */
export async function worthOf(
  bench: TrainingBench,
  model: ResolvedModel,
  transforms: FittedTransforms,
): Promise<BaselineReport> {
  const { signal, duckdb, effort } = bench;
  const read = async (name: string, rows: number): Promise<Batch> =>
    collect(duckdb.openRef(await sampleOf(bench, name, rows)), { signal });
  const train = await read("train", Math.min(linearRows, effort.trialRows));
  const may = await read("validation", Math.min(mayRows, Math.ceil(effort.trialRows / 3)));
  const labels = asFloat64(columnOf(may, "late"));
  await using loaded = await loadModel(model, runtimes(), { signal });
  const answers = Float64Array.from(probabilitiesOf(await loaded.predictBatch(may, { signal })));
  return baselineReport({
    task: "binary",
    labels,
    trainLabels: asFloat64(columnOf(train, "late")),
    model: { name: model.manifest.format === "trees" ? "boosted trees" : "network", answers },
    linear: { name: "logistic regression", answers: await logistic(train, may, transforms, signal) },
    production: "none",
    signal,
  });
}

/** Answers of a logistic regression to the flights of May. A little L2 keeps it whole where windows say the same. */
async function logistic(
  train: Batch,
  may: Batch,
  transforms: FittedTransforms,
  signal: AbortSignal,
): Promise<Float64Array> {
  const compiled = compileTransforms(transforms);
  const columnsOf = (batch: Batch): Record<string, Float64Array> => {
    const { data } = compiled.batch(batch);
    const column = (at: number) =>
      Float64Array.from({ length: batch.length }, (_, row) => data[row * compiled.width + at] as number);
    return Object.fromEntries(compiled.names.map((name, at) => [name, column(at)]));
  };
  const rows = batchOf({ ...columnsOf(train), late: asFloat64(columnOf(train, "late")) });
  const { model } = await fitLinear(datasetOf([rows]), { label: "late", task: "binary", l2: 1, signal });
  const answers = new Float64Array(may.length);
  compileLinear(model).predict(Object.values(columnsOf(may)), answers);
  return answers;
}
