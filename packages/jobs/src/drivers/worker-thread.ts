import { checkShared } from "../executor.ts";
import { type Jobs, type JobsOptions, openJobsBy } from "../open-jobs.ts";
import { startThread } from "../threads/thread-attempt.ts";

export type { Jobs, JobsOptions } from "../open-jobs.ts";

export type ThreadJobsOptions = Omit<JobsOptions, "gpus" | "memoryPollMs">;

/**
 * Opens a launcher that runs modules in threads of this process: for work in JavaScript that starts fast and need not survive a crash of its own. What
 * hangs or does not stop is ended; a native crash, or one's own memory beyond V8's heap, is the whole process's. `limits.memoryBytes` bounds the heap.
 * Launching a command, or a spec with a `workingDirectory` or devices, throws `JOBS_EXECUTOR_UNABLE`. Throws what `openJobs` throws.
 */
export function openThreadJobs(options: ThreadJobsOptions): Promise<Jobs> {
  return openJobsBy(options, {
    check: (spec) => checkShared(spec, "A thread", ["environment", "memoryBytes", "metrics"]),
    start: startThread,
  });
}
