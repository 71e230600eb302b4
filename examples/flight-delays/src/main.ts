import { join } from "node:path";
import { type MillwrightError, digestOfJson, hasCode } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import { openFeatureStore } from "@millwright/feature-store";
import { openMemoryOnlineStore } from "@millwright/feature-store/drivers/memory";
import { type Jobs, openJobs } from "@millwright/jobs";
import { openRegistry } from "@millwright/registry";
import { openDirectoryArtifactStore, openSqlite, openEventLog } from "@millwright/storage";
import { createTrainer } from "@millwright/trainer";
import { lateFlights } from "./definitions.ts";
import { explain } from "./errors.ts";
import { type Job, runJob } from "./job.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { periods } from "./periods.ts";
import { createReplayClock } from "./production.ts";
import { writeReport } from "./report.ts";
import { serveForever } from "./serve.ts";
import { type Stages, openFolder, openStages } from "./stages.ts";
import { type Terminal, createTerminal, seconds } from "./terminal.ts";

const gibibyte = 2 ** 30;

interface Room {
  readonly jobs: Jobs;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Opens every part of the platform in one folder, and hands them to `work`. */
async function withJob<Result>(
  options: Options,
  { jobs, terminal, signal }: Room,
  work: (job: Job) => Promise<Result>,
): Promise<Result> {
  const directory = options.output;
  const clock = createReplayClock(periods.trainFromMs);
  await using duckdb = await openDuckDb({ memoryLimitBytes: 4 * gibibyte, spillDirectory: join(directory, "spill") });
  await using database = await openSqlite(join(directory, "millwright.db"), { signal });
  const events = openEventLog(database);
  // The jobs were opened first, since their folder is the lock of the whole one.
  await jobs.writeEvents(events);
  const artifacts = await openDirectoryArtifactStore(join(directory, "artifacts"), { signal });
  await using registry = await openRegistry({ database, artifacts, directory: join(directory, "models") });
  await using store = await openFeatureStore({
    history: join(directory, "features"),
    services: [lateFlights],
    online: openMemoryOnlineStore(),
    duckdb,
    clock,
    events,
  });
  const trainer = createTrainer({ jobs, directory: join(directory, "runs") });
  const { effort, rows } = options;
  return await work({
    duckdb,
    database,
    jobs,
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

/** All stages, then the report; with `--serve` the endpoint until it is stopped. */
async function runStages(options: Options, stages: Stages, room: Room): Promise<void> {
  const { terminal } = room;
  const startMs = performance.now();
  await withJob(options, room, async (job) => {
    const found = await runJob(job, stages);
    const page = await stages.run("end", "Write the report", () =>
      writeReport(options.output, { ...found, generatedMs: Date.now(), timings: stages.timings() }),
    );
    terminal.line(`What to do:\n${found.watch.advice.map((each) => `  - ${each}`).join("\n")}`);
    terminal.line(`Report: ${page}   (${seconds(performance.now() - startMs)} in all)`);
    if (options.serve) await serveForever(job, options.port);
  });
}

/** Takes the folder for this process, and works in it. Two runs in one folder would destroy each other's files. */
async function workIn(options: Options, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { output, rows, effort } = options;
  await openFolder(output);
  await using jobs = await openJobs({ directory: join(output, "jobs") });
  const key = digestOfJson({ rows: rows ?? null, effort, service: lateFlights.digest, layout: 2 });
  const stages = await openStages(output, key, terminal, { keepFinished: options.serve, spare: "jobs" });
  try {
    await runStages(options, stages, { jobs, terminal, signal });
  } catch (error) {
    if (!signal.aborted && explain(error, output)?.category === "data") {
      await stages.discard();
      terminal.line(`What ${output} holds is of no more use: the next start begins anew.`);
    }
    throw error;
  }
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
  try {
    await workIn(options, terminal, signal);
    return 0;
  } catch (error) {
    if (signal.aborted) {
      terminal.line("Interrupted. The same command goes on where this run stopped.");
      return 130;
    }
    const problem: MillwrightError | undefined = explain(error, options.output);
    if (problem === undefined) throw error;
    terminal.line(`${problem.code}: ${problem.message}`);
    return hasCode(problem, "SERVING_PORT_BUSY") ? 3 : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
