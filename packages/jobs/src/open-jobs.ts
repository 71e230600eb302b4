import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { createIdSource, systemClock } from "@millwright/contracts";
import { startAttempt } from "./attempt.ts";
import { createTelemetry } from "./devices/job-telemetry.ts";
import { openDevices } from "./devices/open-placement.ts";
import { lockDirectory } from "./directory-lock.ts";
import { writeFailure } from "./errors.ts";
import type { Executor } from "./executor.ts";
import { type Jobs, type JobsOptions, LocalJobs } from "./jobs.ts";
import { jobFolders, recover } from "./recovery.ts";
import { createSlots } from "./slots.ts";
import { checkNotice, watchNotice } from "./supervision/interruption-notice.ts";
import { clearWarmPool, openWarmPool } from "./supervision/warm-pool.ts";
import type { Supervisor } from "./supervisor.ts";

export type { Jobs, JobsOptions } from "./jobs.ts";

/**
 * Opens the jobs of a directory. Jobs that ran when their launcher died are found here: what is left of their processes is ended, and they are
 * recorded as `interrupted` (as `stopped` where they were stopping). The next `launch` or `attach` of such a job starts it again where it has
 * retries left. Throws `JOBS_DIRECTORY_IN_USE`, `JOBS_GPU_UNKNOWN`, `JOBS_RECORD_CORRUPT`, `JOBS_WRITE_FAILED`.
 */
export function openJobs(options: JobsOptions): Promise<Jobs> {
  return openJobsBy(options, { check: () => {}, start: startAttempt });
}

/** Opens a launcher whose attempts an executor runs. */
export async function openJobsBy(options: JobsOptions, executor: Executor): Promise<Jobs> {
  const { directory, maxCpus = availableParallelism(), clock = systemClock, notice = {}, signal } = options;
  const { parentEnvironment = process.env, maxWarm = 4 } = options;
  signal?.throwIfAborted();
  checkNotice(notice);
  if (!(maxWarm >= 0)) throw new RangeError(`maxWarm must be from 0, not ${maxWarm}.`);
  if (!(maxCpus > 0)) throw new RangeError(`maxCpus must be above 0, not ${maxCpus}.`);
  const devices = await openDevices(options, clock, parentEnvironment["CUDA_VISIBLE_DEVICES"]);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const unlock = await lockDirectory(directory);
  try {
    await clearWarmPool(directory, clock);
    for (const folder of await jobFolders(directory)) {
      signal?.throwIfAborted();
      await recover(folder, clock);
    }
  } catch (error) {
    await unlock();
    throw error;
  }
  const supervisor: Supervisor = {
    clock,
    ids: options.ids ?? createIdSource(clock),
    slots: createSlots(maxCpus, devices.placement, devices.unplaced),
    executor,
    exclusiveDevices: devices.exclusive,
    watch: (slot, limits, journal) => createTelemetry(devices.telemetry, { slot, limits, journal }),
    parentEnvironment,
    retryDelayMs: options.retryDelayMs ?? 1_000,
    memoryPollMs: options.memoryPollMs ?? 200,
    events: undefined,
    warm: openWarmPool({ directory, clock, maxWarm }),
    notice: watchNotice(notice),
    noticeOptions: notice,
  };
  const jobs = new LocalJobs(options, supervisor, unlock);
  try {
    if (options.events !== undefined) await jobs.writeEvents(options.events, { signal });
  } catch (error) {
    await jobs[Symbol.asyncDispose]();
    throw error;
  }
  return jobs;
}
