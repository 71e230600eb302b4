import * as kubernetes from "../../packages/serving/dist/kubernetes.js";
import { type Subjects, well } from "./subjects.ts";

const spec = { name: "late", image: "registry.example/late:1", replicas: { min: 1, max: 2 } };
const { objects } = kubernetes.kubernetesObjects(spec);

export const kubernetesSubjects = (): Subjects => ({
  kubernetesObjects: well(kubernetes.kubernetesObjects, () => [spec], {
    SERVING_KUBERNETES_INVALID: () => kubernetes.kubernetesObjects({ ...spec, replicas: { min: 2, max: 1 } }),
  }),
  inferenceServiceObjects: well(kubernetes.inferenceServiceObjects, () => [spec, { form: "container" }], {
    "SERVING_KUBERNETES_INVALID: no model": () => kubernetes.inferenceServiceObjects(spec, { form: "runtime" }),
  }),
  kubernetesYaml: well(kubernetes.kubernetesYaml, () => [objects]),
  kubernetesJson: well(kubernetes.kubernetesJson, () => [objects]),
});
