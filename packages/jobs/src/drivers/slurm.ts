import { resolve } from "node:path";
import { openRemoteJobs, type RemoteJobs, type RemoteJobsOptions } from "../remote/remote-jobs.ts";
import { createCommands, runLocally, type RunCommand } from "../slurm/commands.ts";
import { createSlurmCluster } from "../slurm/slurm-cluster.ts";

export type { RemoteJobs, RemoteJobsOptions } from "../remote/remote-jobs.ts";
export type { CommandResult, RunCommand } from "../slurm/commands.ts";

export interface SlurmJobsOptions extends RemoteJobsOptions {
  /** The directory as the nodes see it; Slurm's jobs write their output there. Default: `directory`, resolved: the same path on both sides. */
  readonly directoryOnCluster?: string | undefined;
  /** More arguments of `sbatch`, such as `--partition=gpu`, `--account=team` or `--qos=low`. Default: none. */
  readonly arguments?: readonly string[] | undefined;
  /** Runs `sbatch`, `squeue`, `scontrol`, `sacct` and `scancel`. Default: on this machine. */
  readonly run?: RunCommand | undefined;
  /** For one command. Default: 30,000. */
  readonly requestTimeoutMs?: number | undefined;
}

/**
 * Opens a launcher of Slurm jobs, by Slurm's own commands (from 20.11). Each attempt has a job name of its own, by which it is found again where `sbatch` did not
 * answer. Throws `JOBS_DIRECTORY_IN_USE`, `JOBS_RECORD_CORRUPT`, `JOBS_WRITE_FAILED`.
 * @see https://slurm.schedmd.com/sbatch.html
 */
export async function openSlurmJobs(options: SlurmJobsOptions): Promise<RemoteJobs> {
  const { directory, run = runLocally, requestTimeoutMs = 30_000, arguments: more = [] } = options;
  if (typeof directory !== "string" || directory === "") throw new TypeError("The directory of a launcher is a path.");
  if (!Array.isArray(more) || more.some((each) => typeof each !== "string"))
    throw new TypeError("The arguments of sbatch are a list of texts.");
  if (!(requestTimeoutMs > 0)) throw new RangeError(`requestTimeoutMs must be above 0, not ${requestTimeoutMs}.`);
  const name = "Slurm";
  const commands = createCommands(name, run, requestTimeoutMs);
  const directoryOnCluster = options.directoryOnCluster ?? resolve(directory);
  const cluster = createSlurmCluster({ name, commands, directory, arguments: more });
  return openRemoteJobs({ ...options, directoryOnCluster }, cluster, { ownTimeout: true });
}
