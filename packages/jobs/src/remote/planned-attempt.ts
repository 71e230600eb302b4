import { createHash } from "node:crypto";
import { posix } from "node:path";
import { type Clock, createRandom, hashSeed } from "@millwright/contracts";
import { historyOf } from "../job-move.ts";
import type { JobRecord } from "../job-record.ts";
import { jobTimes } from "../supervision/job-times.ts";
import { failuresOf, previousOf, retriesOf, retryDelayMs } from "../supervision/retry-policy.ts";
import { planClusterAttempt } from "./attempt-script.ts";
import type { ClusterAttempt } from "./cluster.ts";
import type { RemoteSupervisor } from "./remote-job.ts";

/** How long the job may still run, all limits together; infinite where it has none. */
function leftMs({ spec, states }: Pick<JobRecord, "spec" | "states">, clock: Clock): number {
  const nowMs = clock.nowMs();
  const startedMs = states.find(({ state }) => state === "starting")?.timeMs ?? nowMs;
  const { startingMs, trainingMs } = jobTimes(historyOf(states), { nowMs });
  const { maxRuntimeMs = Infinity, maxWaitMs = Infinity } = spec.spot ?? {};
  return Math.min(
    (spec.limits?.wallTimeMs ?? Infinity) - (nowMs - startedMs),
    maxRuntimeMs - startingMs - trainingMs,
    maxWaitMs - (nowMs - (states[0]?.timeMs ?? nowMs)),
  );
}

/** Time before the next attempt. */
export function backOffMs(
  { spec, states }: Pick<JobRecord, "spec" | "states">,
  attempts: number,
  launcherMs: number,
): number {
  const random = createRandom(hashSeed(`${spec.id}:${attempts}`));
  const failures = failuresOf(states).filter(({ cause }) => spec.spot === undefined || cause !== "interrupted");
  return retryDelayMs(retriesOf(spec), Math.max(1, failures.length), launcherMs, random.next());
}

/** An attempt of a job for its cluster, the same again after a restart. */
export function planOf(
  record: Pick<JobRecord, "spec" | "key" | "directory" | "states">,
  setting: Pick<RemoteSupervisor, "clock" | "directoryOnCluster" | "node" | "ownTimeout">,
  { attempt, mark }: { readonly attempt: number; readonly mark: string },
): ClusterAttempt {
  const { directoryOnCluster, node, ownTimeout } = setting;
  const left = leftMs(record, setting.clock);
  const name = attemptName(record, attempt);
  const folder =
    directoryOnCluster === undefined
      ? undefined
      : posix.join(directoryOnCluster, record.directory.split(/[\\/]/).at(-1) ?? "");
  return planClusterAttempt(record.spec, {
    name,
    attempt,
    mark,
    node,
    ownTimeout,
    folder,
    work: folder === undefined ? `/tmp/millwright-jobs/${name}` : posix.join(folder, "work"),
    wallTimeSeconds: left === Infinity ? undefined : Math.max(1, Math.ceil(left / 1_000)),
    previous: previousOf(record.states),
  });
}

/** 52 characters at most, for Kubernetes; the digest is of the job's own key, so that no two jobs ever have the same. */
function attemptName({ key, spec }: Pick<JobRecord, "key" | "spec">, attempt: number): string {
  const readable = spec.id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 20)
    .replaceAll(/^-+|-+$/g, "");
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 16);
  return `${["mw", readable, digest].filter((part) => part !== "").join("-")}-${attempt}`;
}
