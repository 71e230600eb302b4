import {
  type CallOptions,
  type JobHandle,
  type JobLauncher,
  type JobLimits,
  type JobResources,
  type JobResult,
  type JobSpec,
  type JsonValue,
  type TrialHandle,
  decodeNumbers,
  digestOfJson,
  isFinalJobState,
} from "@millwright/contracts";
import { objectiveCrashed, objectiveFailed } from "./errors.ts";
import { type TrialCall, serveTrial } from "./trial-link.ts";
import { urlOf } from "./worker-objective.ts";

export interface JobObjectiveOptions {
  /** Who runs the jobs: `openJobs` of `@millwright/jobs` on this machine, or a cluster's launcher, which must be able to send messages to modules. */
  readonly launcher: JobLauncher;
  /** What each trial has for itself, or a function of the trial that says so. Default: what the launcher gives. */
  readonly resources?: JobResources | ((trial: TrialHandle<unknown>) => JobResources) | undefined;
  readonly limits?: JobLimits | undefined;
  /**
   * When a trial's job is started again, in the same folder and from its newest checkpoint. Default: once, after a kill, an interruption, a hang or a crash by a signal, and
   * not after an exception of the objective.
   */
  readonly retries?: JobSpec["retries"];
  readonly environment?: JobSpec["environment"];
  readonly spot?: JobSpec["spot"];
  /** How long a process waits for another trial. Default: 0. */
  readonly keepAliveMs?: number | undefined;
}

// Compiled or not, the job runs the compiled file: Node cannot run the other everywhere.
const main = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/execute/job-main.js" : "./job-main.js",
  import.meta.url,
).href;

/**
 * An objective whose trials are jobs: the default export of a module, a function of the trial, as `optimize` and `workerObjective` take it, runs in a process of its own under
 * the launcher's supervision, with its leases on GPUs, limits and retries. The job of a trial is named after it: where this process dies, the trial that is begun again finds it.
 * Its trials fail with `TUNER_OBJECTIVE_FAILED` where the module throws, `TUNER_OBJECTIVE_CRASHED` where the job ends otherwise. Throws TypeError.
 * @param url File URL of a compiled module, as the machine that runs the job sees it.
 */
export function jobObjective(
  url: URL | string,
  options: JobObjectiveOptions,
): (trial: TrialHandle<unknown>) => Promise<number> {
  const module = urlOf(url);
  if (typeof options?.launcher?.launch !== "function")
    throw new TypeError("An objective of jobs needs a launcher: what openJobs of @millwright/jobs gives.");
  return async (trial) => {
    const { signal } = trial;
    signal.throwIfAborted();
    const job = await launchFor(trial, module, options);
    const stop = (): void => {
      const reason = signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
      // Whoever stops it is told of nothing: the result says how it ended.
      job.stop(reason).catch(() => {});
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) stop();
      await follow(job, trial);
      const result = await job.result();
      signal.throwIfAborted();
      return valueOf(trial.id, result);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

/** The trial's job: the one there is, if it goes on or has a value; else the next of its name. */
async function launchFor(
  trial: TrialHandle<unknown>,
  module: string,
  {
    launcher,
    resources,
    limits,
    retries = { max: 1, categories: { bug: 1 } },
    environment,
    spot,
    keepAliveMs,
  }: JobObjectiveOptions,
): Promise<JobHandle> {
  const wanted = typeof resources === "function" ? resources(trial) : resources;
  const given = { resources: wanted, limits, environment, spot, keepAliveMs, causedBy: trial.eventId };
  const more = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options: CallOptions = { signal: trial.signal };
  // A trial that goes on after a pause is another piece of work than the one that led there.
  const from = trial.checkpoint === undefined ? "" : `-${digestOfJson(trial.checkpoint).slice(-8)}`;
  const name = `trial-${trial.id.replaceAll(/[^A-Za-z0-9_.-]/g, "-").slice(-100)}${from}`;
  for (let turn = 1; ; turn += 1) {
    const id = turn === 1 ? name : `${name}-${turn}`;
    const spec: JobSpec = { id, run: { module: main, input: { objective: module } }, retries, ...more };
    const job = await launcher.launch(spec, options);
    if (!isFinalJobState(job.state) || job.state === "completed") return job;
  }
}

/** Hears what the job says, to its end. */
async function follow(job: JobHandle, trial: TrialHandle<unknown>): Promise<void> {
  const server = serveTrial(trial, (answer) => {
    if (!isFinalJobState(job.state)) job.send(answer as unknown as JsonValue);
  });
  for await (const event of job.events())
    if (event.kind === "message") await server.take(event.body as unknown as TrialCall);
}

/** Throws `TUNER_OBJECTIVE_FAILED`, `TUNER_OBJECTIVE_CRASHED`. */
function valueOf(trial: string, result: JobResult): number {
  if (result.state === "completed") return decodeNumbers(result.value as JsonValue) as number;
  const reason = result.failureReason ?? `its job ended as ${result.state}`;
  if (result.failureCause === "error")
    throw objectiveFailed(trial, { name: "Error", message: reason, stack: undefined, code: undefined });
  throw objectiveCrashed(trial, reason, result.attempts);
}
