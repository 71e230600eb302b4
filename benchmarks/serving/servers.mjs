// The servers that are compared, each around the same model, on one processor: ours and those of Python, wherever they are installed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const rows = (row) => JSON.stringify({ instances: [row] });
const firstOf = (answer) => {
  let value = answer;
  while (Array.isArray(value)) value = value[0];
  return value;
};

/** Python with a peer's packages: from the variable, or not there. */
const python = (name) => process.env[`${name}_PYTHON`];

const script = (kind, variable) => ({
  installed: () => python(variable) !== undefined,
  command: ({ onnx, port }) => [python(variable), [here("peers/serve.py"), kind, onnx, port]],
  path: kind === "kserve" ? "/v1/models/mlp:predict" : "/invocations",
  body: rows,
  read: (answer) => firstOf(answer.predictions),
});
const node = (kind, needsOnnx = false) => ({
  installed: () => !needsOnnx || process.env.MILLWRIGHT_ONNXRUNTIME !== undefined,
  command: ({ folder, port, model = "onnx/1" }) => [
    process.execPath,
    [here("peers/serve.mjs"), kind, folder, port, model],
  ],
  path: "/invocations",
  body: rows,
  read: (answer) => firstOf(answer.predictions),
});

export const servers = {
  "Fastify without a model": { ...node("fastify"), noModel: true },
  Millwright: node("ours"),
  "Millwright, all captured": node("ours-monitored"),
  "Millwright, ONNX Runtime": node("ours-onnx", true),
  "Fastify, ONNX Runtime, a call each": node("onnx-unbatched", true),
  "FastAPI, ONNX Runtime": script("fastapi", "FASTAPI"),
  LitServe: {
    ...script("litserve", "LITSERVE"),
    command: ({ onnx, port }) => [python("LITSERVE"), [here("peers/serve_litserve.py"), onnx, port]],
  },
  "Ray Serve": { ...script("ray", "RAY"), env: () => ({ RAY_AUTH_MODE: "disabled", RAY_USAGE_STATS_ENABLED: "0" }) },
  KServe: script("kserve", "KSERVE"),
  BentoML: {
    installed: () => python("BENTOML") !== undefined,
    command: ({ port }) => [
      join(dirname(python("BENTOML")), "bentoml"),
      ["serve", "bento_service:Mlp", "--host", "127.0.0.1", "--port", port],
    ],
    cwd: here("peers"),
    env: ({ onnx }) => ({ MODEL: onnx, BENTOML_DO_NOT_TRACK: "True" }),
    path: "/invocations",
    body: rows,
    read: firstOf,
  },
  MLServer: {
    installed: () => python("MLSERVER") !== undefined,
    command: ({ work }) => [join(dirname(python("MLSERVER")), "mlserver"), ["start", join(work, "mlserver")]],
    prepare: ({ work, onnx, port }) => {
      const folder = join(work, "mlserver");
      mkdirSync(folder, { recursive: true });
      const settings = {
        debug: false,
        host: "127.0.0.1",
        http_port: port,
        grpc_port: port + 1,
        metrics_port: port + 2,
        parallel_workers: 0,
      };
      writeFileSync(join(folder, "settings.json"), JSON.stringify(settings));
      const model = {
        name: "mlp",
        implementation: "mlserver_runtime.Onnx",
        parameters: { uri: onnx },
        max_batch_size: 64,
        max_batch_time: 0.001,
      };
      writeFileSync(join(folder, "model-settings.json"), JSON.stringify(model));
    },
    env: () => ({ PYTHONPATH: here("peers") }),
    path: "/v2/models/mlp/infer",
    body: (row) => JSON.stringify({ inputs: [{ name: "features", shape: [1, 16], datatype: "FP32", data: row }] }),
    read: (answer) => answer.outputs[0].data[0],
  },
  "MLflow models serve": {
    installed: () => python("MLFLOW") !== undefined,
    command: ({ work, port }) => [
      python("MLFLOW"),
      [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        join(work, "mlflow"),
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-w",
        1,
        "--env-manager",
        "local",
      ],
    ],
    prepare: async ({ work, onnx }) => {
      if (existsSync(join(work, "mlflow"))) return;
      const saver = spawn(python("MLFLOW"), [here("peers/save_mlflow.py"), onnx, join(work, "mlflow")], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const [code] = await once(saver, "exit");
      if (code !== 0) throw new Error("the model could not be saved for MLflow");
    },
    env: () => ({
      MLFLOW_DISABLE_TELEMETRY: "true",
      DO_NOT_TRACK: "true",
      PATH: `${dirname(python("MLFLOW"))}:${process.env.PATH}`,
    }),
    path: "/invocations",
    body: (row) => JSON.stringify({ inputs: [row] }),
    read: (answer) => firstOf(answer.predictions),
  },
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const running = new Set();

/** A process and all that descend from it. */
function treeOf(pid) {
  const children = new Map();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid];
  for (const each of found) found.push(...(children.get(each) ?? []));
  return found;
}

function kill(child) {
  for (const pid of treeOf(Number(child.pid))) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/** Ends what was started. */
export function stopServers() {
  for (const child of running) kill(child);
}

/** Starts a server on the first processor. @returns once it has answered; with how long that took, from the start of its process. */
export async function startServer(name, { ask, ...place }) {
  const spec = servers[name];
  const port = await freePort();
  await spec.prepare?.({ ...place, port });
  const [command, args] = spec.command({ ...place, port });
  const startMs = performance.now();
  const child = spawn("taskset", ["-c", "0", command, ...args].map(String), {
    cwd: spec.cwd,
    env: { ...process.env, OMP_NUM_THREADS: "1", ...spec.env?.(place) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  let errors = "";
  child.stderr.on("data", (text) => (errors = (errors + text).slice(-3000)));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}:\n${errors}`);
    const answered = await ask(port).catch(() => undefined);
    if (answered !== undefined) break;
    if (performance.now() - startMs > 120_000) throw new Error(`${name} does not answer:\n${errors}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const firstAnswerMs = performance.now() - startMs;
  const stop = async () => {
    const gone = once(child, "exit");
    kill(child);
    await gone;
    running.delete(child);
  };
  return { name, port, pid: child.pid, firstAnswerMs, stop };
}
