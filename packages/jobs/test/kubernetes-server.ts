import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { constants } from "node:os";

interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}
interface JobObject {
  readonly metadata: Record<string, unknown> & { readonly name: string };
  readonly spec: {
    readonly template: {
      readonly metadata: object;
      readonly spec: {
        readonly activeDeadlineSeconds?: number;
        readonly restartPolicy: string;
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly command: readonly string[];
          readonly args: readonly string[];
          readonly env: readonly EnvironmentVariable[];
        }[];
      };
    };
  };
  status: { conditions: object[] };
}
interface Pod {
  readonly job: JobObject;
  readonly object: { readonly metadata: object; status: Record<string, unknown> };
  readonly process: ChildProcess;
  readonly log: { readonly time: string; readonly text: string }[];
}

export interface KubernetesServer extends AsyncDisposable {
  readonly url: string;
  /** Every object that was posted, refused ones too. */
  readonly posted: readonly JobObject[];
  /** Requests are not answered for as long as it is true. */
  away: boolean;
  /** Requests that came while it was. */
  readonly unanswered: number;
  /** The next creation is done, and its answer lost. */
  loseAnswer: boolean;
  /** Ends a pod as the kubelet or the scheduler would. */
  end(name: string, how: "OOMKilled" | "DisruptionTarget"): void;
}

const token = "Bearer the-token";
export const kubernetesHeaders = { authorization: token };

/** `$(NAME)` is a variable where there is one, `$$` a dollar. */
const expand = (text: string, env: readonly EnvironmentVariable[]): string =>
  text.replaceAll(/\$\$|\$\((\w+)\)/g, (whole, name?: string) =>
    name === undefined ? "$" : (env.find((each) => each.name === name)?.value ?? whole),
  );

/** The time with nine digits of a second, each later than the one before. */
let nanoseconds = 0;
const stamp = (): string => {
  nanoseconds = (nanoseconds + 1) % 1_000_000;
  return new Date().toISOString().replace("Z", `${String(nanoseconds).padStart(6, "0")}Z`);
};

class Cluster {
  readonly jobs = new Map<string, JobObject>();
  readonly pods = new Map<string, Pod>();
  readonly posted: JobObject[] = [];

  create(job: JobObject): void {
    job.status = { conditions: [] };
    this.jobs.set(job.metadata.name, job);
    const { name } = job.metadata;
    const { template } = job.spec;
    const [container] = template.spec.containers;
    if (container === undefined) return;
    const { command, args, env } = container;
    const [program = "", ...rest] = [...command, ...args].map((text) => expand(text, env));
    const log: Pod["log"] = [];
    const child = spawn(program, rest, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        ...Object.fromEntries(env.map((each) => [each.name, expand(each.value, env)])),
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      let pending = "";
      stream.on("data", (chunk: Buffer) => {
        const lines = (pending + chunk.toString("utf8")).split("\n");
        pending = lines.pop() ?? "";
        for (const text of lines) log.push({ time: stamp(), text });
      });
      stream.on("end", () => {
        if (pending !== "") log.push({ time: stamp(), text: pending });
      });
    }
    const object = {
      metadata: { name: `${name}-abcde`, creationTimestamp: new Date().toISOString(), labels: { "job-name": name } },
      status: { phase: "Running", containerStatuses: [{ name: "job", state: { running: {} } }], conditions: [] },
    };
    const pod: Pod = { job, object, process: child, log };
    this.pods.set(name, pod);
    const { activeDeadlineSeconds } = template.spec;
    const late = setTimeout(
      () =>
        this.kill(pod, {
          reason: "DeadlineExceeded",
          message: "Pod was active on the node longer than the specified deadline",
        }),
      (activeDeadlineSeconds ?? 10_000) * 1_000,
    );
    child.once("close", (code, signal) => {
      clearTimeout(late);
      this.#ended(pod, code ?? 128 + constants.signals[signal ?? "SIGKILL"]);
    });
  }

  kill(pod: Pod, status: Record<string, unknown>, signal: NodeJS.Signals = "SIGTERM"): void {
    Object.assign(pod.object.status, status);
    const { terminationGracePeriodSeconds } = pod.job.spec.template.spec;
    const send = (name: NodeJS.Signals): void => {
      try {
        process.kill(-(pod.process.pid ?? 0), name);
      } catch {
        // it is over
      }
    };
    send(signal);
    setTimeout(() => send("SIGKILL"), terminationGracePeriodSeconds * 1_000).unref();
  }

