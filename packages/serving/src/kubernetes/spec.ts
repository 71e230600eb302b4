/** An object of Kubernetes, as JSON. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface KubernetesResources {
  /** A quantity: `"500m"`, `"2"`. Requested, and no limit: a limit stalls requests. */
  readonly cpu: string;
  /** A quantity: `"512Mi"`. Requested and the limit. */
  readonly memory: string;
  /** Whole GPUs. Default: 0. */
  readonly gpus?: number | undefined;
  /** Default: `"nvidia.com/gpu"`. */
  readonly gpuResource?: string | undefined;
}

export interface KubernetesProbes {
  /** In front of the server's routes, where it is mounted below a path: `"/ml"`. Default: none. */
  readonly prefix?: string | undefined;
  /** How long the model may take to load, seconds. Default: 300. */
  readonly startupSeconds?: number | undefined;
  /** Default: 5. */
  readonly periodSeconds?: number | undefined;
  /** How long a probe may take, seconds; at most the period. Default: 2. */
  readonly timeoutSeconds?: number | undefined;
}

/** What is served, and how it is to run. */
export interface KubernetesSpec {
  /** A DNS label, such as `late-flights`; the name of all objects. */
  readonly name: string;
  /** With a server of Millwright in it that listens on `port`, such as one made for `millwright-serve`. */
  readonly image: string;
  readonly namespace?: string | undefined;
  /** Where the server listens in the pod. Default: 8080. */
  readonly port?: number | undefined;
  readonly command?: readonly string[] | undefined;
  /** Default: what the image says. `["serve"]` for `millwright-serve`. */
  readonly args?: readonly string[] | undefined;
  /** Default: 2 to 10. Where both are equal there is no autoscaler. */
  readonly replicas?: { readonly min: number; readonly max: number } | undefined;
  /** Default: one CPU and 1 GiB. */
  readonly resources?: KubernetesResources | undefined;
  /**
   * Where the model package lies: `pvc://claim/path` is mounted; any other one (`s3://…`, `https://…`) is fetched by `fetchImage` before the server starts. Default: the
   * image has it.
   */
  readonly modelUri?: string | undefined;
  /** Fetches `modelUri`: called with the URI and a folder, as KServe's storage initializer is. */
  readonly fetchImage?: string | undefined;
  /** Where the package lies in the pod, and `SM_MODEL_DIR`. Default: `"/opt/ml/model"`; KServe always fetches into `/mnt/models`. */
  readonly modelDirectory?: string | undefined;
  /** Texts, or keys of Secrets. */
  readonly env?: Readonly<Record<string, string | { readonly secret: string; readonly key: string }>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly serviceAccountName?: string | undefined;
  readonly probes?: KubernetesProbes | undefined;
  /** Target tracking. Default: 70 % of the requested CPU. */
  readonly scaling?:
    | {
        /** Percent of the requested CPU, 1 to 100. */
        readonly cpuUtilization?: number | undefined;
        /** A metric of pods that an adapter offers, such as `millwright_serving_in_flight`, and its target per pod. */
        readonly podMetric?: { readonly name: string; readonly averageValue: string } | undefined;
        /** How long the load must have fallen before replicas go, seconds, 0 to 3,600. Default: 300. */
        readonly scaleDownSeconds?: number | undefined;
      }
    | undefined;
  /** Whether pods say by annotations that Prometheus may read `/metrics`. Default: `false`. */
  readonly metrics?: boolean | undefined;
  readonly termination?:
    | {
        /** How long the pod goes on as before while it is taken out of the Service, seconds. Default: 5. */
        readonly preStopSeconds?: number | undefined;
        /** By the kubelet, from Kubernetes 1.30 on, or by `sleep` of the image. Default: `"kubelet"`. */
        readonly preStopBy?: "kubelet" | "command" | undefined;
        /** `graceMs` of `server.drain`, in seconds. Default: 0. */
        readonly drainSeconds?: number | undefined;
        /** How long the longest request takes, seconds; `timeoutMs` of `server.drain`. Default: 25, the time that `millwright-serve` takes. */
        readonly longestRequestSeconds?: number | undefined;
      }
    | undefined;
}
