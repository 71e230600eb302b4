import { checkShared } from "../executor.ts";
import { type Jobs, type JobsOptions, openJobsBy } from "../open-jobs.ts";
import { startInProcess } from "../threads/in-process-attempt.ts";

export type { Jobs, JobsOptions } from "../open-jobs.ts";

export type InProcessJobsOptions = Omit<JobsOptions, "gpus" | "memoryPollMs">;

/**
 * Opens a launcher that calls the default function of modules in this process: for tests, debuggers and small work that is trusted. Nothing can be ended
 * by force: a stop, or the end of the wall time, aborts the module's `signal`, and the job goes on until the function returns. What it writes to
 * stdout is this process's output. Launching a command, or a spec with an `environment`, `workingDirectory`, `metrics`, devices or `limits.memoryBytes`,
 * throws `JOBS_EXECUTOR_UNABLE`. Throws what `openJobs` throws.
 */
export function openInProcessJobs(options: InProcessJobsOptions): Promise<Jobs> {
  return openJobsBy(options, {
    check: (spec) => checkShared(spec, "This process", []),
    start: startInProcess,
  });
}
