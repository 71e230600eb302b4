import { kubernetesInvalid } from "./kubernetes-errors.ts";
import type { KubernetesSpec } from "./spec.ts";

interface SettledResources {
  readonly cpu: string;
  readonly memory: string;
  readonly gpus: number;
  readonly gpuResource: string;
}

/** A spec with its defaults, checked. */
export interface SettledSpec {
  readonly spec: KubernetesSpec;
  readonly port: number;
  readonly min: number;
  readonly max: number;
  readonly resources: SettledResources;
  readonly prefix: string;
  readonly startupSeconds: number;
  readonly periodSeconds: number;
  readonly probeTimeoutSeconds: number;
  readonly preStopSeconds: number;
  readonly drainSeconds: number;
  readonly longestRequestSeconds: number;
  readonly graceSeconds: number;
}

/** What is left after the last request to close the process, seconds. */
const marginSeconds = 5;

const dnsLabel = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const envName = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;
const quantity = /^(\d+(\.\d+)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE]\d+)?$/;
const uri = /^[a-z][a-z0-9+.-]*:\/\/\S+$/;
const image = /^[^\s@]+(@sha256:[0-9a-f]{64})?$/;
const path = /^(\/[^\s/?#]+)+$/;

/** A text that the pattern takes, at most `longest` long. */
function textual(field: string, value: unknown, pattern: RegExp, remedy: string, longest = 2_000): string {
  if (typeof value === "string" && value.length <= longest && pattern.test(value)) return value;
  throw kubernetesInvalid(field, `is ${JSON.stringify(value) ?? typeof value}`, remedy);
}

function integral(field: string, value: unknown, from: number, to: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= from && value <= to) return value;
  throw kubernetesInvalid(
    field,
    `is ${typeof value === "number" ? value : typeof value}`,
    `Give a whole number from ${from} to ${to}.`,
  );
}

function objectAt(field: string, value: unknown): object {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw kubernetesInvalid(field, "is no object", "Give an object with the fields that its type names.");
}

export const checkQuantity = (field: string, value: unknown): string => {
  const text = textual(
    field,
    value,
    quantity,
    'Give a quantity of Kubernetes as a text, such as "500m", "2" or "512Mi".',
  );
  if (Number.parseFloat(text) > 0) return text;
  throw kubernetesInvalid(field, `is ${text}`, "Give a quantity above 0.");
};

export const checkName = (field: string, value: unknown, longest = 63): string =>
  textual(
    field,
    value,
    dnsLabel,
    `Give lowercase letters, digits and hyphens, a letter first, at most ${longest} characters.`,
    longest,
  );

const checkImage = (field: string, value: unknown): string =>
  textual(field, value, image, "Give the name of a container image, such as registry.example/late:1.");

function checkTexts(field: string, value: unknown): void {
  if (value === undefined) return;
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string"))
    throw kubernetesInvalid(field, "is no list of texts", "Give the words of the command, each a text.");
}

/** Checks a spec and gives it its defaults. Throws `SERVING_KUBERNETES_INVALID`. */
export function settleSpec(spec: KubernetesSpec): SettledSpec {
  objectAt("spec", spec);
  checkName("name", spec.name);
  checkImage("image", spec.image);
  if (spec.namespace !== undefined) checkName("namespace", spec.namespace);
  if (spec.serviceAccountName !== undefined) checkName("serviceAccountName", spec.serviceAccountName);
  checkTexts("command", spec.command);
  checkTexts("args", spec.args);
  if (spec.metrics !== undefined && typeof spec.metrics !== "boolean")
    throw kubernetesInvalid("metrics", "is no boolean", "Give true or false.");
  checkModel(spec);
  checkEnv(spec.env);
  checkLabels(spec.labels);
  checkScaling(spec.scaling);
  return {
    spec,
    port: integral("port", spec.port ?? 8080, 1, 65_535),
    ...settleReplicas(spec.replicas),
    resources: settleResources(spec.resources),
    ...settleProbes(spec.probes),
    ...settleTermination(spec.termination),
  };
}

function checkModel({ modelUri, fetchImage, modelDirectory }: KubernetesSpec): void {
  if (modelDirectory !== undefined)
    textual("modelDirectory", modelDirectory, path, "Give an absolute path, such as /opt/ml/model.");
  if (fetchImage !== undefined) checkImage("fetchImage", fetchImage);
  if (modelUri === undefined) return;
  textual("modelUri", modelUri, uri, "Give a URI, such as s3://bucket/late/1 or pvc://claim/late/1.");
  if (modelUri.startsWith("pvc://")) pvcOf(modelUri);
}

/** The claim and the path of `pvc://claim/path`. */
export function pvcOf(modelUri: string): { readonly claim: string; readonly subPath: string | undefined } {
  const [claim = "", ...rest] = modelUri.slice("pvc://".length).replace(/\/+$/, "").split("/");
  const subPath = rest.join("/");
  if (rest.includes("..")) throw kubernetesInvalid("modelUri", "has .. in its path", "Name the folder without it.");
  return { claim: checkName("modelUri", claim), subPath: subPath === "" ? undefined : subPath };
}

function checkEnv(env: KubernetesSpec["env"]): void {
  if (env === undefined) return;
  for (const [name, value] of Object.entries(objectAt("env", env) as Readonly<Record<string, unknown>>)) {
    textual("env", name, envName, "Name variables by letters, digits and underscores, no digit first.");
    if (name === "SM_MODEL_DIR" || name === "SAGEMAKER_BIND_TO_PORT")
      throw kubernetesInvalid(`env.${name}`, "is set already", "Give `modelDirectory` and `port` instead.");
    if (typeof value === "string") continue;
    const { secret, key } = objectAt(`env.${name}`, value) as { readonly secret?: unknown; readonly key?: unknown };
    checkName(`env.${name}.secret`, secret, 253);
    textual(`env.${name}.key`, key, /^[-._a-zA-Z0-9]+$/, "Name a key of the Secret.", 253);
  }
}

function checkLabels(labels: KubernetesSpec["labels"]): void {
  if (labels === undefined) return;
  for (const [key, value] of Object.entries(objectAt("labels", labels) as Readonly<Record<string, unknown>>)) {
    textual("labels", key, labelKey, "Give a key of at most 63 letters, digits, dots, hyphens and underscores.", 253);
    textual(`labels.${key}`, value, labelValue, "Give at most 63 letters, digits, dots, hyphens and underscores.");
    if (key.startsWith("app.kubernetes.io/"))
      throw kubernetesInvalid(`labels.${key}`, "is set already", "Choose another key; `name` makes these.");
  }
}

function checkScaling(scaling: KubernetesSpec["scaling"]): void {
  if (scaling === undefined) return;
  objectAt("scaling", scaling);
  const { cpuUtilization, podMetric, scaleDownSeconds } = scaling;
  if (cpuUtilization !== undefined) integral("scaling.cpuUtilization", cpuUtilization, 1, 100);
  if (scaleDownSeconds !== undefined) integral("scaling.scaleDownSeconds", scaleDownSeconds, 0, 3_600);
  if (podMetric === undefined) return;
  objectAt("scaling.podMetric", podMetric);
  textual(
    "scaling.podMetric.name",
    podMetric.name,
    /^[a-zA-Z_:][a-zA-Z0-9_:]*$/,
    "Name a metric as Prometheus does.",
    253,
  );
  checkQuantity("scaling.podMetric.averageValue", podMetric.averageValue);
}

function settleReplicas(replicas: KubernetesSpec["replicas"]): { readonly min: number; readonly max: number } {
  if (replicas === undefined) return { min: 2, max: 10 };
  objectAt("replicas", replicas);
  const min = integral("replicas.min", replicas.min, 1, 10_000);
  const max = integral("replicas.max", replicas.max, 1, 10_000);
  if (max < min)
    throw kubernetesInvalid("replicas", `has a max of ${max} below its min of ${min}`, "Give a max of at least min.");
  return { min, max };
}

function settleResources(resources: KubernetesSpec["resources"]): SettledResources {
  if (resources !== undefined) objectAt("resources", resources);
  const { cpu = "1", memory = "1Gi", gpus = 0, gpuResource = "nvidia.com/gpu" } = resources ?? {};
  checkQuantity("resources.cpu", cpu);
  checkQuantity("resources.memory", memory);
  integral("resources.gpus", gpus, 0, 1_024);
  textual(
    "resources.gpuResource",
    gpuResource,
    /^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/,
    "Give one such as nvidia.com/gpu.",
    253,
  );
  return { cpu, memory, gpus, gpuResource };
}

function settleProbes(
  probes: KubernetesSpec["probes"],
): Pick<SettledSpec, "prefix" | "startupSeconds" | "periodSeconds" | "probeTimeoutSeconds"> {
  if (probes !== undefined) objectAt("probes", probes);
  const { prefix = "", startupSeconds = 300, periodSeconds = 5, timeoutSeconds = 2 } = probes ?? {};
  if (prefix !== "") textual("probes.prefix", prefix, path, 'Give a path without a slash at its end, such as "/ml".');
  integral("probes.startupSeconds", startupSeconds, 1, 86_400);
  integral("probes.periodSeconds", periodSeconds, 1, 300);
  integral("probes.timeoutSeconds", timeoutSeconds, 1, periodSeconds);
  return { prefix, startupSeconds, periodSeconds, probeTimeoutSeconds: timeoutSeconds };
}

function settleTermination(
  termination: KubernetesSpec["termination"],
): Pick<SettledSpec, "preStopSeconds" | "drainSeconds" | "longestRequestSeconds" | "graceSeconds"> {
  if (termination !== undefined) objectAt("termination", termination);
  const { preStopSeconds = 5, drainSeconds = 0, longestRequestSeconds = 25, preStopBy } = termination ?? {};
  if (preStopBy !== undefined && preStopBy !== "kubelet" && preStopBy !== "command")
    throw kubernetesInvalid("termination.preStopBy", "is unknown", 'Give "kubelet" or "command".');
  // Less than a second would be no time for the pod to leave the Service.
  integral("termination.preStopSeconds", preStopSeconds, 1, 3_600);
  integral("termination.drainSeconds", drainSeconds, 0, 3_600);
  integral("termination.longestRequestSeconds", longestRequestSeconds, 1, 86_400);
  const graceSeconds = preStopSeconds + drainSeconds + longestRequestSeconds + marginSeconds;
  return { preStopSeconds, drainSeconds, longestRequestSeconds, graceSeconds };
}
