import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** MLflow's own server on a port and in a folder of its own. */
export interface MlflowServerProcess extends AsyncDisposable {
  readonly url: string;
}

const asks = 'import mlflow, flask, sqlalchemy, uvicorn; raise SystemExit(not mlflow.__version__.startswith("3."))';

/** Whether this Python has MLflow 3 with its server. */
export const hasMlflowServer = (python: string): boolean => spawnSync(python, ["-c", asks]).status === 0;

/** Starts it on SQLite and waits until it answers. */
export async function startMlflowServer(python: string, workers = 1): Promise<MlflowServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-mlflow-server-"));
  const port = await freePort();
  const log = createWriteStream(join(folder, "log.txt"));
  const store = `sqlite:///${join(folder, "mlflow.db")}`;
  const places = ["--backend-store-uri", store, "--artifacts-destination", join(folder, "artifacts")];
  const server = spawn(
    python,
    ["-m", "mlflow", "server", ...places, "--host", "127.0.0.1", "--port", `${port}`, "--workers", `${workers}`],
    {
      cwd: folder,
      env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true" },
      // A group of its own: its workers end with it.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  server.stdout.pipe(log, { end: false });
  server.stderr.pipe(log, { end: false });
  const stop = async (): Promise<void> => {
    const ended = server.exitCode === null && server.signalCode === null ? once(server, "exit") : undefined;
    if (server.pid !== undefined && ended !== undefined) process.kill(-server.pid, "SIGKILL");
    await ended;
    log.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 600; tries += 1) {
    if (server.exitCode !== null) break;
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok === true) return { url, [Symbol.asyncDispose]: stop };
    await sleep(200);
  }
  await stop();
  throw new TypeError("MLflow's server did not start.");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new TypeError("A port has a number.");
  return address.port;
}
