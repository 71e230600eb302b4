import type { CallOptions, JobSpec } from "@millwright/contracts";
import { specInvalid } from "../errors.ts";
import type { AttemptName, Cluster, ClusterAttempt, ClusterStatus, LogPart } from "../remote/cluster.ts";
import type { Http } from "../remote/http.ts";
import { listAt, textAt } from "../remote/json.ts";
import { checkPlainGpus } from "../remote/plain-gpus.ts";
import { containerName, jobObject, type JobObjectOptions, managedBy } from "./job-object.ts";
import { statusOf } from "./job-status.ts";
import { linesAfter, placeOf, sinceOf } from "./pod-log.ts";

export function createKubernetesCluster(name: string, http: Http, options: JobObjectOptions): Cluster {
  const jobs = `/apis/batch/v1/namespaces/${options.namespace}/jobs`;
  const pods = `/api/v1/namespaces/${options.namespace}/pods`;
  /** The newest pod of a Job: there is one, but for a controller that was restarted at a bad moment. */
  const podOf = async (attempt: AttemptName, { signal }: CallOptions): Promise<unknown> => {
    const found = await http.json(`${pods}?labelSelector=${encodeURIComponent(`job-name=${attempt.name}`)}`, {
      signal,
    });
    const createdOf = (pod: unknown): string => textAt(pod, "metadata", "creationTimestamp") ?? "";
    return listAt(found, "items")
      .toSorted((a, b) => createdOf(a).localeCompare(createdOf(b)))
      .at(-1);
  };
  return {
    name,
    stopsWaiting: true,
    check(spec: JobSpec) {
      checkPlainGpus(spec, "Kubernetes", false);
      const { memoryBytes } = spec.limits ?? {};
      if (memoryBytes !== undefined && !Number.isInteger(memoryBytes))
        throw specInvalid("limits.memoryBytes", memoryBytes, "a whole number of bytes");
    },
    async submit(attempt: ClusterAttempt, { signal }: CallOptions = {}) {
      const answer = await http.send(jobs, { method: "POST", body: jobObject(attempt, options), signal });
      if (answer.ok) return attempt.name;
      if (answer.status !== 409) throw http.refused(answer);
      // Asked twice where the first answer was lost; a stranger's Job of that name is none of ours.
      const there = await http.json(`${jobs}/${attempt.name}`, { signal });
      if (textAt(there, "metadata", "labels", "app.kubernetes.io/managed-by") !== managedBy) throw http.refused(answer);
      return attempt.name;
    },
    async look(attempt: AttemptName, { signal }: CallOptions = {}): Promise<ClusterStatus> {
      const job = await http.json(`${jobs}/${attempt.name}`, { signal });
      if (job === undefined) return { kind: "unknown" };
      return statusOf(job, await podOf(attempt, { signal }));
    },
    async *readLog(attempt, after, ended, { signal } = {}): AsyncGenerator<LogPart> {
      const pod = textAt(await podOf(attempt, { signal }), "metadata", "name");
      if (pod === undefined) return;
      const place = placeOf(after.get("stdout"));
      const since = place === undefined ? "" : `&sinceTime=${encodeURIComponent(sinceOf(place))}`;
      const path = `${pods}/${pod}/log?container=${containerName}&timestamps=true${since}`;
      // 400: the container has not begun, or its machine does not answer.
      yield* linesAfter(http.stream(path, { signal, absent: [400, 404] }), place, ended);
    },
    async stop(attempt, _graceSeconds, { signal } = {}) {
      // The Job stays until its pod is gone, which ends within the grace time of the pod.
      const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Foreground" };
      const answer = await http.send(`${jobs}/${attempt.name}`, { method: "DELETE", body, signal });
      if (!answer.ok && answer.status !== 404) throw http.refused(answer);
    },
  };
}
