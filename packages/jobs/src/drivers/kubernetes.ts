import { createKubernetesCluster } from "../kubernetes/kubernetes-cluster.ts";
import { createHttp, type Headers } from "../remote/http.ts";
import { openRemoteJobs, type RemoteJobs, type RemoteJobsOptions } from "../remote/remote-jobs.ts";
import { createTransport, type TlsOptions, type Transport } from "../remote/transport.ts";

export type { TlsOptions, Transport, TransportRequest, TransportResponse } from "../remote/transport.ts";
export type { RemoteJobs, RemoteJobsOptions } from "../remote/remote-jobs.ts";

export interface KubernetesJobsOptions extends RemoteJobsOptions {
  /** Of the API server: `https://kubernetes.default.svc` inside a cluster, what `kubectl proxy` says outside. From Kubernetes 1.26. */
  readonly url: string;
  /** Sent with every request; a function is asked each time: `{ authorization: "Bearer …" }`, by a token that is renewed. Default: none. */
  readonly headers?: Headers | (() => Headers | Promise<Headers>) | undefined;
  /** What is trusted and shown to the API server. Default: the platform's. */
  readonly tls?: TlsOptions | undefined;
  /** Default: `default`. */
  readonly namespace?: string | undefined;
  /** What containers are made of: a POSIX shell and, for modules, Node and the modules. */
  readonly image: string;
  /**
   * Fields of the pod's spec, such as `volumes`, `nodeSelector`, `tolerations` or `serviceAccountName`; of `containers[0]` those that are not the launcher's own, such
   * as `volumeMounts` or `env` with `valueFrom`. Default: none.
   */
  readonly podSpec?: Readonly<Record<string, unknown>> | undefined;
  /** Labels of Jobs and pods. Default: none but ours. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The resource that `resources.gpus` counts. Default: `nvidia.com/gpu`. */
  readonly gpuResource?: string | undefined;
  /** From its end until Kubernetes deletes a Job, with its log. Default: 86,400. */
  readonly ttlSecondsAfterFinished?: number | undefined;
  /** For one answer of the API server. Default: 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Sends the requests. Default: Node's `http` and `https`. */
  readonly transport?: Transport | undefined;
}

/**
 * Opens a launcher of Kubernetes Jobs (`batch/v1`). Each attempt is a Job of one pod with a name of its own, so a Job whose creation was answered to nobody is not
 * made twice. It needs the rights to create, get and delete `jobs`, to list `pods` and to get `pods/log`.
 * Throws `JOBS_DIRECTORY_IN_USE`, `JOBS_RECORD_CORRUPT`, `JOBS_WRITE_FAILED`.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
 */
export async function openKubernetesJobs(options: KubernetesJobsOptions): Promise<RemoteJobs> {
  const { url, headers, tls, namespace = "default", image, podSpec = {}, labels = {} } = options;
  const { gpuResource = "nvidia.com/gpu", ttlSecondsAfterFinished = 86_400, requestTimeoutMs = 30_000 } = options;
  if (!URL.canParse(url)) throw new TypeError(`The url of the API server is a URL, not "${String(url)}".`);
  if (typeof image !== "string" || image === "") throw new TypeError("The image of the containers is the name of one.");
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace))
    throw new TypeError(`A namespace is a DNS label, not "${String(namespace)}".`);
  if (!(Number.isInteger(ttlSecondsAfterFinished) && ttlSecondsAfterFinished >= 60))
    throw new RangeError(`ttlSecondsAfterFinished must be a whole number from 60, not ${ttlSecondsAfterFinished}.`);
  if (!(requestTimeoutMs > 0)) throw new RangeError(`requestTimeoutMs must be above 0, not ${requestTimeoutMs}.`);
  const name = `Kubernetes at ${new URL(url).origin}`;
  const http = createHttp({
    what: name,
    url: url.replace(/\/+$/, ""),
    headers: headers === undefined || typeof headers === "function" ? headers : () => headers,
    transport: options.transport ?? createTransport(tls),
    timeoutMs: requestTimeoutMs,
  });
  const objects = { namespace, image, podSpec, labels, gpuResource, ttlSecondsAfterFinished };
  return openRemoteJobs(options, createKubernetesCluster(name, http, objects), { ownTimeout: false });
}
