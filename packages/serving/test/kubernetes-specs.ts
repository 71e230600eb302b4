import type { KubernetesSpec } from "../src/kubernetes.ts";

const plain: KubernetesSpec = { name: "late-flights", image: "registry.example/late:1", args: ["serve"] };

/** Specs that use every field. */
export const specs = {
  plain,
  full: {
    ...plain,
    namespace: "flights",
    port: 9000,
    command: ["millwright-serve"],
    replicas: { min: 3, max: 30 },
    resources: { cpu: "500m", memory: "512Mi", gpus: 1 },
    modelUri: "s3://models/late/1",
    fetchImage: "kserve/storage-initializer:v0.15.0",
    env: { MODE: "yes", ODD: 'a "b": #c\n{}', EMPTY: "", NUMBER: "1e3", TOKEN: { secret: "keys", key: "token" } },
    labels: { team: "flights", "example.com/tier": "1" },
    serviceAccountName: "server",
    probes: { prefix: "/ml", startupSeconds: 602, periodSeconds: 5, timeoutSeconds: 3 },
    scaling: { cpuUtilization: 60, scaleDownSeconds: 120 },
    metrics: true,
    termination: { preStopSeconds: 10, drainSeconds: 5, longestRequestSeconds: 60 },
  },
  claim: {
    ...plain,
    replicas: { min: 1, max: 1 },
    modelUri: "pvc://models/late/1",
    termination: { preStopBy: "command" },
  },
  inFlight: {
    ...plain,
    scaling: { podMetric: { name: "millwright_serving_in_flight", averageValue: "8" } },
  },
} satisfies Readonly<Record<string, KubernetesSpec>>;
