import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { digestOfJson, hasCode, isMillwrightError } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import { openFeatureStore } from "@millwright/feature-store";
import { openMemoryOnlineStore } from "@millwright/feature-store/drivers/memory";
import { openJobs } from "@millwright/jobs";
import { openRegistry } from "@millwright/registry";
import { openDirectoryArtifactStore, openSqlite } from "@millwright/storage";
import { createTrainer } from "@millwright/trainer";
import { lateFlights } from "./definitions.ts";
import { type Job, runJob } from "./job.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { periods } from "./periods.ts";
import { createReplayClock } from "./production.ts";
import { writeReport } from "./report.ts";
import { serveForever } from "./serve.ts";
import { openStages } from "./stages.ts";
import { type Terminal, createTerminal, seconds } from "./terminal.ts";

const gibibyte = 2 ** 30;

/** Opens every part of the platform in one folder, and hands them to `work`. */
async function withJob<Result>(
  options: Options,
  terminal: Terminal,
  signal: AbortSignal,
  work: (job: Job) => Promise<Result>,
): Promise<Result> {
  const directory = options.output;
  const clock = createReplayClock(periods.trainFromMs);
  await using duckdb = await openDuckDb({ memoryLimitBytes: 4 * gibibyte, spillDirectory: join(directory, "spill") });
  await using database = await openSqlite(join(directory, "millwright.db"), { signal });
  const artifacts = await openDirectoryArtifactStore(join(directory, "artifacts"), { signal });
  await using registry = await openRegistry({ database, artifacts, directory: join(directory, "models") });
  await using jobs = await openJobs({ directory: join(directory, "jobs") });
  await using store = await openFeatureStore({
    history: join(directory, "features"),
    services: [lateFlights],
    online: openMemoryOnlineStore(),
    duckdb,
    clock,
  });
  const trainer = createTrainer({ jobs, directory: join(directory, "runs") });
  const { effort, rows } = options;
  return await work({
    duckdb,
    database,
    registry,
    store,
    trainer,
    terminal,
    signal,
    clock,
    effort,
    rows,
    directory,
    flights: join(directory, "flights.parquet"),
  });
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    (options === usage ? process.stdout : process.stderr).write(`${options}\n`);
    return options === usage ? 0 : 2;
  }
  const terminal = createTerminal();
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => interrupted.abort(new Error("Interrupted.")));
  const { signal } = interrupted;
  const startMs = performance.now();
  try {
    await mkdir(options.output, { recursive: true });
    const key = digestOfJson({
      rows: options.rows ?? null,
      effort: options.effort,
      service: lateFlights.digest,
      layout: 1,
    });
    const stages = await openStages(options.output, key, terminal, { keepFinished: options.serve });
    await withJob(options, terminal, signal, async (job) => {
      const found = await runJob(job, stages);
      const page = await stages.run("end", "Write the report", () =>
        writeReport(options.output, { ...found, generatedMs: Date.now(), timings: stages.timings() }),
      );
      terminal.line(`What to do:\n${found.watch.advice.map((each) => `  - ${each}`).join("\n")}`);
      terminal.line(`Report: ${page}   (${seconds(performance.now() - startMs)} in all)`);
      if (options.serve) await serveForever(job, options.port);
    });
    return 0;
  } catch (error) {
    if (signal.aborted) {
      terminal.line("Interrupted. The same command goes on where this run stopped.");
      return 130;
    }
    if (!isMillwrightError(error)) throw error;
    terminal.line(`${error.code}: ${error.message}`);
    return hasCode(error, "SERVING_PORT_BUSY") ? 3 : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
