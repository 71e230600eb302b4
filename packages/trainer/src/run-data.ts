import type { Dataset, DatasetRef } from "@millwright/contracts";
import { compileTransforms, createProfiler, type FittedTransforms, type Profile } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import type { TrainingTask } from "./define-training.ts";
import { dataEmpty } from "./errors.ts";
import { checkLabel, loadMatrix } from "./load-matrix.ts";
import { type EvaluationRows, evaluationRows, trainingRows, type TrainingRows } from "./input/training-rows.ts";
import { type Matrix } from "./minibatches.ts";
import { goldenRows } from "./pack-trained.ts";
import type { TrainingRequest } from "./run-messages.ts";
import { transformsOf } from "./run-transforms.ts";

export interface Prepared {
  /** Fitted to all training rows: for validation and serving. */
  readonly transforms: FittedTransforms;
  /** Whether training rows were encoded without their own labels. */
  readonly outOfFold: boolean;
  readonly names: readonly string[];
  readonly train: TrainingRows;
  readonly validation: EvaluationRows | undefined;
  /** The rows that the finished model is judged by: those of validation where there are some. */
  readonly judged: EvaluationRows;
  /** The first of them, for golden requests. */
  readonly sample: Matrix;
  readonly features: Profile;
}

/** Reads and transforms the data of a run. Throws `TRAINER_DATA_EMPTY`, `TRAINER_LABEL_INVALID`, `TRAINER_LABEL_UNKNOWN`, and what reading it throws. */
export async function prepareData(
  request: TrainingRequest,
  task: TrainingTask,
  signal: AbortSignal,
): Promise<Prepared> {
  await using duckdb = await openDuckDb();
  const trainSet = await openSet(duckdb, request.train, request, "training");
  const validationSet =
    request.validation === null ? undefined : await openSet(duckdb, request.validation, request, "validation");
  const { fitted: transforms, trainBatch } = await transformsOf(request, trainSet, signal);
  const compiled = compileTransforms(transforms);
  const columns = trainSet.schema.filter(({ name }) => compiled.columns.includes(name));
  const profiler = createProfiler(columns);
  const common = { label: request.label, task, maxRows: request.maxRows ?? undefined, signal };
  const train = await loadMatrix(trainSet, compiled, {
    ...common,
    role: "training",
    transform: trainBatch,
    onBatch: (batch) => profiler.update(batch),
  });
  const validation =
    validationSet === undefined
      ? undefined
      : await loadMatrix(validationSet, compiled, { ...common, role: "validation" });
  return {
    transforms,
    outOfFold: trainBatch !== undefined,
    names: compiled.names,
    train: trainingRows(train, request.seed),
    validation: validation && evaluationRows(validation),
    judged: evaluationRows(validation ?? train),
    sample: firstRows(validation ?? train),
    features: profiler.profile(),
  };
}

function firstRows({ rows, width, features, labels }: Matrix): Matrix {
  const kept = Math.min(rows, goldenRows);
  return { rows: kept, width, features: features.slice(0, kept * width), labels: labels.slice(0, kept) };
}

async function openSet(
  duckdb: DuckDb,
  ref: DatasetRef,
  { label, verifyData }: TrainingRequest,
  role: "training" | "validation",
): Promise<Dataset> {
  checkLabel(ref.schema, label);
  if (ref.rows === 0) throw dataEmpty(role); // before transforms are fitted on nothing
  const dataset = duckdb.openRef(ref);
  if (verifyData) await dataset.digest();
  return dataset;
}
