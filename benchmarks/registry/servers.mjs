// MLflow's server and our face, each on a free port and in processes of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

const children = [];

/** Ends what was started. */
export function stopServers() {
  for (const child of children) {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"], detached: true, ...options });
  children.push(child);
  return child;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export async function startMlflow(python, folder, workers) {
  const port = await freePort();
  const store = [
    "--backend-store-uri",
    `sqlite:///${join(folder, "mlflow.db")}`,
    "--artifacts-destination",
    join(folder, "mlflow"),
  ];
  const child = start(
    python,
    ["-m", "mlflow", "server", ...store, "--host", "127.0.0.1", "--port", `${port}`, "--workers", workers],
    {
      stdio: "ignore",
      env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true" },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (child.exitCode !== null) throw new TypeError(`${python} has no server of MLflow`);
    if ((await fetch(`${url}/health`).catch(() => undefined))?.ok) return { name: "MLflow", url, pid: child.pid };
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

export async function startFace(folder) {
  const child = start(process.execPath, [new URL("serve.mjs", import.meta.url).pathname, folder]);
  const [line] = await once(child.stdout, "data");
  return { name: "face", url: String(line).trim(), pid: child.pid };
}
