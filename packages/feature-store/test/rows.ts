import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch, Dataset } from "@millwright/contracts";
import { toArray } from "@millwright/data";

/** A folder that goes with the test. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "millwright-features-test-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }),
  };
}

/** All values by column. */
export function columnsOf(batch: Batch): Record<string, unknown[]> {
  return Object.fromEntries(Object.entries(batch.columns).map(([name, column]) => [name, toArray(column)]));
}

export async function columnsOfDataset(dataset: Dataset): Promise<Record<string, unknown[]>> {
  const columns: Record<string, unknown[]> = {};
  for (const { name } of dataset.schema) columns[name] = [];
  for await (const batch of dataset.batches()) {
    for (const [name, values] of Object.entries(columnsOf(batch)))
      for (const value of values) columns[name]!.push(value);
  }
  return columns;
}

export async function* batches(...given: readonly Batch[]): AsyncGenerator<Batch> {
  yield* given;
}
