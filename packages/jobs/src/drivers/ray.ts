import { createRayCluster } from "../ray/ray-cluster.ts";
import { createHttp, type Headers } from "../remote/http.ts";
import { openRemoteJobs, type RemoteJobs, type RemoteJobsOptions } from "../remote/remote-jobs.ts";
import { createTransport, type TlsOptions, type Transport } from "../remote/transport.ts";

export type { TlsOptions, Transport, TransportRequest, TransportResponse } from "../remote/transport.ts";
export type { RemoteJobs, RemoteJobsOptions } from "../remote/remote-jobs.ts";

export interface RayJobsOptions extends RemoteJobsOptions {
  /** Of the dashboard of Ray's head node, which has its Jobs API: `http://127.0.0.1:8265`. From Ray 2.8. */
  readonly url: string;
  /** Sent with every request; a function is asked each time: `{ authorization: "Bearer …" }`. Default: none. */
  readonly headers?: Headers | (() => Headers | Promise<Headers>) | undefined;
  /** Ray's `runtime_env` for every job, such as `working_dir` or `image_uri`; `env_vars` of it are added to the jobs'. Default: none. */
  readonly runtimeEnv?: Readonly<Record<string, unknown>> | undefined;
  /** Ray's custom resources that each job takes. Default: none. */
  readonly entrypointResources?: Readonly<Record<string, number>> | undefined;
  /** For one answer of Ray. Default: 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** What is trusted and shown to a dashboard behind https. Default: the platform's. */
  readonly tls?: TlsOptions | undefined;
  /** Sends the requests. Default: Node's `http` and `https`. */
  readonly transport?: Transport | undefined;
}

/**
 * Opens a launcher of jobs in a Ray cluster, by its Jobs REST API. Each attempt is a Ray job with a submission id of its own, so a submission whose answer was
 * lost is not made twice. Throws `JOBS_DIRECTORY_IN_USE`, `JOBS_RECORD_CORRUPT`, `JOBS_WRITE_FAILED`.
 * @see https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
 */
export async function openRayJobs(options: RayJobsOptions): Promise<RemoteJobs> {
  const { url, headers, runtimeEnv = {}, entrypointResources, requestTimeoutMs = 30_000, tls } = options;
  if (!URL.canParse(url)) throw new TypeError(`The url of Ray's dashboard is a URL, not "${String(url)}".`);
  if (!(requestTimeoutMs > 0)) throw new RangeError(`requestTimeoutMs must be above 0, not ${requestTimeoutMs}.`);
  const name = `Ray at ${new URL(url).origin}`;
  const http = createHttp({
    what: name,
    url: url.replace(/\/+$/, ""),
    headers: headers === undefined || typeof headers === "function" ? headers : () => headers,
    transport: options.transport ?? createTransport(tls),
    timeoutMs: requestTimeoutMs,
  });
  return openRemoteJobs(options, createRayCluster({ name, http, runtimeEnv, entrypointResources }), {
    ownTimeout: true,
  });
}