  #ended(pod: Pod, exitCode: number): void {
    const { status } = pod.object;
    const { job } = pod;
    const oom = status["oom"] === true;
    status["phase"] = exitCode === 0 ? "Succeeded" : "Failed";
    const reason = oom ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error";
    status["containerStatuses"] = [{ name: "job", state: { terminated: { exitCode, reason } } }];
    if ("deletionTimestamp" in job.metadata) this.jobs.delete(job.metadata.name);
    const disrupted = (status["conditions"] as readonly object[]).length > 0;
    job.status.conditions.push(
      exitCode === 0
        ? { type: "Complete", status: "True" }
        : {
            type: "Failed",
            status: "True",
            reason: disrupted ? "PodFailurePolicy" : "BackoffLimitExceeded",
            message: disrupted
              ? "Pod has condition DisruptionTarget matching FailJob rule at index 0"
              : "Job has reached the specified backoff limit",
          },
    );
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": typeof body === "string" ? "text/plain" : "application/json" });
  response.end(text);
}

const fail = (response: ServerResponse, code: number, reason: string, message: string): void =>
  answer(response, code, { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code });

/** What the API server would not take. */
function problemOf(job: JobObject): string | undefined {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(job.metadata.name)) return "metadata.name: Invalid value";
  const { restartPolicy, containers } = job.spec.template.spec;
  if (restartPolicy !== "Never") return "spec.template.spec.restartPolicy: Unsupported value";
  const names = containers.flatMap(({ env }) => env.map(({ name }) => name));
  const wrong = names.find((name) => !/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name));
  return wrong === undefined
    ? undefined
    : `Job.batch "${job.metadata.name}" is invalid: env.name: Invalid value: "${wrong}"`;
}

/** An API server with Jobs and pods, whose containers are processes of this machine: the part that a launcher sees, and no more. */
export async function startKubernetes(): Promise<KubernetesServer> {
  const cluster = new Cluster();
  const state = { away: false, unanswered: 0, loseAnswer: false };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "", "http://a");
    const body = await bodyOf(request);
    if (state.away) {
      state.unanswered += 1;
      return void request.socket.destroy();
    }
    if (request.headers.authorization !== token) return fail(response, 401, "Unauthorized", "Unauthorized");
    const [, name] = /^\/apis\/batch\/v1\/namespaces\/training\/jobs(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (url.pathname.startsWith("/apis/batch/v1/namespaces/training/jobs"))
      return jobRequest(cluster, state, { request, response, name, body });
    if (url.pathname === "/api/v1/namespaces/training/pods") {
      const found = cluster.pods.get(url.searchParams.get("labelSelector")?.replace("job-name=", "") ?? "");
      return answer(response, 200, { kind: "PodList", items: found === undefined ? [] : [found.object] });
    }
    const [, pod] = /^\/api\/v1\/namespaces\/training\/pods\/(.+)-abcde\/log$/.exec(url.pathname) ?? [];
    const log = cluster.pods.get(pod ?? "")?.log;
    if (log === undefined) return fail(response, 404, "NotFound", `${request.method} ${url.pathname} not found`);
    const since = url.searchParams.get("sinceTime")?.replace("Z", "") ?? "";
    const lines = log.filter(({ time }) => time >= since).map(({ time, text }) => `${time} ${text}\n`);
    answer(response, 200, lines.join(""));
  };
  const server = createServer((request, response) => void handle(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posted: cluster.posted,
    end(name: string, how: "OOMKilled" | "DisruptionTarget") {
      const pod = cluster.pods.get(name);
      if (pod === undefined) throw new TypeError(`There is no pod of ${name}.`);
      const conditions = [{ type: how, status: "True", message: "Preemption by default-scheduler" }];
      if (how === "OOMKilled") cluster.kill(pod, { oom: true }, "SIGKILL");
      else cluster.kill(pod, { conditions });
    },
    async [Symbol.asyncDispose]() {
      for (const pod of cluster.pods.values()) cluster.kill(pod, {}, "SIGKILL");
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  });
}

function jobRequest(
  cluster: Cluster,
  state: { loseAnswer: boolean },
  {
    request,
    response,
    name = "",
    body,
  }: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly name: string | undefined;
    readonly body: unknown;
  },
): void {
  if (request.method === "POST") {
    const job = body as JobObject;
    cluster.posted.push(job);
    const { name: wanted } = job.metadata;
    if (cluster.jobs.has(wanted)) return fail(response, 409, "AlreadyExists", `jobs.batch "${wanted}" already exists`);
    const problem = problemOf(job);
    if (problem !== undefined) return fail(response, 422, "Invalid", problem);
    cluster.create(job);
    if (!state.loseAnswer) return answer(response, 201, job);
    state.loseAnswer = false;
    return void request.socket.destroy();
  }
  const job = cluster.jobs.get(name);
  if (job === undefined) return fail(response, 404, "NotFound", `jobs.batch "${name}" not found`);
  if (request.method === "DELETE") {
    job.metadata["deletionTimestamp"] = new Date().toISOString();
    const pod = cluster.pods.get(name);
    if (pod === undefined || pod.object.status["phase"] !== "Running") cluster.jobs.delete(name);
    else cluster.kill(pod, {});
  }
  answer(response, 200, job);
}
