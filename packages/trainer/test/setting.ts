import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch, DatasetRef } from "@millwright/contracts";
import { createRandom } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { type Jobs, type JobsOptions, openJobs } from "@millwright/jobs";
import { createTrainer, type Trainer, type TrainingRun } from "@millwright/trainer";

export const fixture = (name: string): URL => new URL(`./fixtures/${name}`, import.meta.url);

export interface Setting extends AsyncDisposable {
  readonly directory: string;
  readonly jobs: Jobs;
  readonly trainer: Trainer;
  /** Writes the columns as a Parquet file. */
  save(name: string, batch: Batch): Promise<DatasetRef>;
}

export async function openSetting(more: Partial<JobsOptions> = {}): Promise<Setting> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-trainer-"));
  const jobs = await openJobs({
    directory: join(directory, "jobs"),
    maxCpus: 4,
    retryDelayMs: 10,
    // On a busy machine a test may take long enough to be measured.
    telemetryMs: 0,
    ...more,
  });
  const trainer = createTrainer({ jobs, directory: join(directory, "runs") });
  return {
    directory,
    jobs,
    trainer: {
      ...trainer,
      // A process that a test kills shall stay so.
      start: (module, options) => trainer.start(module, { retries: 0, ...options }),
    },
    async save(name, batch) {
      await using duckdb = await openDuckDb();
      const path = join(directory, `${name}.parquet`);
      await duckdb.writeParquet(batch, path);
      return await (await duckdb.scan(path)).ref();
    },
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Rows whose label is 1 where a curve of two of the numbers and a text is passed, with noise. */
export function flights(rows: number, seed: number): Batch {
  const random = createRandom(seed);
  const distance = new Float64Array(rows);
  const hour = new Int32Array(rows);
  const wind = new Float32Array(rows);
  const carrier: string[] = [];
  const late: boolean[] = [];
  for (let row = 0; row < rows; row += 1) {
    distance[row] = 200 + 2_000 * random.next();
    hour[row] = random.integer(24);
    wind[row] = random.normal();
    carrier.push(["AA", "UA", "DL"][random.integer(3)] ?? "AA");
    const score = (hour[row] as number) / 6 - 2 + (wind[row] as number) ** 2 + (carrier[row] === "UA" ? 1 : -0.5);
    late.push(score + random.normal() > 0.5);
  }
  return batchOf({ distance, hour, wind, carrier, late });
}

/** Kills the run's process outright once it has come to the step. */
export async function killAt(run: TrainingRun, step: number): Promise<void> {
  let pid = 0;
  for await (const { type, data } of run.events()) {
    if (type === "run.started") pid = data["pid"] as number;
    if (type !== "run.progress" || (data["step"] as number) < step) continue;
    process.kill(pid, "SIGKILL");
    return;
  }
  throw new Error(`The run ended before step ${step}.`);
}
