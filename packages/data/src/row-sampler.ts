import type { Batch, Random, Schema } from "@millwright/contracts";
import { concatBatches } from "./concat.ts";
import { emptyBatch } from "./dataset.ts";
import { takeRows } from "./rows.ts";

/** Keeps a sample of at most so many rows of what it is given, each with the same probability. */
export interface RowSampler {
  /** Rows in the sample. */
  readonly rows: number;
  update(batch: Batch): void;
  /** The sample, in an order drawn at random: the first rows of it are a sample too. */
  shuffled(): Batch;
}

interface Drawn {
  readonly batch: Batch;
  /** By row, what it drew from [0, 1). */
  readonly numbers: Float64Array;
}

/**
 * Each row draws a number and is in the sample while that is below a limit. The limit is halved when the sample is full, also for the rows in it, so
 * that the sample of what was seen is at any time the same as if the limit had been so from the first row on.
 * @param share The first limit: 1, or less where the rows to come are known to be too many.
 */
export function createRowSampler({
  maxRows,
  share,
  random,
  schema,
}: {
  readonly maxRows: number;
  readonly share: number;
  readonly random: Random;
  readonly schema: Schema;
}): RowSampler {
  let limit = share;
  let kept: Drawn[] = [];
  let rows = 0;
  return {
    get rows() {
      return rows;
    },
    update(batch) {
      const numbers = Float64Array.from({ length: batch.length }, () => random.next());
      kept.push(below(limit, { batch, numbers }));
      rows += kept.at(-1)?.batch.length ?? 0;
      while (rows > maxRows) {
        limit /= 2;
        kept = kept.map((drawn) => below(limit, drawn)).filter((drawn) => drawn.batch.length > 0);
        rows = kept.reduce((sum, drawn) => sum + drawn.batch.length, 0);
      }
    },
    shuffled() {
      if (rows === 0) return emptyBatch(schema);
      const order = Int32Array.from({ length: rows }, (_, row) => row);
      for (let last = rows - 1; last > 0; last -= 1) {
        const other = random.integer(last + 1);
        [order[last], order[other]] = [order[other] as number, order[last] as number];
      }
      return takeRows(concatBatches(kept.map((drawn) => drawn.batch)), order);
    },
  };
}

function below(limit: number, { batch, numbers }: Drawn): Drawn {
  const rows = new Int32Array(batch.length);
  let taken = 0;
  for (let row = 0; row < batch.length; row += 1) if ((numbers[row] as number) < limit) rows[taken++] = row;
  if (taken === batch.length) return { batch, numbers };
  const staying = rows.subarray(0, taken);
  return {
    batch: takeRows(batch, staying),
    numbers: Float64Array.from(staying, (row) => numbers[row] as number),
  };
}
