import type { RegistryOptions } from "@millwright/registry";
import fastify, { type FastifyInstance } from "fastify";
import { type MlflowServerOptions, createMlflowServer } from "../src/mlflow.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- What a server of another language would say: tests look into it by hand.
type Answered = Record<string, any>;

/** A registry that MLflow's clients can call, in a real Fastify application on a port of its own. */
export interface MlflowApp extends Workshop {
  readonly app: FastifyInstance;
  /** Its address, as clients take it for a tracking URI. */
  readonly url: string;
  /** Calls a route below `/api/2.0/mlflow`. @returns the status and the JSON answered. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<CallAnswer>;
  /** The same, for what must succeed. */
  done(method: string, path: string, body?: unknown): Promise<Answered>;
  /** Writes a file through the proxy. */
  put(path: string, content: string | Uint8Array): Promise<Response>;
}

export interface CallAnswer {
  readonly status: number;
  readonly answer: Answered;
}

export async function openMlflowApp(
  options: Partial<MlflowServerOptions> = {},
  prefix = "",
  ofRegistry: Partial<RegistryOptions> = {},
): Promise<MlflowApp> {
  const workshop = await openWorkshop(ofRegistry);
  // Connections that a test's client keeps open are cut at the end.
  const app = fastify({ forceCloseConnections: true });
  const { registry, database, artifacts } = workshop;
  await app.register(createMlflowServer({ registry, database, artifacts, ...options }).fastify, { prefix });
  const url = (await app.listen({ port: 0, host: "127.0.0.1" })) + prefix;
  const call: MlflowApp["call"] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: response.status, answer: (await response.json()) as CallAnswer["answer"] };
  };
  return {
    ...workshop,
    app,
    url,
    call,
    async done(method, path, body) {
      const { status, answer } = await call(method, path, body);
      if (status !== 200) throw new TypeError(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
      return answer;
    },
    put: (path, content) =>
      fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
        method: "PUT",
        body: content as NonNullable<RequestInit["body"]>,
      }),
    async [Symbol.asyncDispose]() {
      await app.close();
      await workshop[Symbol.asyncDispose]();
    },
  };
}

/** A run in experiment 0. @returns its id. */
export async function startRun({ done }: Pick<MlflowApp, "done">, name = "a run"): Promise<string> {
  const { run } = await done("POST", "runs/create", { experiment_id: "0", run_name: name });
  return run.info.run_id as string;
}
