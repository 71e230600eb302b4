import { openDuckDb } from "../../../packages/duckdb/dist/index.js";

/** The profile of a Parquet file, by DuckDB on one thread. */
export async function profileOfFile(path) {
  const duckdb = await openDuckDb({ threads: 1, memoryLimitBytes: 1 * 2 ** 30 });
  const profile = await duckdb.profile(await duckdb.scan(path));
  await duckdb[Symbol.asyncDispose]();
  return profile;
}
