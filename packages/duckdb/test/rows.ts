import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch } from "@millwright/contracts";
import { toArray } from "@millwright/data";

/** All values by column, batch after batch. */
export async function columnsOf(batches: AsyncIterable<Batch>): Promise<Record<string, unknown[]>> {
  const columns: Record<string, unknown[]> = {};
  for await (const batch of batches) {
    for (const [name, column] of Object.entries(batch.columns)) (columns[name] ??= []).push(...toArray(column));
  }
  return columns;
}

/** A folder that goes with the test. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "millwright-duckdb-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
