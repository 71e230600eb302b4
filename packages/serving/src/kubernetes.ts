export { type InferenceServiceOptions, inferenceServiceObjects } from "./kubernetes/inference-service.ts";
export type { KubernetesObject, KubernetesProbes, KubernetesResources, KubernetesSpec } from "./kubernetes/spec.ts";
export { type KubernetesEndpoint, kubernetesObjects } from "./kubernetes/objects.ts";
export { kubernetesJson, kubernetesYaml } from "./kubernetes/manifest-text.ts";
