import type { Batch, CallOptions, Dataset, Schema } from "@millwright/contracts";
import { type CompiledTransforms, columnOf, type OutOfFoldTransforms } from "@millwright/data";
import type { TrainingTask } from "./define-training.ts";
import { dataEmpty, labelUnknown } from "./errors.ts";
import { labelsOf } from "./input/labels.ts";
import type { Matrix } from "./minibatches.ts";

export interface LoadMatrixOptions extends CallOptions {
  readonly role: "training" | "validation";
  readonly label: string;
  readonly task: TrainingTask;
  /** Most rows kept, evenly spread over the data. */
  readonly maxRows?: number | undefined;
  /** Transforms batches, told how many rows come before each. Default: as the compiled transforms do. */
  readonly transform?: OutOfFoldTransforms["trainBatch"] | undefined;
  /** Sees every batch before it is transformed. */
  readonly onBatch?: ((batch: Batch) => void) | undefined;
}

/** So few that what is read of them is in the cache still when it is transformed. */
const batchRows = 16_384;

/** Throws `TRAINER_LABEL_UNKNOWN`. */
export function checkLabel(schema: Schema, label: string): void {
  const names = schema.map(({ name }) => name);
  if (!names.includes(label)) throw labelUnknown(label, names);
}

/**
 * Reads a dataset into a float32 matrix, through the transforms, with its labels.
 * Throws `TRAINER_LABEL_UNKNOWN`, `TRAINER_LABEL_INVALID`, `TRAINER_DATA_EMPTY`, and what the transforms throw.
 */
export async function loadMatrix(
  dataset: Dataset,
  transforms: CompiledTransforms,
  options: LoadMatrixOptions,
): Promise<Matrix> {
  const { label, task, maxRows, transform, onBatch, signal } = options;
  checkLabel(dataset.schema, label);
  const total = maxRows === undefined ? undefined : await countRows(dataset, label, signal);
  const target = new GrowingMatrix(
    transforms.width,
    total === undefined ? dataset.rows : Math.min(total, maxRows ?? total),
  );
  const share = total === undefined || maxRows === undefined ? 1 : Math.min(1, maxRows / total);
  let row = 0;
  for await (const batch of dataset.batches({
    columns: [...new Set([...transforms.columns, label])],
    batchRows,
    signal,
  })) {
    onBatch?.(batch);
    const labels = labelsOf(columnOf(batch, label), label, task, row);
    if (transform === undefined && share === 1)
      target.write(labels, (features, firstRow) => transforms.write(batch, features, firstRow));
    else target.append((transform ?? transforms.batch)(batch, row).data, labels, row, share);
    row += batch.length;
  }
  if (target.rows === 0) throw dataEmpty(options.role);
  return target.matrix();
}

export async function countRows(dataset: Dataset, label: string, signal: AbortSignal | undefined): Promise<number> {
  if (dataset.rows !== undefined) return dataset.rows;
  let rows = 0;
  for await (const batch of dataset.batches({ columns: [label], signal })) rows += batch.length;
  return rows;
}

/** A matrix whose rows come in batches; its size is known or doubled. */
class GrowingMatrix {
  readonly #width: number;
  #features: Float32Array;
  #labels: Float32Array;
  rows = 0;

  constructor(width: number, expectedRows = 4_096) {
    this.#width = width;
    this.#features = new Float32Array(expectedRows * width);
    this.#labels = new Float32Array(expectedRows);
  }

  /** Takes the share of rows that is evenly spread: row `i` where ⌊(i + 1)·share⌋ is more than ⌊i·share⌋. */
  append(features: Float32Array, labels: Float64Array, firstRow: number, share: number): void {
    if (share === 1) {
      this.#reserve(this.rows + labels.length);
      this.#features.set(features, this.rows * this.#width);
      this.#labels.set(labels, this.rows);
      this.rows += labels.length;
      return;
    }
    for (let row = 0; row < labels.length; row += 1) {
      const index = firstRow + row;
      if (Math.floor((index + 1) * share) === Math.floor(index * share)) continue;
      this.#reserve(this.rows + 1);
      this.#features.set(features.subarray(row * this.#width, (row + 1) * this.#width), this.rows * this.#width);
      this.#labels[this.rows] = labels[row] as number;
      this.rows += 1;
    }
  }

  /** Takes rows that are written where they are to lie. */
  write(labels: Float64Array, writeTo: (features: Float32Array, firstRow: number) => void): void {
    this.#reserve(this.rows + labels.length);
    writeTo(this.#features, this.rows);
    this.#labels.set(labels, this.rows);
    this.rows += labels.length;
  }

  #reserve(rows: number): void {
    if (rows <= this.#labels.length) return;
    const size = Math.max(rows, this.#labels.length * 2);
    const features = new Float32Array(size * this.#width);
    features.set(this.#features.subarray(0, this.rows * this.#width));
    const labels = new Float32Array(size);
    labels.set(this.#labels.subarray(0, this.rows));
    this.#features = features;
    this.#labels = labels;
  }

  matrix(): Matrix {
    const { rows } = this;
    const features = this.#features.subarray(0, rows * this.#width);
    return { rows, width: this.#width, features, labels: this.#labels.subarray(0, rows) };
  }
}
