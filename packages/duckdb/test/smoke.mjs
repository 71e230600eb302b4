// A small action on every supported Node: the native engine loads, writes a Parquet file and answers a query over it.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, collect, toArray } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";

const folder = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const duckdb = await openDuckDb();
await duckdb.writeParquet(batchOf({ carrier: ["UA", "AA", "UA"], delay: [12, 5, 3] }), join(folder, "flights.parquet"));
await duckdb.register("flights", await duckdb.scan(join(folder, "flights.parquet")));
const query = "SELECT carrier, sum(delay)::DOUBLE AS delay FROM flights GROUP BY carrier ORDER BY carrier";
const { columns } = await collect(await duckdb.asDataset(query));
assert.deepEqual(
  [toArray(columns.carrier), toArray(columns.delay)],
  [
    ["AA", "UA"],
    [5, 15],
  ],
);
await duckdb[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
