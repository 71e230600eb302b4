import type { CallOptions, JobSpec } from "@millwright/contracts";
import { clusterUnreachable, specInvalid } from "../errors.ts";
import type { AttemptName, Cluster, ClusterAttempt, ClusterCause, ClusterStatus, LogPart } from "../remote/cluster.ts";
import type { Http, HttpAnswer } from "../remote/http.ts";
import { checkPlainGpus } from "../remote/plain-gpus.ts";
import { isRecord, numberAt, textAt } from "../remote/json.ts";
import { shellWord } from "../remote/shell-word.ts";
import { linesAfter, logText } from "./log-text.ts";

export interface RaySetting {
  readonly name: string;
  readonly http: Http;
  /** Ray's `runtime_env` for every job. */
  readonly runtimeEnv: Readonly<Record<string, unknown>>;
  readonly entrypointResources: Readonly<Record<string, number>> | undefined;
}

/** What Ray's kinds of errors mean for us, where the job itself cannot say more: what is not here is an interruption. */
const failures: Readonly<Record<string, ClusterCause["failure"]>> = {
  RUNTIME_ENV_SETUP_FAILURE: { category: "user", cause: "not-started" },
  JOB_SUPERVISOR_ACTOR_START_TIMEOUT: { category: "capacity", cause: "not-started" },
  JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE: { category: "capacity", cause: "not-started" },
  JOB_ENTRYPOINT_COMMAND_START_ERROR: { category: "user", cause: "not-started" },
  JOB_ENTRYPOINT_COMMAND_ERROR: undefined,
};

/** The dashboard answers 500 where the agent that it asks answers 400. */
function statusOf({ status, text }: HttpAnswer): number {
  const [, inner] = /Request failed with status code (\d{3})/.exec(text) ?? [];
  return status === 500 && inner !== undefined ? Number(inner) : status;
}

/** `JobDetails` of Ray's Jobs API as a status. */
export function rayStatus(details: unknown, name: string): ClusterStatus {
  const status = textAt(details, "status");
  const message = textAt(details, "message");
  const exitCode = numberAt(details, "driver_exit_code");
  // Python tells the signal that ended a process as its negative number, a shell as 128 and the number.
  const exit = exitCode === undefined ? {} : { exitCode: exitCode < 0 ? 128 - exitCode : exitCode };
  switch (status) {
    case "PENDING":
      return { kind: "waiting", why: message };
    case "RUNNING":
      return { kind: "running" };
    case "SUCCEEDED":
      return { kind: "ended", exitCode: 0 };
    case "STOPPED":
      return { kind: "ended", ...exit, cause: { kind: "stopped", reason: "The job was stopped in Ray." } };
    case "FAILED":
      return { kind: "ended", ...exit, cause: failure(textAt(details, "error_type"), message) };
    default:
      throw clusterUnreachable(name, `it tells no status of a job that we know: ${String(status)}`);
  }
}

function failure(errorType: string | undefined, message = "Ray says that the job failed."): ClusterCause {
  if (errorType === undefined) return { kind: "failed", reason: message };
  const reason = `${message} (${errorType})`;
  return Object.hasOwn(failures, errorType)
    ? { kind: "failed", failure: failures[errorType], reason }
    : { kind: "interrupted", reason };
}

export function createRayCluster({ name, http, runtimeEnv, entrypointResources }: RaySetting): Cluster {
  const path = (attempt: AttemptName): string => `/api/jobs/${attempt.name}`;
  return {
    name,
    stopsWaiting: false,
    check(spec: JobSpec) {
      const { memoryBytes } = spec.limits ?? {};
      if (memoryBytes !== undefined && !Number.isInteger(memoryBytes))
        throw specInvalid("limits.memoryBytes", memoryBytes, "a whole number of bytes");
      checkPlainGpus(spec, name);
    },
    async submit(attempt: ClusterAttempt, { signal }: CallOptions = {}) {
      const body = requestOf(attempt, runtimeEnv, entrypointResources);
      const answer = await http.send("/api/jobs/", { method: "POST", body, signal, statusOf });
      // Asked twice where the first answer was lost.
      if (answer.ok || (answer.status === 400 && answer.text.includes("already exists"))) return attempt.name;
      throw http.refused(answer);
    },
    async look(attempt: AttemptName, { signal }: CallOptions = {}): Promise<ClusterStatus> {
      const details = await http.json(path(attempt), { signal });
      return details === undefined ? { kind: "unknown" } : rayStatus(details, name);
    },
    async *readLog(attempt, after, ended, { signal } = {}): AsyncGenerator<LogPart> {
      const text = logText(http.stream(`${path(attempt)}/logs`, { signal }));
      for await (const { line, end } of linesAfter(text, Number(after.get("stdout") ?? 0), ended))
        yield { stream: "stdout", line, position: String(end) };
    },
    async stop(attempt, _graceSeconds, { signal } = {}) {
      const answer = await http.send(`${path(attempt)}/stop`, { method: "POST", signal, statusOf });
      // A job that is over or unknown needs no stopping; the next look says so.
      if (!answer.ok && answer.status !== 400 && answer.status !== 404) throw http.refused(answer);
    },
  };
}

/** Ray's `JobSubmitRequest`. */
export function requestOf(
  { name, script, program, environment, spec }: ClusterAttempt,
  runtimeEnv: RaySetting["runtimeEnv"],
  entrypointResources: RaySetting["entrypointResources"],
): object {
  const { cpus, gpus } = spec.resources ?? {};
  const { memoryBytes } = spec.limits ?? {};
  const given = runtimeEnv["env_vars"];
  return {
    // Ray writes the entrypoint into the job's log: our script stands in a variable.
    entrypoint: `exec sh -c "$MILLWRIGHT_JOB_SCRIPT" millwright ${program.map(shellWord).join(" ")}`,
    submission_id: name,
    runtime_env: {
      ...runtimeEnv,
      env_vars: { ...(isRecord(given) ? given : {}), ...environment, MILLWRIGHT_JOB_SCRIPT: script },
    },
    metadata: { job_name: spec.id, millwright_job_id: spec.id },
    ...(cpus === undefined ? {} : { entrypoint_num_cpus: cpus }),
    ...(gpus === undefined || gpus === 0 ? {} : { entrypoint_num_gpus: gpus }),
    ...(memoryBytes === undefined ? {} : { entrypoint_memory: memoryBytes }),
    ...(entrypointResources === undefined ? {} : { entrypoint_resources: entrypointResources }),
  };
}
