import { openDuckDb } from "../../../packages/duckdb/dist/index.js";

/** The rows of a Parquet file, read by DuckDB on one thread. */
export async function* batchesOf(path) {
  const duckdb = await openDuckDb({ threads: 1, memoryLimitBytes: 1 * 2 ** 30 });
  const dataset = await duckdb.scan(path);
  yield* dataset.batches({ batchRows: 16_384 });
  await duckdb[Symbol.asyncDispose]();
}
