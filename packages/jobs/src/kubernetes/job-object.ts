import type { ClusterAttempt } from "../remote/cluster.ts";
import { at, type Fields, isRecord, listAt } from "../remote/json.ts";

export const containerName = "job";
export const managedBy = "millwright";

export interface JobObjectOptions {
  readonly namespace: string;
  readonly image: string;
  /** Fields of the pod's spec, over which ours go; of its first container, fields too. */
  readonly podSpec: Fields;
  readonly labels: Readonly<Record<string, string>>;
  readonly gpuResource: string;
  readonly ttlSecondsAfterFinished: number;
}

/**
 * The `batch/v1` Job of an attempt: one pod, never started again by Kubernetes; retries are the launcher's. A pod that is taken away (its condition
 * `DisruptionTarget`) fails the Job under a reason of its own.
 */
export function jobObject(attempt: ClusterAttempt, options: JobObjectOptions): Fields {
  const { name, spec, wallTimeSeconds, graceSeconds } = attempt;
  const { namespace, podSpec, ttlSecondsAfterFinished } = options;
  const labels = { ...options.labels, "app.kubernetes.io/managed-by": managedBy };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace, labels, annotations: { "millwright.dev/job-id": spec.id } },
    spec: {
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      ttlSecondsAfterFinished,
      podFailurePolicy: {
        rules: [{ action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
      },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: graceSeconds,
          ...podSpec,
          restartPolicy: "Never",
          ...(wallTimeSeconds === undefined ? {} : { activeDeadlineSeconds: wallTimeSeconds }),
          containers: [containerOf(attempt, options), ...listAt(podSpec, "containers").slice(1)],
        },
      },
    },
  };
}

function containerOf(
  { script, program, environment, spec }: ClusterAttempt,
  { image, podSpec, gpuResource }: JobObjectOptions,
): Fields {
  const [first] = listAt(podSpec, "containers");
  const given = isRecord(first) ? first : {};
  const { cpus, gpus = 0 } = spec.resources ?? {};
  const memory = spec.limits?.memoryBytes;
  const bounded = {
    ...(memory === undefined ? {} : { memory: String(memory) }),
    ...(gpus === 0 ? {} : { [gpuResource]: String(gpus) }),
  };
  const own = Object.entries(environment).map(([name, value]) => ({ name, value: dollars(value) }));
  return {
    image,
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...given,
    name: containerName,
    command: ["sh", "-c", dollars(script), "millwright"],
    args: program.map(dollars),
    env: [...listAt(given, "env"), ...own],
    resources: {
      requests: { ...fieldsAt(given, "requests"), ...(cpus === undefined ? {} : { cpu: String(cpus) }), ...bounded },
      limits: { ...fieldsAt(given, "limits"), ...bounded },
    },
  };
}

/** Kubernetes puts variables where `$(NAME)` stands, and one dollar where there are two. */
const dollars = (text: string): string => text.replaceAll("$", "$$$$");

const fieldsAt = (container: Fields, part: string): Fields => {
  const found = at(container, "resources", part);
  return isRecord(found) ? found : {};
};
