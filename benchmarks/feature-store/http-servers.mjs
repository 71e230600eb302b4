// The servers that the benchmark of online features over HTTP compares: ours, Feast's, and the Redis behind both.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPeer } from "./referee.mjs";

const python = process.env.MILLWRIGHT_PYTHON ?? "python3";
const redisProgram = process.env.MILLWRIGHT_REDIS ?? "redis-server";
const peerPath = (name) => fileURLToPath(new URL(`peers/${name}`, import.meta.url));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A Redis of the benchmark's own, that keeps nothing on disk. */
export async function startRedis(directory, name) {
  const port = await freePort();
  const folder = join(directory, name);
  mkdirSync(folder);
  const child = spawn(
    redisProgram,
    ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""].map(String),
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    child.stdout.on("data", (text) => text.includes("Ready to accept") && resolve());
  });
  return { port, pid: child.pid, stop: () => child.kill() };
}

const feastEnvironment = { ...process.env, FEAST_USAGE: "False", PYTHONWARNINGS: "ignore" };

/** Loads a repository; its store is then served by as many workers as are asked for. */
export async function loadFeast(
  { directory, valuesPath, entities, eventMs },
  { name, onlineStore, precompute = false },
) {
  const repository = join(directory, name);
  mkdirSync(repository);
  writeFileSync(
    join(repository, "feature_store.yaml"),
    `project: measured\nregistry: registry.db\nprovider: local\nonline_store: ${onlineStore}\noffline_store: {type: file}\nentity_key_serialization_version: 3\n`,
  );
  const sdk = startPeer({
    name,
    command: python,
    args: [peerPath("feast_online.py"), repository],
    env: feastEnvironment,
  });
  const { answer } = await sdk.ask({ op: "load", values: valuesPath, entities, event_ms: eventMs, precompute });
  console.error(`${name} loaded: ${JSON.stringify(answer)}`);
  return { repository, sdk, loaded: answer };
}

/** `feast serve`, ready to answer. */
export async function serveFeast(name, repository, workers) {
  const port = await freePort();
  const program = "from feast.cli.cli import cli; cli(prog_name='feast')";
  // As tuned as it gets: no access log, no restarts of workers, no reading of the registry again meanwhile.
  const tuned = ["--no-access-log", "--max-requests", 0, "--max-requests-jitter", 0, "--registry_ttl_sec", 3600];
  const args = ["-c", program, "serve", "--port", port, "--workers", workers, "--keep-alive-timeout", 120, ...tuned];
  const child = spawn(python, args.map(String), {
    cwd: repository,
    env: feastEnvironment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (text) => (errors = (errors + text).slice(-3000)));
  for (let attempt = 0; ; attempt++) {
    const healthy = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (healthy?.status === 200) break;
    if (attempt > 600 || child.exitCode !== null) throw new Error(`${name} does not answer:\n${errors}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await gone;
  };
  return { port, pid: child.pid, stop };
}

export async function serveOurs({ directory, valuesPath, entities, eventMs }, kind, redisPort = 0) {
  const folder = join(directory, `ours-${kind}`);
  mkdirSync(folder);
  const args = [peerPath("online_server.mjs"), kind, folder, valuesPath, entities, eventMs, redisPort].map(String);
  const peer = startPeer({ name: `ours on ${kind}`, command: process.execPath, args });
  const { answer } = await peer.ask({ op: "start" });
  console.error(`ours on ${kind} loaded in ${answer.loadSeconds.toFixed(1)} s`);
  return { peer, port: answer.port, pid: peer.pid };
}
