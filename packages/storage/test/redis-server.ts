import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** A Redis server of the test's own. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** Ends it as a crash does, and starts it again on the same folder and port. */
  crash(): Promise<void>;
}

const program = process.env["MILLWRIGHT_REDIS"] ?? "redis-server";

/** Whether a server can be started here. */
export const hasRedisServer = (): boolean => spawnSync(program, ["--version"]).status === 0;

export const redisMissing =
  "there is no Redis: install redis-server, and name it in MILLWRIGHT_REDIS where it is not on the PATH";

/** Starts a server on a free port, in a temporary folder that goes with it. */
export async function startRedisServer(...settings: readonly string[]): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-redis-test-"));
  const port = await freePort();
  const start = async () => {
    const parameters = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", ...settings];
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
      child.stdout.on("data", (text: Buffer) => {
        if (text.includes("Ready to accept connections")) resolve();
      });
    });
    return child;
  };
  let server = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  return {
    port,
    async crash() {
      await end("SIGKILL");
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      await end("SIGTERM");
      await rm(directory, { recursive: true, force: true });
    },
  };
}
