import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, DatasetRef, IdSource, JobHandle, JobLauncher, JsonValue } from "@millwright/contracts";
import { type DryRunReport, type DryRunRequest, drySteps } from "./dry-run-report.ts";
import type { ToldError } from "./errors.ts";
import type { RunMessage, TrainingRequest } from "./run-messages.ts";
import { requestOf } from "./run-request.ts";
import type { StartOptions } from "./start-options.ts";
import { jobFailure } from "./training-run.ts";

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
    return await followDryRun(job, signal);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function followDryRun(job: JobHandle, signal: AbortSignal | undefined): Promise<DryRunReport> {
  let told: ToldError | undefined;
  const stop = (): void => void job.stop("The signal of this dry run was aborted.");
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for await (const event of job.events()) {
      if (event.kind !== "message") continue;
      const message = event.body as unknown as RunMessage;
      if (message.kind === "error") told = message.error;
    }
    const result = await job.result();
    signal?.throwIfAborted();
    if (result.state !== "completed") throw jobFailure(job.id, result, told);
    return result.value as unknown as DryRunReport;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
