import { checkName, type SettledSpec, settleSpec } from "./checks.ts";
import { kubernetesInvalid } from "./kubernetes-errors.ts";
import { containerOf, metadataOf, podFieldsOf, scrapingOf } from "./pod.ts";
import type { KubernetesObject, KubernetesSpec } from "./spec.ts";

export interface InferenceServiceOptions {
  /**
   * `"container"`: the server is the predictor's own container. `"runtime"`: a ServingRuntime for the format `millwright`, and an InferenceService that names only its
   * `storageUri`; needs `modelUri`. Default: `"container"`.
   */
  readonly form?: "container" | "runtime" | undefined;
}

/** KServe adds `-predictor` to the names of what it makes. */
const longestName = 63 - "-predictor".length;

/**
 * The endpoint for KServe: an InferenceService (`serving.kserve.io/v1beta1`) that speaks the Open Inference Protocol, and the ServingRuntime (`v1alpha1`) of the form
 * `"runtime"` before it. KServe makes Deployment, Service and autoscaler of it (its mode RawDeployment: Knative takes no preStop), and fetches `modelUri`.
 * `scaling.podMetric` is not for KServe. Throws `SERVING_KUBERNETES_INVALID`.
 */
export function inferenceServiceObjects(
  spec: KubernetesSpec,
  options: InferenceServiceOptions = {},
): readonly KubernetesObject[] {
  const settled = settleSpec(spec);
  checkName("name", spec.name, longestName);
  if (spec.scaling?.podMetric !== undefined)
    throw kubernetesInvalid(
      "scaling.podMetric",
      "is nothing that KServe scales by",
      "Give `scaling.cpuUtilization`, or use `kubernetesObjects`.",
    );
  const { form = "container" } = options;
  if (form === "container") return [serviceOf(settled, containerPredictor(settled))];
  if (form !== "runtime") throw kubernetesInvalid("form", "is unknown", 'Give "container" or "runtime".');
  if (spec.modelUri === undefined)
    throw kubernetesInvalid("modelUri", "is missing", 'Give it, or use the form "container".');
  return [runtimeOf(settled), serviceOf(settled, runtimePredictor(settled, spec.modelUri))];
}

function serviceOf(settled: SettledSpec, predictor: object): KubernetesObject {
  const metadata = metadataOf(settled);
  return {
    apiVersion: "serving.kserve.io/v1beta1",
    kind: "InferenceService",
    metadata: {
      ...metadata,
      annotations: {
        ...scrapingOf(settled).annotations,
        "serving.kserve.io/deploymentMode": "RawDeployment",
        "serving.kserve.io/autoscalerClass": "hpa",
      },
    },
    spec: { predictor },
  };
}

function scaleOf({ spec, min, max, longestRequestSeconds }: SettledSpec): object {
  return {
    minReplicas: min,
    maxReplicas: max,
    scaleMetric: "cpu",
    scaleTarget: spec.scaling?.cpuUtilization ?? 70,
    timeout: longestRequestSeconds,
    deploymentStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  };
}

/** What KServe labels the pods of a predictor with. */
const podLabels = ({ spec }: SettledSpec): Readonly<Record<string, string>> => ({
  "serving.kserve.io/inferenceservice": spec.name,
});

const tmp = { volumes: [{ name: "tmp", emptyDir: {} }] };

function containerPredictor(settled: SettledSpec): object {
  const { modelUri, modelDirectory = "/mnt/models" } = settled.spec;
  // KServe fetches what STORAGE_URI of this container names into /mnt/models.
  const container = containerOf(settled, "kserve-container", modelUri === undefined ? modelDirectory : "/mnt/models");
  const env = container["env"] as readonly object[];
  return {
    ...scaleOf(settled),
    ...podFieldsOf(settled, podLabels(settled)),
    ...tmp,
    containers: [
      { ...container, env: modelUri === undefined ? env : [{ name: "STORAGE_URI", value: modelUri }, ...env] },
    ],
  };
}

function runtimeOf(settled: SettledSpec): KubernetesObject {
  return {
    apiVersion: "serving.kserve.io/v1alpha1",
    kind: "ServingRuntime",
    metadata: metadataOf(settled),
    spec: {
      supportedModelFormats: [{ name: "millwright", version: "1", autoSelect: false }],
      protocolVersions: ["v2"],
      containers: [containerOf(settled, "kserve-container", "/mnt/models")],
      ...tmp,
    },
  };
}

function runtimePredictor(settled: SettledSpec, storageUri: string): object {
  return {
    ...scaleOf(settled),
    ...podFieldsOf(settled, podLabels(settled)),
    model: {
      modelFormat: { name: "millwright" },
      runtime: settled.spec.name,
      protocolVersion: "v2",
      storageUri,
    },
  };
}
