import { pvcOf, type SettledSpec } from "./checks.ts";
import { kubernetesInvalid } from "./kubernetes-errors.ts";

type Fields = Readonly<Record<string, unknown>>;

export const labelsOf = ({ spec }: SettledSpec): Readonly<Record<string, string>> => ({
  ...spec.labels,
  ...selectorOf(spec.name),
  "app.kubernetes.io/component": "model-server",
  "app.kubernetes.io/managed-by": "millwright",
});

export const selectorOf = (name: string): Readonly<Record<string, string>> => ({ "app.kubernetes.io/name": name });

export const metadataOf = (settled: SettledSpec): { readonly name: string; readonly labels: Fields } => ({
  name: settled.spec.name,
  ...(settled.spec.namespace === undefined ? {} : { namespace: settled.spec.namespace }),
  labels: labelsOf(settled),
});

/** What tells Prometheus where to read, as its usual configuration for pods has it. */
export const scrapingOf = ({ spec, port, prefix }: SettledSpec): { readonly annotations?: Fields } =>
  spec.metrics === true
    ? {
        annotations: {
          "prometheus.io/scrape": "true",
          "prometheus.io/port": String(port),
          "prometheus.io/path": `${prefix}/metrics`,
        },
      }
    : {};

function environment({ spec, port }: SettledSpec, modelDirectory: string): readonly Fields[] {
  const given = Object.entries(spec.env ?? {}).map(([name, value]) =>
    typeof value === "string"
      ? { name, value }
      : { name, valueFrom: { secretKeyRef: { name: value.secret, key: value.key } } },
  );
  return [
    { name: "SM_MODEL_DIR", value: modelDirectory },
    { name: "SAGEMAKER_BIND_TO_PORT", value: String(port) },
    ...given,
  ];
}

/** Startup holds the other two back until the model is loaded; readiness takes the pod out of the Service; liveness starts it anew. */
function probesOf({ prefix, startupSeconds, periodSeconds, probeTimeoutSeconds: timeoutSeconds }: SettledSpec): Fields {
  const get = (path: string): Fields => ({ httpGet: { path: `${prefix}${path}`, port: "http" }, timeoutSeconds });
  return {
    startupProbe: {
      ...get("/v2/health/ready"),
      periodSeconds,
      failureThreshold: Math.ceil(startupSeconds / periodSeconds),
    },
    readinessProbe: { ...get("/v2/health/ready"), periodSeconds, failureThreshold: 2 },
    livenessProbe: { ...get("/v2/health/live"), periodSeconds: 2 * periodSeconds, failureThreshold: 3 },
  };
}

const locked: Fields = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

/** The container with the server. */
export function containerOf(settled: SettledSpec, name: string, modelDirectory: string): Fields {
  const { spec, port, resources, preStopSeconds } = settled;
  const bounded = {
    memory: resources.memory,
    ...(resources.gpus === 0 ? {} : { [resources.gpuResource]: String(resources.gpus) }),
  };
  return {
    name,
    image: spec.image,
    ...(spec.command === undefined ? {} : { command: spec.command }),
    ...(spec.args === undefined ? {} : { args: spec.args }),
    ports: [{ name: "http", containerPort: port, protocol: "TCP" }],
    env: environment(settled, modelDirectory),
    resources: { requests: { cpu: resources.cpu, ...bounded }, limits: bounded },
    ...probesOf(settled),
    lifecycle: {
      preStop:
        spec.termination?.preStopBy === "command"
          ? { exec: { command: ["sleep", String(preStopSeconds)] } }
          : { sleep: { seconds: preStopSeconds } },
    },
    securityContext: locked,
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
  };
}

/** Replicas on machines and zones of their own where there are such, and nowhere kept from starting where there are not. */
const spread = (labels: Fields): readonly Fields[] =>
  ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: labels },
  }));

/** Fields of the pod's spec around its containers. @param selected The labels that its replicas share. */
export function podFieldsOf({ spec, graceSeconds }: SettledSpec, selected: Fields): Fields {
  return {
    terminationGracePeriodSeconds: graceSeconds,
    ...(spec.serviceAccountName === undefined
      ? { automountServiceAccountToken: false }
      : { serviceAccountName: spec.serviceAccountName }),
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    topologySpreadConstraints: spread(selected),
  };
}

/** The pod's spec with the model where the server looks for it. */
export function podOf(settled: SettledSpec): Fields {
  const { spec } = settled;
  const { modelUri, modelDirectory = "/opt/ml/model" } = spec;
  const container = containerOf(settled, "server", modelDirectory);
  const { volume, subPath, fetches } = modelVolume(settled, modelDirectory);
  const mount = { name: "model", mountPath: modelDirectory, readOnly: true };
  return {
    ...podFieldsOf(settled, selectorOf(spec.name)),
    ...(fetches === undefined ? {} : { initContainers: [fetches] }),
    containers: [
      modelUri === undefined
        ? container
        : {
            ...container,
            volumeMounts: [
              ...(container["volumeMounts"] as readonly Fields[]),
              { ...mount, ...(subPath === undefined ? {} : { subPath }) },
            ],
          },
    ],
    volumes: [{ name: "tmp", emptyDir: {} }, ...(volume === undefined ? [] : [volume])],
  };
}

function modelVolume(
  { spec: { modelUri, fetchImage }, resources }: SettledSpec,
  mountPath: string,
): { readonly volume?: Fields; readonly subPath?: string | undefined; readonly fetches?: Fields } {
  if (modelUri === undefined) return {};
  if (modelUri.startsWith("pvc://")) {
    const { claim, subPath } = pvcOf(modelUri);
    return { volume: { name: "model", persistentVolumeClaim: { claimName: claim, readOnly: true } }, subPath };
  }
  if (fetchImage === undefined)
    throw kubernetesInvalid(
      "modelUri",
      `is ${modelUri}, and nothing fetches it`,
      "Give `fetchImage`, such as kserve/storage-initializer with a version, or a `pvc://claim/path`.",
    );
  const fetches = {
    name: "model",
    image: fetchImage,
    args: [modelUri, mountPath],
    resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: resources.memory } },
    securityContext: locked,
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { name: "model", mountPath },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
  return { volume: { name: "model", emptyDir: {} }, fetches };
}
