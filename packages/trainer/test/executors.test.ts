import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import { openJobs } from "@millwright/jobs";
import { openInProcessJobs } from "@millwright/jobs/drivers/in-process";
import { openThreadJobs } from "@millwright/jobs/drivers/worker-thread";
import { createTrainer } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights } from "./setting.ts";

/** A package says when its run was started. */
const clock = { ...systemClock, nowMs: () => Date.UTC(2026, 0, 1) };
const executors = { "child process": openJobs, "worker thread": openThreadJobs, "this process": openInProcessJobs };

test("TR-3: the same spec in a child process, a worker thread and this process gives equal metrics and packages", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-executors-"));
  try {
    const path = join(folder, "flights.parquet");
    await using duckdb = await openDuckDb();
    await duckdb.writeParquet(flights(600, 5), path);
    const train = await (await duckdb.scan(path)).ref();
    const results = [];
    for (const [name, open] of Object.entries(executors)) {
      const directory = join(folder, name.replaceAll(" ", "-"));
      await using jobs = await open({ directory: join(directory, "jobs") });
      const trainer = createTrainer({ jobs, directory: join(directory, "runs"), clock });
      const run = await trainer.start(fixture("network.train.js"), {
        id: "flights-1",
        data: { train, validation: train },
        label: "late",
        params: { units: [16, 8] },
        epochs: 3,
        seed: 11,
      });
      const epochs = [];
      for await (const { type, data } of run.events()) if (type === "run.epoch") epochs.push(data["metrics"]);
      const { metrics, digest } = await run.result();
      results.push({ epochs, metrics, digest });
    }
    const [first, ...others] = results;
    expect(first?.epochs).toHaveLength(3);
    expect(first?.metrics["auc"]).toBeGreaterThan(0.5);
    expect(first?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    for (const other of others) expect(other).toEqual(first);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}, 600_000);
