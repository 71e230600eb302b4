import { ServingError } from "../errors.ts";

/** @param field The field of the spec, as a path: `replicas.min`. */
export const kubernetesInvalid = (field: string, problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_KUBERNETES_INVALID", `\`${field}\` of the Kubernetes spec ${problem}.`, {
    category: "user",
    remedy,
  });
