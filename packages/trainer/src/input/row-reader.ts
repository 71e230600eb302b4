import type { Batch, Dataset } from "@millwright/contracts";
import {
  type CompiledTransforms,
  columnOf,
  type OutOfFoldTransforms,
  type RowRange,
  sliceBatch,
} from "@millwright/data";
import type { TrainingTask } from "../define-training.ts";
import type { EvenShare } from "./even-share.ts";
import { labelsOf } from "./labels.ts";
import type { StepRows } from "./training-rows.ts";

/** Rows as they are read from data again and again. */
export interface ReadableRows {
  readonly dataset: Dataset;
  readonly transforms: CompiledTransforms;
  /** Encodes training rows without their own labels, where that is wanted. */
  readonly trainBatch: OutOfFoldTransforms["trainBatch"] | undefined;
  readonly label: string;
  readonly task: TrainingTask;
  readonly share: EvenShare;
}

const batchRows = 16_384;

/** Columns that are read of each row. */
export const columnsOf = ({ transforms, label }: Pick<ReadableRows, "transforms" | "label">): readonly string[] => [
  ...new Set([...transforms.columns, label]),
];

/** Reads rows of a dataset, transforms them, and writes them into given memory. */
export class RowReader {
  readonly #rows: ReadableRows;
  /** A walk that is under way, where rows are only reached by walking. */
  #walk: { readonly batches: AsyncIterator<Batch>; row: number; left: Batch | undefined } | undefined;

  constructor(rows: ReadableRows) {
    this.#rows = rows;
  }

  /** Writes the share's rows of the range to `target` from row `at` on. Throws what reading and transforming them throws, `TRAINER_LABEL_INVALID`. */
  async read(range: RowRange, target: StepRows, at: number, signal?: AbortSignal): Promise<void> {
    const { start, end } = this.#rows.share.rangeOf(range);
    let row = start;
    let place = at;
    for await (const batch of this.#batches({ start, end }, signal)) {
      place += this.#write(batch, row, target, place);
      row += batch.length;
    }
  }

  async close(): Promise<void> {
    const walk = this.#walk;
    this.#walk = undefined;
    await walk?.batches.return?.();
  }

  #batches(range: RowRange, signal: AbortSignal | undefined): AsyncIterable<Batch> {
    const { dataset } = this.#rows;
    const slice = dataset.slice?.(range.start, range.end);
    return slice === undefined
      ? this.#walked(range)
      : slice.batches({ columns: columnsOf(this.#rows), batchRows, signal });
  }

  /** @returns how many rows were written. */
  #write(batch: Batch, firstRow: number, target: StepRows, at: number): number {
    const { transforms, trainBatch, label, task, share } = this.#rows;
    const { width } = transforms;
    const labels = labelsOf(columnOf(batch, label), label, task, firstRow);
    if (share.isAll && trainBatch === undefined) {
      transforms.write(batch, target.features, at);
      target.labels.set(labels, at);
      return batch.length;
    }
    const data = trainBatch === undefined ? transforms.batch(batch).data : trainBatch(batch, firstRow).data;
    let place = at;
    for (let row = 0; row < batch.length; row += 1) {
      if (!share.has(firstRow + row)) continue;
      target.features.set(data.subarray(row * width, (row + 1) * width), place * width);
      target.labels[place] = labels[row] as number;
      place += 1;
    }
    return place - at;
  }

  /** Goes on with the walk that is under way where it has not come past the range, else begins anew. */
  async *#walked({ start, end }: RowRange): AsyncGenerator<Batch> {
    if (this.#walk !== undefined && this.#walk.row > start) await this.close();
    // No signal: a walk outlives the reading it was begun for, and is closed with the reader.
    this.#walk ??= {
      batches: this.#rows.dataset.batches({ columns: columnsOf(this.#rows), batchRows })[Symbol.asyncIterator](),
      row: 0,
      left: undefined,
    };
    const walk = this.#walk;
    while (walk.row < end) {
      const batch = walk.left ?? ((await walk.batches.next()).value as Batch | undefined);
      if (batch === undefined) return;
      const from = Math.min(batch.length, Math.max(0, start - walk.row));
      const to = Math.min(batch.length, end - walk.row);
      walk.left = to === batch.length ? undefined : sliceBatch(batch, to);
      walk.row += to;
      if (from < to) yield sliceBatch(batch, from, to);
    }
  }
}
