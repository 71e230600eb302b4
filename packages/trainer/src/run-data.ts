import type { Dataset, DatasetRef } from "@millwright/contracts";
import { compileTransforms, type FittedTransforms } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import type { TrainingTask } from "./define-training.ts";
import { dataEmpty } from "./errors.ts";
import { type PreparedRows, prepareRows } from "./input/prepare-rows.ts";
import { checkLabel } from "./load-matrix.ts";
import type { TrainingRequest } from "./run-messages.ts";
import { transformsOf } from "./run-transforms.ts";

export interface Prepared extends PreparedRows {
  /** Fitted to all training rows: for validation and serving. */
  readonly transforms: FittedTransforms;
  /** Whether training rows were encoded without their own labels. */
  readonly outOfFold: boolean;
  readonly names: readonly string[];
}

/** Reads and transforms the data of a run. Throws `TRAINER_DATA_EMPTY`, `TRAINER_LABEL_INVALID`, `TRAINER_LABEL_UNKNOWN`, and what reading it throws. */
export async function prepareData(
  request: TrainingRequest,
  task: TrainingTask,
  signal: AbortSignal,
): Promise<Prepared> {
  const duckdb = await openDuckDb();
  try {
    const train = await openSet(duckdb, request.train, request, "training");
    const validation =
      request.validation === null ? undefined : await openSet(duckdb, request.validation, request, "validation");
    const { fitted, trainBatch } = await transformsOf(request, train, signal);
    const transforms = compileTransforms(fitted);
    const rows = await prepareRows({ request, task, train, validation, fitted, transforms, trainBatch, signal });
    if (!rows.reads) await duckdb[Symbol.asyncDispose]();
    return {
      ...rows,
      transforms: fitted,
      outOfFold: trainBatch !== undefined,
      names: transforms.names,
      async [Symbol.asyncDispose]() {
        await rows[Symbol.asyncDispose]();
        if (rows.reads) await duckdb[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await duckdb[Symbol.asyncDispose]();
    throw error;
  }
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
