// A small action on every supported Node: a network learns in a process of its own, and its package is fit to load.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDuckDb } from "@millwright/duckdb";
import { openJobs } from "@millwright/jobs";
import { verifyModel } from "@millwright/model";
import { createTrainer } from "@millwright/trainer";

const directory = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const duckdb = await openDuckDb();
const path = join(directory, "rows.parquet");
const rows = "SELECT (i % 17)::FLOAT AS wind, (i % 5)::FLOAT AS rain, i % 17 > 8 AS late FROM range(500) AS rows(i)";
await duckdb.writeParquet(rows, path);
const train = await (await duckdb.scan(path)).ref();
await duckdb[Symbol.asyncDispose]();

const jobs = await openJobs({ directory: join(directory, "jobs") });
const trainer = createTrainer({ jobs, directory: join(directory, "runs") });
const module = new URL("fixtures/plain.train.js", import.meta.url);
const run = await trainer.start(module, { data: { train }, label: "late", epochs: 2, batchSize: 64, progress: false });
const { outcome, modelDirectory, digest } = await run.result();
assert.equal(outcome, "completed");
assert.equal((await verifyModel(modelDirectory)).digest, digest);
await jobs[Symbol.asyncDispose]();
await rm(directory, { recursive: true });
