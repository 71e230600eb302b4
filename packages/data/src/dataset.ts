import {
  type Batch,
  type BatchesOptions,
  type Dataset,
  type Digest,
  type Schema,
  abortable,
  unsupported,
} from "@millwright/contracts";
import { assertSchema, schemaOf, selectColumns } from "./batch.ts";
import { column } from "./column.ts";
import { concatBatches } from "./concat.ts";
import { digestBatches } from "./digest.ts";
import { columnMissing } from "./errors.ts";
import { sliceBatch } from "./rows.ts";

export interface DatasetOptions {
  /** Default: the schema of the first batch. Needed where there may be no batch. */
  readonly schema?: Schema | undefined;
}

const defaultBatchRows = 65_536;

/**
 * A dataset over batches in memory. The batches it gives out are views on the same memory: `copyBatch` before transferring one.
 * Throws `DATA_SCHEMA_MISMATCH` unless all batches have the schema; a RangeError without batches and schema.
 */
export function datasetOf(batches: readonly Batch[], { schema }: DatasetOptions = {}): Dataset {
  const [first] = batches;
  if (first === undefined && schema === undefined) throw new RangeError("A dataset without batches needs a schema.");
  const fields = schema ?? schemaOf(first as Batch);
  for (const batch of batches) assertSchema(fields, batch);
  return createDataset({
    schema: fields,
    rows: batches.reduce((rows, batch) => rows + batch.length, 0),
    walk: () => batches,
    slice: (startRow, endRow) => datasetOf(sliceBatches(batches, startRow, endRow), { schema: fields }),
  });
}

function sliceBatches(batches: readonly Batch[], startRow: number, endRow: number): readonly Batch[] {
  let row = 0;
  return batches.flatMap((batch) => {
    const from = row;
    row += batch.length;
    return row <= startRow || from >= endRow ? [] : [sliceBatch(batch, startRow - from, endRow - from)];
  });
}

export interface DatasetSource {
  readonly schema: Schema;
  /** Total rows, where known. */
  readonly rows?: number | undefined;
  /** Walks the batches from the first row; called once for each walk. They must have the schema's columns. */
  readonly walk: (options: {
    readonly columns: readonly string[];
    readonly signal?: AbortSignal | undefined;
  }) => Iterable<Batch> | AsyncIterable<Batch>;
  /** The dataset of the rows between two row numbers, where it can be had for the cost of those rows. Default: it cannot. */
  readonly slice?: ((startRow: number, endRow: number) => Dataset) | undefined;
}

/**
 * A dataset over anything that can be walked again: it selects columns, cuts batches, heeds the signal, and keeps the digest once it is known.
 * `ref` throws `PORT_UNSUPPORTED`: the rows are in no files.
 */
export function createDataset({ schema, rows, walk, slice }: DatasetSource): Dataset {
  let digest: Promise<Digest> | undefined;
  const names = schema.map(({ name }) => name);
  const dataset: Dataset = {
    schema,
    ...(rows === undefined ? {} : { rows }),
    batches: (options = {}) => cutBatches(walk, names, options),
    ...(slice === undefined
      ? {}
      : { slice: (startRow: number, endRow: number) => slice(checkedRow(startRow), checkedRow(endRow)) }),
    async digest({ signal } = {}) {
      signal?.throwIfAborted();
      if (digest !== undefined) return abortable(digest, signal);
      const reading = digestBatches(schema, dataset.batches({ signal }));
      // A reading that one caller may abort is no other's to wait for; what it finds is kept for all.
      if (signal === undefined) digest = reading;
      try {
        const found = await reading;
        digest = Promise.resolve(found);
        return found;
      } catch (error) {
        if (digest === reading) digest = undefined;
        throw error;
      }
    },
    async ref({ signal } = {}) {
      signal?.throwIfAborted();
      throw unsupported(
        "A reference to a dataset in memory",
        "Write it to files first, for instance with @millwright/duckdb.",
      );
    },
  };
  return dataset;
}

function checkedRow(row: number): number {
  if (!(row >= 0 && (Number.isSafeInteger(row) || row === Infinity)))
    throw new RangeError(`A row number must be a whole number from 0, not ${String(row)}.`);
  return row;
}

async function* cutBatches(
  walk: DatasetSource["walk"],
  known: readonly string[],
  { columns = known, batchRows = defaultBatchRows, signal }: BatchesOptions,
): AsyncIterable<Batch> {
  if (!(Number.isInteger(batchRows) && batchRows > 0))
    throw new RangeError(`batchRows must be a positive integer, not ${batchRows}.`);
  const missing = columns.find((name) => !known.includes(name));
  if (missing !== undefined) throw columnMissing(missing, known);
  signal?.throwIfAborted();
  for await (const batch of walk({ columns, signal })) {
    const selected = selectColumns(batch, columns);
    for (let start = 0; start < selected.length; start += batchRows) {
      signal?.throwIfAborted();
      yield sliceBatch(selected, start, start + batchRows);
    }
  }
}

/** All rows in one batch that owns its memory; without rows, a batch of empty columns. */
export async function collect(dataset: Dataset, options: BatchesOptions = {}): Promise<Batch> {
  const batches: Batch[] = [];
  for await (const batch of dataset.batches(options)) batches.push(batch);
  return batches.length === 0 ? emptyBatch(dataset.schema, options.columns) : concatBatches(batches);
}

/** @returns a batch of no rows. */
export function emptyBatch(schema: Schema, columns: readonly string[] = schema.map(({ name }) => name)): Batch {
  const empty = Object.fromEntries(schema.map(({ name, type, items }) => [name, column(type, [], { items })]));
  return selectColumns({ length: 0, columns: empty }, columns);
}

export interface MapDatasetOptions {
  /** The schema of what the function gives. Default: that of the dataset. */
  readonly schema?: Schema | undefined;
  /** The columns to read for the function. Default: all. */
  readonly columns?: readonly string[] | undefined;
}

/** A dataset whose batches are made from those of another as they are walked; the function must be pure. It may drop or add rows. */
export function mapDataset(
  dataset: Dataset,
  change: (batch: Batch) => Batch,
  { schema = dataset.schema, columns }: MapDatasetOptions = {},
): Dataset {
  return createDataset({
    schema,
    async *walk({ signal }) {
      for await (const batch of dataset.batches({ columns, signal })) {
        const changed = change(batch);
        assertSchema(schema, changed);
        yield changed;
      }
    },
  });
}
