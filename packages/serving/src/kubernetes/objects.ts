import { type SettledSpec, settleSpec } from "./checks.ts";
import { labelsOf, metadataOf, podOf, scrapingOf, selectorOf } from "./pod.ts";
import type { KubernetesObject, KubernetesSpec } from "./spec.ts";

export interface KubernetesEndpoint {
  /** `apps/v1`. Without `replicas` where there is an autoscaler, so that applying it again leaves the scale alone. */
  readonly deployment: KubernetesObject;
  /** `v1`: port 80 to that of the server. */
  readonly service: KubernetesObject;
  /** `autoscaling/v2`; none where `replicas.min` is `replicas.max`. */
  readonly autoscaler: KubernetesObject | undefined;
  /** `policy/v1`: one replica at a time. */
  readonly disruptionBudget: KubernetesObject;
  /** All of them, as they are to be applied. */
  readonly objects: readonly KubernetesObject[];
}

/**
 * What runs a server on Kubernetes without losing requests: a rolling update with none missing, probes on the server's own routes, and
 * `terminationGracePeriodSeconds` = preStop + drain + longest request + 5 s, as the grace period counts from the start of preStop. For Kubernetes from 1.30 on; with
 * `termination.preStopBy: "command"` from 1.26 on. Throws `SERVING_KUBERNETES_INVALID`.
 */
export function kubernetesObjects(spec: KubernetesSpec): KubernetesEndpoint {
  const settled = settleSpec(spec);
  const autoscaler = settled.min === settled.max ? undefined : autoscalerOf(settled);
  const deployment = deploymentOf(settled);
  const service = serviceOf(settled);
  const disruptionBudget = budgetOf(settled);
  return {
    deployment,
    service,
    autoscaler,
    disruptionBudget,
    objects: [service, deployment, ...(autoscaler === undefined ? [] : [autoscaler]), disruptionBudget],
  };
}

function deploymentOf(settled: SettledSpec): KubernetesObject {
  const { spec, min, max, startupSeconds } = settled;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(settled),
    spec: {
      ...(min === max ? { replicas: min } : {}),
      selector: { matchLabels: selectorOf(spec.name) },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      // A model that loads for long is no failed rollout.
      progressDeadlineSeconds: Math.max(600, 2 * startupSeconds),
      template: {
        metadata: { labels: labelsOf(settled), ...scrapingOf(settled) },
        spec: podOf(settled),
      },
    },
  };
}

const serviceOf = (settled: SettledSpec): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: metadataOf(settled),
  spec: {
    type: "ClusterIP",
    selector: selectorOf(settled.spec.name),
    ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }],
  },
});

function autoscalerOf(settled: SettledSpec): KubernetesObject {
  const { spec, min, max } = settled;
  const {
    podMetric,
    cpuUtilization = podMetric === undefined ? 70 : undefined,
    scaleDownSeconds = 300,
  } = spec.scaling ?? {};
  const target = (type: string, field: string, value: unknown): object => ({ target: { type, [field]: value } });
  const metrics = [
    ...(cpuUtilization === undefined
      ? []
      : [
          {
            type: "Resource",
            resource: { name: "cpu", ...target("Utilization", "averageUtilization", cpuUtilization) },
          },
        ]),
    ...(podMetric === undefined
      ? []
      : [
          {
            type: "Pods",
            pods: {
              metric: { name: podMetric.name },
              ...target("AverageValue", "averageValue", podMetric.averageValue),
            },
          },
        ]),
  ];
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: metadataOf(settled),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: spec.name },
      minReplicas: min,
      maxReplicas: max,
      metrics,
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0 },
        scaleDown: {
          stabilizationWindowSeconds: scaleDownSeconds,
          policies: [{ type: "Percent", value: 50, periodSeconds: 60 }],
        },
      },
    },
  };
}

/** `maxUnavailable`, not `minAvailable`: with one replica that would keep its machine from being drained for ever. */
const budgetOf = (settled: SettledSpec): KubernetesObject => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: metadataOf(settled),
  spec: {
    maxUnavailable: 1,
    selector: { matchLabels: selectorOf(settled.spec.name) },
    unhealthyPodEvictionPolicy: "AlwaysAllow",
  },
});
