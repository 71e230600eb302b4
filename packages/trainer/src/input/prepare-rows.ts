import type { Dataset } from "@millwright/contracts";
import {
  type CompiledTransforms,
  createProfiler,
  type FittedTransforms,
  type OutOfFoldTransforms,
  type Profile,
} from "@millwright/data";
import type { TrainingTask } from "../define-training.ts";
import { dataEmpty } from "../errors.ts";
import { countRows, loadMatrix } from "../load-matrix.ts";
import type { Matrix } from "../minibatches.ts";
import { goldenRows } from "../pack-trained.ts";
import type { TrainingRequest } from "../run-messages.ts";
import { EvenShare } from "./even-share.ts";
import { type InputPlan, isSliced, planInput } from "./input-plan.ts";
import { type ReadableRows, RowReader } from "./row-reader.ts";
import { scanRows } from "./scan-rows.ts";
import { StreamedRows } from "./streamed-rows.ts";
import { openThreadedLoader } from "./threaded-loader.ts";
import { type EvaluationRows, evaluationRows, type TrainingRows, trainingRows } from "./training-rows.ts";
import { createWindowLoader } from "./window-loader.ts";

export interface RowsSetting {
  readonly request: TrainingRequest;
  readonly task: TrainingTask;
  readonly train: Dataset;
  readonly validation: Dataset | undefined;
  readonly fitted: FittedTransforms;
  readonly transforms: CompiledTransforms;
  readonly trainBatch: OutOfFoldTransforms["trainBatch"] | undefined;
  readonly signal: AbortSignal;
}

export interface PreparedRows extends AsyncDisposable {
  readonly train: TrainingRows;
  readonly validation: EvaluationRows | undefined;
  /** The rows that the finished model is judged by: those of validation where there are some. */
  readonly judged: EvaluationRows;
  /** The first of them, for golden requests. */
  readonly sample: Matrix;
  /** Of the training rows' columns. */
  readonly features: Profile;
  readonly input: InputPlan["train"];
  readonly order: InputPlan["order"];
  /** Whether the datasets are read while the run goes on. */
  readonly reads: boolean;
}

/** Makes a run's rows ready, in memory or to be read again and again. Throws `TRAINER_DATA_EMPTY`, `TRAINER_LABEL_INVALID`, and what reading throws. */
export async function prepareRows(setting: RowsSetting): Promise<PreparedRows> {
  const { request, train, validation, transforms, signal } = setting;
  const most = request.maxRows ?? Infinity;
  const share = new EvenShare(await countRows(train, request.label, signal), most);
  const validationShare = validation && new EvenShare(await countRows(validation, request.label, signal), most);
  const plan = planInput(request.input, {
    rows: share.rows,
    validationRows: validationShare?.rows ?? 0,
    width: transforms.width,
    sliced: isSliced(train),
  });
  const held =
    validation === undefined || validationShare === undefined
      ? undefined
      : await evaluated(setting, plan.validation, { dataset: validation, share: validationShare });
  const common = {
    validation: held?.rows,
    input: plan.train,
    order: plan.order,
    reads: plan.train === "stream" || (held !== undefined && plan.validation === "stream"),
  };
  if (plan.train === "matrix") {
    const profiler = createProfiler(train.schema.filter(({ name }) => transforms.columns.includes(name)));
    const matrix = await loadMatrix(train, transforms, {
      ...loadOptions(setting, "training"),
      transform: setting.trainBatch,
      onBatch: (batch) => profiler.update(batch),
    });
    return {
      ...common,
      train: trainingRows(matrix, request.seed, plan.order),
      judged: held?.rows ?? evaluationRows(matrix),
      sample: held?.sample ?? firstRows(matrix),
      features: profiler.profile(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const readable = readableRows(setting, train, share, setting.trainBatch);
  const features = await scanRows(request, train, readable, signal);
  const stream = streamed(setting, plan, readable);
  return {
    ...common,
    train: stream,
    judged: held?.rows ?? pieces(readable, signal),
    sample: held?.sample ?? (await firstOf(readable, signal)),
    features,
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}

const loadOptions = <Role extends "training" | "validation">({ request, task, signal }: RowsSetting, role: Role) => ({
  label: request.label,
  task,
  maxRows: request.maxRows ?? undefined,
  role,
  signal,
});

const readableRows = (
  { request, task, transforms }: RowsSetting,
  dataset: Dataset,
  share: EvenShare,
  trainBatch?: ReadableRows["trainBatch"],
): ReadableRows => ({
  dataset,
  transforms,
  trainBatch,
  label: request.label,
  task,
  share,
});

async function evaluated(
  setting: RowsSetting,
  mode: InputPlan["validation"],
  { dataset, share }: { readonly dataset: Dataset; readonly share: EvenShare },
): Promise<{ readonly rows: EvaluationRows; readonly sample: Matrix }> {
  if (share.rows === 0) throw dataEmpty("validation");
  if (mode === "matrix") {
    const matrix = await loadMatrix(dataset, setting.transforms, loadOptions(setting, "validation"));
    return { rows: evaluationRows(matrix), sample: firstRows(matrix) };
  }
  const readable = readableRows(setting, dataset, share);
  return { rows: pieces(readable, setting.signal), sample: await firstOf(readable, setting.signal) };
}

function streamed(
  { request, task, fitted, trainBatch }: RowsSetting,
  { order }: InputPlan,
  readable: ReadableRows,
): StreamedRows {
  const { rows } = readable.share;
  const { train, label, seed, epochs, maxRows, input } = request;
  const loader =
    trainBatch === undefined && input.prefetch
      ? openThreadedLoader({ ref: train, transforms: fitted, label, task, rows: readable.share.total, maxRows })
      : createWindowLoader(readable);
  return new StreamedRows({
    rows,
    width: readable.transforms.width,
    seed,
    epochs,
    prefetch: input.prefetch,
    loader,
    order: order ?? { bufferRows: rows, blockRows: undefined },
  });
}

const pieceRows = 65_536;

/** Rows that are read anew whenever they are walked. */
function pieces(readable: ReadableRows, signal: AbortSignal): EvaluationRows {
  const { width } = readable.transforms;
  const { rows } = readable.share;
  return {
    rows,
    width,
    async *pieces() {
      const reader = new RowReader(readable);
      try {
        for (let start = 0; start < rows; start += pieceRows)
          yield await piece(reader, { start, end: Math.min(rows, start + pieceRows) }, width, signal);
      } finally {
        await reader.close();
      }
    },
  };
}

async function piece(
  reader: RowReader,
  range: { readonly start: number; readonly end: number },
  width: number,
  signal: AbortSignal,
): Promise<Matrix> {
  const rows = range.end - range.start;
  const target = { features: new Float32Array(rows * width), labels: new Float32Array(rows) };
  await reader.read(range, target, 0, signal);
  return { rows, width, ...target };
}

async function firstOf(readable: ReadableRows, signal: AbortSignal): Promise<Matrix> {
  const reader = new RowReader(readable);
  try {
    return await piece(
      reader,
      { start: 0, end: Math.min(goldenRows, readable.share.rows) },
      readable.transforms.width,
      signal,
    );
  } finally {
    await reader.close();
  }
}

function firstRows({ rows, width, features, labels }: Matrix): Matrix {
  const kept = Math.min(rows, goldenRows);
  return { rows: kept, width, features: features.slice(0, kept * width), labels: labels.slice(0, kept) };
}
