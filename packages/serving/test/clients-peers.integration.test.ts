import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TestContext, expect, test } from "vitest";
import { goldenRequest, loadModel, packModel } from "@millwright/model";
import { bentoMl, type ClientProtocol, createModelClient, kserveV1, openInference } from "../src/clients.ts";
import { type RemoteTarget, remoteRuntime, writeRemoteModel } from "../src/remote.ts";

const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));

/** The Python of a peer, or the reason why there is none. */
function pythonOf(variable: string, module: string, { skip }: TestContext): string {
  const python = process.env[variable] ?? "python3";
  if (process.env["CI"] !== "true") {
    const found = spawnSync(python, ["-c", `import ${module}`]).status === 0;
    skip(!found, `${python} cannot import ${module}: pip install ${module}, and name that Python in ${variable}`);
  }
  return python;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

interface Peer extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  /** Waits until the protocol says that the model answers. */
  ready(protocol: ClientProtocol): Promise<void>;
}

/** Starts a peer in a folder and a process group of its own. */
async function openPeer(
  python: string,
  argsOf: (port: number, folder: string) => readonly string[] | Promise<readonly string[]>,
  env: Readonly<Record<string, string>> = {},
): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-peer-"));
  const port = await freePort();
  const child: ChildProcess = spawn(python, [...(await argsOf(port, folder))], {
    cwd: folder,
    env: { ...process.env, PYTHONPATH: fixtures, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "exit");
  return {
    url: `http://127.0.0.1:${port}`,
    folder,
    async ready(protocol) {
      await expect
        .poll(async () => child.exitCode !== null || (await protocol.ready()), { timeout: 100_000, interval: 250 })
        .toBe(true);
      expect(child.exitCode, said).toBe(null);
    },
    async [Symbol.asyncDispose]() {
      // Workers may have groups of their own: who started them ends them, where it is asked to.
      if (child.exitCode === null) child.kill("SIGTERM");
      const late = setTimeout(() => process.kill(-(child.pid as number), "SIGKILL"), 15_000);
      await ended;
      clearTimeout(late);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const x = [
  [1, 2, 3],
  [-0.5, 1e-3, 4],
] as const;
const scores = x.map(([a, b, c]) => Math.fround(a) - 2 * Math.fround(b) + 0.5 * Math.fround(c) + 0.25);

const signature = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 3] }],
  outputs: [
    { name: "score", dtype: "float64", shape: [-1, 1] },
    { name: "rows", dtype: "int64", shape: [-1] },
  ],
} as const;

const close = (values: ArrayLike<number>, wanted: readonly number[] = scores): void => {
  expect(values).toHaveLength(wanted.length);
  for (const [at, value] of wanted.entries()) expect(Math.abs((values[at] ?? Number.NaN) - value)).toBeLessThan(1e-6);
};

/** Both outputs, of a model that counts rows beyond 2^53. */
async function asked(protocol: ClientProtocol, rowsShape: readonly number[] = [-1]): Promise<void> {
  const outputs = [signature.outputs[0], { ...signature.outputs[1], shape: rowsShape }] as const;
  const client = createModelClient({ protocol, signature: { ...signature, outputs }, deadlineMs: 20_000 });
  const { outputs: answered, evidence } = await client.predict({ x });
  close(answered.score.data as Float64Array);
  expect([...(answered.rows.data as BigInt64Array)]).toEqual([9007199254740993n, 9007199254740993n]);
  expect(evidence.attempts).toBe(1);
}

/** A remote model of the peer, by a package with a golden request. */
async function served(peer: Peer, target: RemoteTarget): Promise<void> {
  const only = { inputs: signature.inputs, outputs: [signature.outputs[0]] };
  const inputs = { x: { dtype: "float32", shape: [2, 3], data: Float32Array.from(x.flat()) } } as const;
  const outputs = { score: { dtype: "float64", shape: [2, 1], data: Float64Array.from(scores) } } as const;
  const packed = await packModel(join(peer.folder, `of-${target.protocol}`), {
    name: "late",
    format: "remote",
    ...writeRemoteModel(target, only),
    golden: [goldenRequest(inputs, outputs, 1e-5)],
  });
  const runtime = remoteRuntime({ servers: [{ url: peer.url }] });
  await using model = await loadModel(packed, [runtime]);
  close((await model.predict(inputs))["score"]!.data as Float64Array);
}

