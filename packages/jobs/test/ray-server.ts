import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { freePorts } from "./free-ports.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import ray, aiohttp_cors"]).status === 0;

/** Why there is no Ray; undefined where there is one. */
export const rayMissing: string | undefined =
  found || process.env["CI"] === "true"
    ? undefined
    : `${python} cannot import ray: pip install "ray[default]", and name that Python in MILLWRIGHT_PYTHON`;

export interface RayServer extends AsyncDisposable {
  readonly url: string;
  /** What Ray says of its jobs. */
  jobs(): Promise<readonly { readonly submission_id: string; readonly entrypoint_num_cpus?: number }[]>;
}

/** Ray's own processes are in the session of its starter, which is led by the process that we started. */
async function end(head: ChildProcess): Promise<void> {
  if (head.pid === undefined) return; // it could not be started
  if (head.exitCode === null && head.signalCode === null) {
    const over = once(head, "exit");
    head.kill("SIGTERM");
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 15_000))]);
  }
  try {
    process.kill(-head.pid, "SIGKILL");
  } catch {
    // nothing is left
  }
}

async function answers(url: string, head: ChildProcess): Promise<void> {
  for (let round = 0; round < 600; round += 1) {
    if (head.exitCode !== null || head.pid === undefined) break;
    const answer = await fetch(`${url}/api/version`).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("Ray did not start.");
}

/** Starts a Ray cluster of one node on free ports, in a folder of its own. */
export async function startRay(): Promise<RayServer> {
  // Ray's sockets stand in it, and a socket's path has at most 107 bytes.
  const folder = await mkdtemp(join("/tmp", "ray-"));
  const [gcs, dashboard, agent, client, metrics] = await freePorts(5);
  const head = spawn(
    join(dirname(python), "ray"),
    `start --head --block --disable-usage-stats --num-cpus=4 --num-gpus=0 --object-store-memory=100000000
      --temp-dir=${folder} --port=${gcs} --node-ip-address=127.0.0.1 --dashboard-host=127.0.0.1 --dashboard-port=${dashboard}
      --dashboard-agent-listen-port=${agent} --ray-client-server-port=${client} --metrics-export-port=${metrics}`.split(
      /\s+/,
    ),
    {
      detached: true,
      stdio: "ignore",
      env: {
        ...process.env,
        RAY_DISABLE_IMPORT_WARNING: "1",
        RAY_enable_metrics_collection: "0",
        RAY_AUTH_MODE: "disabled",
      },
    },
  );
  head.once("error", () => {}); // it has no pid then
  const url = `http://127.0.0.1:${dashboard}`;
  const close = async (): Promise<void> => {
    await end(head);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await answers(url, head);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    jobs: async () => (await (await fetch(`${url}/api/jobs/`)).json()) as Awaited<ReturnType<RayServer["jobs"]>>,
    [Symbol.asyncDispose]: close,
  };
}
