import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { openDuckDb, literal, type DuckDb } from "@millwright/duckdb";
import { asFloat64, columnOf } from "@millwright/data";
import { expect, test } from "vitest";
import { countedParts, openHistoryLog } from "../src/history/history-log.ts";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { begin } from "./kill.ts";
import { temporaryDirectory } from "./rows.ts";

const ROWS = 1_000_000;
const BATCHES = 20;
const view = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "key", keys: { key: "int32" } }),
  eventTime: "at",
  features: { value: "float64" },
});
const service = defineFeatureService({ name: "all", views: [view] });

/** Rows and a checksum of all that the history's files hold, read by SQL of our own. */
async function checksum(duckdb: DuckDb, directory: string): Promise<{ rows: number; sum: number; files: number }> {
  const log = await openHistoryLog(directory, "numbers");
  const parts = countedParts(await log.batches());
  const paths = parts.map(({ part }) => literal(join(log.directory, part.path)));
  const sql = `SELECT CAST(count(*) AS DOUBLE) AS "rows", CAST(bit_xor(hash("key", "at", "value", "_sequence", write_time, api_invocation_time, is_deleted)) % 9007199254740991 AS DOUBLE) AS "sum"
    FROM read_parquet([${paths.join(", ")}], hive_partitioning = false, union_by_name = true)`;
  for await (const batch of duckdb.query(sql)) {
    return {
      rows: asFloat64(columnOf(batch, "rows"))[0]!,
      sum: asFloat64(columnOf(batch, "sum"))[0]!,
      files: parts.length,
    };
  }
  throw new Error("A count has a row.");
}

// About 30 s: a million rows are written, and compacted again and again by processes that are killed.
test("FS-12: a million rows, compactions killed at many random points: row count and checksum stay, and every row keeps its times", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const random = createRandom(12);
  {
    await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
    for (let batch = 0; batch < BATCHES; batch++) {
      const rows = await duckdb.asDataset(`SELECT CAST(hash(i) % 50000 AS INTEGER) AS "key",
        make_timestamp(1704067200000000 + CAST(hash(i, 1) % 345600 AS BIGINT) * 1000000) AS "at", i / 7.0::DOUBLE AS "value"
        FROM range(${(batch * ROWS) / BATCHES}, ${((batch + 1) * ROWS) / BATCHES}) AS r(i)`);
      expect(await store.ingest(view, rows, { batchId: `batch ${batch}` })).toMatchObject({ rows: ROWS / BATCHES });
    }
  }
  const { rows, sum } = await checksum(duckdb, directory.path);
  expect(rows).toBe(ROWS);
  let killed = 0;
  let waitMs = 30;
  for (let round = 0; round < 16; round++) {
    const said = await (await begin("compact-once.mjs", [directory.path])).killAfter(random.next() * waitMs);
    if (!said.includes("done")) killed++;
    else break;
    // Further and further into it, up to where it gets done.
    waitMs *= 1.45;
    expect(await checksum(duckdb, directory.path)).toMatchObject({ rows, sum });
  }
  expect(killed).toBeGreaterThan(6);
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  await store.compact(view, { graceMs: 0 });
  expect(await checksum(duckdb, directory.path)).toEqual({ rows, sum, files: 4 });
  expect((await store.scan(view, { duplicates: "keep", deleted: "keep" })).schema.map(({ name }) => name)).toContain(
    "write_time",
  );
}, 600_000);