test(
  "SV-4: a server of KServe answers the clients in both of its protocols, in JSON and in bytes",
  { timeout: 600_000 },
  async (context) => {
    const python = pythonOf("MILLWRIGHT_KSERVE_PYTHON", "kserve", context);
    await using peer = await openPeer(python, (port) => [join(fixtures, "kserve_server.py"), String(port)]);
    const { url } = peer;
    await peer.ready(openInference({ url, model: "late" }));
    for (const encoding of ["auto", "json", "binary"] as const)
      await asked(openInference({ url, model: "late", encoding }));
    await asked(kserveV1({ url, model: "late" }));
    expect(await openInference({ url, model: "late" }).describe?.()).toEqual(signature);
    const nowhere = createModelClient({
      protocol: openInference({ url, model: "nowhere", encoding: "json" }),
      signature,
    });
    await expect(nowhere.predict({ x })).rejects.toMatchObject({ code: "SERVING_CLIENT_MODEL_UNKNOWN" });
    await served(peer, { protocol: "kserve-v1", url, model: "late" });
    await served(peer, { protocol: "open-inference", url, model: "late" });
  },
);

test("SV-4: a server of MLServer answers the clients", { timeout: 600_000 }, async (context) => {
  const python = pythonOf("MILLWRIGHT_MLSERVER_PYTHON", "mlserver", context);
  await using peer = await openPeer(python, async (port, folder) => {
    const [grpc, metrics] = [await freePort(), await freePort()];
    const settings = {
      host: "127.0.0.1",
      http_port: port,
      grpc_port: grpc,
      metrics_port: metrics,
      parallel_workers: 0,
    };
    await writeFile(join(folder, "settings.json"), JSON.stringify(settings));
    const tensor = (name: string, datatype: string, shape: readonly number[]): object => ({ name, datatype, shape });
    const model = {
      name: "late",
      implementation: "mlserver_model.Late",
      inputs: [tensor("x", "FP32", [-1, 3])],
      outputs: [tensor("score", "FP64", [-1, 1]), tensor("rows", "INT64", [-1, 1])],
    };
    await writeFile(join(folder, "model-settings.json"), JSON.stringify(model));
    return ["-c", "from mlserver.cli import main; main()", "start", folder];
  });
  const { url } = peer;
  const protocol = openInference({ url, model: "late" });
  await peer.ready(protocol);
  await asked(protocol, [-1, 1]);
  expect(await protocol.describe?.()).toMatchObject({ inputs: signature.inputs });
  await served(peer, { protocol: "open-inference", url, model: "late" });
  const nowhere = createModelClient({ protocol: openInference({ url, model: "nowhere" }), signature });
  await expect(nowhere.predict({ x })).rejects.toMatchObject({ code: "SERVING_CLIENT_MODEL_UNKNOWN" });
});

test("SV-4: a service of BentoML answers the clients", { timeout: 600_000 }, async (context) => {
  const python = pythonOf("MILLWRIGHT_BENTOML_PYTHON", "bentoml", context);
  const home = await mkdtemp(join(tmpdir(), "millwright-bento-"));
  await using peer = await openPeer(
    python,
    (port) => [
      "-m",
      "bentoml",
      "serve",
      "bentoml_service:Late",
      "--working-dir",
      fixtures,
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
    ],
    { BENTOML_DO_NOT_TRACK: "True", BENTOML_HOME: home },
  );
  const { url } = peer;
  await peer.ready(bentoMl({ url }));
  const { inputs } = signature;
  const outputs = [signature.outputs[0]] as const;
  const single = createModelClient({ protocol: bentoMl({ url }), signature: { inputs, outputs } });
  const { outputs: answered, evidence } = await single.predict({ x });
  close(answered.score.data);
  expect(evidence.requestId).toMatch(/./);
  const named = createModelClient({
    protocol: bentoMl({ url, route: "named" }),
    signature: {
      inputs: [...inputs, { name: "names", dtype: "string", shape: [-1] }],
      outputs: [...outputs, { name: "said", dtype: "string", shape: [-1] }],
    },
  });
  const both = await named.predict({ x, names: ["é", "b"] });
  close(both.outputs.score.data);
  expect(both.outputs.said.data).toEqual(["É", "B"]);
  const nowhere = createModelClient({ protocol: bentoMl({ url, route: "nowhere" }), signature: { inputs, outputs } });
  await expect(nowhere.predict({ x })).rejects.toMatchObject({ code: "SERVING_CLIENT_MODEL_UNKNOWN" });
  await served(peer, { protocol: "bentoml", url });
  await rm(home, { recursive: true, force: true });
});
