// Rows learned from a second, 40 → 64 → 32 → 1 with Adam: `node packages/trainer/bench/throughput.bench.ts` (Node 22.18 or later),
// after `tsc -b`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDuckDb } from "@millwright/duckdb";
import { openJobs } from "@millwright/jobs";
import { createTrainer } from "@millwright/trainer";

const rows = 500_000;
const directory = await mkdtemp(join(tmpdir(), "millwright-bench-"));
await using jobs = await openJobs({ directory: join(directory, "jobs") });
const trainer = createTrainer({ jobs, directory: join(directory, "runs") });
const duckdb = await openDuckDb();
const columns = Array.from({ length: 40 }, (_, index) => `(random() * 2 - 1)::FLOAT AS f${index}`).join(", ");
const path = join(directory, "rows.parquet");
await duckdb.writeParquet(`SELECT *, f0 * f1 + f2 > 0 AS label FROM (SELECT ${columns} FROM range(${rows}))`, path);
const train = await (await duckdb.scan(path)).ref();
await duckdb[Symbol.asyncDispose]();
for (const batchSize of [256, 1_024, 2_048, 4_096]) {
  const started = performance.now();
  const run = await trainer.start(new URL("../test/fixtures/plain.train.js", import.meta.url), {
    data: { train },
    label: "label",
    epochs: 2,
    batchSize,
    progress: false,
  });
  const { rowsPerSecond, metrics } = await run.result();
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `batch ${batchSize}: ${Math.round(rowsPerSecond)} rows/s, ${seconds.toFixed(1)} s in all, AUC ${metrics["auc"]?.toFixed(4)}`,
  );
}
await rm(directory, { recursive: true, force: true });
