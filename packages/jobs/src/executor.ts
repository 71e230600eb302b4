import type { JobSpec } from "@millwright/contracts";
import type { Attempt, AttemptOptions } from "./attempt-options.ts";
import { executorUnable } from "./errors.ts";

/** What runs the attempts of a launcher on this machine. */
export interface Executor {
  /** Throws `JOBS_EXECUTOR_UNABLE` for what it cannot do as the spec says. */
  check(spec: JobSpec): void;
  start(options: AttemptOptions): Attempt;
}

/** What a spec may ask for that only a process of its own can have. */
export type Ability = "environment" | "memoryBytes" | "metrics";

/** Throws `JOBS_EXECUTOR_UNABLE` for what can run modules alone, in a process that other work shares. */
export function checkShared(spec: JobSpec, executor: string, able: readonly Ability[]): void {
  const { run, environment = {}, limits, metrics = [], workingDirectory, resources = {} } = spec;
  const refuse = (what: string, remedy: string): never => {
    throw executorUnable(executor, what, remedy);
  };
  const elsewhere = "Leave it out, or run the job by openJobs, which gives it a process of its own.";
  if ("command" in run) refuse("a command", "Run a module, or commands by openJobs.");
  if ((spec.keepAliveMs ?? 0) > 0) refuse("a job whose process is to be kept", elsewhere);
  if (workingDirectory !== undefined) refuse("a job with a `workingDirectory` of its own", elsewhere);
  if ((resources.gpus ?? resources.gpuMemoryBytes ?? resources.gpuIds) !== undefined && resources.gpus !== 0)
    refuse("a job with devices of its own", elsewhere);
  if (!able.includes("environment") && Object.keys(environment).length > 0)
    refuse("a job with an `environment` of its own", elsewhere);
  if (!able.includes("memoryBytes") && limits?.memoryBytes !== undefined)
    refuse("a job under `limits.memoryBytes`", elsewhere);
  if (!able.includes("metrics") && metrics.length > 0)
    refuse("a job whose `metrics` are read off its lines", "Say them by `metric` of the module, or run it elsewhere.");
}
