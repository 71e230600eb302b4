import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, DatasetRef, IdSource, JobLauncher, JsonValue } from "@millwright/contracts";
import { type DryRunReport, type DryRunRequest, drySteps } from "./dry-run-report.ts";
import { jobValue } from "./job-value.ts";
import type { TrainingRequest } from "./run-messages.ts";
import { requestOf } from "./run-request.ts";
import type { StartOptions } from "./start-options.ts";

interface DryRunSetting {
  readonly jobs: JobLauncher;
  readonly train: DatasetRef;
  readonly validation: DatasetRef | undefined;
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly runModule: string;
}

/** Launches a run's process that only tries, and takes what it found. */
export async function tryRun(url: string, options: StartOptions, setting: DryRunSetting): Promise<DryRunReport> {
  const { jobs, train, validation, ids, clock, runModule } = setting;
  const { signal, batchSize = 1_024, maxRows, limits, resources, environment } = options;
  const directory = await mkdtemp(join(tmpdir(), "millwright-dry-run-"));
  const id = ids.next();
  try {
    const plain = { ...options, trial: undefined, resumeFrom: undefined };
    const resolved = { id, train, validation, tracked: undefined, directory, nowMs: clock.nowMs() };
    const dryRun: DryRunRequest = { rows: maxRows ?? null, perHour: options.budget?.perHour ?? null };
    const input: TrainingRequest = {
      ...requestOf(url, plain, resolved),
      maxRows: Math.min(drySteps * batchSize, maxRows ?? Infinity),
      dryRun,
    };
    const job = await jobs.launch({
      id,
      run: { module: runModule, input: input as unknown as JsonValue },
      retries: 0,
      limits,
      resources,
      environment,
    });
    return (await jobValue(job, "The signal of this dry run was aborted.", signal)) as unknown as DryRunReport;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
